"""abs: the magnitude of every entry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from ..events import Events, any_of_channel
from ..fixed_point import IntArray
from ..formats import DType, TensorType
from ..ranges import Range
from . import onnx_arithmetic
from .base import CBuilder, CValue, Elementwise, OnnxBuilder, TfliteBuilder, TfliteTensor, require
from .drawing import draw_dtype, draw_format
from .int32_arithmetic import Int32Arithmetic, T
from .onnx_arithmetic import OnnxInt32
from .tflite_arithmetic import TfliteInt32, format_of, narrow, widen


@dataclass(frozen=True)
class Abs(Elementwise):
    """y = saturate(|x|), in the format of x, int16 or int8: the lowest integer of a dtype gives the highest."""

    name: ClassVar[str] = "abs"
    in_place: ClassVar[tuple[int, ...]] = (0,)

    dtype: DType = "int16"

    @property
    def kernel(self) -> str:
        return f"abs_{self.dtype}"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        (x,) = inputs
        require(x.format.dtype == self.dtype != "int32", f"an abs of {self.dtype} cannot read {x.format}")
        return (TensorType(x.shape, replace(x.format, nonnegative=True)),)

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        (x,) = inputs
        return (np.minimum(np.abs(x), self._highest),)

    @property
    def _highest(self) -> int:
        return int(np.iinfo(self.dtype).max)

    def ranges(self, *inputs: Range) -> tuple[Range, ...]:
        (x,) = inputs
        (result,) = self.infer(x.type)
        least = np.maximum(np.maximum(x.low, -x.high), 0)
        return (Range(result, *(np.minimum(each, self._highest) for each in (least, np.maximum(-x.low, x.high)))),)

    def reached(self, *inputs: IntArray) -> Events:
        (x,) = inputs
        return {"saturation_high": any_of_channel(x < -self._highest)}

    def reachable(self, *inputs: Range) -> Events:
        (x,) = inputs
        return {"saturation_high": any_of_channel(x.low < -self._highest)}

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        (x,) = inputs
        if self.dtype == "int8":
            format = b.type(x).format
            magnitude = b.node("Abs", onnx_arithmetic.dequantize(b, x, format))
            return (onnx_arithmetic.quantize(b, magnitude, replace(format, nonnegative=True)),)
        return (self._magnitude(OnnxInt32(b), x),)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        (x,) = inputs
        return (narrow(b, self._magnitude(TfliteInt32(b), widen(b, x)), replace(format_of(x), nonnegative=True)),)

    def _magnitude(self, arithmetic: Int32Arithmetic[T], x: T) -> T:
        """Interpreters for microcontrollers have no ABS of int32, and refuse that of int16."""
        return arithmetic.minimum(arithmetic.binary("maximum", x, arithmetic.sub(0, x)), self._highest)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (x,), (y,) = inputs, outputs
        b.call(self.kernel, x.expression, y.expression, str(x.type.size), str(self._highest))

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        dtype = draw_dtype(rng)
        return cls(dtype), (TensorType((int(rng.integers(1, 40)),), draw_format(rng, dtype=dtype)),)
