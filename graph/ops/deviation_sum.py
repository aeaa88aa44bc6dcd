"""deviation_sum: the sum of magnitudes, or of squares, of a frame's deviations from its mean, with the frame's own block exponent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..draws import Draws
from ..events import Events
from ..fixed_point import IntArray, leading_zeros, round_half_up_shift
from ..formats import Format, TensorType
from ..ranges import Range
from .base import CBuilder, CValue, Elementwise, OnnxBuilder, TfliteBuilder, TfliteTensor, require
from .deviations import DEVIATION_BITS, check_frame, deviations, draw_frame, largest_deviations, spell_deviations, stress_frames
from .int32_arithmetic import Int32Blocks, T
from .onnx_arithmetic import OnnxBlocks
from .tflite_arithmetic import TfliteBlocks, narrow, widen

DEVIATION_EXPONENTS = 15
"""Places of the block exponent: 0 to 14 doublings, after which a deviation of 4 is as large as it can be."""
HIDDEN_BITS = DEVIATION_BITS - DEVIATION_EXPONENTS
"""Lower bits of a deviation that the exponent does not see."""
SQUARES_BITS = 30
"""A sum of squares is at most 2^30."""


@dataclass(frozen=True)
class DeviationSum(Elementwise):
    """int16 [samples, channels] -> (sums int32 [channels, 1], doublings int16 [channels]).

    power 1: the sum of |d| 2^z, at most 14 doublings z; power 2: that of shift(d 2^z, 20 - b)^2, 2 z doublings; d the deviations in
    sixteenths, b = `bits`. docs/contract.md, "Statistics of a frame".
    """

    name: ClassVar[str] = "deviation_sum"
    takes_int32: ClassVar[bool] = True
    in_place: ClassVar[tuple[int, ...]] = ()

    power: int

    @property
    def kernel(self) -> str:
        return "deviation_sum_int16"

    @property
    def doublings(self) -> Format:
        """Of the block exponent."""
        return Format(0, bound=self.power * (DEVIATION_EXPONENTS - 1), nonnegative=True)

    def bits(self, samples: int) -> int:
        """Of what is summed up: a scaled deviation lies within +-2^bits."""
        return DEVIATION_BITS if self.power == 1 else (SQUARES_BITS - (samples - 1).bit_length()) // 2

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        (x,) = inputs
        require(self.power in (1, 2), f"a deviation_sum is of magnitudes (1) or squares (2), not of a power {self.power}")
        check_frame(self.name, x)
        samples, channels = x.shape
        sums = Format(0, "int32", samples << (self.power * self.bits(samples)), nonnegative=True)
        return TensorType((channels, 1), sums), TensorType((channels,), self.doublings)

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        fine = deviations(inputs[0])
        zeros = _exponent(np.abs(fine).max(axis=1))
        scaled: IntArray = fine << zeros[:, None]
        if self.power == 2:
            scaled = round_half_up_shift(scaled, DEVIATION_BITS - self.bits(fine.shape[1]))
        return (np.abs(scaled) ** self.power).sum(axis=1)[..., None], self.power * zeros

    def reached(self, *inputs: IntArray) -> Events:
        return {"exponent": np.isin(np.arange(DEVIATION_EXPONENTS), _exponent(np.abs(deviations(inputs[0])).max(axis=1)))}

    def reachable(self, *inputs: Range) -> Events:
        return {"exponent": np.arange(DEVIATION_EXPONENTS) >= _exponent(largest_deviations(inputs[0])).min()}

    def stress(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        """See stress_frames."""
        return (stress_frames(draws, inputs[0]),)

    def multiply_accumulates(self, *inputs: TensorType) -> int:
        """A square a sample."""
        return inputs[0].size if self.power == 2 else 0

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        (x,) = inputs
        a, (samples, channels) = OnnxBlocks(b), b.type(x).shape
        sums, doublings = self._spell(a, a.rows_of_channels(x, samples, channels), samples)
        return a.vectors(sums, (channels, 1)), a.vectors(doublings, (channels,))

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        (x,) = inputs
        a, (samples, channels) = TfliteBlocks(b), x.shape[2:]
        sums, doublings = self._spell(a, a.rows_of_channels(widen(b, x), samples, channels), samples)
        return a.vectors(sums, (channels, 1)), narrow(b, a.vectors(doublings, (channels,)), self.doublings)

    def _spell(self, a: Int32Blocks[T], x: T, samples: int) -> tuple[T, T]:
        """[rows, 1, 1, 1] each."""
        fine, _ = spell_deviations(a, x, samples)
        seen = a.div(a.magnitude(fine), 1 << HIDDEN_BITS)
        _, factor, zeros = a.normalize(a.binary("maximum", a.largest(seen), 1), DEVIATION_EXPONENTS)
        scaled = a.mul(fine, factor)
        if self.power == 1:
            return a.total(a.magnitude(scaled), samples), zeros
        rounded = a.round_half_up_shift(scaled, DEVIATION_BITS - self.bits(samples))
        return a.total(a.mul(rounded, rounded), samples), a.mul(zeros, 2)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (x,), (sums, doublings) = inputs, outputs
        numbers = (*x.type.shape, self.power, DEVIATION_BITS - self.bits(x.type.shape[0]))
        b.call(self.kernel, x.expression, sums.expression, doublings.expression, *map(str, numbers))

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        return cls(int(rng.integers(1, 3))), (draw_frame(rng),)


def _exponent(largest: IntArray) -> IntArray:
    """How often deviations up to `largest` are doubled."""
    return leading_zeros(np.maximum(largest >> HIDDEN_BITS, 1), DEVIATION_EXPONENTS)
