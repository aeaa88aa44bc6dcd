"""From the largest values seen to formats: fraction bits, and what normalisation can express."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..graph.fixed_point import MIN_SHIFT, MULTIPLIER_BITS
from ..models import Net
from ..models.fake_quantize import powers_of_two

MAX_PRE_SHIFT = 6
HIGHEST_FRACTION_BITS = 14
_MOST_GAIN_BITS = MULTIPLIER_BITS - 1 - MIN_SHIFT + MAX_PRE_SHIFT
"""By how many bits the normalisation can refine a format."""


def fraction_bits(largest: float, bound: int) -> int:
    """The finest format that holds `largest`, within 0..14."""
    if largest == 0:
        return HIGHEST_FRACTION_BITS
    return min(HIGHEST_FRACTION_BITS, max(0, math.floor(math.log2(bound / largest))))


def resolved_bits(net: Net, wanted: int, input_bits: Tensor) -> int:
    """Fraction bits of the normalised input. Where nothing is normalised, no more than leave each reading what it is.

    input_bits: int64 [channels], of what is read, here as below.
    """
    is_raw = not bool(net.mean.any()) and bool((net.std == 1).all())
    return min(wanted, int(input_bits.min()) + _MOST_GAIN_BITS) if is_raw else wanted


def raise_deviation(std: Tensor, input_bits: Tensor, output_bits: int, gain: float = 1.0) -> None:
    """In place: keep gain / std within what the smallest requantization shift and the largest pre-shift can express."""
    gain_bits = _MOST_GAIN_BITS + input_bits - output_bits
    std.copy_(torch.maximum(std, (gain * powers_of_two(-gain_bits)).to(std.dtype)))


def choose_pre_shift(std: Tensor, input_bits: Tensor, output_bits: int) -> int:
    """The smallest for which the bias's rounding moves no output by more than a quarter step, and the shift is large enough."""
    least = min(int(bits) + math.log2(float(deviation)) for bits, deviation in zip(input_bits, std, strict=True))
    for_bias = math.ceil(output_bits + 1 - least)
    for_shift = math.ceil(MIN_SHIFT - (MULTIPLIER_BITS - 1) + output_bits - least)
    return min(MAX_PRE_SHIFT, max(0, for_bias, for_shift))
