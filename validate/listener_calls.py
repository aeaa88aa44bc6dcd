"""What listener_calls.c of firmware_templates/platforms calls of a model behind a front-end, and what numpy expects of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Any

import numpy as np

from ..graph.alignment import ALIGNMENT_STATE, align_of, set_alignment
from ..graph.draws import Draws
from ..graph.fixed_point import IntArray
from ..graph.ir import IntegerModel
from ..graph.listening import Listening
from ..graph.sound import numpy_features
from .called import Calls
from .heard_states import StateListening, SteppedStream

_SEED = 20261201
LISTENERS = 2
"""In turns."""
FRAMES_A_PUSH = 2
"""At most, on average: of a hop that is short beside a frame there are more."""
STALE = 0x5A5A
"""Every sample of a frame in which nothing was pushed yet."""
HOSTILE_COUNTERS = (0, 1, 1 << 16, 0x5A5A5A5A, (1 << 32) - 1)
"""Beside those about each counter's own limit."""
LEAST_BLOCK = 65
"""Samples that are pushed at a time where a frame and a hop are fewer."""
MOST_COUNT = (1 << 31) + (1 << 16)
"""Samples that are pushed at a time: no number of 16 bits, nor of 32 with a sign."""
_PUSHED = np.dtype([("taken", "<u4"), ("stepped", "u1")])


class ListenerCall(IntEnum):
    """As the program numbers them."""

    LISTEN = 0
    BITS = 1
    PUSH = 2
    LOSE = 3
    TELL = 4
    FRONTEND = 5
    PUSH_MOST = 6
    TURN = 7


def block_samples(model: IntegerModel) -> int:
    """How many samples are pushed at a time, at most: more than a frame and a hop."""
    return max(LEAST_BLOCK, int(model.samples.type.shape[0]) + model.hop + 1)


