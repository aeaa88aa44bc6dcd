"""Windows and triangles of a front-end: in real numbers, and as the integers that its ops hold."""

from __future__ import annotations

import math

import numpy as np

from ..graph.fixed_point import LOG2_BITS, FloatArray, IntArray, to_fixed
from ..graph.ops.band_sum import SUM_BITS, BandSum
from ..graph.ops.transform import LONGER, SHORTER, largest_magnitude
from .description import FrontEnd

LOGARITHM_UNIT = 4 - math.log2(4 / math.pi * (1 + (SHORTER / LONGER - 1) * (1 - math.sqrt(0.5))))
"""Of a logarithm, in powers of two: 2^4, less what a magnitude by parts is too large by on the mean of all angles."""
WEIGHT_BITS = 6
"""A triangle's height is 2^6, or less where its sum would pass 2^31."""


def half_window(front_end: FrontEnd) -> IntArray:
    """The first half of the window, Q15: int16 [length // 2 + 1]; the periodic form, window[length - i] = window[i]."""
    return to_fixed(real_window(front_end)[: front_end.length // 2 + 1], 15, 0, (1 << 15) - 1).astype(np.int16)


def real_window(front_end: FrontEnd) -> FloatArray:
    """float64 [length]."""
    offset = {"hann": 0.5, "hamming": 0.54, "rectangular": 1.0}[front_end.window_function]
    place = np.minimum(np.arange(front_end.length), front_end.length - np.arange(front_end.length))
    window: FloatArray = offset - (1 - offset) * np.cos(2 * np.pi * place / front_end.length)
    return window


def triangles(front_end: FrontEnd) -> FloatArray:
    """float64 [bands, size / 2], of height 1. A band between two frequencies has the nearest one, and frequency 0 has none."""
    bins = np.arange(front_end.size // 2) * (front_end.sample_rate / front_end.size)
    edges = np.array([front_end.low_hz, front_end.high_hz])
    if front_end.kind != "spectrum":
        bins, edges = _mel(bins), _mel(edges)
    places = edges[0] + (edges[1] - edges[0]) * np.arange(front_end.bands + 2) / (front_end.bands + 1)
    low, centre, high = (places[i : i + front_end.bands, None] for i in range(3))
    weights: FloatArray = np.clip(np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)), 0, None)
    weights[:, 0] = 0
    nearest = 1 + np.argmin(np.abs(bins[1:] - centre), axis=1)
    empty = np.floor(weights * (1 << WEIGHT_BITS) + 0.5).sum(axis=1) == 0
    weights[empty, nearest[empty]] = 1
    return weights


def _mel(hertz: FloatArray) -> FloatArray:
    mel: FloatArray = 1127 * np.log1p(hertz / 700)
    return mel


def band_sum(front_end: FrontEnd) -> tuple[BandSum, IntArray]:
    """The op, and how many bits the weights of each band have: int64 [bands], WEIGHT_BITS or less."""
    rows, bits = zip(*(_band(row, largest_magnitude(front_end.size)) for row in triangles(front_end)), strict=True)
    first = [int(np.flatnonzero(row)[0]) for row in rows]
    count = [int(np.flatnonzero(row)[-1]) + 1 - start for row, start in zip(rows, first, strict=True)]
    weight = np.concatenate([row[start : start + n] for row, start, n in zip(rows, first, count, strict=True)])
    return BandSum(np.array(first, np.int16), np.array(count, np.int16), weight.astype(np.int8)), np.array(bits)


def _band(row: FloatArray, largest: int) -> tuple[IntArray, int]:
    """A triangle's integers and their bits: as many as the bound of its sum allows. 1 always does: half of 2^9 bins times 561,000."""
    for bits in range(WEIGHT_BITS, 0, -1):
        weights = np.floor(row * (1 << bits) + 0.5).astype(np.int64)
        if weights.any() and int(weights.sum()) * largest < 1 << SUM_BITS:
            break
    return weights, bits


def cosines(bands: int, coefficients: int) -> FloatArray:
    """cos(pi r (j + 1/2) / bands), float64 [coefficients, bands]."""
    rows: FloatArray = np.cos(np.pi * np.arange(coefficients)[:, None] * (np.arange(bands) + 0.5) / bands)
    return rows


def offsets(front_end: FrontEnd, bits: IntArray) -> IntArray:
    """What makes up for the bits of each band's weights, and takes its sum back if asked for: int16 [bands] in Q10."""
    area = np.log2(triangles(front_end).sum(axis=1)) if front_end.norm == "area" else np.zeros(front_end.bands)
    return to_fixed(LOGARITHM_UNIT + WEIGHT_BITS - bits - area, LOG2_BITS, -(1 << 14), 1 << 14).astype(np.int16)
