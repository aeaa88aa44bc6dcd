"""Sparse matrices by iterative hard thresholding (Kusupati et al. 2018, section 3.2), entry by entry or by whole kernels or channels."""

from __future__ import annotations

import math
from typing import Self

import torch
from torch import Tensor, nn

from ..graph.weights import Zeros
from ..recipe import Sparse

EACH = Zeros()
"""Single entries."""


class SparseSupport(nn.Module):
    """The `density` largest magnitudes of a matrix [rows, columns].

    Before the share `search` of the steps is over, the weights are projected (all but the largest set to zero) every `project_every`
    steps and train freely in between, so that the support may move. Then it is fixed: from there on the others count as zero.
    In evaluation mode only the largest count at any time, so that no accuracy is that of a dense net.
    zeros: what is kept together, the largest sums of magnitudes (Li et al. 2017). mask: bool [rows, columns], all True until it is fixed.
    """

    mask: Tensor

    def __init__(self, rows: int, columns: int, density: float, search: float, project_every: int, zeros: Zeros = EACH) -> None:
        super().__init__()
        self.density, self.search, self.project_every, self.zeros = density, search, project_every, zeros
        self.register_buffer("mask", torch.ones(rows, columns, dtype=torch.bool))

    @classmethod
    def of(cls, weight: Tensor, density: float, constraint: Sparse, positions: int = 1) -> Self:
        """For one matrix, with the constraint's schedule. positions: of a kernel of it."""
        rows, columns = weight.shape
        return cls(rows, columns, density, constraint.search, constraint.project_every, Zeros(constraint.granularity, positions))

    @property
    def is_fixed(self) -> bool:
        """Whether it moves no more."""
        return not bool(self.mask.all())

    def forward(self, weight: Tensor) -> Tensor:
        """`weight`, zero outside the support."""
        searching = not self.training and not self.is_fixed
        return weight * (largest_magnitudes(weight, self.density, self.zeros) if searching else self.mask)

    @torch.no_grad()
    def anneal(self, weight: Tensor, step: int, total: int) -> None:
        """Project, or fix the support. Does nothing at the steps between, and nothing more when called twice."""
        if self.is_fixed:
            return
        fix = step >= math.floor(self.search * total)
        if not fix and step % self.project_every:
            return
        kept = largest_magnitudes(weight, self.density, self.zeros)
        weight.mul_(kept)
        if fix:
            self.mask.copy_(kept)


def largest_magnitudes(weight: Tensor, density: float, zeros: Zeros = EACH) -> Tensor:
    """bool of weight's shape: True for round(density * units) of what is zero together, at least one; of equals the first in row order."""
    magnitude = summed(weight.detach().abs(), zeros)
    return spread(largest(magnitude, max(1, math.floor(density * magnitude.numel() + 0.5))), weight, zeros)


def summed(value: Tensor, zeros: Zeros) -> Tensor:
    """The sums of a matrix [rows, columns] over what is zero together: its own shape, kernels [rows, 1, channels] or rows [rows, 1]."""
    if zeros.granularity == "kernel":
        return value.reshape(len(value), zeros.positions, -1).sum(1, keepdim=True)
    return value.sum(1, keepdim=True) if zeros.granularity == "channel" else value


def spread(units: Tensor, weight: Tensor, zeros: Zeros) -> Tensor:
    """What `summed` made of a matrix, at every entry of one of weight's shape."""
    if zeros.granularity == "kernel":
        return units.expand(-1, zeros.positions, -1).reshape(weight.shape)
    return units.expand(weight.shape)


def largest(value: Tensor, count: int) -> Tensor:
    """bool of value's shape: True for the `count` largest; of equals the first in row order."""
    kept = torch.zeros(value.numel(), dtype=torch.bool)
    kept[value.flatten().argsort(descending=True, stable=True)[:count]] = True
    return kept.view(value.shape)