class ListenerCalls(Calls):
    """Two listeners in turns. counters: their fields. kind: what they are called."""

    counters: tuple[str, ...] = ("skip", "held", "frames")
    kind = "listener"

    def __init__(self, model: IntegerModel, pushes: int, listeners: int = LISTENERS) -> None:
        """pushes: to all of them, as long as these are no more than FRAMES_A_PUSH frames each. listeners: another number of them."""
        super().__init__()
        self._model, self._block, self._draws = model, block_samples(model), Draws(_SEED)
        self._listening: list[Any] = [self._begun() for _ in range(listeners)]
        for each in self._listening:
            each.samples[:] = STALE
        self._call_all(pushes)

    def _begun(self) -> Listening:
        return StateListening(self._model)

    def _call_all(self, pushes: int) -> None:
        """Parts of every size that matters to each listener in turn; beginnings and counters of any bits in the middle of frames."""
        self._orders = [self._hostile(limit) for limit in self._limits]
        last, left, sizes = len(self._listening) - 1, pushes * FRAMES_A_PUSH * self._model.hop, self._sizes()
        for which in range(last + 1):
            self._listen(which)
        for number in range(pushes):
            if left <= 0:
                break
            which, size = number % (last + 1), next(sizes)
            if number % 5 == 3:
                self._bits(which)
            elif number % 23 == 17:
                self._listen(which)
            elif number % 11 == 5:
                self._frontend(which)
            elif number % 5 == 1 and align_of(self._model) is not None:
                self._turn(which)
            left -= self._push_all(which, size)
        for which in range(last + 1):
            self._push_most(which)

    def _sizes(self) -> Iterator[int]:
        """Nothing, one, about what a program may count in, and about a hop, a frame and both, in drawn orders without an end."""
        span, hop = int(self._model.samples.type.shape[0]), self._model.hop
        about = (1, 64, hop, span, span + hop)
        sizes = sorted({size for each in about for size in (each - 1, each, each + 1) if 0 <= size <= self._block})
        while True:
            for place in self._draws.order((len(sizes),)).tolist():
                yield sizes[place]

    def _push_all(self, which: int, count: int) -> int:
        """Push so many, step after step; returns how many samples."""
        samples = self._drawn_samples(count)
        while True:
            taken, stepped = self._push(which, samples)
            samples = samples[taken:]
            if stepped:
                self._tell(which)
            if not len(samples):
                return count

    def _drawn_samples(self, count: int) -> IntArray:
        """int64 [count, channels]: noise of any loudness, or silence, or an end of 16 bits held."""
        kind, quieter = self._draws.integers(0, np.array([4, 14]), (2,)).tolist()
        shape = (count, int(self._model.samples.type.shape[1]))
        held = {0: 0, 1: -(1 << 15), 2: (1 << 15) - 1}
        return np.full(shape, held[kind]) if kind in held else self._draws.integers(-(1 << 15), (1 << 15) - 1, shape) >> quieter

    def _listen(self, which: int) -> None:
        self._listening[which].listen()
        self.call(ListenerCall.LISTEN, which)
        self._tell_counters(which, "listen")
        if self._model.is_recurrent:
            self._tell(which)

    def _bits(self, which: int) -> None:
        """Counters that something else has written, each about its limit or of any bits; often an input is nearly whole."""
        self._set_counters(which, [next(order) for order in self._orders])

    def _hostile(self, limit: int) -> Iterator[int]:
        """Values of a counter in drawn orders without an end."""
        values = np.unique([*HOSTILE_COUNTERS, max(limit, 1) - 1, limit, limit + 1])
        while True:
            yield from values[self._draws.order((len(values),))].tolist()

    def _set_counters(self, which: int, values: Sequence[int]) -> None:
        for name, value in zip(self.counters, values, strict=True):
            setattr(self._listening[which], name, value)
        given = [np.array(value, "<u4") for value in values]
        self.call(ListenerCall.BITS, which, given=given)
        self._tell_counters(which, "bits in its counters")

    def _push_most(self, which: int) -> None:
        """More samples than 31 bits count, of which the last frame of an input is read: nothing is touched behind it."""
        *_, frames = self._limits[:3]
        self._set_counters(which, [0, 0, frames - 1, *[0] * (len(self.counters) - 3)])
        samples = self._drawn_samples(int(self._model.samples.type.shape[0]))
        taken, stepped = self._listening[which].push(samples)
        self.call(ListenerCall.PUSH_MOST, which, MOST_COUNT, given=(samples.astype("<i2"),))
        self._tell_push(which, "a push of most", taken, stepped=stepped)
        self._tell(which)

    @property
    def _limits(self) -> tuple[int, ...]:
        """Of each counter, below which a push leaves it."""
        return self._model.hop, int(self._model.samples.type.shape[0]), self._model.frames_an_input

    def _push(self, which: int, samples: IntArray) -> tuple[int, bool]:
        taken, stepped = self._listening[which].push(samples)
        self.call(ListenerCall.PUSH, which, len(samples), given=(samples.astype("<i2"),))
        self._tell_push(which, f"a push of {len(samples)}", taken, stepped=stepped)
        return taken, stepped

    def _tell_push(self, which: int, words: str, taken: int, *, stepped: bool) -> None:
        """Of the input that is whole the listener makes what is told later."""
        if stepped:
            self._listening[which].hear_input()
        self.expect(f"what {words} to {self.kind} {which} gives", np.array((taken, stepped), _PUSHED))
        self._tell_counters(which, words)

    def _tell_counters(self, which: int, words: str) -> None:
        counters = np.zeros((), [(name, "<u4") for name in self.counters])
        for name in self.counters:
            counters[name] = getattr(self._listening[which], name)
        self.expect(f"{self.kind} {which} after {words}", counters)

    def _frontend(self, which: int) -> None:
        """A frame beside what is pushed."""
        frame = self._drawn_samples(int(self._model.samples.type.shape[0]))
        features = numpy_features(self._model.graphs["frontend"])(frame[None], self._listening[which].kept)[0]
        self.call(ListenerCall.FRONTEND, which, given=(frame.astype("<i2"),))
        self.expect(f"the features of a frame beside {self.kind} {which}", features.astype("<i2"))

    def _turn(self, which: int) -> None:
        """Another rotation, in the middle of a frame: those that are whole later are turned by it. No entry is larger than 1."""
        state, rotation = self._listening[which].state, self._draws.integers(-(1 << 14), 1 << 14, (9,))
        self._listening[which].state = {**state, ALIGNMENT_STATE: set_alignment(rotation)[None]}
        self.call(ListenerCall.TURN, which, given=(rotation.astype("<i2"),))

    def _tell(self, which: int) -> None:
        self.call(ListenerCall.TELL, which)
        for what, array in self._listening[which].told():
            self.expect(f"{what} of {self.kind} {which}", array)


class StreamListenerCalls(ListenerCalls):
    """The same of a model with a policy: samples are lost, too."""

    counters = ("skip", "held", "frames", "lost", "spoiled")
    kind = "stream listener"

    def _begun(self) -> Listening:
        return SteppedStream(self._model)

    @property
    def _limits(self) -> tuple[int, ...]:
        return *super()._limits, int(self._model.samples.type.shape[0]), 1

    def _push_most(self, which: int) -> None:
        """So many that are lost, too."""
        super()._push_most(which)
        taken, stepped = self._listening[which].lose(MOST_COUNT)
        self.call(ListenerCall.LOSE, which, MOST_COUNT)
        self._tell_push(which, "a loss of most", taken, stepped=stepped)
        self._tell(which)

    def _push_all(self, which: int, count: int) -> int:
        """A quarter of all parts is lost."""
        if self._draws.integers(0, 3, ()):
            return super()._push_all(which, count)
        left = count
        while True:
            taken, stepped = self._listening[which].lose(left)
            self.call(ListenerCall.LOSE, which, left)
            self._tell_push(which, f"a loss of {left}", taken, stepped=stepped)
            left -= taken
            if stepped:
                self._tell(which)
            if not left:
                return count
