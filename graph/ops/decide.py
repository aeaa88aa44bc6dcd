"""decide: from averaged scores to a decision that holds, with margin, hold and refractory time, and thresholds a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ...errors import UnsupportedError
from ..draws import Draws
from ..events import BoolArray, Events
from ..fixed_point import IntArray, saturate
from ..formats import Format, TensorType
from ..ranges import Range
from ..stress import random_values
from .base import CBuilder, CValue, Elementwise, OnnxBuilder, TfliteBuilder, TfliteTensor, require
from .exponential_average import MAX_SMOOTHING, NO_TFLITE, average_format
from .onnx_arithmetic import INT32, INT64, OnnxInt32

NONE, UNKNOWN, FIRST = 0, 1, 2
"""Codes: no decision yet, which a state of zeros holds; unknown; and of class 0, from which the classes count on."""
MEMORY = 4
"""Entries: the code of the decision, that of the candidate, for how many steps it has stood, and the steps of rest that remain."""
MOST_DECISION_STEPS = (1 << 15) - 1
MOST_CLASSES = (1 << 15) - 1 - FIRST
MOST_MARGIN = (1 << 16) - 1
"""In a score's unit: what two int16 scores can differ by."""
_CASES = 400
"""Stress inputs near what decides, a class at most."""


@dataclass(frozen=True, eq=False)
class Rules:
    """The constants of one application to each of a batch: those of one op for all rows, or of an op each.

    least: what the average of each class must reach, int64 [classes], or [batch, classes]. The others are numbers, or one a row, int64
    [batch]. margin: in the unit of an average.
    """

    least: IntArray
    margin: IntArray | int
    hold: IntArray | int
    refractory: IntArray | int

    def step(self, average: IntArray, memory: IntArray) -> Steps:
        """What each row comes to. average: [batch, classes]; memory: [batch, MEMORY]."""
        rows, codes = np.arange(len(average)), average.shape[1] + FIRST - 1
        limits = codes, codes, self.hold, self.refractory
        held, candidate, count, rest = (saturate(memory[:, i], 0, most) for i, most in enumerate(limits))
        best = average.argmax(axis=1)  # the first among equals
        top = average[rows, best]
        known = top >= np.broadcast_to(self.least, average.shape)[rows, best]
        other = known & (held >= FIRST) & (held != best + FIRST)
        better = top - average[rows, np.maximum(held - FIRST, 0)] > self.margin
        wanted = np.where(other & ~better, held, np.where(known, best + FIRST, UNKNOWN))
        new, again = wanted != held, wanted == candidate
        count = np.where(new, np.minimum(np.where(again, count, 0) + 1, self.hold), 0)
        ready = count == self.hold
        taken, for_class = ready & (rest == 0), wanted >= FIRST
        after = np.where(taken, wanted, held)
        rested = np.where(taken & for_class, self.refractory, np.maximum(rest - 1, 0))
        branches = (other & ~better, other & better, ~new, new & again, new & ~again, new & ~ready, ready & ~taken)
        result = np.stack([after, wanted, np.where(taken, 0, count), rested], axis=1)
        return Steps(result, best, known, (*branches, taken & for_class, taken & ~for_class))


@dataclass(frozen=True, eq=False)
class Steps:
    """What one application comes to, a row a sample. known: whether the best class reaches its threshold. taken: the branches, bool [batch]
    each.
    """

    memory: IntArray
    best: IntArray
    known: BoolArray
    taken: tuple[BoolArray, ...]

    def events(self, classes: int) -> Events:
        """Of "branch" and "threshold", by place."""
        mine = self.best[:, None] == np.arange(classes)
        below, above = (~self.known[:, None] & mine).any(axis=0), (self.known[:, None] & mine).any(axis=0)
        return {"branch": np.array([branch.any() for branch in self.taken]), "threshold": np.concatenate([below, above])}


