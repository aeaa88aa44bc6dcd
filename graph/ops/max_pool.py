"""max_pool: the largest entry of a window, channel by channel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from ..draws import Draws
from ..events import BoolArray, Events
from ..fixed_point import IntArray
from ..formats import DType, Padding, Pair, TensorType, image_shape
from ..ranges import Range
from ..stress import telling_combinations
from . import onnx_arithmetic
from .base import CBuilder, CValue, Elementwise, Increasing, OnnxBuilder, TfliteBuilder, TfliteTensor, require
from .drawing import draw_dtype, draw_format
from .tflite_arithmetic import format_of, slide
from .window import DisjointPatches, Window, Windowed


@dataclass(frozen=True)
class MaxPool(Windowed, Increasing, Elementwise):
    """y[i, j, c] = max of patch(i, j, c): [height, width, channels] -> [out_height, out_width, channels], in the format of x.

    dtype: of x, int16 or int8. A value [time, channels] counts as an image of height 1, and so does its result.
    padding: positions added (top, bottom, left, right), fewer than the kernel has on each side. They do not count; x is
    non-negative there, so that zeros are as good as nothing.
    """

    name: ClassVar[str] = "max_pool"
    pools: ClassVar[bool] = True
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

    def reached(self, *inputs: IntArray) -> Events:
        """window: places in the kernel whose entry alone was the largest."""
        (x,) = inputs
        patches = self.window.gather(x)
        alone = (patches == patches.max(axis=2, keepdims=True)).sum(axis=2, keepdims=True) == 1
        largest = (patches == patches.max(axis=2, keepdims=True)) & alone & self._inside(x.shape[1:])
        return {"window": largest.any(axis=(0, 1, 3)), "padding": self.borders(x)}

    def reachable(self, *inputs: Range) -> Events:
        (x,) = inputs
        low, high = (self.window.gather(end) for end in x.ends)
        others = np.sort(np.where(self._inside(x.low.shape), low, np.iinfo(np.int64).min), axis=2)[:, :, ::-1]
        highest = np.where(low == others[:, :, :1], others[:, :, 1:2] if self.area > 1 else low - 1, others[:, :, :1])
        possible = (high > highest) & self._inside(x.low.shape)
        return {"window": possible.any(axis=(0, 1, 3)), "padding": self.borders(np.where(x.high > 0, x.high, x.low)[None])}

    def _inside(self, shape: tuple[int, ...]) -> BoolArray:
        """Of each position, which places of the kernel lie in the input: bool [positions, kernel positions, 1]."""
        height, width, _ = image_shape(shape)
        inside: BoolArray = self.window.patches((height, width, 1)) < height * width
        return inside

    def stress(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        """For each place of the kernel it alone largest, among lowest entries and by one among highest; then random values."""
        (x,) = inputs
        images = [self._largest_at_each(draws, x, places) for places in self.window.disjoint_patches(x.shape)]
        return (np.concatenate([*images, *telling_combinations(draws, inputs)]),)

    def _largest_at_each(self, draws: Draws, x: TensorType, places: DisjointPatches) -> IntArray:
        low, high = x.format.low, x.format.high
        chosen = np.eye(len(places.taps), dtype=np.int64)[..., None]
        patches = np.concatenate([low + by * chosen for by in (1, high - low)] + [high - 1 + chosen])
        return places.images(draws, x, np.repeat(np.repeat(patches, x.shape[-1], axis=2), len(places.cells), axis=0))

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
