"""Pieces of the contract spelled in TFLite builtin operators, shared by the ops' `tflite` methods.

Only operators that every interpreter computes alike: CONV_2D and DEPTHWISE_CONV_2D of int16 by int8 with an int64 bias, int16 ADD of
equal scales, MINIMUM, MAXIMUM and MAX_POOL_2D, and int32 arithmetic. docs/contract.md names those that are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..fixed_point import FloatArray, IntArray, Requantization
from ..ir import Format
from .base import TfliteBuilder, TfliteTensor, require
from .int32_arithmetic import Int32Arithmetic, Operator

OPERATORS: Mapping[Operator, str] = {op: op.upper() for op in ("add", "sub", "mul", "div", "minimum", "maximum")}
VALID_PADDING = 1
"""tflite.Padding.VALID (the graph does not import tflite)."""


@dataclass(frozen=True)
class TfliteInt32(Int32Arithmetic[TfliteTensor]):
    """Int32Arithmetic through a TfliteBuilder."""

    builder: TfliteBuilder

    def binary(self, operator: Operator, x: TfliteTensor | int, y: TfliteTensor | int) -> TfliteTensor:
        """See Int32Arithmetic."""
        left, right = self._operand(x), self._operand(y)
        shape = tuple(max(pair) for pair in zip(left.shape, right.shape, strict=True))
        return self.builder.operator(OPERATORS[operator], (left, right), shape, "int32")

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


def widen(b: TfliteBuilder, x: TfliteTensor) -> TfliteTensor:
    """The integers of x as plain int32."""
    return b.operator("CAST", (x,), x.shape, "int32")


def narrow(b: TfliteBuilder, x: TfliteTensor, format: Format) -> TfliteTensor:
    """Plain int32 integers, which must lie in `format`, as a value of that format."""
    return b.operator("CAST", (x,), x.shape, format.dtype, format)


def scale_of(format: Format) -> FloatArray:
    """The one scale of a value: float64 [1]."""
    return np.ldexp(np.ones(1), -format.fraction_bits)


def format_of(x: TfliteTensor) -> Format:
    """The format of a value. Raises UnsupportedError unless it is int16."""
    require(x.format is not None and x.format.dtype == "int16", "the TFLite export computes with int16 values only")
    assert x.format is not None
    return x.format


def bound(b: TfliteBuilder, x: TfliteTensor, format: Format) -> TfliteTensor:
    """x clamped to `format` (of x's own scale); nothing where int16 saturation is all the clamping it needs."""
    current = format_of(x)
    for code, limit, loose in (("MINIMUM", format.high, current.high), ("MAXIMUM", format.low, current.low)):
        if limit != loose:
            constant = b.constant(np.full((1, 1, 1, 1), limit, np.int16), scale_of(format))
            x = b.operator(code, (x, constant), x.shape, "int16", format)
    return x


def saturating_add(b: TfliteBuilder, x: TfliteTensor, y: TfliteTensor) -> TfliteTensor:
    """The saturating int16 sum of two values of equal shape and scale."""
    return b.operator("ADD", (x, y), x.shape, "int16", Format(format_of(x).fraction_bits))


def convolution(
    b: TfliteBuilder,
    x: TfliteTensor,
    weight: IntArray,
    bias: IntArray,
    requantization: Requantization,
    output: Format,
    stride: tuple[int, int] = (1, 1),
) -> TfliteTensor:
    """R(W patch + bias) without padding. weight: int8 [rows, height, width, channels]; bias: int [rows], or empty for none."""
    rows, height, width, _ = weight.shape
    size, options = slide(x, (height, width), stride)
    return _product(b, "CONV_2D", x, (weight, 0, bias), requantization, output, (*size, rows), options)


def matrix_product(
    b: TfliteBuilder, x: TfliteTensor, matrix: IntArray, bias: IntArray, requantization: Requantization, output: Format
) -> TfliteTensor:
    """R(W x + bias) as a 1x1 CONV_2D: FULLY_CONNECTED of int16 rounds differently from one interpreter to the next."""
    rows, columns = matrix.shape
    return convolution(b, x, matrix.reshape(rows, 1, 1, columns), bias, requantization, output)


def depthwise_convolution(
    b: TfliteBuilder,
    x: TfliteTensor,
    weight: IntArray,
    bias: IntArray,
    requantization: Requantization,
    output: Format,
    stride: tuple[int, int] = (1, 1),
) -> TfliteTensor:
    """R(w patch + bias) in each channel by itself, without padding. weight: int8 [height, width, channels]; bias as in convolution."""
    height, width, channels = weight.shape
    size, options = slide(x, (height, width), stride)
    shape = (*size, channels)
    return _product(b, "DEPTHWISE_CONV_2D", x, (weight[None], 3, bias), requantization, output, shape, {**options, "depth_multiplier": 1})


def slide(x: TfliteTensor, kernel: tuple[int, int], stride: tuple[int, int]) -> tuple[tuple[int, int, int], dict[str, int]]:
    """(batch, height, width) of what a window that stays inside x gives, and the options that every such operator has."""
    size = ((x.shape[1] - kernel[0]) // stride[0] + 1, (x.shape[2] - kernel[1]) // stride[1] + 1)
    return (1, *size), {"padding": VALID_PADDING, "stride_h": stride[0], "stride_w": stride[1]}


def pad(b: TfliteBuilder, x: TfliteTensor, padding: tuple[int, int, int, int]) -> TfliteTensor:
    """x [1, height, width, channels] with zeros added (top, bottom, left, right)."""
    if not any(padding):
        return x
    top, bottom, left, right = padding
    amounts = b.constant(np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32))
    shape = (1, x.shape[1] + top + bottom, x.shape[2] + left + right, x.shape[3])
    return b.operator("PAD", (x, amounts), shape, "int16", format_of(x))


def _product(
    b: TfliteBuilder,
    code: str,
    x: TfliteTensor,
    operands: tuple[IntArray, int, IntArray],
    requantization: Requantization,
    output: Format,
    shape: tuple[int, ...],
    options: Mapping[str, int],
) -> TfliteTensor:
    """A convolution operator and the clamp of its output. operands: the int8 weight, its axis of output channels, the bias or none.

    The interpreter computes multiplier * 2^-shift back from the three scales; they hold it exactly. The bias is always there and
    int64: without one, or with int32, the interpreters round in other ways.
    """
    weight, axis, bias = operands
    input_bits, output_bits = format_of(x).fraction_bits, output.fraction_bits
    scale = np.ldexp(requantization.scale, input_bits - output_bits)
    weight_tensor = b.constant(weight, scale, axis)
    bias_tensor = b.constant(bias.astype(np.int64) if bias.size else np.zeros(shape[-1], np.int64), np.ldexp(scale, -input_bits))
    saturated = Format(output_bits)
    require(output.dtype == "int16", f"the TFLite export has no products of format {output}: it computes int16 values only")
    return bound(b, b.operator(code, (x, weight_tensor, bias_tensor), shape, "int16", saturated, **options), output)
