"""What fully_connected and conv2d share: the proof that a weighted sum stays within the contract."""

from __future__ import annotations

import numpy as np

from ..fixed_point import MAX_SHIFT, MIN_SHIFT, MULTIPLIER_BITS, TERNARY_INPUT_BOUND, IntArray, Requantization
from ..ir import Format
from ..weights import Weight
from .base import prove_accumulator, require


def prove_product(weight: Weight, bias: IntArray, requantization: Requantization, x: Format) -> None:
    """Raise unless every accumulator of `weight` times a value in format `x`, plus `bias`, is within 2^30, and its scales are valid."""
    rows = len(weight.matrix)
    require(bias.size in (0, rows), f"{bias.size} biases for {rows} rows")
    prove_requantization(requantization, rows)
    if weight.format == "ternary":
        require(
            x.bound <= TERNARY_INPUT_BOUND,
            f"a ternary weight reads values up to {TERNARY_INPUT_BOUND}, but its input may reach {x.bound}: clamp it",
        )
    largest = np.abs(weight.matrix.astype(np.int64)).sum(axis=1) * x.bound
    if bias.size:
        largest = largest + np.abs(bias.astype(np.int64))
    prove_accumulator(int(largest.max()))


def prove_requantization(requantization: Requantization, rows: int) -> None:
    """Raise unless multipliers and shifts are within the contract, one a row."""
    multiplier, shift = requantization.multiplier, requantization.shift
    require(multiplier.shape == shift.shape == (rows,), f"{multiplier.size} multipliers and {shift.size} shifts for {rows} rows")
    low, high = 1 << (MULTIPLIER_BITS - 1), 1 << MULTIPLIER_BITS
    require(bool(np.all((multiplier >= low) & (multiplier < high))), f"a multiplier lies outside [{low}, {high})")
    require(
        bool(np.all((shift >= MIN_SHIFT) & (shift <= MAX_SHIFT))),
        f"a requantization shift lies outside [{MIN_SHIFT}, {MAX_SHIFT}]: the layer's scale is too large or too small for its formats",
    )
