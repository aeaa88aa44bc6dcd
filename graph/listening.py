"""What is pushed samples as they come: the meaning of <model>_listener and <model>_stream_listener in the C."""

from __future__ import annotations

import numpy as np

from .fixed_point import IntArray
from .ir import IntegerModel
from .sound import NOTHING, FrameStates, numpy_features


class Listening:
    """The frame and the input at hand, and how far they are. Its counters may hold any 32 bits.

    samples: int64 [span, channels]; features: int64 [frames an input, features of a frame]; skip: samples that no frame reads, still to
    come; held: samples of the frame at hand; frames: of the input at hand.
    """

    def __init__(self, model: IntegerModel) -> None:
        """At the beginning, with zeros for samples and features."""
        self._span, self._hop, self._inputs = model.samples.type.shape[0], model.hop, model.frames_an_input
        self._kept, self._input = max(0, self._span - self._hop), model.input.type.shape
        self._features_of = numpy_features(model.graphs["frontend"])
        self.samples = np.zeros(model.samples.type.shape, np.int64)
        self.features = np.zeros((self._inputs, model.features.type.size), np.int64)
        self.listen()

    def listen(self) -> None:
        """A recording begins. What the frame and the input hold is not looked at again."""
        self.skip = self.held = self.frames = 0

    def push(self, samples: IntArray) -> tuple[int, bool]:
        """Samples int [count, channels] up to the end of an input: (how many were taken, whether `features` are an input)."""
        return self._take(len(samples), samples)

    def _take(self, count: int, samples: IntArray | None) -> tuple[int, bool]:
        self._clamp()
        taken = 0
        while taken < count:
            part = min(count - taken, self.skip or self._span - self.held)
            if self.skip:
                self.skip -= part
            else:
                self._hold(part, None if samples is None else samples[taken : taken + part])
            taken += part
            if self.held == self._span:
                self._hear()
            if self.frames == self._inputs:
                self._answer()
                return taken, True
        return taken, False

    def _clamp(self) -> None:
        """A counter that no push leaves is 0."""
        self.skip = self.skip if self.skip < self._hop else 0
        self.held = self.held if self.held < self._span else 0
        self.frames = self.frames if self.frames < self._inputs else 0

    def _hold(self, count: int, samples: IntArray | None) -> None:
        if samples is not None:
            self.samples[self.held : self.held + count] = samples
        self.held += count

    def _hear(self) -> None:
        """The frame is whole: what the next one reads too moves to its beginning."""
        self._put_features()
        self.frames += 1
        self.samples[: self._kept] = self.samples[self._span - self._kept :].copy()
        self.held, self.skip = self._kept, self._hop + self._kept - self._span

    def _put_features(self) -> None:
        self.features[self.frames] = self._features_of(self.samples[None], self.kept)[0].reshape(-1)

    @property
    def input(self) -> IntArray:
        """The features as the step reads them, int64 [*input shape]."""
        return self.features.reshape(self._input).copy()

    @property
    def kept(self) -> FrameStates:
        """What the front-end reads of a state, int64 [1, *shape] by name: nothing where nobody keeps one."""
        return NOTHING

    def _answer(self) -> None:
        self.frames = 0


class StreamListening(Listening):
    """The same of a stream of which samples may be lost.

    lost: samples of the frame at hand, from the oldest to the last that was lost; spoiled: whether a frame of the input at hand had one;
    gap: whether the last input is a lost reading.
    """

    def listen(self) -> None:
        """As of Listening."""
        super().listen()
        self.lost = self.spoiled = 0
        self.gap = False

    def lose(self, count: int) -> tuple[int, bool]:
        """So many samples that did not come, as of push."""
        return self._take(count, None)

    def _clamp(self) -> None:
        super()._clamp()
        self.lost = self.lost if self.lost < self._span else 0

    def _hold(self, count: int, samples: IntArray | None) -> None:
        super()._hold(count, samples)
        if samples is None:
            self.lost = self.held

    def _put_features(self) -> None:
        if self.lost:
            self.spoiled = 1
        else:
            super()._put_features()
        self.lost = max(0, self.lost - (self._span - self._kept))

    def _answer(self) -> None:
        super()._answer()
        self.gap, self.spoiled = self.spoiled != 0, 0
