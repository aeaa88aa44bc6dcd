"""statistics: mean, mean absolute deviation, minimum, maximum and zero crossings of each channel of a frame."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar, Self

import numpy as np

from ..draws import Draws
from ..events import Events
from ..fixed_point import IntArray, round_half_up_shift
from ..formats import TensorType
from ..ranges import Range
from .base import CBuilder, CValue, Elementwise, OnnxBuilder, TfliteBuilder, TfliteTensor, require
from .deviations import FINE_BITS, check_frame, deviations, draw_frame, fine_mean, spell_deviations, stress_frames
from .int32_arithmetic import Int32Blocks, T
from .log2 import FEATURE
from .onnx_arithmetic import OnnxBlocks
from .tflite_arithmetic import TfliteBlocks, narrow, widen

HIGHEST = FEATURE.high
"""The integers are in units of a sample, or counts, in the format of logarithms."""


@dataclass(frozen=True)
class FrameStatistics(Elementwise):
    """int16 [samples, channels] -> int16 [channels, statistics], those that are true, in the order of the fields.

    mean: rounded half up. deviation: the mean magnitude of what the samples deviate from their mean. zero_crossings: how often a sample
    lies below the mean and the next one does not, or the other way round. docs/contract.md, "Statistics of a frame".
    """

    name: ClassVar[str] = "statistics"
    in_place: ClassVar[tuple[int, ...]] = ()

    mean: bool
    deviation: bool
    minimum: bool
    maximum: bool
    zero_crossings: bool

    @property
    def kernel(self) -> str:
        return "statistics_int16"

    @property
    def chosen(self) -> tuple[str, ...]:
        """Names of the fields that are true."""
        return tuple(field.name for field in fields(self) if getattr(self, field.name))

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        (x,) = inputs
        require(bool(self.chosen), "statistics are none at all: choose one")
        check_frame(self.name, x)
        return (TensorType((x.shape[1], len(self.chosen)), FEATURE),)

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        (x,) = inputs
        fine = deviations(x)
        below = fine < 0
        values = {
            "mean": round_half_up_shift(fine_mean(x), FINE_BITS),
            "deviation": np.minimum(_mean_magnitude(fine), HIGHEST),
            "minimum": x.min(axis=1),
            "maximum": x.max(axis=1),
            "zero_crossings": (below[:, 1:] != below[:, :-1]).sum(axis=1),
        }
        return (np.stack([values[name] for name in self.chosen], axis=-1).astype(np.int64),)

    def reached(self, *inputs: IntArray) -> Events:
        (x,) = inputs
        samples, total = x.shape[1], x.sum(axis=1)
        tie = 2 * (total % samples) == samples
        events = {"tie_negative": (tie & (total < 0)).any(axis=0), "tie_positive": (tie & (total > 0)).any(axis=0)} if self.mean else {}
        passed = _mean_magnitude(deviations(x)) > HIGHEST
        return {**events, "saturation_high": passed.any(axis=0)} if self.deviation else events

    def reachable(self, *inputs: Range) -> Events:
        """A deviation of 2^15 takes as many samples at one end of int16 as at the other."""
        (x,) = inputs
        samples, even = len(x.low), len(x.low) % 2 == 0
        low, high = x.low.sum(axis=0), x.high.sum(axis=0)
        events = {"tie_negative": even & (low < 0), "tie_positive": even & (high > 0)} if self.mean else {}
        halves = [2 * np.sum(end, axis=0) >= samples for end in (x.low == -HIGHEST - 1, x.high == HIGHEST)]
        return {**events, "saturation_high": even & halves[0] & halves[1]} if self.deviation else events

    def stress(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        """See stress_frames."""
        return (stress_frames(draws, inputs[0]),)

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        (x,) = inputs
        a, (samples, channels) = OnnxBlocks(b), b.type(x).shape
        return (a.vectors(self._spell(a, a.rows_of_channels(x, samples, channels), samples), (channels, len(self.chosen))),)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        (x,) = inputs
        a, (samples, channels) = TfliteBlocks(b), x.shape[2:]
        found = self._spell(a, a.rows_of_channels(widen(b, x), samples, channels), samples)
        return (narrow(b, a.vectors(found, (channels, len(self.chosen))), FEATURE),)

    def _spell(self, a: Int32Blocks[T], x: T, samples: int) -> T:
        """[rows, statistics, 1, 1]."""
        fine, mean = spell_deviations(a, x, samples)
        spelled = {
            "mean": lambda: a.round_half_up_shift(mean, FINE_BITS),
            "deviation": lambda: self._spell_deviation(a, fine, samples),
            "minimum": lambda: a.sub(-1, a.largest(a.sub(-1, x))),
            "maximum": lambda: a.largest(x),
            "zero_crossings": lambda: self._spell_crossings(a, a.less(fine, 0), samples),
        }
        columns = [spelled[name]() for name in self.chosen]
        return a.join(columns, 1) if len(columns) > 1 else columns[0]

    def _spell_deviation(self, a: Int32Blocks[T], fine: T, samples: int) -> T:
        units = samples << FINE_BITS
        return a.minimum(a.div(a.add(a.total(a.magnitude(fine), samples), units // 2), units), HIGHEST)

    def _spell_crossings(self, a: Int32Blocks[T], below: T, samples: int) -> T:
        change = a.sub(a.part(below, 1, 1, samples - 1), a.part(below, 1, 0, samples - 1))
        return a.total(a.mul(change, change), samples - 1)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (x,), (y,) = inputs, outputs
        wanted = " | ".join(f"RESCOMP_{name.upper()}" for name in self.chosen)
        b.call(self.kernel, x.expression, y.expression, *map(str, x.type.shape), wanted)

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        chosen = rng.random(5) < 0.6
        chosen[rng.integers(5)] = True
        return cls(*(bool(each) for each in chosen)), (draw_frame(rng),)


def _mean_magnitude(fine: IntArray) -> IntArray:
    """Of deviations [..., samples, channels], in units of a sample, rounded half up."""
    units = fine.shape[-2] << FINE_BITS
    mean: IntArray = (np.abs(fine).sum(axis=-2) + units // 2) // units
    return mean
