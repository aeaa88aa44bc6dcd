"""fully_connected: a matrix-vector product, a bias, and one requantization a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..fixed_point import IntArray, Requantization, exact_matmul
from ..ir import Format, TensorType
from ..weights import SparseWeight, Weight
from . import onnx_arithmetic, tflite_arithmetic
from .base import Analysed, CBuilder, CValue, OnnxBuilder, TfliteBuilder, TfliteTensor, require
from .drawing import draw_product
from .product import prove_product


@dataclass(frozen=True, eq=False)
class FullyConnected(Analysed):
    """y = R(W x + bias), W [rows, columns].

    bias: int32 [rows] in units of the accumulator, or of length 0 for none.
    """

    name: ClassVar[str] = "fully_connected"
    in_place: ClassVar[tuple[int, ...]] = ()
    view: ClassVar[int | None] = None

    weight: Weight
    bias: IntArray
    requantization: Requantization
    output: Format

    @property
    def kernel(self) -> str:
        return f"fully_connected_{self.output.dtype}_{self.weight.format}"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        (x,) = inputs
        rows, columns = self.weight.matrix.shape
        sparse = isinstance(self.weight, SparseWeight) and x.format.dtype == "int8"
        require(not sparse, "fully_connected reads no sparse weights beside int8 activations: store its matrix dense")
        require(x.shape == (columns,), f"a weight of {columns} columns cannot read a value of shape {x.shape}")
        prove_product(self.weight, self.bias, self.requantization, x.format, self.output)
        return (TensorType((rows,), self.output),)

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        (x,) = inputs
        accumulator = exact_matmul(x, self.weight.matrix.T)
        if self.bias.size:
            accumulator = accumulator + self.bias
        return (self.requantization(accumulator, self.output.low, self.output.high),)

    def multiply_accumulates(self, *inputs: TensorType) -> int:
        """One for each entry that is stored."""
        stored = np.count_nonzero if isinstance(self.weight, SparseWeight) else np.size
        return int(stored(self.weight.matrix))

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        (x,) = inputs
        if self.output.dtype == "int8":
            return (onnx_arithmetic.fully_connected(b, x, self.weight.matrix, self.bias, self.requantization, self.output),)
        accumulator = onnx_arithmetic.matrix_product(b, x, self.weight.matrix, self.bias)
        return (onnx_arithmetic.requantize(b, accumulator, self.requantization, self.output),)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        (x,) = inputs
        return (tflite_arithmetic.matrix_product(b, x, self.weight.matrix, self.bias, self.requantization, self.output),)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (x,), (y,) = inputs, outputs
        b.product(self, x, y)

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        rows, columns = (int(n) for n in rng.integers(1, 41, 2))
        product, format = draw_product(rng, rows, columns)
        return cls(*product), (TensorType((columns,), format),)
