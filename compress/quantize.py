"""Symmetric int8 weights, one scale a row."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..fake_quantize import MIN_SCALE, round_scale_up, straight_through
from ..graph.fixed_point import IntArray, split_scale
from ..graph.weights import Int8Weight
from ..recipe import ScaleForm

LARGEST = 127


class Int8Format(nn.Module):
    """Integers in [-127, 127] times a scale: the row's largest magnitude / 127, in 15 bits, or the power of two above."""

    def __init__(self, form: ScaleForm = "multiplier") -> None:
        super().__init__()
        self.form: ScaleForm = form

    def anneal(self, progress: float) -> None:
        """Nothing changes."""

    def graph_weight(self, entries: IntArray) -> Int8Weight:
        """Int8Weight of the integer graph."""
        return Int8Weight(entries)

    def forward(self, weight: Tensor) -> Tensor:
        """The fake-quantized matrix [rows, columns]; gradients pass straight through."""
        scale = self.scale(weight)[:, None]
        return straight_through(_to_integers(weight, scale) * scale, weight)

    def scale(self, weight: Tensor) -> Tensor:
        """float64 [rows]."""
        largest = weight.detach().double().abs().amax(dim=1)
        return round_scale_up((largest / LARGEST).clamp(min=MIN_SCALE), self.form)

    def integers(self, weight: Tensor) -> tuple[IntArray, IntArray, IntArray]:
        """(int8 [rows, columns], mantissa int32 [rows], exponent int32 [rows])."""
        scale = self.scale(weight)
        return _to_integers(weight, scale[:, None]).numpy().astype(np.int8), *split_scale(scale.numpy())


def _to_integers(weight: Tensor, scale: Tensor) -> Tensor:
    return torch.floor(weight.detach().double() / scale + 0.5).clamp(-LARGEST, LARGEST)
