"""Pieces of the contract spelled in TFLite builtin operators, shared by the ops' `tflite` methods.

Only operators that every interpreter computes alike: CONV_2D and DEPTHWISE_CONV_2D of int16 by int8 with an int64 bias, the same and
FULLY_CONNECTED of int8 by int8 without ties (tie_free.py), ADD of equal scales, MINIMUM, MAXIMUM and MAX_POOL_2D, and int32 arithmetic.
docs/contract.md names those that are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..fixed_point import FloatArray, IntArray, Requantization
from ..formats import Format, Padding
from .base import TfliteBuilder, TfliteTensor
from .int32_arithmetic import Int32Arithmetic, Int32Blocks, Operator
from .tie_free import has_relu, quantized_product, tie_free
from .window import POINT, Window

TFLITE_OPERATORS: Mapping[Operator, str] = {op: op.upper() for op in ("add", "sub", "mul", "div", "minimum", "maximum")}
SAME_PADDING, VALID_PADDING = 0, 1
"""tflite.Padding (the graph does not import tflite)."""
MOST_JOINED = 10
"""Inputs of a CONCATENATION in tflite-micro."""
RELU = 1
"""tflite.ActivationFunctionType.RELU."""


@dataclass(frozen=True)
class TfliteInt32(Int32Arithmetic[TfliteTensor]):
    """Int32Arithmetic through a TfliteBuilder."""

    builder: TfliteBuilder

    def binary(self, operator: Operator, x: TfliteTensor | int, y: TfliteTensor | int) -> TfliteTensor:
        """See Int32Arithmetic."""
        left, right = self._operand(x), self._operand(y)
        shape = tuple(max(pair) for pair in zip(left.shape, right.shape, strict=True))
        return self.builder.operator(TFLITE_OPERATORS[operator], (left, right), shape, "int32")

    def gather(self, table: IntArray, index: TfliteTensor) -> TfliteTensor:
        """See Int32Arithmetic, for entries in [0, 2^15). In two int8 tables, because microcontroller runtimes gather int8 only."""
        centred = table.astype(np.int64) - (1 << 14)
        low = ((centred + 128) & 255) - 128
        high_part, low_part = (self._gather_int8(half.astype(np.int8), index) for half in ((centred - low) >> 8, low))
        return self.add(self.add(self.mul(high_part, 256), low_part), 1 << 14)

    def _gather_int8(self, table: IntArray, index: TfliteTensor) -> TfliteTensor:
        entries = self.builder.operator("GATHER", (self.builder.constant(table), index), index.shape, "int8", axis=0)
        return widen(self.builder, entries)

    def _operand(self, x: TfliteTensor | int) -> TfliteTensor:
        return self.builder.constant(np.full((1, 1, 1, 1), x, np.int32)) if isinstance(x, int) else x


class TfliteBlocks(TfliteInt32, Int32Blocks[TfliteTensor]):
    """Int32Blocks through a TfliteBuilder: a row is an entry of the axis of batches."""

    def constant(self, array: IntArray) -> TfliteTensor:
        """See Int32Blocks."""
        return self.builder.constant(array.astype(np.int32))

    def rows_of_channels(self, x: TfliteTensor, length: int, channels: int) -> TfliteTensor:
        """See Int32Blocks."""
        rows = [self._reshape(self.part(x, 3, channel, 1), (1, length, 1, 1)) for channel in range(channels)]
        return self.join(rows, 0) if channels > 1 else rows[0]

    def rows_of_vectors(self, x: TfliteTensor, size: int) -> TfliteTensor:
        """See Int32Blocks."""
        return self._reshape(x, (x.shape[2], size, 1, 1))

    def vectors(self, x: TfliteTensor, shape: tuple[int, ...]) -> TfliteTensor:
        """See Int32Blocks."""
        return self._reshape(x, (*(1,) * (4 - len(shape)), *shape))

    def arrange(self, x: TfliteTensor, shape: tuple[int, int, int]) -> TfliteTensor:
        """See Int32Blocks."""
        return self._reshape(x, (x.shape[0], *shape))

    def part(self, x: TfliteTensor, axis: int, start: int, size: int) -> TfliteTensor:
        """See Int32Blocks."""
        if size == x.shape[axis]:
            return x
        begin, shape = np.zeros(4, np.int32), list(x.shape)
        begin[axis], shape[axis] = start, size
        operands = (x, self.builder.constant(begin), self.builder.constant(np.array(shape, np.int32)))
        return self.builder.operator("SLICE", operands, tuple(shape), "int32")

    def join(self, parts: Sequence[TfliteTensor], axis: int) -> TfliteTensor:
        """See Int32Blocks. A few at a time, since microcontroller runtimes take no more."""
        while len(parts) > MOST_JOINED:
            parts = [self.join(parts[i : i + MOST_JOINED], axis) for i in range(0, len(parts), MOST_JOINED)]
        shape = list(parts[0].shape)
        shape[axis] = sum(part.shape[axis] for part in parts)
        return self.builder.operator("CONCATENATION", tuple(parts), tuple(shape), "int32", axis=axis)

    def reverse(self, x: TfliteTensor, axis: int) -> TfliteTensor:
        """See Int32Blocks."""
        return self.builder.operator("REVERSE_V2", (x, self.builder.constant(np.array([axis], np.int32))), x.shape, "int32")

    def pad(self, x: TfliteTensor, axis: int, before: int, after: int) -> TfliteTensor:
        """See Int32Blocks."""
        amounts, shape = np.zeros((4, 2), np.int32), list(x.shape)
        amounts[axis] = before, after
        shape[axis] += before + after
        return self.builder.operator("PAD", (x, self.builder.constant(amounts)), tuple(shape), "int32")

    def less(self, x: TfliteTensor, limit: int) -> TfliteTensor:
        """See Int32Blocks."""
        return widen(self.builder, self.builder.operator("LESS", (x, self._operand(limit)), x.shape, "bool"))

    def largest(self, x: TfliteTensor) -> TfliteTensor:
        """See Int32Blocks. By MAX_POOL_2D of int16, since microcontroller runtimes reduce no int32."""
        entries, format = x.shape[1] * x.shape[2] * x.shape[3], Format(0)
        line = narrow(self.builder, self.arrange(x, (1, entries, 1)), format)
        options = {"padding": VALID_PADDING, "stride_h": 1, "stride_w": 1, "filter_height": 1, "filter_width": entries}
        return widen(self.builder, self.builder.operator("MAX_POOL_2D", (line,), (x.shape[0], 1, 1, 1), "int16", format, **options))

    def _reshape(self, x: TfliteTensor, shape: tuple[int, ...]) -> TfliteTensor:
        if shape == x.shape:
            return x
        return self.builder.operator("RESHAPE", (x, self.builder.constant(np.array(shape, np.int32))), shape, x.dtype)


def widen(b: TfliteBuilder, x: TfliteTensor) -> TfliteTensor:
    """The integers of x as plain int32."""
    return b.operator("CAST", (x,), x.shape, "int32")


def narrow(b: TfliteBuilder, x: TfliteTensor, format: Format) -> TfliteTensor:
    """Integers of a wider dtype, which must lie in `format`, as a value of that format."""
    return b.operator("CAST", (x,), x.shape, format.dtype, format)


def scale_of(format: Format) -> FloatArray:
    """The one scale of a value: float64 [1]."""
    return np.ldexp(np.ones(1), -format.fraction_bits)


def format_of(x: TfliteTensor) -> Format:
    """The format of a value."""
    assert x.format is not None, "plain int32 arithmetic has no format"
    return x.format


def bound(b: TfliteBuilder, x: TfliteTensor, format: Format) -> TfliteTensor:
    """x, in its own dtype and scale, clamped to the limits of `format`; nothing where it lies within them already."""
    current = format_of(x)
    for code, limit, loose in (("MINIMUM", format.high, current.high), ("MAXIMUM", format.low, current.low)):
        if limit != loose:
            constant = b.constant(np.full((1, 1, 1, 1), limit, x.dtype), scale_of(format))
            x = b.operator(code, (x, constant), x.shape, x.dtype, format)
    return x


def saturating_add(b: TfliteBuilder, x: TfliteTensor, y: TfliteTensor, *, nonnegative: bool = False) -> TfliteTensor:
    """The saturating sum of two values of equal shape, dtype and scale; `nonnegative`: at least 0."""
    format = Format(format_of(x).fraction_bits, format_of(x).dtype, nonnegative=nonnegative)
    return b.operator("ADD", (x, y), x.shape, x.dtype, format, **_activation(nonnegative))


def convolution(
    b: TfliteBuilder,
    x: TfliteTensor,
    window: Window,
    matrix: IntArray,
    bias: IntArray,
    requantization: Requantization,
    output: Format,
    *,
    depthwise: bool = False,
) -> TfliteTensor:
    """R(W patch + bias) at every position of the window. matrix: int8 [rows, kernel height * kernel width * channels], channels fastest.

    depthwise: row i reads channel i alone, so that matrix is [channels, kernel height * kernel width]. bias: int [rows], or empty.
    """
    rows = len(matrix)
    weight = matrix.reshape(rows, *window.kernel_size, -1)
    shape = (1, *window.output_size(x.shape[1:]), rows)
    padded, options = slide(b, x, window)
    if not depthwise:
        return _product(b, "CONV_2D", padded, (weight, 0, bias), requantization, output, shape, options)
    operands = (np.ascontiguousarray(weight.transpose(3, 1, 2, 0)), 3, bias)
    return _product(b, "DEPTHWISE_CONV_2D", padded, operands, requantization, output, shape, {**options, "depth_multiplier": 1})


def matrix_product(
    b: TfliteBuilder, x: TfliteTensor, matrix: IntArray, bias: IntArray, requantization: Requantization, output: Format
) -> TfliteTensor:
    """R(W x + bias). A 1x1 CONV_2D: FULLY_CONNECTED of int16 rounds differently from one interpreter to the next.

    A FULLY_CONNECTED for int8 where all rows share one scale: not all interpreters read more than one.
    """
    if output.dtype == "int8" and np.unique(requantization.shift).size == 1:
        shape, options = (*x.shape[:-1], len(matrix)), {"keep_num_dims": True}
        return _product(b, "FULLY_CONNECTED", x, (matrix, None, bias), requantization, output, shape, options)
    return convolution(b, x, POINT, matrix, bias, requantization, output)


def scale_channels(
    b: TfliteBuilder, x: TfliteTensor, factor: int, bias: IntArray, requantization: Requantization, output: Format
) -> TfliteTensor:
    """R(factor x + bias) with a bias and a scale for each channel, as a 1x1 DEPTHWISE_CONV_2D. factor: int8. Any two dtypes.

    A change of dtype is an int16 product, between casts.
    """
    if x.dtype != output.dtype == "int16":
        x = b.operator("CAST", (x,), x.shape, "int16", format_of(x))
    matrix = np.full((x.shape[-1], 1), factor, np.int8)
    return convolution(b, x, POINT, matrix, bias, requantization, output, depthwise=True)


def slide(b: TfliteBuilder, x: TfliteTensor, window: Window) -> tuple[TfliteTensor, dict[str, int]]:
    """What an operator with a window reads, and its options: x with zeros around it unless an option puts them there."""
    padding = VALID_PADDING
    if any(window.padding) and window.padding == _same_padding(x, window):
        padding = SAME_PADDING
    elif any(window.padding):
        x = pad(b, x, window.padding)
    return x, {"padding": padding, "stride_h": window.stride[0], "stride_w": window.stride[1]}


def _same_padding(x: TfliteTensor, window: Window) -> Padding:
    """The zeros of SAME: so many that each stride begins inside x, the odd one below and to the right."""
    sizes = zip(x.shape[1:3], window.kernel_size, window.stride, strict=True)
    rows, columns = (max((-(-size // stride) - 1) * stride + kernel - size, 0) for size, kernel, stride in sizes)
    return rows // 2, rows - rows // 2, columns // 2, columns - columns // 2


def pad(b: TfliteBuilder, x: TfliteTensor, padding: Padding) -> TfliteTensor:
    """x [1, height, width, channels] with zeros added (top, bottom, left, right)."""
    top, bottom, left, right = padding
    amounts = b.constant(np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32))
    shape = (1, x.shape[1] + top + bottom, x.shape[2] + left + right, x.shape[3])
    return b.operator("PAD", (x, amounts), shape, x.dtype, format_of(x))


def _product(
    b: TfliteBuilder,
    code: str,
    x: TfliteTensor,
    operands: tuple[IntArray, int | None, IntArray],
    requantization: Requantization,
    output: Format,
    shape: tuple[int, ...],
    options: Mapping[str, int],
) -> TfliteTensor:
    """A product operator and the clamp of its output. operands: the int8 weight, its axis of rows (None: all have one scale), the bias.

    The interpreter computes multiplier * 2^-shift back from the three scales; they hold it exactly. Of int16 values, the bias is
    int64: without one, or with int32, the interpreters round in other ways. Of int8 values, the product is free of ties.
    """
    weight, axis, bias = operands
    encode = tie_free if x.dtype == "int8" else quantized_product
    product = encode(weight, bias, requantization, format_of(x), output)
    rows = slice(1) if axis is None else slice(None)
    weight_tensor = b.constant(product.weight, product.scale[rows], axis or 0)
    inputs = (x, weight_tensor, b.constant(product.bias, product.bias_scale[rows]))
    if x.dtype == "int8":
        return b.operator(code, inputs, shape, "int8", output, **options, **_activation(has_relu(output)))
    result = bound(b, b.operator(code, inputs, shape, "int16", Format(output.fraction_bits), **options), output)
    return result if output.dtype == "int16" else narrow(b, result, output)


def _activation(relu: bool) -> Mapping[str, int]:
    """The options of an operator that may end with a ReLU."""
    return {"fused_activation_function": RELU} if relu else {}
