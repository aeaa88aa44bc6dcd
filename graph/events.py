"""What coverage counts: places in an op's code that only some inputs reach, by kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import gcd
from typing import Any

import numpy as np
import numpy.typing as npt

from .fixed_point import MULTIPLIER_BITS, IntArray, Requantization
from .formats import Format

BoolArray = npt.NDArray[np.bool_]
Events = Mapping[str, BoolArray]
"""For each kind one bool a place: whether inputs reach it, or, of ranges, whether it has not been proved that none can."""
KINDS: Mapping[str, str] = {
    "clamp_low": "clamps from below",
    "clamp_high": "clamps from above",
    "saturation_low": "saturations at the dtype's lowest integer",
    "saturation_high": "saturations at the dtype's highest integer",
    "gate_high": "clamps of a gate at 1",
    "table": "table entries, for either sign",
    "negative": "requantizations of a sum below zero",
    "positive": "requantizations of a sum above zero",
    "tie_negative": "ties below zero",
    "tie_positive": "ties above zero",
    "wide_sum": "sums past int16 before a scale of 1 or more",
    "padding": "padded lanes and borders",
    "window": "places of a largest entry",
    "threshold": "sides of a class's threshold",
    "branch": "branches of a decision",
    "block": "beginnings and continuations of blocks of steps",
    "exponent": "block exponents of a spectrum",
}
"""What each kind is, for readers."""
_SCALE_OF_ONE = MULTIPLIER_BITS - 1
"""Of a requantization by 1 with the least multiplier: at shifts up to this the C clamps the sum first."""


def saturations(lowest: IntArray, highest: IntArray, limits: Format) -> dict[str, BoolArray]:
    """Of results before they are saturated to `limits`: per channel, whether any lies below and whether any lies above.

    lowest, highest: int [..., channels]; both are all samples, or both ends of a range.
    """
    low, high = kinds_of_ends(limits)
    return {low: any_of_channel(lowest < limits.low), high: any_of_channel(highest > limits.high)}


def kinds_of_ends(limits: Format) -> tuple[str, str]:
    """What it is called when a result is limited to the lowest integer of a format, and to the highest."""
    whole = Format(0, limits.dtype)
    return (
        "saturation_low" if limits.low == whole.low else "clamp_low",
        "saturation_high" if limits.high == whole.high else "clamp_high",
    )


def any_of_channel(reached: npt.NDArray[Any]) -> BoolArray:
    """bool [channels] from bool [..., channels]."""
    found: BoolArray = reached.any(axis=tuple(range(reached.ndim - 1)))
    return found


def requantization_events(sums: IntArray, by: Requantization, output: Format) -> dict[str, BoolArray]:
    """Per row, what sums [samples, rows], biases included, reach on their way to `output`. One scale a row."""
    raw = by.unclamped(sums)
    wide = sums[:, by.shift <= _SCALE_OF_ONE]
    half = np.int64(1) << (by.shift.astype(np.int64) - 1)
    tie = ((sums * by.multiplier.astype(np.int64)) & (2 * half - 1)) == half
    return {
        **saturations(raw, raw, output),
        "negative": any_of_channel(sums < 0),
        "positive": any_of_channel(sums > 0),
        "tie_negative": any_of_channel(tie & (sums < 0)),
        "tie_positive": any_of_channel(tie & (sums > 0)),
        "wide_sum": np.concatenate([any_of_channel(wide < -(1 << 15)), any_of_channel(wide >= 1 << 15)]),
    }


def possible_requantization_events(
    low: IntArray, high: IntArray, lattice: tuple[IntArray, IntArray], by: Requantization, output: Format
) -> dict[str, BoolArray]:
    """The same of every sum between low and high, [positions, rows], that lattice = (step, offset) allows: offset + n step."""
    sums = np.stack([low, high, *lattice], axis=-1)
    scales = list(zip(by.multiplier.tolist(), by.shift.tolist(), strict=True))
    rows = [(np.unique(sums[:, row], axis=0).tolist(), *scale) for row, scale in enumerate(scales)]
    return {
        **requantization_events(np.concatenate([low, high]), by, output),
        "tie_negative": _ties([([(lo, min(hi, -1), *grid) for lo, hi, *grid in ends], *scale) for ends, *scale in rows]),
        "tie_positive": _ties([([(max(lo, 1), hi, *grid) for lo, hi, *grid in ends], *scale) for ends, *scale in rows]),
    }


def _ties(rows: Sequence[tuple[Sequence[tuple[int, ...]], int, int]]) -> BoolArray:
    """For each row whether any of its ranges holds a tie."""
    return np.array([any(tie_between(*ends, *scale) is not None for ends in ranges) for ranges, *scale in rows], np.bool_)


def tie_between(low: int, high: int, step: int, offset: int, multiplier: int, shift: int) -> int | None:
    """The sum offset + n step in [low, high], nearest to zero, whose product with `multiplier` lies half way; None: there is none."""
    even = (multiplier & -multiplier).bit_length() - 1
    if shift - 1 < even or low > high:
        return None
    period, first = 1 << (shift - even), 1 << (shift - 1 - even)
    if step == 0:
        return offset if low <= offset <= high and offset % period == first else None
    common = gcd(period, step)
    if (first - offset) % common:
        return None
    reduced = step // common
    turns = (offset - first) // common * pow(period // common, -1, reduced) % reduced if reduced > 1 else 0
    base, stride = first + turns * period, period * reduced
    up = low + (base - low) % stride
    down = high - (high - base) % stride
    found = up if abs(low) < abs(high) else down
    return found if low <= found <= high else None
