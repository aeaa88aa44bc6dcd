"""exponential_average: a running mean of scores in integers, with spare bits so that it reaches what it follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ...errors import UnsupportedError
from ..draws import Draws
from ..events import BoolArray, Events, any_of_channel
from ..fixed_point import IntArray, round_half_up_shift, saturate
from ..formats import DType, Format, TensorType
from ..ranges import Range
from ..stress import telling_combinations
from .base import CBuilder, CValue, Elementwise, Increasing, OnnxBuilder, TfliteBuilder, TfliteTensor, require
from .drawing import draw_dtype, draw_format
from .onnx_arithmetic import OnnxInt32, widen

MAX_SMOOTHING = 14
"""Averages are at most 2^29 in magnitude, positive ones less, and the difference of two of them below 2^30."""
NO_TFLITE = "the TFLite export takes no decisions: tflite-micro has neither ARG_MAX nor REDUCE_MAX, so decide in C, or with the ONNX file"


def average_format(scores: Format, smoothing: int) -> Format:
    """Of an average of scores in that format: `smoothing` more fraction bits, and as much more room than their dtype has."""
    return Format(scores.fraction_bits + smoothing, "int32", Format(0, scores.dtype).bound << smoothing)


@dataclass(frozen=True)
class ExponentialAverage(Increasing, Elementwise):
    """y = A - shift(A, s) + x, A = clamp(average, -B 2^s, B 2^s): scores x int8 or int16 in Q(f), average and y int32 in Q(f + s).

    B: 2^7 or 2^15, by the scores' dtype. smoothing: s, so that 1 / 2^s of the mean is the newest score; 0 averages nothing. A constant
    x is followed until shift(A, s) = x: the mean, rounded to a score's unit, cannot get stuck elsewhere. The clamp is for a state that
    holds any bits: |A| <= B 2^s and |x| <= B give |y| <= B 2^s, for A - shift(A, s) does not fall when A rises.
    """

    name: ClassVar[str] = "exponential_average"
    takes_int32: ClassVar[bool] = True
    in_place: ClassVar[tuple[int, ...]] = (0,)

    smoothing: int
    dtype: DType = "int16"

    @property
    def kernel(self) -> str:
        return f"exponential_average_{self.dtype}"

    @property
    def _limit(self) -> int:
        return Format(0, self.dtype).bound << self.smoothing

    @property
    def _half(self) -> int:
        return (1 << self.smoothing) >> 1

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        average, scores = inputs
        require(0 <= self.smoothing <= MAX_SMOOTHING, f"a smoothing of {self.smoothing} is outside 0..{MAX_SMOOTHING}")
        require(scores.format.dtype == self.dtype, f"an exponential_average of {self.dtype} cannot read {scores.format}")
        require(self.dtype != "int32", "an exponential_average reads int8 or int16 scores")
        require(average.shape == scores.shape, f"exponential_average needs equal shapes, not {average.shape} and {scores.shape}")
        kept = average_format(scores.format, self.smoothing)
        require(average.format == kept, f"an average of {scores.format} is kept as {kept}, not as {average.format}")
        return (average,)

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        average, scores = inputs
        average = saturate(average, -self._limit, self._limit)
        rounded = round_half_up_shift(average, self.smoothing) if self.smoothing else average
        return (average - rounded + scores,)

    def reached(self, *inputs: IntArray) -> Events:
        average = inputs[0]
        tie = (average & ((1 << self.smoothing) - 1) == self._half) & (self.smoothing > 0)
        return {"tie_negative": any_of_channel(tie & (average < 0)), "tie_positive": any_of_channel(tie & (average > 0))}

    def reachable(self, *inputs: Range) -> Events:
        low, high = inputs[0].low, inputs[0].high
        return {"tie_negative": self._tie_in(low, np.minimum(high, -1)), "tie_positive": self._tie_in(np.maximum(low, 1), high)}

    def _tie_in(self, low: IntArray, high: IntArray) -> BoolArray:
        """Whether half a score's unit, and whole ones, lie between two ends."""
        first = low + (self._half - low) % (1 << self.smoothing)
        found: BoolArray = (first <= high) & (self.smoothing > 0)
        return found

    def stress(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        """Averages half way between two scores and beside it, of either sign."""
        units = np.array([0, 1, -1, -2, 100, -100]) << self.smoothing
        halves = (units[:, None] + self._half + np.array([-1, 0, 1])).reshape(-1, 1)
        average, scores = inputs
        more = saturate(halves, average.format.low, average.format.high), np.full((len(halves), 1), min(1, scores.format.high))
        return telling_combinations(draws, inputs, more)

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        average, scores = inputs
        a = OnnxInt32(b)
        average = a.clamp(average, -self._limit, self._limit)
        rounded = a.round_half_up_shift(average, self.smoothing) if self.smoothing else average
        return (a.add(a.sub(average, rounded), widen(b, scores) if self.dtype == "int8" else scores),)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        raise UnsupportedError(NO_TFLITE)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (average, scores), (y,) = inputs, outputs
        b.call(self.kernel, average.expression, scores.expression, y.expression, str(y.type.size), str(self.smoothing))

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        smoothing, size, dtype = int(rng.integers(0, MAX_SMOOTHING + 1)), int(rng.integers(1, 12)), draw_dtype(rng)
        scores = draw_format(rng, dtype=dtype)
        return cls(smoothing, dtype), tuple(TensorType((size,), each) for each in (average_format(scores, smoothing), scores))
