"""How the tests draw formats, scales and weights: small pieces that every op's `random` shares."""

from __future__ import annotations

import numpy as np

from ..fixed_point import MAX_SHIFT, MIN_SHIFT, MULTIPLIER_BITS, TERNARY_INPUT_BOUND, IntArray, Requantization
from ..ir import Format
from ..weights import GROUP, Int8Weight, TernaryWeight, Weight


def draw_format(rng: np.random.Generator, *, ternary_input: bool = False) -> Format:
    """An int16 format; half of them clamped (all of them when they feed a ternary weight), some non-negative."""
    bound = TERNARY_INPUT_BOUND if ternary_input or rng.random() < 0.5 else 0
    return Format(int(rng.integers(0, 16)), bound=bound, nonnegative=rng.random() < 0.2)


def draw_requantization(rng: np.random.Generator, rows: int, largest: int) -> Requantization:
    """Scales that bring accumulators up to `largest` near the int16 range; powers of two half of the time (only they have ties)."""
    exponent = max(0, int(largest).bit_length() - 15)
    shift = rng.integers(exponent, exponent + 4, rows) + MULTIPLIER_BITS - 1
    if rng.random() < 0.5:
        multiplier = np.full(rows, 1 << (MULTIPLIER_BITS - 1))
    else:
        multiplier = rng.integers(1 << (MULTIPLIER_BITS - 1), 1 << MULTIPLIER_BITS, rows)
    return Requantization(multiplier.astype(np.int32), np.clip(shift, MIN_SHIFT, MAX_SHIFT).astype(np.int32))


def draw_weight(rng: np.random.Generator, rows: int, columns: int) -> Weight:
    """An int8 or a ternary matrix."""
    if rng.random() < 0.5:
        return Int8Weight(rng.integers(-127, 128, (rows, columns), dtype=np.int8))
    return TernaryWeight(draw_ternary(rng, rows, columns))


def draw_ternary(rng: np.random.Generator, rows: int, columns: int) -> IntArray:
    """int8 [rows, columns] with one zero in every full group of four."""
    groups = -(-columns // GROUP)
    matrix = rng.choice(np.array([-1, 1], np.int8), (rows, groups * GROUP))
    zero = rng.integers(0, GROUP, (rows, groups)) + GROUP * np.arange(groups)
    np.put_along_axis(matrix, zero, 0, axis=1)
    return np.ascontiguousarray(matrix[:, :columns])
