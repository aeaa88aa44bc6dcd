"""max_pool: the largest entry of a window, channel by channel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from ..fixed_point import IntArray
from ..ir import DType, TensorType
from . import onnx_arithmetic
from .base import CBuilder, CValue, Elementwise, OnnxBuilder, TfliteBuilder, TfliteTensor, require
from .drawing import draw_dtype, draw_format
from .tflite_arithmetic import format_of, slide
from .window import Padding, Pair, Window, Windowed


@dataclass(frozen=True)
class MaxPool(Windowed, Elementwise):
    """y[i, j, c] = max of patch(i, j, c): [height, width, channels] -> [out_height, out_width, channels], in the format of x.

    dtype: of x, int16 or int8. A value [time, channels] counts as an image of height 1, and so does its result.
    padding: positions added (top, bottom, left, right), fewer than the kernel has on each side. They do not count; x is
    non-negative there, so that zeros are as good as nothing.
    """

    name: ClassVar[str] = "max_pool"
    in_place: ClassVar[tuple[int, ...]] = ()

    kernel_size: Pair
    stride: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    dtype: DType = "int16"

    @property
    def kernel(self) -> str:
        return f"max_pool_{self.dtype}"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        (x,) = inputs
        require(x.format.dtype == self.dtype, f"a max_pool of {self.dtype} cannot read {x.format}")
        shape = self.window.output_shape(self.name, x.shape, x.shape[-1])
        smaller = all(max(self.padding[2 * axis : 2 * axis + 2]) < self.kernel_size[axis] for axis in (0, 1))
        require(smaller, f"max_pool pads fewer positions than its {self.kernel_size} kernel has, not {self.padding}: pad less")
        readable = x.format.nonnegative or not any(self.padding)
        require(readable, f"max_pool pads non-negative values only, and {x.format} has negative ones: put a ReLU before it")
        return (TensorType(shape, x.format),)

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        (x,) = inputs
        return (self.results(self.window.gather(x).max(axis=2), x),)

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        (x,) = inputs
        shape = b.type(x).shape
        if self.dtype == "int8":
            return (b.node("MaxPool", x, **onnx_arithmetic.slide(self.window, len(shape) - 1)),)
        patches = onnx_arithmetic.gather_entries(b, x, self.window.patches(shape))
        result = b.node("ReduceMax", patches, axes=[2], keepdims=0)
        return (onnx_arithmetic.reshape(b, result, self.window.output_shape(self.name, shape, shape[-1])),)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        (x,) = inputs
        shape = (1, *self.window.output_size(x.shape[1:]), x.shape[-1])
        padded, options = slide(b, x, self.window)
        options |= dict(zip(("filter_height", "filter_width"), self.kernel_size, strict=True))
        return (b.operator("MAX_POOL_2D", (padded,), shape, x.dtype, format_of(x), **options),)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (x,), (y,) = inputs, outputs
        b.call(self.kernel, x.expression, y.expression, self.window.c_shape(x.type, y.type))

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        window, shape = Window.random(rng)
        (height, width), (top, bottom, left, right) = window.kernel_size, window.padding
        padding = (min(top, height - 1), min(bottom, height - 1), min(left, width - 1), min(right, width - 1))
        dtype = draw_dtype(rng)
        format = draw_format(rng, dtype=dtype)
        format = replace(format, nonnegative=format.nonnegative or any(padding))
        return cls(window.kernel_size, window.stride, padding, dtype), (TensorType(shape, format),)
