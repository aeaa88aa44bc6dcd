"""The integers that the device reads: a Q format for the sensor's values, and the data in that format."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..graph.fixed_point import to_fixed
from .split import Split, ValueArray

INT16_LOW, INT16_HIGH = -(1 << 15), (1 << 15) - 1
MAX_FRACTION_BITS = 15
RESOLUTION = 8
"""Steps of the integer input that a channel's standard deviation should span."""
HEADROOM = 2
"""Floating-point values up to this many times the largest training value fit the format."""

_SCALED_INTEGERS = "the recordings are integers, which the device reads as they are: set data.fraction_bits to 0 or unset it, not {}"


def choose_fraction_bits(split: Split, wanted: int | None = None) -> int:
    """Fraction bits of the device's int16 input, for the training split.

    Integers stay as they are: 0. Floating-point values: the finest format, within 0..15, that holds HEADROOM times the largest
    training value. `wanted` overrides the choice. Raises InputError when int16 cannot hold the training values.
    """
    if split.is_integer:
        _check_integers(split, wanted)
        return 0
    largest = float(np.abs(split.x).max())
    if wanted is not None:
        return _check_wanted(largest, wanted)
    if largest * HEADROOM > INT16_HIGH:
        raise InputError(
            f"the largest training value, {largest:g}, does not fit a 16-bit input with a factor {HEADROOM} of headroom: "
            "store the recordings in a larger unit (divide them), or as the sensor's own 16-bit integers"
        )
    if largest == 0:
        return MAX_FRACTION_BITS
    return min(MAX_FRACTION_BITS, math.floor(math.log2(INT16_HIGH / (largest * HEADROOM))))


def _check_wanted(largest: float, wanted: int) -> int:
    if math.ldexp(largest, wanted) > INT16_HIGH:
        raise InputError(
            f"the largest training value, {largest:g}, does not fit int16 with data.fraction_bits = {wanted}: lower or unset it"
        )
    return wanted


def _check_integers(split: Split, wanted: int | None) -> None:
    low, high = int(split.x.min()), int(split.x.max())
    if low < INT16_LOW or high > INT16_HIGH:
        raise InputError(
            f"the integer recordings run from {low} to {high} and do not fit the 16-bit input: shift them right until they do, "
            "or store them as floating-point numbers"
        )
    if wanted:
        raise InputError(_SCALED_INTEGERS.format(wanted))


def to_device_integers(x: ValueArray, fraction_bits: int) -> npt.NDArray[np.int16]:
    """int16 of x's shape: x in Q(fraction_bits), rounded half up, saturated. Integers are already what the device reads.

    Raises InputError when integers are asked to be scaled.
    """
    if np.issubdtype(x.dtype, np.integer) and fraction_bits != 0:
        raise InputError(_SCALED_INTEGERS.format(fraction_bits))
    if np.issubdtype(x.dtype, np.integer):
        return x.clip(INT16_LOW, INT16_HIGH).astype(np.int16)
    real: npt.NDArray[np.floating[Any]] = x.astype(np.float64)
    return to_fixed(real, fraction_bits, INT16_LOW, INT16_HIGH).astype(np.int16)


def input_warnings(split: Split, fraction_bits: int) -> list[str]:
    """A sentence for each channel whose spread is less than RESOLUTION steps of the device's integers."""
    deviation = split.steps.astype(np.float64).std(axis=0) * 2.0**fraction_bits
    return [
        f"channel {channel} (counting from 0) varies by only {steps:.2g} steps of the 16-bit input, which holds all channels in one "
        "format: bring the channels to like magnitudes, or the integer model will hardly see this one"
        for channel, steps in enumerate(deviation)
        if 0 < steps < RESOLUTION
    ]
