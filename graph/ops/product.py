"""What ops with weighted sums share: the proof that a sum stays within the contract, and that every runtime rounds it alike."""

from __future__ import annotations

import numpy as np

from ..fixed_point import (
    MAX_SHIFT,
    MIN_SHIFT,
    MULTIPLIER_BITS,
    TERNARY_INPUT_BOUND,
    IntArray,
    Requantization,
    tie_fault,
)
from ..formats import Format
from ..weights import Weight
from .base import prove_accumulator, require


def prove_product(weight: Weight, bias: IntArray, requantization: Requantization, x: Format, output: Format) -> None:
    """Raise unless `weight` times a value in format `x`, plus `bias`, keeps the contract on its way to `output`.

    int16: every accumulator is within 2^30. int8: the sum can be encoded without ties (prove_tie_free). The scales are valid.
    """
    rows = len(weight.matrix)
    require(bias.size in (0, rows), f"{bias.size} biases for {rows} rows")
    require(x.dtype == output.dtype, f"a product of {x.dtype} values gives {x.dtype} values, not {output.dtype}: requantize the result")
    prove_requantization(requantization, rows)
    if weight.storage == "ternary":
        require(
            x.bound <= TERNARY_INPUT_BOUND,
            f"a ternary weight reads values up to {TERNARY_INPUT_BOUND}, but its input may reach {x.bound}: clamp it",
        )
    largest = largest_accumulator(weight, bias, x)
    prove_accumulator(largest)
    if x.dtype == "int8":
        prove_tie_free(int(np.abs(weight.matrix.astype(np.int64)).max()), largest, requantization)


def prove_read(op: str, weight: Weight, x: Format) -> None:
    """Raise unless the kernels of the op of that name multiply values in format `x` by such a weight."""
    require(op in weight.read_by, f"{op} reads no {weight.kind} weights: store its matrix dense, as int8 or int4")
    unread = f"{op} reads no {weight.kind} weights beside {x.dtype} activations: store its matrix dense"
    require(x.dtype in weight.activations, unread)


def largest_accumulator(weight: Weight, bias: IntArray, x: Format) -> int:
    """The magnitude that no sum of a row of `weight` times values in format `x`, plus `bias`, exceeds."""
    largest = np.abs(weight.matrix.astype(np.int64)).sum(axis=1) * x.bound
    if bias.size:
        largest = largest + np.abs(bias.astype(np.int64))
    return int(largest.max())


def prove_tie_free(weight: int, largest: int, requantization: Requantization) -> None:
    """Raise unless sums of int8 values round alike in every runtime. weight, largest: as `tie_fault` takes them."""
    fault = tie_fault(weight, largest, requantization)
    require(not fault, fault)


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
