"""How ops spell the requantization with which most of their C kernels end."""

from __future__ import annotations

from ..fixed_point import MULTIPLIER_BITS, IntArray, Requantization
from ..ir import Format
from .base import Array, CBuilder


def requantization_argument(b: CBuilder, bias: IntArray, requantization: Requantization, output: Format) -> str:
    """Declares bias, multipliers and shifts of a layer. Powers of two have no multipliers; their shift counts from 2^0."""
    bias_name = multiplier_name = "NULL"
    if bias.size:
        bias_name = b.constant("bias", _array(bias, "int32"), "biases", "in units of the accumulator")
    shift: IntArray = requantization.shift
    if requantization.is_power_of_two:
        note, shift = "the factor is 2^-shift", shift - (MULTIPLIER_BITS - 1)
    else:
        note = "the factor is multiplier * 2^-shift"
        multiplier_name = b.constant("multiplier", _array(requantization.multiplier, "int16"), "scales", note)
    shift_name = b.constant("shift", _array(shift, "int8"), "scales", note)
    return f"rescomp_requantize_by({bias_name}, {multiplier_name}, {shift_name}, {output.low}, {output.high})"


def _array(values: IntArray, dtype: str) -> Array:
    return values.astype(dtype, casting="unsafe")