@dataclass(frozen=True, eq=False)
class Decide(Elementwise):
    """(average int32 [classes] in Q(f + s), memory int16 [4]) -> memory, whose first entry is the decision's code: docs/contract.md.

    Each entry of the memory is clamped to its range when it is read. thresholds: int16 [classes] in Q(f), or of length 0 for none; a
    best class below its own is unknown. margin: in units of Q(f), by more than which another class must be better than the one that
    holds. hold: steps for which a candidate must stand. refractory: steps after a decision for a class in which none is taken.
    smoothing: s.
    """

    name: ClassVar[str] = "decide"
    takes_int32: ClassVar[bool] = True
    in_place: ClassVar[tuple[int, ...]] = (1,)

    thresholds: IntArray
    margin: int
    hold: int
    refractory: int
    smoothing: int

    @property
    def kernel(self) -> str:
        return "decide_int32"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        average, memory = inputs
        require(len(average.shape) == 1 and average.format.dtype == "int32", f"decide reads an int32 vector, not {average}")
        require(0 <= self.smoothing <= MAX_SMOOTHING, f"a smoothing of {self.smoothing} is outside 0..{MAX_SMOOTHING}")
        require(average.format.bound <= average_format(Format(0), self.smoothing).bound, f"decide cannot read averages of {average.format}")
        require(average.size <= MOST_CLASSES, f"decide chooses among {MOST_CLASSES} classes at most, not {average.size}")
        require(memory == TensorType((MEMORY,), Format(0)), f"decide remembers {MEMORY} int16 in Q0, not {memory}")
        good = self.thresholds.dtype == np.int16 and self.thresholds.shape in ((0,), average.shape)
        require(good, f"decide holds one int16 threshold a class or none, not {self.thresholds.dtype} {self.thresholds.shape}")
        require(0 <= self.margin <= MOST_MARGIN, f"a margin of {self.margin} is outside 0..{MOST_MARGIN}")
        require(1 <= self.hold <= MOST_DECISION_STEPS, f"a hold of {self.hold} steps is outside 1..{MOST_DECISION_STEPS}")
        require(
            0 <= self.refractory <= MOST_DECISION_STEPS, f"a refractory time of {self.refractory} steps is outside 0..{MOST_DECISION_STEPS}"
        )
        return (memory,)

    def limits(self, classes: int) -> tuple[int, int, int, int]:
        """The largest integer of each entry of the memory; the least is 0."""
        return classes + FIRST - 1, classes + FIRST - 1, self.hold, self.refractory

    def least(self, classes: int) -> IntArray:
        """What the average of each class must reach: int64 [classes]. Without thresholds everything does."""
        if not self.thresholds.size:
            return np.full(classes, -(1 << 31), np.int64)
        return self.thresholds.astype(np.int64) << self.smoothing

    def rules(self, classes: int) -> Rules:
        """Of each application."""
        return Rules(self.least(classes), self.margin << self.smoothing, self.hold, self.refractory)

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        average, memory = inputs
        return (self.rules(average.shape[1]).step(average, memory).memory,)

    def reached(self, *inputs: IntArray) -> Events:
        average, memory = inputs
        classes = average.shape[1]
        return {
            "clamp_low": (memory < 0).any(axis=0),
            "clamp_high": (memory > np.array(self.limits(classes))).any(axis=0),
            **self.rules(classes).step(average, memory).events(classes),
        }

    def reachable(self, *inputs: Range) -> Events:
        """By the averages' ranges and the constants; the memory may hold anything of its range."""
        average, memory = inputs
        classes, least = average.type.size, self.least(average.type.size)
        largest = self._may_be_best(average)
        below, above = largest & (average.low < least), largest & (average.high >= least)
        gap = int(max(average.high.max() - average.low.min(), 0))
        known, unknown, several = bool(above.any()), bool(below.any()), classes > 1
        change, wait = known or unknown, self.hold > 1
        branches = (
            several and known,
            several and known and gap > self.margin << self.smoothing,
            True,
            change,
            change,
            change and wait,
            change and self.refractory > 0,
            known,
            unknown,
        )
        return {
            "clamp_low": memory.low < 0,
            "clamp_high": memory.high > np.array(self.limits(classes)),
            "branch": np.array(branches),
            "threshold": np.concatenate([below, above]),
        }

    def _may_be_best(self, average: Range) -> BoolArray:
        """Which classes may have the largest average, the first among equals."""
        floor = np.maximum.accumulate(np.concatenate([[np.iinfo(np.int64).min], average.low[:-1]]))
        behind = np.maximum.accumulate(average.low[::-1])[::-1]
        following = np.concatenate([behind[1:], [np.iinfo(np.int64).min]])
        possible: BoolArray = (average.high > floor) & (average.high >= following)
        return possible

    def stress(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        """Each class best or among the best, just at its threshold and at the margin, beside memories at the ends of their ranges."""
        average, memory = inputs
        classes, count = average.size, _CASES + 8 * min(average.size, _CASES)
        values = random_values(draws, average, count)
        best, held = np.arange(count) % classes, draws.integers(0, classes + FIRST - 1, (count,))
        rows, low, high = np.arange(count), average.format.low, average.format.high
        level = np.where(np.arange(count) // classes % 3 == 0, self.least(classes)[best], draws.integers(low, high, (count,)))
        top = saturate(level + draws.integers(-1, 1, (count,)), low, high)
        values = np.minimum(values, top[:, None] - draws.integers(0, 1, (count, 1)))
        chosen = np.maximum(held - FIRST, 0)
        gap = (self.margin << self.smoothing) + draws.integers(-1, 2, (count,))
        values[rows, chosen] = top - gap
        values[rows, best] = top
        kept = np.stack([held, *self._memories(draws, classes, count, best, held)], axis=1)
        wild = random_values(draws, memory, count)
        mixed = np.where(draws.integers(0, 15, (count, MEMORY)) == 0, wild, kept)
        return saturate(values, low, high), mixed

    def _memories(self, draws: Draws, classes: int, count: int, best: IntArray, held: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """Candidate, count and rest of so many memories: mostly what goes on, or is about to end."""
        usual = np.stack([best + FIRST, np.full(count, UNKNOWN), held, draws.integers(0, classes + FIRST - 1, (count,))])
        candidate = np.take_along_axis(usual, draws.integers(0, 3, (1, count)), axis=0)[0]
        hold = np.array([0, max(self.hold - 2, 0), self.hold - 1, self.hold])
        rest = np.array([0, 0, min(1, self.refractory), self.refractory])
        return candidate, draws.choice(hold, (count,)), draws.choice(rest, (count,))

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        average, memory = inputs
        return (_Spelling(b, self, average, b.type(average).size).memory(memory),)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        raise UnsupportedError(NO_TFLITE)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (average, memory), (y,) = inputs, outputs
        thresholds = b.constant("threshold", self.thresholds, "biases", "in the format of the scores") if self.thresholds.size else "NULL"
        numbers = (self.smoothing, self.margin << self.smoothing, self.hold, self.refractory)
        rule = f"rescomp_decision_rule_of({thresholds}, {', '.join(map(str, numbers))})"
        b.call(self.kernel, average.expression, memory.expression, y.expression, str(average.type.size), rule)

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        smoothing, classes = int(rng.integers(0, MAX_SMOOTHING + 1)), int(rng.integers(1, 9))
        scores = Format(int(rng.integers(0, 16)), "int8" if rng.random() < 0.3 else "int16")
        thresholds = rng.integers(-(1 << 15), 1 << 15, classes if rng.random() < 0.7 else 0).astype(np.int16)
        margin = int(rng.choice([0, 1, rng.integers(0, scores.bound), MOST_MARGIN]))
        hold, refractory = (int(rng.choice([least, least + 1, rng.integers(least, 40), MOST_DECISION_STEPS])) for least in (1, 0))
        types = TensorType((classes,), average_format(scores, smoothing)), TensorType((MEMORY,), Format(0))
        return cls(thresholds, margin, hold, refractory, smoothing), types


@dataclass(frozen=True)
class _Spelling:
    """`steps` in ONNX: columns int32 [batch, 1], truths bool [batch, 1]."""

    b: OnnxBuilder
    op: Decide
    average: str
    classes: int

    def memory(self, memory: str) -> str:
        """The memory after one application."""
        b, a, op = self.b, OnnxInt32(self.b), self.op
        parts = [self._part(memory, i) for i in range(MEMORY)]
        held, candidate, count, rest = (a.clamp(x, 0, most) for x, most in zip(parts, op.limits(self.classes), strict=True))
        wanted = self._wanted(held)
        new, again = self._not(b.node("Equal", wanted, held)), b.node("Equal", wanted, candidate)
        counted = a.minimum(a.add(self._choose(again, count, 0), 1), op.hold)
        count = self._choose(new, counted, 0)
        ready, rested = b.node("Equal", count, self._constant(op.hold)), b.node("Equal", rest, self._constant(0))
        taken = b.node("And", ready, rested)
        begins = b.node("And", taken, self._from_first(wanted))
        after = b.node("Where", taken, wanted, held)
        rest = self._choose(begins, self._constant(op.refractory), a.binary("maximum", a.sub(rest, 1), 0))
        return b.node("Concat", after, wanted, self._choose(self._not(taken), count, 0), rest, axis=1)

    def _wanted(self, held: str) -> str:
        """The code that the averages speak for, beside the one that holds."""
        b, a = self.b, OnnxInt32(self.b)
        best = b.node("ArgMax", self.average, axis=1, keepdims=1)
        top = b.node("ReduceMax", self.average, axes=[1], keepdims=1)
        code = a.add(b.node("Cast", best, to=INT32), FIRST)
        known = self._known(best, top)
        mine = b.node("Cast", a.binary("maximum", a.sub(held, FIRST), 0), to=INT64)
        gap = a.sub(top, b.node("GatherElements", self.average, mine, axis=1))
        close = self._not(b.node("Greater", gap, self._constant(self.op.margin << self.op.smoothing)))
        other = b.node("And", self._from_first(held), self._not(b.node("Equal", held, code)))
        stays = b.node("And", b.node("And", known, other), close)
        return b.node("Where", stays, held, self._choose(known, code, UNKNOWN))

    def _known(self, best: str, top: str) -> str:
        least = np.maximum(self.op.least(self.classes), -(1 << 31)).astype(np.int32)
        return self._not(self.b.node("Less", top, self.b.node("Gather", self.b.constant(least), best, axis=0)))

    def _part(self, memory: str, i: int) -> str:
        return self.b.node("Slice", memory, *(self.b.constant(np.array([at])) for at in (i, i + 1, 1)))

    def _from_first(self, code: str) -> str:
        return self.b.node("Greater", code, self._constant(FIRST - 1))

    def _choose(self, condition: str, x: str, y: str | int) -> str:
        return self.b.node("Where", condition, x, y if isinstance(y, str) else self._constant(y))

    def _not(self, truth: str) -> str:
        return self.b.node("Not", truth)

    def _constant(self, value: int) -> str:
        return self.b.constant(np.array(value, np.int32))
