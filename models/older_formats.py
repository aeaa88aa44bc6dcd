"""Formats in files of older versions, where a net of cells had eight numbers, whatever its cells."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .fixed_point_arithmetic import FixedPointArithmetic

_KEY = "arithmetic.numbers"
_VALUES = ("normalize", "input_factor", "recurrent_factor", "scores", "input_factor_2", "recurrent_factor_2")
"""Whose fraction bits stood behind those of the readings and pre_shift."""


def renewed(net: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a state_dict of `net`, its formats by name; what is none of an older version stays as it is."""
    arithmetic, numbers = getattr(net, "arithmetic", None), tensors.get(_KEY)
    if numbers is None or numbers.shape != (2 + len(_VALUES),) or not isinstance(arithmetic, FixedPointArithmetic):
        return dict(tensors)
    if not set(_VALUES).issuperset(arithmetic.values):
        return dict(tensors)
    input_bits, pre_shift, *others = numbers.tolist()
    bits = dict(zip(_VALUES, others, strict=True))
    rows = [(input_bits, pre_shift), *((bits[name], 0) for name in arithmetic.values)]
    return {**tensors, _KEY: torch.tensor(rows, dtype=numbers.dtype)}
