"""What use_stream of uses.c does to a stream of a model with a policy, and the scores and decisions that numpy expects of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..graph.decide import NO_DECISION
from ..graph.evaluate import evaluate, scores_of_every_step, take_decisions
from ..graph.events import BoolArray
from ..graph.fixed_point import IntArray
from ..graph.ir import IntegerModel
from ..graph.policy import StreamPath, StreamWalk
from ..graph.sound import samples_for
from ..graph.sound_stream import walk_samples
from .c_vectors import decision_values, record_dtype
from .use_lengths import Lengths

LISTENED = 30
"""Inputs of noise, behind a front-end, of which samples are lost."""
_TAIL = 100
"""Of an outage, beside a gap and a rail: readings that are looked at."""
_SEED = 2463534242
_PADDED = 1 << 14
"""Steps of sequences side by side, the padding counted."""


class _Sketch(StreamPath[list[IntArray]]):
    """The stream without its arithmetic: a state is the readings since its beginning. So many beginnings can be walked side by side."""

    def __init__(self, model: IntegerModel) -> None:
        self.sequences: list[list[IntArray]] = []
        self.decided: list[list[int]] = []
        self.answers: list[tuple[list[IntArray], int]] = []
        super().__init__(model)

    def reset(self) -> None:
        """A decision goes on over beginnings of one state, not over these."""
        super().reset()
        self.decided.append([])

    def answer(self) -> None:
        """After a reading: which scores are written, and whether they are decided on."""
        sequence = self.states[self.answering]
        if not self.nothing_read:
            self.decided[-1].append(len(self.answers))
        self.answers.append((sequence, len(sequence)))

    def _begun(self) -> list[IntArray]:
        self.sequences.append([])
        return self.sequences[-1]

    def _stepped(self, state: list[IntArray]) -> list[IntArray]:
        state.append(self.last)
        return state


class _Use:
    """use_stream, in its words."""

    def __init__(self, model: IntegerModel, readings: IntArray, lengths: Lengths) -> None:
        self.sketch, self.model, self.readings, self.lengths, self.word = _Sketch(model), model, readings, lengths, _SEED
        self.ends, self.tail = 2 * model.input.type.size, _TAIL + self.sketch.policy.gap + self.sketch.policy.rail

    def feed(self, number: int) -> None:
        self.sketch.step(self.readings[number % len(self.readings)])
        self.sketch.answer()

    def lose(self, count: int) -> None:
        for _ in range(count):
            self.sketch.gap()
            self.sketch.answer()

    def lose_for_long(self) -> None:
        for _ in range(self.lengths.outage):
            self.sketch.gap()
        self.lose(self.tail)

    def stand_for_long(self) -> None:
        reading = self.ends_at(1, 1)
        for _ in range(self.lengths.outage):
            self.sketch.step(reading)
        for _ in range(self.tail):
            self.feed_ends(1, 1)

    def ends_at(self, one: int, other: int) -> IntArray:
        format = self.model.input.type.format
        reading = np.ones(self.model.input.type.shape, np.int64)
        for number in (one, other):
            reading.reshape(-1)[number // 2] = format.high if number % 2 else format.low
        return reading

    def feed_reading(self, reading: IntArray) -> None:
        self.sketch.step(reading)
        self.sketch.answer()

    def feed_ends(self, one: int, other: int) -> None:
        self.feed_reading(self.ends_at(one, other))

    def hold(self, value: int) -> None:
        reading = np.full(self.model.input.type.shape, value, np.int64)
        for _ in range(self.sketch.policy.rail + self.sketch.policy.gap + 3):
            self.feed_reading(reading)

    def stand_through_an_outage(self, count: int) -> None:
        self.feed(0)
        for _ in range(count):
            self.feed_ends(1, 1)
        self.lose(self.sketch.policy.gap + 2)
        for _ in range(self.sketch.policy.rail + 2):
            self.feed_ends(1, 1)

    def draw(self, below: int) -> int:
        self.word ^= self.word << 13 & 0xFFFFFFFF
        self.word ^= self.word >> 17
        self.word ^= self.word << 5 & 0xFFFFFFFF
        return (self.word >> 8) % below

    def feed_drawn(self) -> None:
        type = self.model.input.type
        drawn = [type.format.low + self.draw(type.format.high - type.format.low + 1) for _ in range(type.size)]
        self.feed_reading(np.array(drawn, np.int64).reshape(type.shape))

    def draw_reading(self, kind: int) -> None:
        if kind == 1:
            self.lose(1)
        elif kind == 3:
            self.feed_drawn()
        elif kind == 2:
            one = self.draw(self.ends)
            self.feed_ends(one, self.draw(self.ends))
        else:
            self.feed(self.draw(len(self.readings)))

    def walk_stream(self) -> None:
        policy, left = self.sketch.policy, self.lengths.walk
        longest = {1: policy.gap + 3, 2: policy.rail + policy.gap + 3}
        while left > 0:
            kind = self.draw(8)
            count = min(1 + self.draw(longest.get(kind, 2 * policy.half_window + 16)), left)
            if kind == 0:
                self.sketch.reset()
                continue
            for _ in range(count):
                self.draw_reading(kind)
            left -= count

    def use_bits(self, bits: int) -> None:
        policy = self.sketch.policy
        self.sketch.phase = bits if bits < 2 * policy.half_window else 0
        self.feed(0)
        self.sketch.lost = bits
        self.lose(1)
        self.feed(1)
        if policy.rail:
            self.sketch.railed = bits
            self.feed_ends(1, 1)
            self.sketch.railed = bits
            self.feed(0)

    def use_any_bits(self) -> None:
        for bits in (2 * self.sketch.policy.half_window, 0x0100, 0x5A5A, 0xFFFF):
            self.use_bits(bits)
        for _ in self.readings:
            self.use_bits(self.draw(1 << 16))
        self.sketch.last = np.full_like(self.sketch.last, self.model.input.type.format.low)
        self.lose(1)

    def use_outages(self) -> None:
        self.feed(0)
        self.lose_for_long()
        self.feed(1)
        if self.sketch.policy.rail:
            self.stand_for_long()
            self.feed(0)
            self.stand_through_an_outage(1)
            self.stand_through_an_outage(self.sketch.policy.rail)
            self.feed(0)

    def use_stream(self) -> _Sketch:
        policy = self.sketch.policy
        self.lose(1)
        self.feed_ends(0, 0)
        for i in range(2 * policy.half_window + len(self.readings)):
            self.feed(i)
        self.use_any_bits()
        self.feed(0)
        self.lose(policy.gap)
        self.feed(0)
        self.lose(policy.gap + 2)
        self.feed(0)
        for i in range(policy.rail + policy.gap + 3 + self.ends):
            self.feed_ends(i % self.ends, i % self.ends)
        format = self.model.input.type.format
        for value in (0, format.low + 1, format.high - 1):
            self.hold(value)
        for _ in self.readings:
            self.feed_drawn()
        self.use_outages()
        self.sketch.reset()
        self.feed_ends(1, 1)
        self.walk_stream()
        return self.sketch


def _noise(use: _Use) -> tuple[IntArray, BoolArray]:
    """What use_samples pushes: int16 [samples, channels]; and which of them are lost, bool [samples]."""
    model, parts, lost = use.model, [], []
    channels, left = model.samples.type.shape[1], samples_for(model, LISTENED)
    while left > 0:
        kind, quieter = use.draw(4), use.draw(15)
        count = min(1 + use.draw(model.frames_an_input * model.hop), left)
        drawn = [use.draw(1 << 16) - (1 << 15) for _ in range(count * channels)] if kind else [0] * (count * channels)
        parts.append(np.array(drawn, np.int64).reshape(count, channels) >> quieter)
        lost.append(np.full(count, kind == 0))
        left -= count
    return np.concatenate(parts), np.concatenate(lost)


def expected_of_stream(model: IntegerModel, readings: IntArray, lengths: Lengths) -> Any:
    """Scores, and the decision of a model that decides, after every reading, lost ones included, but for those that
    an outage begins with: records, as the program writes them. Behind them those of noise, of a model that reads samples.

    readings: int [steps, *input shape], of the last sequence.
    """
    use = _Use(model, readings.astype(np.int64), lengths)
    sketch = use.use_stream()
    scores = _scores(sketch)
    decisions = _decisions(sketch, scores) if model.decides else None
    if model.reads_samples:
        heard = list(walk_samples(model, *_noise(use)))
        scores = np.concatenate([scores, np.stack([each for each, _ in heard])])
        decisions = None if decisions is None else np.concatenate([decisions, [decision for _, decision in heard]])
    records = np.zeros(len(scores), record_dtype([model.output, *decision_values(model)]))
    records[model.output.name] = scores
    for value in decision_values(model):
        records[value.name][:, 0] = decisions
    return records


def _scores(sketch: _Sketch) -> IntArray:
    """After every reading, int64 [readings, *shape]."""
    model = sketch.model
    nothing = StreamWalk(model).scores()
    scores = np.repeat(nothing[None], len(sketch.answers), axis=0)
    places: dict[int, list[tuple[int, int]]] = {}
    for place, (sequence, length) in enumerate(sketch.answers):
        if length:
            places.setdefault(id(sequence), []).append((place, length - 1))
    for rows in _side_by_side([sequence for sequence in sketch.sequences if id(sequence) in places]):
        x, lengths = _padded(rows)
        found = scores_of_every_step(model, evaluate(model, x, lengths).states)
        for number, row in enumerate(rows):
            into, steps = np.array(places[id(row)]).T
            scores[into] = found[number, steps]
    return scores


def _decisions(sketch: _Sketch, scores: IntArray) -> IntArray:
    """After every reading, int64 [readings]."""
    decisions = np.full(len(scores), NO_DECISION)
    for rows in _side_by_side([places for places in sketch.decided if places]):
        x, _ = _padded([list(scores[places]) for places in rows])
        for places, found in zip(rows, take_decisions(sketch.model, x), strict=True):
            decisions[places] = found[: len(places)]
    return decisions


def _side_by_side(sequences: list[list[Any]]) -> Iterator[list[list[Any]]]:
    """The longest first, as many at a time as are _PADDED steps."""
    rest = sorted(sequences, key=len, reverse=True)
    while rest:
        count = max(1, _PADDED // len(rest[0]))
        yield rest[:count]
        rest = rest[count:]


def _padded(rows: list[list[IntArray]]) -> tuple[IntArray, IntArray]:
    """Sequences of equal length, the ends of the shorter ones filled with zeros: int64 [sequences, longest, *shape]; and the lengths."""
    lengths = np.array([len(row) for row in rows])
    x = np.zeros((len(rows), int(lengths.max()), *rows[0][0].shape), np.int64)
    for number, row in enumerate(rows):
        x[number, : len(row)] = row
    return x, lengths
