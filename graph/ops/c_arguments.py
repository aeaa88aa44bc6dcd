"""How ops spell the weight that their C kernels read and the requantization with which most of them end."""

from __future__ import annotations

import numpy as np

from ..fixed_point import MULTIPLIER_BITS, IntArray, Requantization
from ..formats import Format
from ..weights import Weight
from .base import Array, CBuilder


def weight_argument(b: CBuilder, weight: Weight) -> str:
    """Declares what a weight stores and gives its name; of a seeded one, which stores nothing, gives the seed."""
    if weight.drawn_from is not None:
        return f"0x{weight.drawn_from:08x}u"
    rows, columns = weight.matrix.shape
    return b.constant("weight", weight.pack(), "weights", f"{rows} x {columns} {weight.layout}")


def requantization_argument(b: CBuilder, bias: IntArray, requantization: Requantization, output: Format, *, shared: bool = True) -> str:
    """Declares bias, multipliers and shifts of a layer, as stored_scales gives them."""
    bias_name, multiplier_name = bias_argument(b, bias), "NULL"
    multiplier, shift = stored_scales(requantization, shared=shared)
    note = "the factor is multiplier * 2^-shift" if multiplier.size else "the factor is 2^-shift"
    if multiplier.size:
        multiplier_name = b.constant("multiplier", multiplier, "scales", _of_rows(note, multiplier, requantization))
    shift_name = b.constant("shift", shift, "scales", _of_rows(note, shift, requantization))
    steps = (int(multiplier.size > 1), int(shift.size > 1))
    return f"rescomp_requantize_by({bias_name}, {multiplier_name}, {steps[0]}, {shift_name}, {steps[1]}, {output.low}, {output.high})"


def bias_argument(b: CBuilder, bias: IntArray) -> str:
    """Declares int32 [rows] where there are any, and gives their name."""
    return b.constant("bias", _array(bias, "int32"), "biases", "in units of the accumulator") if bias.size else "NULL"


def stored_scales(requantization: Requantization, *, shared: bool = True) -> tuple[Array, Array]:
    """(multipliers int16, shifts int8) as the C stores them: one entry a row, or if `shared` a single one where all rows are equal.

    Powers of two have no multipliers; their shift counts from 2^0.
    """
    multiplier, shift = requantization.multiplier, requantization.shift
    if requantization.is_power_of_two:
        multiplier, shift = multiplier[:0], shift - (MULTIPLIER_BITS - 1)
    if shared:
        multiplier, shift = _shared(multiplier), _shared(shift)
    return _array(multiplier, "int16"), _array(shift, "int8")


def _shared(values: IntArray) -> IntArray:
    return values[:1] if np.all(values == values[:1]) else values


def _of_rows(note: str, values: Array, requantization: Requantization) -> str:
    return f"{note}, the same for all rows" if values.size < requantization.shift.size else note


def _array(values: IntArray, dtype: str) -> Array:
    return values.astype(dtype, casting="unsafe")
