"""concat: two values side by side along the last axis; how a layer reads what two others made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..fixed_point import IntArray
from ..formats import DType, Format, TensorType
from .base import CBuilder, CValue, Elementwise, Increasing, OnnxBuilder, TfliteBuilder, TfliteTensor, require
from .drawing import draw_dtype, draw_format


@dataclass(frozen=True)
class Concat(Increasing, Elementwise):
    """y = (a, b): a [..., n], b [..., m], y [..., n + m], all of one dtype and scale (a change of format is a requantize)."""

    name: ClassVar[str] = "concat"
    in_place: ClassVar[tuple[int, ...]] = ()

    dtype: DType = "int16"

    @property
    def kernel(self) -> str:
        return f"concat_{self.dtype}"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        a, b = inputs
        require(a.shape[:-1] == b.shape[:-1], f"concat reads values that differ in their last axis alone, not {a.shape} and {b.shape}")
        same = (a.format.dtype, a.format.fraction_bits) == (b.format.dtype, b.format.fraction_bits)
        require(same, f"concat needs equal formats, not {a.format} and {b.format}: requantize one of them")
        require(a.format.dtype == self.dtype != "int32", f"a concat of {self.dtype} cannot read {a.format}")
        bound, nonnegative = max(a.format.bound, b.format.bound), a.format.nonnegative and b.format.nonnegative
        format = Format(a.format.fraction_bits, self.dtype, bound, nonnegative)
        return (TensorType((*a.shape[:-1], a.shape[-1] + b.shape[-1]), format),)

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        return (np.concatenate(inputs, axis=-1),)

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        return (b.node("Concat", *inputs, axis=1 if self.dtype == "int8" else -1),)  # int8 values have their channels in front

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        x, y = inputs
        shape = (*x.shape[:-1], x.shape[-1] + y.shape[-1])
        return (b.operator("CONCATENATION", inputs, shape, self.dtype, x.format, axis=3),)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (left, right), (y,) = inputs, outputs
        widths = [each.type.shape[-1] for each in (left, right)]
        b.call(self.kernel, left.expression, right.expression, y.expression, str(y.type.size // sum(widths)), *map(str, widths))

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        dtype = draw_dtype(rng)
        axes = tuple(rng.integers(1, 4, int(rng.integers(0, 3))).tolist())
        format = draw_format(rng, dtype=dtype)
        return cls(dtype), tuple(TensorType((*axes, int(rng.integers(1, 20))), format) for _ in range(2))
