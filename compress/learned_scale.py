"""Scales that are trained: a factor on the scale that the weights give (after Esser et al. 2020, LSQ)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

LEAST_FACTOR, MOST_FACTOR = 0.125, 8.0
"""Between which a factor stays, so that no scale turns or vanishes."""


class LearnedFactors(nn.Module):
    """One factor a row, or one for all rows [1]; 1 before it is trained.

    LSQ trains the scale itself. As a factor it follows weights that a folded normalisation multiplies; what it may become is the same.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(count))

    def factors(self) -> Tensor:
        """float64 [rows] or [1], without a gradient."""
        factors: Tensor = self._limited().detach().double()
        return factors

    def trained(self, quantized: Tensor, slope: Tensor, *, largest: int) -> Tensor:
        """`quantized` [rows, columns] exactly; factors get the gradient of it, of which `slope` is d quantized / d factor.

        largest: integer of the storage. LSQ's share 1 / sqrt(columns * largest) keeps their steps beside those of the weights.
        """
        factor = self._limited()
        moved = (factor - factor.detach()) / math.sqrt(slope.shape[1] * largest)
        return quantized + slope.detach() * moved[:, None]

    def _limited(self) -> Tensor:
        limited: Tensor = self.factor.clamp(LEAST_FACTOR, MOST_FACTOR)
        return limited
