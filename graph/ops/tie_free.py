"""The tie-free encoding: how ONNX and TFLite files hold products of int8 values. The generated C has no part in it.

Runtimes round an int8 product in their own ways, which differ only around ties. Four times the weights, four times the bias plus one
and a quarter of the scale make an accumulator of 4 acc + 1: no tie is left, and each way of rounding gives what the contract says.
prove_tie_free (product.py) has shown that it can be encoded so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..fixed_point import FloatArray, IntArray, Requantization
from ..formats import Format
from .base import require


@dataclass(frozen=True, eq=False)
class QuantizedProduct:
    """A weight and a bias as quantized tensors: real = integer * scale. Scales: float64, one a row.

    weight: int8, any shape; bias: int32 [rows] or int64 [rows].
    """

    weight: IntArray
    scale: FloatArray
    bias: IntArray
    bias_scale: FloatArray


def quantized_product(weight: IntArray, bias: IntArray, requantization: Requantization, x: Format, output: Format) -> QuantizedProduct:
    """The product as it is, for runtimes that round as the contract does: real multipliers follow from the scales of x and output.

    bias: int [rows], or empty for none.
    """
    scale = np.ldexp(requantization.scale, x.fraction_bits - output.fraction_bits)
    present = bias if bias.size else np.zeros(scale.shape, np.int64)
    return QuantizedProduct(weight, scale, present.astype(np.int64), np.ldexp(scale, -x.fraction_bits))


def tie_free(weight: IntArray, bias: IntArray, requantization: Requantization, x: Format, output: Format) -> QuantizedProduct:
    """The same product with four times the accumulator, plus one."""
    plain = quantized_product(weight, bias, requantization, x, output)
    quarters = np.ldexp(plain.scale, -2), np.ldexp(plain.bias_scale, -2)
    return QuantizedProduct((4 * weight).astype(np.int8), quarters[0], (4 * plain.bias + 1).astype(np.int32), quarters[1])


def has_relu(output: Format) -> bool:
    """Whether int8 results are clamped at 0. Raises UnsupportedError for a bound, which int8 operators cannot express."""
    plain = Format(0, output.dtype).bound
    require(output.bound == plain, f"ONNX and TFLite clamp int8 results at 0 or not at all, not to {output}: leave the bound out")
    return output.nonnegative
