"""spectrum in the int32 arithmetic that ONNX and TFLite share. Every sum stays within int32: docs/contract.md, "A spectrum"."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..fixed_point import ACCUMULATOR_BITS, IntArray
from .int32_arithmetic import Int32Blocks, T
from .transform import LONGER, SHORTER, SPLIT_BITS, factors, middle, split_factors, stage_count

if TYPE_CHECKING:
    from .spectrum import Spectrum


def spell(a: Int32Blocks[T], x: T, op: Spectrum) -> tuple[T, T]:
    """(magnitudes [rows, size / 2, 1, 1], doublings [rows, 1, 1, 1]) of samples [rows, span, 1, 1]."""
    weighted = _weighted(a, x, op)
    factor, doublings = _exponent(a, a.round_half_up_shift(weighted, 15))
    points = a.arrange(_scaled(a, weighted, factor), (1, op.size // 2, 2))
    for stage in range(stage_count(op.size)):
        if stage == middle(op.size):
            points, doublings = _scale_in_the_middle(a, points, doublings)
        points = _stage(a, points, 1 << stage, op.size)
    bins = _magnitudes(a, _split(a, points, op.size))
    return a.pad(bins, 1, 1, 0), doublings


def _weighted(a: Int32Blocks[T], x: T, op: Spectrum) -> T:
    """Samples times the window, and zeros behind them: [rows, size, 1, 1]."""
    if op.pre_emphasis:
        before, now = a.part(x, 1, 0, op.length), a.part(x, 1, 1, op.length)
        x = a.clamp(a.add(a.sub(now, before), a.round_half_up_shift(before, op.pre_emphasis)), -(1 << 15), (1 << 15) - 1)
    weighted = a.mul(x, a.constant(op.weights.reshape(1, -1, 1, 1)))
    return a.pad(weighted, 1, 0, op.size - op.length) if op.length < op.size else weighted


def _exponent(a: Int32Blocks[T], x: T) -> tuple[T, T]:
    """(2^k, k), k leading zeros of the largest magnitude, or of 2 where that is less."""
    _, factor, count = a.normalize(a.binary("maximum", a.largest(a.magnitude(x)), 2), 15)
    return factor, count


def _scaled(a: Int32Blocks[T], weighted: T, factor: T) -> T:
    """round(weighted / 2^(16 - k)), by a division that never sees a negative number."""
    divisor = a.div(1 << 16, factor)
    lifted = a.add(a.add(weighted, 1 << ACCUMULATOR_BITS), a.div(divisor, 2))
    return a.sub(a.div(lifted, divisor), a.div(1 << ACCUMULATOR_BITS, divisor))


def _scale_in_the_middle(a: Int32Blocks[T], points: T, doublings: T) -> tuple[T, T]:
    factor, count = _exponent(a, points)
    doubled = a.mul(points, a.binary("maximum", a.div(factor, 2), 1))
    return doubled, a.add(doublings, a.sub(a.binary("maximum", count, 1), 1))


def _stage(a: Int32Blocks[T], points: T, count: int, size: int) -> T:
    """Points [rows, m, n, 2] to [rows, 2 m, n / 2, 2]."""
    half = size // 2 // count // 2
    left, right = a.part(points, 2, 0, half), a.part(points, 2, half, half)
    turned = right if count == 1 else a.round_half_up_shift(_turn(a, right, *factors(count, size)), 15)
    lifted = a.add(left, (1 << 17) + 1)
    both = a.join([a.add(lifted, turned), a.sub(lifted, turned)], 1)
    return a.sub(a.div(both, 2), 1 << 16)


def _turn(a: Int32Blocks[T], points: T, cosines: IntArray, sines: IntArray) -> T:
    """(x cos + y sin, y cos - x sin) for points (x, y)."""
    across = np.stack([sines, -sines], axis=-1).reshape(1, -1, 1, 2)
    straight = a.mul(points, a.constant(cosines.reshape(1, -1, 1, 1)))
    return a.add(straight, a.mul(a.reverse(points, 3), a.constant(across)))


def _split(a: Int32Blocks[T], points: T, size: int) -> T:
    """Frequencies 1 .. size / 2 - 1, [rows, size / 2 - 1, 1, 2], of points [rows, size / 2, 1, 2]."""
    points = a.part(points, 1, 1, size // 2 - 1)
    mirrored, signs = a.reverse(points, 1), a.constant(np.array([1, -1]).reshape(1, 1, 1, 2))
    even = a.add(points, a.mul(mirrored, signs))
    odd = a.add(a.mul(a.reverse(points, 3), signs), a.reverse(mirrored, 3))
    return a.add(even, a.round_half_up_shift(_turn(a, odd, *split_factors(size)), SPLIT_BITS))


def _magnitudes(a: Int32Blocks[T], points: T) -> T:
    parts = a.magnitude(points)
    re, im = a.part(parts, 3, 0, 1), a.part(parts, 3, 1, 1)
    return a.add(a.mul(a.binary("maximum", re, im), LONGER), a.mul(a.minimum(re, im), SHORTER))
