"""The Fourier transform of a spectrum in numpy, and the proof of its bounds. Arrays are int64; rounding is half up throughout.

A real frame of `size` points is transformed as size / 2 complex ones: even samples are real parts, odd ones imaginary. The order is
Stockham's, which gives what radix 2 with decimation in time gives: [rows, m, size / (2 m)] holds m frequencies of each part.
"""

from __future__ import annotations

import math

import numpy as np

from ..fixed_point import Q15_ONE, IntArray, leading_zeros, round_half_up_shift, sine_table

POINT_BOUND = 1 << 14
"""Of the parts of a point before the transform, and of those that the middle has scaled up."""
SPLIT_BITS = 14
"""Of the sines and cosines of the split."""
LONGER, SHORTER = 8, 3
"""A magnitude is LONGER max(|re|, |im|) + SHORTER min(|re|, |im|), at most their root of squares times |re + j im|."""


def stage_count(size: int) -> int:
    """Of the complex transform."""
    return size.bit_length() - 2


def middle(size: int) -> int:
    """The stage before which the points are scaled up again."""
    return stage_count(size) // 2


def half_turn(size: int) -> IntArray:
    """sin(2 pi i / size) in Q15 for i <= size / 2, int64; 1 is 2^15."""
    quarter = np.append(sine_table(size).astype(np.int64), Q15_ONE)
    return np.concatenate([quarter, quarter[-2::-1]])


def factors(count: int, size: int) -> tuple[IntArray, IntArray]:
    """(cos, sin) of pi k / count for k < count, in Q15: a stage's turn of its frequency k."""
    places = np.arange(count) * (size // 2 // count)
    sines, quarter = half_turn(size), size // 4
    cosines = np.where(places <= quarter, sines[np.abs(quarter - places)], -sines[np.abs(places - quarter)])
    return cosines, sines[places]


def split_factors(size: int) -> tuple[IntArray, IntArray]:
    """(cos, sin) of 2 pi k / size for 0 < k < size / 2, in Q14: rounded from Q15 without sign, so that both quarters are alike."""
    cosines, sines = factors(size // 2, size)
    mirrored = cosines[1:] < 0
    sizes: IntArray = round_half_up_shift(np.where(mirrored, 0 - cosines[1:], cosines[1:]), 1)
    return np.where(mirrored, -sizes, sizes), round_half_up_shift(sines[1:], 1)


def transform_stage(re: IntArray, im: IntArray, size: int) -> tuple[IntArray, IntArray]:
    """Parts [rows, m, n] to [rows, 2 m, n / 2], halved."""
    half = re.shape[2] // 2
    cosines, sines = factors(re.shape[1], size)
    c: IntArray = cosines[:, None]
    s: IntArray = sines[:, None]
    x, y = re[:, :, half:], im[:, :, half:]
    straight, across = x * c + y * s, y * c - x * s
    left, right = re[:, :, :half], im[:, :, :half]
    return _halved_pair(left, round_half_up_shift(straight, 15)), _halved_pair(right, round_half_up_shift(across, 15))


def _halved_pair(a: IntArray, turned: IntArray) -> IntArray:
    """a + turned behind one another with a - turned, halved."""
    return np.concatenate([round_half_up_shift(a + turned, 1), round_half_up_shift(a - turned, 1)], axis=1)


def scale_in_the_middle(re: IntArray, im: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Parts [rows, m, n] and how often they were doubled, [rows]: as often as their largest stays below 2^14, 12 times at most."""
    largest = np.maximum(np.abs(re).max(axis=(1, 2)), np.abs(im).max(axis=(1, 2)))
    doublings = np.maximum(leading_zeros(np.maximum(largest, 2), 15), 1) - 1
    factor = (np.int64(1) << doublings)[:, None, None]
    return re * factor, im * factor, doublings


def split(re: IntArray, im: IntArray, size: int) -> tuple[IntArray, IntArray]:
    """From the complex transform [rows, size / 2] to twice the parts of frequencies 1 .. size / 2 - 1 of the real frame."""
    cosines, sines = split_factors(size)
    a, b, c, d = re[:, 1:], im[:, 1:], re[:, :0:-1], im[:, :0:-1]
    even, odd = (a + c, b - d), (b + d, c - a)
    real = even[0] + round_half_up_shift(odd[0] * cosines + odd[1] * sines, SPLIT_BITS)
    return real, even[1] + round_half_up_shift(odd[1] * cosines - odd[0] * sines, SPLIT_BITS)


def magnitudes(re: IntArray, im: IntArray) -> IntArray:
    """About 8 sqrt(re^2 + im^2): at most 7 % off, 0.11 dB rms."""
    longer, shorter = np.maximum(np.abs(re), np.abs(im)), np.minimum(np.abs(re), np.abs(im))
    return LONGER * longer + SHORTER * shorter


def largest_magnitude(size: int) -> int:
    """What no magnitude exceeds, whatever the points: bounds of |re + j im| through every stage (docs/contract.md has the proof)."""
    turned, rounding = _longest(*factors(size // 2, size), Q15_ONE), math.sqrt(0.5)
    reach = start = POINT_BOUND * math.sqrt(2)
    for stage in range(stage_count(size)):
        if stage == middle(size):
            reach = max(reach, start)
        reach = (reach + reach * turned + rounding) / 2 + rounding
    last = 2 * math.sqrt(2) * reach * max(1, _longest(*split_factors(size), 1 << SPLIT_BITS)) + rounding
    return math.ceil(math.hypot(LONGER, SHORTER) * last)


def _longest(cosines: IntArray, sines: IntArray, one: int) -> float:
    """The largest |cos + j sin| that rounding has left."""
    return math.sqrt(int((cosines**2 + sines**2).max())) / one
