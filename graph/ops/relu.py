"""relu: max(x, 0)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from ..events import Events, any_of_channel
from ..fixed_point import IntArray
from ..formats import DType, Format, TensorType
from ..ranges import Range
from . import onnx_arithmetic
from .base import CBuilder, CValue, Elementwise, Increasing, OnnxBuilder, TfliteBuilder, TfliteTensor, require
from .drawing import draw_dtype, draw_format
from .onnx_arithmetic import OnnxInt32
from .tflite_arithmetic import bound, format_of


@dataclass(frozen=True)
class Relu(Increasing, Elementwise):
    """y = max(x, 0), in the format of x, int16 or int8."""

    name: ClassVar[str] = "relu"
    in_place: ClassVar[tuple[int, ...]] = (0,)

    dtype: DType = "int16"

    @property
    def kernel(self) -> str:
        return f"relu_{self.dtype}"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        (x,) = inputs
        require(x.format.dtype == self.dtype, f"a relu of {self.dtype} cannot read {x.format}")
        return (TensorType(x.shape, replace(x.format, nonnegative=True)),)

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        (x,) = inputs
        return (np.maximum(x, 0),)

    def reached(self, *inputs: IntArray) -> Events:
        (x,) = inputs
        return {"clamp_low": any_of_channel(x < 0)}

    def reachable(self, *inputs: Range) -> Events:
        (x,) = inputs
        return {"clamp_low": any_of_channel(x.low < 0)}

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        (x,) = inputs
        if self.dtype == "int8":
            format = Format(b.type(x).format.fraction_bits, "int8", nonnegative=True)
            return (onnx_arithmetic.quantize(b, onnx_arithmetic.dequantize(b, x, format), format),)
        return (OnnxInt32(b).binary("maximum", x, 0),)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        (x,) = inputs
        return (bound(b, x, replace(format_of(x), nonnegative=True)),)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (x,), (y,) = inputs, outputs
        b.call(self.kernel, x.expression, y.expression, str(x.type.size))

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        dtype = draw_dtype(rng)
        return cls(dtype), (TensorType((int(rng.integers(1, 40)),), draw_format(rng, dtype=dtype)),)
