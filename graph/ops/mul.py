"""mul: the product of two values, entry by entry."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..draws import Draws
from ..fixed_point import ACCUMULATOR_BITS, IntArray, round_half_up_shift
from ..formats import Format, TensorType
from .base import CBuilder, CValue, OnnxBuilder, TfliteBuilder, TfliteTensor, require
from .drawing import draw_format
from .int32_arithmetic import Int32Arithmetic, T
from .onnx_arithmetic import OnnxInt32
from .saturating import Saturating
from .tflite_arithmetic import TfliteInt32, narrow, widen

PRODUCT_TIES = 32
"""Products that end half way, for each entry, in the stress inputs."""


@dataclass(frozen=True)
class Mul(Saturating):
    """y = saturate(shift(a b, fa + fb - fo)): a in Q(fa), b in Q(fb), y in Q(fo), which is `output`. Equal shapes.

    shift: fa + fb - fo, written down because the integers alone do not say it.
    """

    name: ClassVar[str] = "mul"
    in_place: ClassVar[tuple[int, ...]] = (0, 1)

    output: Format
    shift: int

    @property
    def kernel(self) -> str:
        return "mul_int16"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        a, b = inputs
        require(a.shape == b.shape, f"mul needs equal shapes, not {a.shape} and {b.shape}")
        require({a.format.dtype, b.format.dtype, self.output.dtype} == {"int16"}, "mul works on int16 values")
        wanted = a.format.fraction_bits + b.format.fraction_bits - self.output.fraction_bits
        require(self.shift == wanted, f"mul of {a.format} and {b.format} to {self.output} shifts by {wanted}, not {self.shift}")
        require(1 <= self.shift <= ACCUMULATOR_BITS, f"mul shifts by {self.shift}, outside 1..{ACCUMULATOR_BITS}: change a format")
        largest = max(x * y for x, y in itertools.product(*((each.format.low, each.format.high) for each in inputs)))
        message = f"a product of {a.format} and {b.format} may reach 2^{ACCUMULATOR_BITS}: keep one of them above -32768"
        require(largest < 1 << ACCUMULATOR_BITS, message)  # -2^30 is the least that two int16 can give
        return (TensorType(a.shape, self.output),)

    @property
    def limits(self) -> Format:
        return self.output

    def unclamped(self, *inputs: IntArray) -> IntArray:
        a, b = inputs
        return round_half_up_shift(a * b, self.shift)

    def wrong(self) -> Sequence[Callable[..., IntArray]]:
        return [lambda a, b, by=by: round_half_up_shift(a * b + by, self.shift) for by in (-1, 1, -(1 << (self.shift - 1)))]

    def crafted(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        """Products that end half way: an odd number times 2^(shift - 1), the twos shared out between both factors."""
        a, b = inputs
        shape = (PRODUCT_TIES, *a.shape)
        twos = draws.integers(max(0, self.shift - 15), min(14, self.shift - 1), shape)
        return _odd_multiples(draws, a.format, twos), _odd_multiples(draws, b.format, self.shift - 1 - twos)

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        return (self._spell(OnnxInt32(b), *inputs),)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        return (narrow(b, self._spell(TfliteInt32(b), *(widen(b, x) for x in inputs)), self.output),)

    def _spell(self, a: Int32Arithmetic[T], *inputs: T) -> T:
        x, y = inputs
        return a.clamp(a.round_half_up_shift_product(a.mul(x, y), self.shift), self.output.low, self.output.high)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (left, right), (y,) = inputs, outputs
        numbers = map(str, (y.type.size, self.shift, self.output.low, self.output.high))
        b.call(self.kernel, left.expression, right.expression, y.expression, *numbers)

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        shape = (int(rng.integers(1, 40)),)
        a, b = Format(15, nonnegative=rng.random() < 0.5), draw_format(rng)
        if not a.nonnegative and b.fills_dtype:
            b = Format(b.fraction_bits, bound=32767)
        output = Format(int(rng.integers(max(0, b.fraction_bits - 14), 15)), bound=10922 if rng.random() < 0.5 else 0)
        op = cls(output, 15 + b.fraction_bits - output.fraction_bits)
        return op, (TensorType(shape, a), TensorType(shape, b))


def _odd_multiples(draws: Draws, format: Format, twos: IntArray) -> IntArray:
    """Odd multiples of 2^twos, as far as the format has any."""
    drawn = draws.integers(format.low, format.high, twos.shape) >> (twos + 1)
    result: IntArray = np.clip((2 * drawn + 1) << twos, format.low, format.high)
    return result
