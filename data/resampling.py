"""Samples at another rate, by libsoxr. Needs soxr, and only where rates differ."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError, missing_package
from .clips import Int16Array
from .wav import to_int16

MOST_RATIO = 256
"""Between two rates."""


def resampled_length(samples: int, rate: int, wanted: int) -> int:
    """How many samples at `wanted` a second last as long as so many at `rate`, one at least."""
    return max(1, (2 * samples * wanted + rate) // (2 * rate))


def resample(samples: Int16Array, rate: int, wanted: int) -> Int16Array:
    """int16 [resampled_length, channels] from [samples, channels]: limited in band, rounded half up, saturated.

    As they are where the rates are equal. Raises MissingToolError without the package.
    """
    if rate == wanted:
        return samples
    found = to_int16(_soxr().resample(samples.astype(np.float64), rate, wanted))
    length = resampled_length(len(samples), rate, wanted)
    return np.pad(found[:length], ((0, max(0, length - len(found))), (0, 0)))


def resampler(where: object, rate: int, wanted: int) -> str:
    """What brings samples from one rate to another, with its version. Raises MissingToolError, InputError for rates far apart."""
    if max(rate, wanted) > MOST_RATIO * min(rate, wanted):
        raise InputError(f"{where} has {rate} samples a second, and {wanted} are wanted: give data of a rate nearer to it")
    return f"soxr {_soxr().__version__}"


def _soxr() -> Any:
    try:
        import soxr
    except ModuleNotFoundError as error:
        raise missing_package(error) from error
    return soxr
