"""From the largest values seen to formats: fraction bits, and what normalisation can express."""

from __future__ import annotations

import math

from torch import Tensor

from ..graph.fixed_point import MIN_SHIFT, MULTIPLIER_BITS
from ..models import Net

MAX_PRE_SHIFT = 6
HIGHEST_FRACTION_BITS = 14
_MOST_GAIN_BITS = MULTIPLIER_BITS - 1 - MIN_SHIFT + MAX_PRE_SHIFT
"""By how many bits the normalisation can refine a format."""


def fraction_bits(largest: float, bound: int) -> int:
    """The finest format that holds `largest`, within 0..14."""
    if largest == 0:
        return HIGHEST_FRACTION_BITS
    return min(HIGHEST_FRACTION_BITS, max(0, math.floor(math.log2(bound / largest))))


def resolved_bits(net: Net, wanted: int, input_bits: int) -> int:
    """Fraction bits of the normalised input. Where nothing is normalised, no more than leave each reading what it is."""
    is_raw = not bool(net.mean.any()) and bool((net.std == 1).all())
    return min(wanted, input_bits + _MOST_GAIN_BITS) if is_raw else wanted


def raise_deviation(std: Tensor, input_bits: int, output_bits: int, gain: float = 1.0) -> None:
    """In place: keep gain / std within what the smallest requantization shift and the largest pre-shift can express."""
    gain_bits = _MOST_GAIN_BITS + input_bits - output_bits
    std.clamp_(min=gain * 2.0**-gain_bits)


def choose_pre_shift(std: Tensor, input_bits: int, output_bits: int) -> int:
    """The smallest for which the bias's rounding moves no output by more than a quarter step, and the shift is large enough."""
    smallest = math.log2(float(std.min()))
    for_bias = math.ceil(output_bits + 1 - input_bits - smallest)
    for_shift = math.ceil(MIN_SHIFT - (MULTIPLIER_BITS - 1) + output_bits - input_bits - smallest)
    return min(MAX_PRE_SHIFT, max(0, for_bias, for_shift))
