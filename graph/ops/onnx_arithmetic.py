"""Pieces of the contract spelled in standard ONNX operators, shared by the ops' `onnx` methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..fixed_point import IntArray, Requantization
from ..ir import Format
from .base import OnnxBuilder
from .int32_arithmetic import Int32Arithmetic, Operator

INT32, INT64 = 6, 7
"""onnx.TensorProto.INT32 and INT64 (the graph does not import onnx)."""
WIDE_OFFSET_BITS = 60
"""2^60 lifts every product of accumulator and multiplier (below 2^45) above zero, and divides by 2^MAX_SHIFT."""
OPERATORS: Mapping[Operator, str] = {"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "minimum": "Min", "maximum": "Max"}


@dataclass(frozen=True)
class OnnxInt32(Int32Arithmetic[str]):
    """Int32Arithmetic through an OnnxBuilder."""

    builder: OnnxBuilder

    def binary(self, operator: Operator, x: str | int, y: str | int) -> str:
        """See Int32Arithmetic."""
        return self.builder.node(OPERATORS[operator], self._operand(x), self._operand(y))

    def gather(self, table: IntArray, index: str) -> str:
        """See Int32Arithmetic."""
        return self.builder.node("Gather", self.builder.constant(table.astype(np.int32)), index, axis=0)

    def _operand(self, x: str | int) -> str:
        return x if isinstance(x, str) else self.builder.constant(np.array(x, np.int32))


def reshape(b: OnnxBuilder, x: str, shape: tuple[int, ...]) -> str:
    """x [batch, ...] as [batch, *shape]."""
    return b.node("Reshape", x, b.constant(np.array([0, *shape])))


def gather_entries(b: OnnxBuilder, x: str, indices: IntArray) -> str:
    """The entries of x [batch, *shape] at flat `indices`; the index past the last reads a zero. Gives [batch, *indices.shape]."""
    padded = b.node("Pad", reshape(b, x, (-1,)), b.constant(np.array([0, 0, 0, 1])))
    return b.node("Gather", padded, b.constant(indices), axis=1)


def sum_patches(b: OnnxBuilder, patches: str) -> str:
    """The sums over each patch of [batch, positions, kernel entries, channels]: [batch, positions, channels]."""
    return b.node("ReduceSum", patches, b.constant(np.array([2])), keepdims=0)


def matrix_product(b: OnnxBuilder, x: str, matrix: IntArray, bias: IntArray) -> str:
    """x [..., columns] times matrix^T [rows, columns], plus bias [rows] unless it is empty: the int32 accumulator [..., rows]."""
    weight = b.node("Cast", b.constant(np.ascontiguousarray(matrix.T)), to=INT32)
    accumulator = b.node("MatMul", x, weight)
    return b.node("Add", accumulator, b.constant(bias.astype(np.int32))) if bias.size else accumulator


def requantize(b: OnnxBuilder, accumulator: str, requantization: Requantization, output: Format) -> str:
    """saturate(R(accumulator)) in the limits of `output`, for rows on the last axis. The product needs int64.

    The arithmetic shift is Div(x + 2^60 + 2^(s - 1), 2^s) - 2^(60 - s): Div truncates, and signed BitShift does not exist.
    """
    shift = requantization.shift.astype(np.int64)
    one = np.int64(1)
    wide = b.node("Cast", accumulator, to=INT64)
    product = b.node("Mul", wide, b.constant(requantization.multiplier.astype(np.int64)))
    lifted = b.node("Add", product, b.constant((one << WIDE_OFFSET_BITS) + (one << (shift - 1))))
    shifted = b.node("Sub", b.node("Div", lifted, b.constant(one << shift)), b.constant(one << (WIDE_OFFSET_BITS - shift)))
    limits = (b.constant(np.array(limit, np.int64)) for limit in (output.low, output.high))
    return b.node("Cast", b.node("Clip", shifted, *limits), to=INT32)
