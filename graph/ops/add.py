"""add: the saturating sum of two values of one format; bias_add: the same with a constant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from ..draws import Draws
from ..fixed_point import TERNARY_INPUT_BOUND, IntArray, saturate
from ..formats import DType, Format, TensorType
from . import onnx_arithmetic
from .base import CBuilder, CValue, OnnxBuilder, TfliteBuilder, TfliteTensor, require
from .drawing import draw_dtype, draw_format
from .onnx_arithmetic import OnnxInt32
from .saturating import Saturating
from .tflite_arithmetic import bound, format_of, saturating_add, scale_of


@dataclass(frozen=True)
class Add(Saturating):
    """y = saturate(a + b), int16 or int8; `nonnegative`: with a ReLU, max(y, 0). bound: the largest magnitude (0: the dtype's own limit).

    Both operands have equal shape, dtype and fraction bits (a change of format is a requantize).
    """

    name: ClassVar[str] = "add"
    in_place: ClassVar[tuple[int, ...]] = (0, 1)

    dtype: DType = "int16"
    nonnegative: bool = False
    bound: int = 0

    @property
    def limits(self) -> Format:
        """A format with the range of the result."""
        return Format(0, self.dtype, self.bound, self.nonnegative)

    @property
    def kernel(self) -> str:
        return f"add_{self.dtype}"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        a, b = inputs
        require(a.shape == b.shape, f"add needs equal shapes, not {a.shape} and {b.shape}")
        same = (a.format.dtype, a.format.fraction_bits) == (b.format.dtype, b.format.fraction_bits)
        require(same, f"add needs equal formats, not {a.format} and {b.format}: requantize one of them")
        require(a.format.dtype == self.dtype, f"an add of {self.dtype} cannot read {a.format}")
        nonnegative = self.nonnegative or (a.format.nonnegative and b.format.nonnegative)
        result = _sum_format(a.format, b.format.bound, nonnegative)
        return (TensorType(a.shape, replace(result, bound=min(result.bound, self.limits.bound))),)

    def unclamped(self, *inputs: IntArray) -> IntArray:
        a, b = inputs
        return a + b

    def crafted(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        a, b = inputs
        ends = _edges(self.limits, (len(a.shape) + 1) * (1,))
        drawn = draws.integers(a.format.low, a.format.high, (len(ends), *a.shape))
        return drawn, saturate(ends - drawn, b.format.low, b.format.high)

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        x, y = inputs
        if self.dtype == "int16":
            return (_clamped_sum(b, x, y, self.limits),)
        format = Format(b.type(x).format.fraction_bits, "int8", nonnegative=self.nonnegative)
        terms = (onnx_arithmetic.dequantize(b, term, b.type(term).format) for term in inputs)
        return (onnx_arithmetic.quantize(b, b.node("Add", *terms), format),)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        x, y = inputs
        result = saturating_add(b, x, y, nonnegative=self.nonnegative)
        return (bound(b, result, replace(self.limits, fraction_bits=format_of(x).fraction_bits)),)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (left, right), (y,) = inputs, outputs
        buffers = (left.expression, right.expression, y.expression)
        b.call(self.kernel, *buffers, str(y.type.size), str(self.limits.low), str(self.limits.high))

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        dtype = draw_dtype(rng)
        x = TensorType((int(rng.integers(1, 40)),), draw_format(rng, dtype=dtype))
        bound = TERNARY_INPUT_BOUND if dtype == "int16" and rng.random() < 0.5 else 0
        return cls(dtype, rng.random() < 0.5, bound), (x, x)


@dataclass(frozen=True, eq=False)
class BiasAdd(Saturating):
    """y = saturate(x + bias): int16 [channels] added along the last axis, in the format of x."""

    name: ClassVar[str] = "bias_add"
    in_place: ClassVar[tuple[int, ...]] = (0,)

    bias: IntArray

    @property
    def kernel(self) -> str:
        return "bias_add_int16"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        (x,) = inputs
        require(x.format.dtype == "int16", f"bias_add works on int16 values, not {x.format.dtype}")
        require(self.bias.dtype == np.int16, f"bias_add holds int16 biases, not {self.bias.dtype}")
        require(x.shape[-1:] == self.bias.shape, f"{self.bias.size} biases for a value of shape {x.shape}")
        return (TensorType(x.shape, _sum_format(x.format, int(np.abs(self.bias.astype(np.int64)).max()), False)),)

    @property
    def limits(self) -> Format:
        return Format(0)

    def unclamped(self, *inputs: IntArray) -> IntArray:
        (x,) = inputs
        return x + self.bias.astype(np.int64)

    def evaluate_inverse(self, result: IntArray) -> IntArray:
        """The int16 whose sum with the bias comes nearest to a result [batch, *shape]."""
        return saturate(result - self.bias.astype(np.int64), -(1 << 15), (1 << 15) - 1)

    def crafted(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        (x,) = inputs
        wanted = _edges(self.limits, (len(x.shape) + 1) * (1,)) - self.bias.astype(np.int64)
        return (np.broadcast_to(saturate(wanted, x.format.low, x.format.high), (len(wanted), *x.shape)),)

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        (x,) = inputs
        return (_clamped_sum(b, x, b.constant(self.bias.astype(np.int32)), Format(0)),)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        (x,) = inputs
        bias = np.broadcast_to(self.bias, x.shape)  # the interpreters' int16 ADD does not broadcast
        return (saturating_add(b, x, b.constant(bias, scale_of(format_of(x)))),)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (x,), (y,) = inputs, outputs
        bias = b.constant("bias", self.bias, "biases", "in the format of the input")
        channels = len(self.bias)
        b.call(self.kernel, x.expression, y.expression, str(x.type.size // channels), str(channels), bias)

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        channels = int(rng.integers(1, 40))
        return cls(rng.integers(-(1 << 15), 1 << 15, channels, dtype=np.int16)), (TensorType((channels,), draw_format(rng)),)


def _edges(limits: Format, shape: tuple[int, ...]) -> IntArray:
    """Sums on both sides of both ends, and around zero, several of each: int64 [count, 1, ...]."""
    sums = [end + by for end in (limits.low, limits.high, 0) for by in (-1, 0, 1)]
    return np.array(4 * sums, np.int64).reshape(-1, *shape[1:])


def _sum_format(x: Format, bound: int, nonnegative: bool) -> Format:
    limit = Format(0, x.dtype).bound
    return Format(x.fraction_bits, x.dtype, min(limit, x.bound + bound), nonnegative)


def _clamped_sum(b: OnnxBuilder, x: str, y: str, limits: Format) -> str:
    a = OnnxInt32(b)
    return a.clamp(a.add(x, y), limits.low, limits.high)
