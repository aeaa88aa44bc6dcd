"""depthwise_conv2d: a convolution with one kernel a channel, a bias, and one requantization a channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..events import BoolArray
from ..fixed_point import IntArray
from ..formats import TensorType
from ..ranges import Range
from . import onnx_arithmetic, tflite_arithmetic
from .base import CBuilder, CValue, OnnxBuilder, TfliteBuilder, TfliteTensor, require
from .c_arguments import requantization_argument
from .convolution import Convolution
from .drawing import draw_product
from .product import prove_product
from .requantizing import biased
from .window import Window


@dataclass(frozen=True, eq=False)
class DepthwiseConv2d(Convolution):
    """y[i, j, c] = R(w[c] patch(i, j, c) + bias[c]): [height, width, channels] -> [out_height, out_width, channels].

    weight: int8 [channels, kernel_height * kernel_width].
    """

    name: ClassVar[str] = "depthwise_conv2d"
    depthwise: ClassVar[bool] = True

    @property
    def kernel(self) -> str:
        return f"depthwise_conv2d_{self.output.dtype}_int8"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        (x,) = inputs
        stored = self.weight.storage
        require(stored == "int8", f"depthwise_conv2d reads no {stored} weights: depthwise weights stay int8")
        rows, columns = self.weight.matrix.shape
        shape = self.window.output_shape(self.name, x.shape, rows)
        require(rows == x.shape[-1], f"kernels for {rows} channels cannot read a value of {x.shape[-1]} channels")
        require(columns == self.area, f"a weight of {columns} columns cannot read patches of {self.area} entries a channel")
        prove_product(self.weight, self.bias, self.requantization, x.format, self.output)
        return (TensorType(shape, self.output),)

    def accumulators(self, x: IntArray) -> IntArray:
        return biased((self.window.gather(x) * self._by_position.astype(np.int64)).sum(axis=2), self.bias)

    def accumulator_ends(self, x: Range) -> tuple[IntArray, IntArray]:
        products = [self.window.gather(end)[0] * self._by_position.astype(np.int64) for end in x.ends]
        return biased(np.minimum(*products).sum(axis=1), self.bias), biased(np.maximum(*products).sum(axis=1), self.bias)

    def lanes(self, x: IntArray) -> BoolArray:
        return self.borders(x)

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        (x,) = inputs
        if self.output.dtype == "int8":
            return (onnx_arithmetic.convolution(b, x, self.window, *self.product, depthwise=True),)
        shape = b.type(x).shape
        patches = onnx_arithmetic.gather_entries(b, x, self.window.patches(shape))
        weight = b.node("Cast", b.constant(self._by_position), to=onnx_arithmetic.INT32)
        accumulator = onnx_arithmetic.sum_patches(b, b.node("Mul", patches, weight))
        if self.bias.size:
            accumulator = b.node("Add", accumulator, b.constant(self.bias.astype(np.int32)))
        result = onnx_arithmetic.requantize(b, accumulator, self.requantization, self.output)
        return (onnx_arithmetic.reshape(b, result, self.window.output_shape(self.name, shape, shape[-1])),)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        (x,) = inputs
        return (tflite_arithmetic.convolution(b, x, self.window, *self.product, depthwise=True),)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (x,), (y,) = inputs, outputs
        positions, channels = self._by_position.shape
        note = f"int8, {positions} kernel positions x {channels} channels, channels fastest"
        weight = b.constant("weight", self._by_position.reshape(-1), "weights", note)
        by = requantization_argument(b, self.bias, self.requantization, self.output)
        b.call(self.kernel, x.expression, y.expression, self.window.c_shape(x.type, y.type), weight, by)

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        window, shape = Window.random(rng)
        product, format = draw_product(rng, shape[-1], window.kernel_size[0] * window.kernel_size[1], ("int8",))
        return cls(*product, window.kernel_size, window.stride, window.padding), (TensorType(shape, format),)

    @property
    def _by_position(self) -> IntArray:
        """The weights as every export stores them: int8 [kernel_height * kernel_width, channels]."""
        return np.ascontiguousarray(self.weight.matrix.T)
