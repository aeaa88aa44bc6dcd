"""Blocks of steps of a stream, over which a readout sums up, or looks for the largest value: how long they may be, and their formats."""

from __future__ import annotations

from .formats import Format, TensorType

MOST_BLOCK_STEPS = (1 << 15) - 1
"""Of a block: they are counted in int16, and with any int16 values of one block the sums stay below 2^30."""


def count_type(length: int) -> TensorType:
    """Of the count of a block's steps."""
    return TensorType((1,), Format(0, bound=length, nonnegative=True))


def sum_format(x: Format, length: int) -> Format:
    """Of the sum of a block's values in that format."""
    return Format(x.fraction_bits, "int32", length * x.bound)
