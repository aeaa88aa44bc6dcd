"""Pieces of the contract spelled in standard ONNX operators, shared by the ops' `onnx` methods.

int16 values are int32 tensors, computed with in integers. int8 values are int8 tensors with the channels in front, between
DequantizeLinear and QuantizeLinear: what runtimes know as QDQ, and replace by their own int8 operators. All scales are powers of two and
all sums lie below 2^24 units, so that float32 is exact; products are free of ties (tie_free.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..fixed_point import IntArray, Requantization
from ..formats import Format
from .base import OnnxBuilder
from .int32_arithmetic import Int32Arithmetic, Int32Blocks, Operator
from .tie_free import has_relu, tie_free
from .window import POINT, Window

INT8, INT32, INT64 = 3, 6, 7
"""onnx.TensorProto.INT8, INT32 and INT64 (the graph does not import onnx)."""
WIDE_OFFSET_BITS = 60
"""2^60 lifts every product of accumulator and multiplier (below 2^45) above zero, and divides by 2^MAX_SHIFT."""
ONNX_OPERATORS: Mapping[Operator, str] = {"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "minimum": "Min", "maximum": "Max"}


@dataclass(frozen=True)
class OnnxInt32(Int32Arithmetic[str]):
    """Int32Arithmetic through an OnnxBuilder."""

    builder: OnnxBuilder

    def binary(self, operator: Operator, x: str | int, y: str | int) -> str:
        """See Int32Arithmetic."""
        return self.builder.node(ONNX_OPERATORS[operator], self._operand(x), self._operand(y))

    def gather(self, table: IntArray, index: str) -> str:
        """See Int32Arithmetic."""
        return self.builder.node("Gather", self.builder.constant(table.astype(np.int32)), index, axis=0)

    def _operand(self, x: str | int) -> str:
        return x if isinstance(x, str) else self.builder.constant(np.array(x, np.int32))


class OnnxBlocks(OnnxInt32, Int32Blocks[str]):
    """Int32Blocks through an OnnxBuilder."""

    def constant(self, array: IntArray) -> str:
        """See Int32Blocks."""
        return self.builder.constant(array.astype(np.int32))

    def rows_of_channels(self, x: str, length: int, channels: int) -> str:
        """See Int32Blocks."""
        return self.arrange(self.builder.node("Transpose", x, perm=[0, 2, 1]), (length, 1, 1))

    def rows_of_vectors(self, x: str, size: int) -> str:
        """See Int32Blocks."""
        return self.arrange(x, (size, 1, 1))

    def vectors(self, x: str, shape: tuple[int, ...]) -> str:
        """See Int32Blocks."""
        return self.builder.node("Reshape", x, self.builder.constant(np.array([-1, *shape])))

    def arrange(self, x: str, shape: tuple[int, int, int]) -> str:
        """See Int32Blocks."""
        return self.vectors(x, shape)

    def part(self, x: str, axis: int, start: int, size: int) -> str:
        """See Int32Blocks."""
        return self.builder.node("Slice", x, *(self.builder.constant(np.array([at])) for at in (start, start + size, axis)))

    def join(self, parts: Sequence[str], axis: int) -> str:
        """See Int32Blocks."""
        return self.builder.node("Concat", *parts, axis=axis)

    def reverse(self, x: str, axis: int) -> str:
        """See Int32Blocks."""
        ends = (-1, np.iinfo(np.int64).min, axis, -1)
        return self.builder.node("Slice", x, *(self.builder.constant(np.array([at])) for at in ends))

    def pad(self, x: str, axis: int, before: int, after: int) -> str:
        """See Int32Blocks."""
        amounts = np.zeros((2, 4), np.int64)
        amounts[:, axis] = before, after
        return self.builder.node("Pad", x, self.builder.constant(amounts.reshape(-1)))

    def less(self, x: str, limit: int) -> str:
        """See Int32Blocks."""
        return self.builder.node("Cast", self.builder.node("Less", x, self._operand(limit)), to=INT32)

    def largest(self, x: str) -> str:
        """See Int32Blocks."""
        return self.builder.node("ReduceMax", x, axes=[1, 2, 3], keepdims=1)


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


def channels_first(b: OnnxBuilder, x: str, axes: int) -> str:
    """x [batch, ..., channels], of so many axes besides the batch, as [batch, channels, ...]."""
    return b.node("Transpose", x, perm=[0, axes, *range(1, axes)]) if axes > 1 else x


def channels_last(b: OnnxBuilder, x: str, axes: int) -> str:
    """The inverse of channels_first."""
    return b.node("Transpose", x, perm=[0, *range(2, axes + 1), 1]) if axes > 1 else x


def widen(b: OnnxBuilder, x: str) -> str:
    """An int8 value as int32 [batch, *shape], which is what an int16 value is."""
    return b.node("Cast", channels_last(b, x, len(b.type(x).shape)), to=INT32)


def narrow(b: OnnxBuilder, x: str, axes: int) -> str:
    """int32 [batch, *shape] of so many axes, within int8, as an int8 value."""
    return channels_first(b, b.node("Cast", x, to=INT8), axes)


def dequantize(b: OnnxBuilder, x: str, format: Format) -> str:
    """The real numbers of an int8 tensor in `format`, float32."""
    return b.node("DequantizeLinear", x, _scale(b, format), b.constant(np.array(0, np.int8)))


def quantize(b: OnnxBuilder, real: str, output: Format) -> str:
    """Real numbers as an int8 tensor in `output`: the tensor saturates, and a ReLU clamps at 0."""
    clamped = b.node("Relu", real) if has_relu(output) else real
    return b.node("QuantizeLinear", clamped, _scale(b, output), b.constant(np.array(0, np.int8)))


def fully_connected(b: OnnxBuilder, x: str, matrix: IntArray, bias: IntArray, requantization: Requantization, output: Format) -> str:
    """saturate(R(W x + bias)) of int8 values [columns] -> [rows]. bias: int [rows], or empty."""
    format = b.type(x).format
    operands = _weight_and_bias(b, matrix, bias, requantization, format, output)
    return quantize(b, b.node("Gemm", dequantize(b, x, format), *operands, transB=1), output)


def convolution(
    b: OnnxBuilder,
    x: str,
    window: Window,
    matrix: IntArray,
    bias: IntArray,
    requantization: Requantization,
    output: Format,
    *,
    depthwise: bool = False,
) -> str:
    """saturate(R(W patch + bias)) of int8 values at every position of the window. A vector counts as a single moment of time.

    matrix: int8 [rows, kernel height * kernel width * channels], channels fastest; depthwise: row i reads channel i alone, so that
    matrix is [channels, kernel height * kernel width]. bias: int [rows], or empty.
    """
    (*positions, channels), format = b.type(x).shape, b.type(x).format
    axes = max(len(positions), 1)
    weight = np.moveaxis(matrix.reshape(len(matrix), *window.kernel_size[-axes:], -1), -1, 1)
    operands = _weight_and_bias(b, np.ascontiguousarray(weight), bias, requantization, format, output)
    pixels = x if positions else b.node("Unsqueeze", x, b.constant(np.array([2])))
    sums = b.node(
        "Conv",
        dequantize(b, pixels, format),
        *operands,
        **slide(window, axes),
        group=channels if depthwise else 1,
    )
    result = quantize(b, sums, output)
    return result if positions else b.node("Squeeze", result, b.constant(np.array([2])))


def slide(window: Window, axes: int) -> dict[str, tuple[int, ...]]:
    """The attributes of an operator with a window over so many axes."""
    top, bottom, left, right = window.padding
    pads = (top, left)[-axes:] + (bottom, right)[-axes:]
    return {"kernel_shape": window.kernel_size[-axes:], "strides": window.stride[-axes:], "pads": pads}


def scale_channels(b: OnnxBuilder, x: str, factor: int, bias: IntArray, requantization: Requantization, output: Format) -> str:
    """saturate(R(factor x + bias)) of int8 values with a bias and a scale for each channel, as a 1x1 depthwise convolution."""
    matrix = np.full((len(bias), 1), factor, np.int8)
    return convolution(b, x, POINT, matrix, bias, requantization, output, depthwise=True)


def _weight_and_bias(
    b: OnnxBuilder, weight: IntArray, bias: IntArray, requantization: Requantization, x: Format, output: Format
) -> tuple[str, str]:
    """A product free of ties as real numbers. weight: int8 [rows, ...].

    Its int8 constants are its own: onnxruntime's option session.x64quantprecision cannot load a model that shares them.
    """
    product = tie_free(weight, bias, requantization, x, output)
    stored, zero = (b.constant(array, shared=False) for array in (product.weight, np.zeros(product.scale.shape, np.int8)))
    scale, bias_scale = (b.constant(scales.astype(np.float32)) for scales in (product.scale, product.bias_scale))
    return (
        b.node("DequantizeLinear", stored, scale, zero, axis=0),
        b.node("DequantizeLinear", b.constant(product.bias), bias_scale, axis=0),
    )


def _scale(b: OnnxBuilder, format: Format) -> str:
    return b.constant(np.ldexp(np.float32(1), -format.fraction_bits))
