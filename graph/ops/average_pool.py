"""average_pool: the sum over a window, and one requantization for all channels; with 1 / entries as its factor, the mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..draws import Draws
from ..events import BoolArray
from ..fixed_point import IntArray, Requantization
from ..formats import Format, Padding, Pair, TensorType
from ..ranges import Range
from ..stress import telling_combinations
from . import onnx_arithmetic, tflite_arithmetic
from .base import CBuilder, CValue, Elementwise, OnnxBuilder, TfliteBuilder, TfliteTensor, prove_accumulator, require
from .c_arguments import requantization_argument
from .drawing import draw_dtype, draw_format, draw_requantization, draw_tie_free
from .product import prove_requantization, prove_tie_free
from .requantizing import Convolving, decisive_images
from .window import Window

NO_BIAS = np.zeros(0, np.int32)


@dataclass(frozen=True, eq=False)
class AveragePool(Convolving, Elementwise):
    """y[i, j, c] = R(sum of patch(i, j, c)): [height, width, channels] -> [out_height, out_width, channels].

    A value [time, channels] counts as an image of height 1, and so does its result. int16 or int8 throughout.
    requantization: one row, for all channels. A kernel as large as the map pools all of it.
    padding: zeros added (top, bottom, left, right); they count.
    """

    name: ClassVar[str] = "average_pool"
    pools: ClassVar[bool] = True
    depthwise: ClassVar[bool] = True
    in_place: ClassVar[tuple[int, ...]] = ()

    requantization: Requantization
    output: Format
    kernel_size: Pair
    stride: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)

    @property
    def kernel(self) -> str:
        return f"average_pool_{self.output.dtype}"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        (x,) = inputs
        shape = self.window.output_shape(self.name, x.shape, x.shape[-1])
        reads, writes = x.format.dtype, self.output.dtype
        require(reads == writes, f"an average_pool of {reads} values gives {reads} values, not {writes}: requantize the result")
        prove_requantization(self.requantization, 1)
        largest = self.area * x.format.bound
        prove_accumulator(largest)
        if writes == "int8":
            prove_tie_free(1, largest, self.requantization)
        return (TensorType(shape, self.output),)

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        (x,) = inputs
        return (self.results(self.requantization(self.accumulators(x), self.output.low, self.output.high), x),)

    def accumulators(self, x: IntArray) -> IntArray:
        sums: IntArray = self.window.gather(x).sum(axis=2)
        return sums

    def accumulator_ends(self, x: Range) -> tuple[IntArray, IntArray]:
        low, high = (self.accumulators(end)[0] for end in x.ends)
        return low, high

    def row_scales(self, rows: int) -> Requantization:
        return self.requantization.repeated(rows)

    def lattice(self, x: TensorType) -> tuple[IntArray, IntArray]:
        return self.position_lattice(self._ones(x), NO_BIAS, x)

    def _ones(self, x: TensorType) -> IntArray:
        return np.ones((x.shape[-1], self.area, 1), np.int8)

    def lanes(self, x: IntArray) -> BoolArray:
        return self.borders(x)

    def stress(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        (x,) = inputs
        return (np.concatenate([decisive_images(self, draws, self._ones(x), NO_BIAS, x), *telling_combinations(draws, inputs)]),)

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        (x,) = inputs
        shape = b.type(x).shape
        if self.output.dtype == "int8":
            return (onnx_arithmetic.convolution(b, x, self.window, *self._product(shape[-1]), depthwise=True),)
        accumulator = onnx_arithmetic.sum_patches(b, onnx_arithmetic.gather_entries(b, x, self.window.patches(shape)))
        result = onnx_arithmetic.requantize(b, accumulator, self.requantization, self.output)
        return (onnx_arithmetic.reshape(b, result, self.window.output_shape(self.name, shape, shape[-1])),)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        """A DEPTHWISE_CONV_2D of ones: the interpreters' AVERAGE_POOL_2D rounds half away from zero."""
        (x,) = inputs
        return (tflite_arithmetic.convolution(b, x, self.window, *self._product(x.shape[-1]), depthwise=True),)

    def _product(self, channels: int) -> tuple[IntArray, IntArray, Requantization, Format]:
        """The same as a depthwise convolution: a matrix of ones, no bias, the scale of each channel, the output."""
        ones = np.ones((channels, self.area), np.int8)
        return ones, NO_BIAS, self.requantization.repeated(channels), self.output

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (x,), (y,) = inputs, outputs
        by = requantization_argument(b, NO_BIAS, self.requantization, self.output)
        b.call(self.kernel, x.expression, y.expression, self.window.c_shape(x.type, y.type), by)

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        window, shape = Window.random(rng)
        dtype = draw_dtype(rng)
        x = draw_format(rng, dtype=dtype)
        largest = window.kernel_size[0] * window.kernel_size[1] * x.bound
        requantization = (draw_tie_free if dtype == "int8" else draw_requantization)(rng, 1, largest)
        op = cls(requantization, draw_format(rng, dtype=dtype), window.kernel_size, window.stride, window.padding)
        return op, (TensorType(shape, x),)
