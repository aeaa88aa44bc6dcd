"""Sparse matrices whose support moves by the gradient: pruned little by little, and regrown in between (Liu et al. 2021: GraNet)."""

from __future__ import annotations

import math
from typing import Self

import torch
from torch import Tensor

from ..graph.weights import Zeros
from ..recipe import Sparse
from .sparse import EACH, SparseSupport, largest, largest_magnitudes, spread, summed


class RegrowingSupport(SparseSupport):
    """A support that is thinned to `density` over the share `search` of the steps, 1 - (1 - t)^3 of the way at its share t.

    Every `project_every` steps it is what the largest magnitudes are, less the `exchanged` share of the smallest among them, in whose place
    come as many entries with the largest gradients: they begin at 0. All entries have gradients until the support is fixed; those outside
    stay 0. changed: int64, the step of the last change, -1 before any. settled: bool, whether it is fixed.
    """

    changed: Tensor
    settled: Tensor
    exchanged = 0.0

    def __init__(self, rows: int, columns: int, density: float, search: float, project_every: int, zeros: Zeros = EACH) -> None:
        super().__init__(rows, columns, density, search, project_every, zeros)
        self.register_buffer("changed", torch.tensor(-1))
        self.register_buffer("settled", torch.tensor(False))

    @classmethod
    def of(cls, weight: Tensor, density: float, constraint: Sparse, positions: int = 1) -> Self:
        """See SparseSupport."""
        support = super().of(weight, density, constraint, positions)
        support.exchanged = constraint.regrow
        return support

    @property
    def is_fixed(self) -> bool:
        """See SparseSupport."""
        return bool(self.settled)

    def forward(self, weight: Tensor) -> Tensor:
        """`weight`, zero outside the support; in evaluation mode outside the largest magnitudes of it."""
        if self.settled or not self.training:
            kept = self.mask if self.settled else self.mask & largest_magnitudes(weight * self.mask, self.density, self.zeros)
            return weight * kept
        return weight * self.mask + (weight - weight.detach()) * ~self.mask

    @torch.no_grad()
    def anneal(self, weight: Tensor, step: int, total: int) -> None:
        """Keep what is outside at 0, and at its steps move the support, or fix it."""
        if self.settled:
            return
        weight.mul_(self.mask)
        fix = step >= math.floor(self.search * total)
        if step == int(self.changed) or (not fix and step % self.project_every):
            return
        kept = largest_magnitudes(weight, self.density if fix else self._density(step, total), self.zeros)
        grown = torch.zeros_like(kept)
        if not fix and weight.grad is not None:
            kept, grown = self._exchanged(weight, weight.grad, kept)
        self.mask.copy_(kept | grown)
        weight.mul_(kept)
        self.changed.fill_(step)
        self.settled.fill_(fix)

    def _density(self, step: int, total: int) -> float:
        return self.density + (1 - self.density) * (1 - step / (self.search * total)) ** 3

    def _exchanged(self, weight: Tensor, gradient: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
        """(`kept` without its smallest entries, as many others of the largest gradients): bool of its shape."""
        inside = summed(kept.int(), self.zeros) > 0
        count = int(inside.sum())
        few = min(round(self.exchanged * count), inside.numel() - count)
        magnitude, slope = (summed(each.abs(), self.zeros) for each in (weight, gradient))
        still = largest(torch.where(inside, magnitude, -1.0), count - few)
        grown = largest(torch.where(inside, -1.0, slope), few)
        return spread(still, weight, self.zeros), spread(grown, weight, self.zeros)
