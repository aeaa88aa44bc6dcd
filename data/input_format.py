"""The integers that the device reads: a Q format for the sensor's values, or one for each channel, and the data in that format."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..graph.fixed_point import FloatArray, IntArray, to_fixed
from ..graph.formats import FractionBits
from .split import Split, ValueArray

INT16_LOW, INT16_HIGH = -(1 << 15), (1 << 15) - 1
MAX_FRACTION_BITS = 15
RESOLUTION = 8
"""Steps of the integer input that a channel's standard deviation should span."""
HEADROOM = 2
"""Floating-point values up to this many times the largest training value fit the format."""
OF_EACH = "auto"
"""What asks for the finest format of each channel."""
WantedBits = FractionBits | Literal["auto"] | None

_SCALED_INTEGERS = "the recordings are integers, which the device reads as they are: set data.fraction_bits to 0 or unset it, not {}"


def choose_fraction_bits(split: Split, wanted: WantedBits = None) -> FractionBits:
    """Fraction bits of the device's int16 input, for the training split: one number where those of all channels are equal.

    Integers stay as they are: 0. Floating-point values: the finest format, within 0..15, that holds HEADROOM times the largest
    training value of all channels; of each channel, where `wanted` is OF_EACH, or unset and some channel would vary by less than
    RESOLUTION steps of that format. Numbers in `wanted` override the choice. Raises InputError when int16 cannot hold the training values.
    """
    if split.is_integer:
        _check_integers(split, wanted)
        return 0
    largest = np.abs(split.x).reshape(-1, split.channels).max(axis=0).astype(np.float64)
    if isinstance(wanted, int | tuple):
        return _checked(largest, wanted)
    if wanted is None:
        common = _finest(float(largest.max()), "the largest training value")
        if not any(0 < steps < RESOLUTION for steps in _spread(split, common)):
            return common
    return one_format([_finest(float(each), f"the largest training value of channel {c}") for c, each in enumerate(largest)])


def _finest(largest: float, what: str) -> int:
    if largest * HEADROOM > INT16_HIGH:
        raise InputError(
            f"{what}, {largest:g}, does not fit a 16-bit input with a factor {HEADROOM} of headroom: "
            "store the recordings in a larger unit (divide them), or as the sensor's own 16-bit integers"
        )
    return MAX_FRACTION_BITS if largest == 0 else min(MAX_FRACTION_BITS, math.floor(math.log2(INT16_HIGH / (largest * HEADROOM))))


def _checked(largest: FloatArray, wanted: FractionBits) -> FractionBits:
    """What a recipe asks for. largest: of each channel."""
    bits = channel_bits(wanted, len(largest))
    if len(bits) != len(largest):
        raise InputError(f"data.fraction_bits lists {len(bits)} numbers, and there are {len(largest)} channels: give one for each, or one")
    for channel, (value, own) in enumerate(zip(largest.tolist(), bits, strict=True)):
        if math.ldexp(value, own) > INT16_HIGH:
            of = "" if isinstance(wanted, int) else f" of channel {channel}"
            value = float(largest.max()) if isinstance(wanted, int) else value
            raise InputError(
                f"the largest training value{of}, {value:g}, does not fit int16 with data.fraction_bits = {own}: lower or unset it"
            )
    return one_format(bits)


def _check_integers(split: Split, wanted: WantedBits) -> None:
    low, high = int(split.x.min()), int(split.x.max())
    if low < INT16_LOW or high > INT16_HIGH:
        raise InputError(
            f"the integer recordings run from {low} to {high} and do not fit the 16-bit input: shift them right until they do, "
            "or store them as floating-point numbers"
        )
    if isinstance(wanted, int | tuple) and np.any(wanted):
        raise InputError(_SCALED_INTEGERS.format(wanted if isinstance(wanted, int) else list(wanted)))


def one_format(bits: Sequence[int]) -> FractionBits:
    """Fraction bits of each channel, as one number where they are equal."""
    return bits[0] if len(set(bits)) == 1 else tuple(bits)


def channel_bits(bits: FractionBits, channels: int) -> tuple[int, ...]:
    """Fraction bits as one number for each channel."""
    return (bits,) * channels if isinstance(bits, int) else bits


def scales(bits: FractionBits) -> float | tuple[float, ...]:
    """What the integer 1 is: 2^-bits."""
    return 2.0**-bits if isinstance(bits, int) else tuple(2.0**-each for each in bits)


def bits_along(bits: FractionBits, entries: int) -> IntArray:
    """Of entries of a last axis, which holds the channels of a reading once or several times over: int64 [entries]."""
    return np.resize(np.asarray(bits, np.int64), entries)


def scaled(x: npt.NDArray[Any], bits: FractionBits) -> FloatArray:
    """Real values [..., entries] in units of the integers of such fraction bits, not rounded: float64 of x's shape."""
    result: FloatArray = np.ldexp(x.astype(np.float64), bits_along(bits, x.shape[-1]))
    return result


def to_device_integers(x: ValueArray, bits: FractionBits) -> npt.NDArray[np.int16]:
    """int16 of x's shape [..., entries]: x in Q(bits), rounded half up, saturated. Integers are already what the device reads.

    Raises InputError when integers are asked to be scaled.
    """
    if np.issubdtype(x.dtype, np.integer) and np.any(bits):
        raise InputError(_SCALED_INTEGERS.format(bits))
    if np.issubdtype(x.dtype, np.integer):
        return x.clip(INT16_LOW, INT16_HIGH).astype(np.int16)
    real: npt.NDArray[np.floating[Any]] = x.astype(np.float64)
    return to_fixed(real, bits_along(bits, x.shape[-1]), INT16_LOW, INT16_HIGH).astype(np.int16)


def to_real(integers: IntArray | npt.NDArray[np.int16], bits: FractionBits) -> npt.NDArray[np.float32]:
    """What device integers [..., entries] stand for: float32, which holds 16 bits exactly."""
    real: npt.NDArray[np.float32] = np.ldexp(integers.astype(np.float32), -bits_along(bits, integers.shape[-1]))
    return real


def _spread(split: Split, bits: FractionBits) -> FloatArray:
    """Steps of the device's integers that each channel's standard deviation spans: [channels]."""
    return scaled(split.steps.astype(np.float64).std(axis=0), bits)


def input_warnings(split: Split, bits: FractionBits) -> list[str]:
    """A sentence for each channel whose spread is less than RESOLUTION steps of the device's integers."""
    if split.is_integer:
        held, cure = "as it is recorded", "record it in a smaller unit"
    elif isinstance(bits, int) and split.channels > 1:
        held, cure = "which holds all channels in one format", f'set data.fraction_bits = "{OF_EACH}"'
    else:
        held, cure = f"which has room for {HEADROOM} times its largest value", "subtract what is constant in it"
    return [
        f"channel {channel} (counting from 0) varies by only {steps:.2g} steps of the 16-bit input, {held}: {cure}, or the integer model "
        "will hardly see this one"
        for channel, steps in enumerate(_spread(split, bits))
        if 0 < steps < RESOLUTION
    ]
