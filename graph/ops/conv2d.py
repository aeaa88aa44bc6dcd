"""conv2d: a convolution over height and width, or over time, channels last, a bias, and one requantization an output channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..events import BoolArray
from ..fixed_point import IntArray, exact_matmul
from ..formats import TensorType
from ..ranges import Range
from ..weights import SparseKernelsWeight
from . import onnx_arithmetic, tflite_arithmetic
from .base import CBuilder, CValue, OnnxBuilder, ProductOp, TfliteBuilder, TfliteTensor, require
from .convolution import Convolution
from .drawing import DENSE, SPARSE, WHOLE_KERNELS, WHOLE_ROWS, draw_product
from .product import prove_product, prove_read
from .requantizing import biased, padded_lanes, product_ends
from .window import Window


@dataclass(frozen=True, eq=False)
class Conv2d(Convolution):
    """y[i, j] = R(W patch(i, j) + bias): [height, width, channels] -> [out_height, out_width, rows].

    weight: [rows, kernel_height * kernel_width * channels], channels fastest.
    """

    name: ClassVar[str] = "conv2d"
    depthwise: ClassVar[bool] = False
    reads_patches: ClassVar[bool] = True

    @property
    def kernel(self) -> str:
        return f"conv2d_{self.output.dtype}_{self.weight.storage}"

    @property
    def core_product(self) -> ProductOp:
        return self

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        (x,) = inputs
        prove_read(self.name, self.weight, x.format)
        rows, columns = self.weight.matrix.shape
        shape = self.window.output_shape(self.name, x.shape, rows)
        patch = self.area * x.shape[-1]
        require(columns == patch, f"a weight of {columns} columns cannot read patches of {patch} entries")
        kernel = self.weight.positions if isinstance(self.weight, SparseKernelsWeight) else self.area
        require(kernel == self.area, f"kernels of {kernel} entries cannot be those of a window of {self.area} positions")
        prove_product(self.weight, self.bias, self.requantization, x.format, self.output)
        return (TensorType(shape, self.output),)

    def accumulators(self, x: IntArray) -> IntArray:
        rows, columns = self.weight.matrix.shape
        patches = self.window.gather(x.astype(np.float64))  # exact_matmul's own type: one copy of the patches, not two
        sums = exact_matmul(patches.reshape(-1, columns), self.weight.matrix.T)
        return biased(sums.reshape(*patches.shape[:2], rows), self.bias)

    def accumulator_ends(self, x: Range) -> tuple[IntArray, IntArray]:
        columns = self.weight.matrix.shape[1]
        patches = (self.window.gather(end).reshape(-1, columns) for end in x.ends)
        low, high = product_ends(self.weight.matrix, *patches)
        return biased(low, self.bias), biased(high, self.bias)

    def lanes(self, x: IntArray) -> BoolArray:
        inside = padded_lanes(self.weight, self.window.gather(x).reshape(-1, self.weight.matrix.shape[1]))
        return np.concatenate([inside, self.borders(x)])

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        (x,) = inputs
        if self.output.dtype == "int8":
            return (onnx_arithmetic.convolution(b, x, self.window, *self.product),)
        shape, (rows, columns) = b.type(x).shape, self.weight.matrix.shape
        patches = onnx_arithmetic.gather_entries(b, x, self.window.patches(shape).reshape(-1, columns))
        accumulator = onnx_arithmetic.matrix_product(b, patches, self.weight.matrix, self.bias)
        result = onnx_arithmetic.requantize(b, accumulator, self.requantization, self.output)
        return (onnx_arithmetic.reshape(b, result, self.window.output_shape(self.name, shape, rows)),)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        (x,) = inputs
        return (tflite_arithmetic.convolution(b, x, self.window, *self.product),)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (x,), (y,) = inputs, outputs
        b.product(self, x, y, self.window.c_shape(x.type, y.type))

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        window, shape = Window.random(rng)
        rows, patch = int(rng.integers(3, 8)), window.kernel_size[0] * window.kernel_size[1] * shape[-1]
        product, format = draw_product(
            rng, rows, patch, (*DENSE, *SPARSE, *WHOLE_KERNELS, *WHOLE_ROWS), window.kernel_size[0] * window.kernel_size[1]
        )
        return cls(*product, window.kernel_size, window.stride, window.padding), (TensorType(shape, format),)
