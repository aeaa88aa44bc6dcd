"""Sherry: 3:4 ternary weights, trained with Arenas (Huang et al. 2026, sections 3.1 and 3.3)."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..graph.fixed_point import IntArray, split_scale
from ..graph.weights import GROUP, TernaryRowsWeight, TernaryWeight, Zeros
from ..models.fake_quantize import MIN_SCALE, raise_scale, round_scale, straight_through
from ..recipe import ScaleForm
from .learned_scale import LearnedFactors

WARM_UP = 0.1
"""Share of the training over which the residual rises from 0 to 1."""


def ternary_pattern(weight: Tensor) -> Tensor:
    """The 3:4 pattern of weight [rows, columns]: -1, 0, 1 in its dtype.

    In each group of four inputs the smallest magnitude is zeroed, the lowest index among equals. The others keep their sign; a kept
    zero counts as +1. A short last group is padded with inputs of zero, and its zero lies in the padding.
    """
    rows, columns = weight.shape
    magnitude = F.pad(weight.detach().abs(), (0, -columns % GROUP), value=-1.0).view(rows, -1, GROUP)
    zeroed = F.one_hot(magnitude.argmin(dim=2), GROUP).view(rows, -1)[:, :columns].bool()
    sign = torch.where(weight < 0, -1.0, 1.0)
    return torch.where(zeroed, 0.0, sign).to(weight.dtype)


def arenas_residual(progress: float) -> float:
    """lambda_t: 0 to 1 linearly over the first tenth, then a cosine to exactly 0 at progress 1 (section 3.3)."""
    if progress < WARM_UP:
        return progress / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - WARM_UP) / (1 - WARM_UP))))


class TernaryStorage(nn.Module):
    """One scale a row (or one for all rows) times a 3:4 ternary pattern; in training, plus lambda W when `arenas`.

    scale: the mean magnitude of the row's (or all) kept weights (the least-squares choice), rounded to 15 bits or to a power of two;
    learned: times a factor for each, which is trained.
    """

    def __init__(
        self,
        form: ScaleForm = "multiplier",
        *,
        per: Literal["row", "tensor"] = "row",
        arenas: bool = False,
        learned: LearnedFactors | None = None,
        packing: Literal["blocks", "rows"] = "blocks",
    ) -> None:
        super().__init__()
        self.form: ScaleForm = form
        self.per: Literal["row", "tensor"] = per
        self.arenas = arenas
        self.residual = 0.0
        self.learned = learned
        self.packing: Literal["blocks", "rows"] = packing

    def anneal(self, progress: float) -> None:
        """Set lambda."""
        self.residual = arenas_residual(progress) if self.arenas else 0.0

    def graph_weight(self, entries: IntArray, zeros: Zeros | None) -> TernaryWeight | TernaryRowsWeight:  # noqa: ARG002
        """TernaryWeight of the integer graph, or what lies row after row."""
        return TernaryWeight(entries) if self.packing == "blocks" else TernaryRowsWeight(entries)

    def forward(self, weight: Tensor, least: Tensor | None = None) -> Tensor:
        """The fake-quantized matrix [rows, columns]; gradients pass straight through."""
        pattern = ternary_pattern(weight)
        scale = self._scale(weight, pattern, least)[:, None]
        result = straight_through(pattern.double() * scale, weight)
        if self.learned is not None:
            result = self.learned.trained(result, pattern * scale.to(weight.dtype), largest=1)
        return result + self.residual * weight if self.training and self.residual else result

    def scale(self, weight: Tensor, least: Tensor | None = None) -> Tensor:
        """float64 [rows]."""
        return self._scale(weight, ternary_pattern(weight), least)

    def integers(self, weight: Tensor, least: Tensor | None = None) -> tuple[IntArray, IntArray, IntArray]:
        """(int8 [rows, columns], mantissa int32 [rows], exponent int32 [rows])."""
        return ternary_pattern(weight).numpy().astype(np.int8), *split_scale(self.scale(weight, least).numpy())

    def _scale(self, weight: Tensor, pattern: Tensor, least: Tensor | None) -> Tensor:
        kept = pattern.double().abs()
        magnitude, count = (weight.detach().double().abs() * kept).sum(dim=1), kept.sum(dim=1)
        mean = magnitude / count if self.per == "row" else (magnitude.sum() / count.sum()).expand(len(weight))
        if least is not None and self.per == "tensor":
            least = least.amax().expand(len(weight))
        mean = mean if self.learned is None else mean * self.learned.factors()
        return raise_scale(round_scale(mean.clamp(min=MIN_SCALE), self.form), least, self.form)
