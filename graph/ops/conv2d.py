"""conv2d: a convolution over height and width, or over time, channels last, a bias, and one requantization an output channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..fixed_point import IntArray, Requantization, exact_matmul
from ..ir import Format, TensorType
from ..weights import SeededWeight, SparseWeight, Weight
from . import onnx_arithmetic, tflite_arithmetic
from .base import CBuilder, CValue, OnnxBuilder, TfliteBuilder, TfliteTensor, require
from .c_arguments import requantization_argument, weight_argument
from .drawing import DENSE, draw_product
from .product import prove_product
from .window import Padding, Pair, Window


@dataclass(frozen=True, eq=False)
class Conv2d:
    """y[i, j] = R(W patch(i, j) + bias): [height, width, channels] -> [out_height, out_width, rows].

    A value [time, channels] counts as an image of height 1, and so does its result. int16 or int8 throughout.
    weight: [rows, kernel_height * kernel_width * channels], channels fastest. bias: int32 [rows], or of length 0 for none.
    padding: zeros added (top, bottom, left, right).
    """

    name: ClassVar[str] = "conv2d"
    in_place: ClassVar[tuple[int, ...]] = ()
    view: ClassVar[int | None] = None

    weight: Weight
    bias: IntArray
    requantization: Requantization
    output: Format
    kernel_size: Pair
    stride: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)

    @property
    def kernel(self) -> str:
        return f"conv2d_{self.output.dtype}_{self.weight.format}"

    @property
    def window(self) -> Window:
        """What moves over the input."""
        return Window(self.kernel_size, self.stride, self.padding)

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        (x,) = inputs
        stored = not isinstance(self.weight, SparseWeight | SeededWeight)
        require(stored, f"conv2d reads no {self.weight.storage} weights: store its matrix dense, as int8 or int4")
        rows, columns = self.weight.matrix.shape
        shape = self.window.output_shape(self.name, x.shape, rows)
        patch = self.kernel_size[0] * self.kernel_size[1] * x.shape[-1]
        require(columns == patch, f"a weight of {columns} columns cannot read patches of {patch} entries")
        prove_product(self.weight, self.bias, self.requantization, x.format, self.output)
        return (TensorType(shape, self.output),)

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        (x,) = inputs
        rows, columns = self.weight.matrix.shape
        patches = self.window.gather(x.astype(np.float64))  # exact_matmul's own type: one copy of the patches, not two
        accumulator = exact_matmul(patches.reshape(-1, columns), self.weight.matrix.T).reshape(*patches.shape[:2], rows)
        if self.bias.size:
            accumulator = accumulator + self.bias
        result = self.requantization(accumulator, self.output.low, self.output.high)
        return (result.reshape(len(x), *self.window.output_shape(self.name, x.shape[1:], rows)),)

    def multiply_accumulates(self, *inputs: TensorType) -> int:
        height, width = self.window.output_size(inputs[0].shape)
        return height * width * self.weight.matrix.size

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        (x,) = inputs
        if self.output.dtype == "int8":
            product = (self.weight.matrix, self.bias, self.requantization, self.output)
            return (onnx_arithmetic.convolution(b, x, self.window, *product),)
        shape, (rows, columns) = b.type(x).shape, self.weight.matrix.shape
        patches = onnx_arithmetic.gather_entries(b, x, self.window.patches(shape).reshape(-1, columns))
        accumulator = onnx_arithmetic.matrix_product(b, patches, self.weight.matrix, self.bias)
        result = onnx_arithmetic.requantize(b, accumulator, self.requantization, self.output)
        return (onnx_arithmetic.reshape(b, result, self.window.output_shape(self.name, shape, rows)),)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        (x,) = inputs
        product = (self.weight.matrix, self.bias, self.requantization, self.output)
        return (tflite_arithmetic.convolution(b, x, self.window, *product),)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (x,), (y,) = inputs, outputs
        weight = weight_argument(b, self.weight)
        by = requantization_argument(b, self.bias, self.requantization, self.output)
        b.call(self.kernel, x.expression, y.expression, self.window.c_shape(x.type, y.type), weight, by)

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        window, shape = Window.random(rng)
        rows, patch = int(rng.integers(3, 8)), window.kernel_size[0] * window.kernel_size[1] * shape[-1]
        product, format = draw_product(rng, rows, patch, DENSE)
        return cls(*product, window.kernel_size, window.stride, window.padding), (TensorType(shape, format),)
