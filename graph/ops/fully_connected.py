"""fully_connected: a matrix-vector product, a bias, and one requantization a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..draws import Draws
from ..events import BoolArray
from ..fixed_point import IntArray, Requantization, exact_matmul
from ..formats import Format, TensorType
from ..ranges import Range
from ..stress import telling_combinations
from ..weights import Weight
from . import onnx_arithmetic, tflite_arithmetic
from .base import CBuilder, CValue, OnnxBuilder, ProductOp, TfliteBuilder, TfliteTensor, require
from .drawing import draw_product
from .product import prove_product, prove_read
from .requantizing import Requantizing, biased, decisive_inputs, in_turn, padded_lanes, product_ends, product_lattice, product_rows


@dataclass(frozen=True, eq=False)
class FullyConnected(Requantizing):
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

    reads_patches: ClassVar[bool] = False

    @property
    def matrices(self) -> tuple[Weight, ...]:
        return (self.weight,)

    @property
    def kernel(self) -> str:
        return f"fully_connected_{self.output.dtype}_{self.weight.storage}"

    @property
    def core_product(self) -> ProductOp:
        return self

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        (x,) = inputs
        rows, columns = self.weight.matrix.shape
        prove_read(self.name, self.weight, x.format)
        require(x.shape == (columns,), f"a weight of {columns} columns cannot read a value of shape {x.shape}")
        prove_product(self.weight, self.bias, self.requantization, x.format, self.output)
        return (TensorType((rows,), self.output),)

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        (x,) = inputs
        return (self.requantization(self.accumulators(x), self.output.low, self.output.high),)

    def accumulators(self, x: IntArray) -> IntArray:
        return biased(exact_matmul(x, self.weight.matrix.T), self.bias)

    def accumulator_ends(self, x: Range) -> tuple[IntArray, IntArray]:
        low, high = product_ends(self.weight.matrix, x.low, x.high)
        return biased(low, self.bias), biased(high, self.bias)

    def lattice(self, x: TensorType) -> tuple[IntArray, IntArray]:
        return product_lattice(self.weight.matrix, self.bias)

    def lanes(self, x: IntArray) -> BoolArray:
        return padded_lanes(self.weight, x)

    def stress(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        (x,) = inputs
        rows = product_rows(self.weight.matrix, self.bias, self.requantization, self.output, x.format)
        decisive = in_turn(decisive_inputs(draws, self.weight.matrix, rows, x.format))
        return (np.concatenate([decisive, *telling_combinations(draws, inputs)]),)

    def multiply_accumulates(self, *inputs: TensorType) -> int:
        """One for each entry that is stored."""
        return self.weight.products

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
