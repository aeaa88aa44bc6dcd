"""Residual nets over windows whose blocks stand one behind the other, or side by side; and one block that is repeated.

"Make Deep Networks Shallow Again" (Bermeitinger et al. 2023, arXiv 2309.08414): a stack of residual blocks, expanded and cut after the
first terms, is x + F_1(x) + ... + F_K(x). Functions for model.kind.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from rescomp.models.layered.score import RepeatedBlock

BLOCKS, STEM_KERNEL, STEM_STRIDE, KERNEL = 3, 5, 2, 3
WIDTH, SCORE_WIDTH = 12, 20
"""Of the nets, so that their bytes are about equal."""


def branch(width: int) -> nn.Sequential:
    """Two convolutions."""
    conv = partial(nn.Conv1d, width, width, KERNEL, padding=KERNEL // 2, bias=False)
    return nn.Sequential(conv(), nn.BatchNorm1d(width), nn.ReLU(), conv(), nn.BatchNorm1d(width))


class Stacked(nn.Module):
    """x <- relu(x + F_k(x)), block by block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branch(width) for _ in range(BLOCKS))

    def forward(self, x: Tensor) -> Tensor:
        for each in self.branches:
            x = torch.relu(x + each(x))
        return x


class Parallel(Stacked):
    """relu(x + F_1(x) + ... + F_K(x))."""

    def forward(self, x: Tensor) -> Tensor:
        total = x
        for each in self.branches:
            total = total + each(x)
        return torch.relu(total)


def whole(input_shape: tuple[int, int], classes: int, body: nn.Module, width: int) -> nn.Module:
    """A stem, the body, a global average pool and a dense layer."""
    stem = nn.Conv1d(input_shape[1], width, STEM_KERNEL, STEM_STRIDE, padding=STEM_KERNEL // 2, bias=False)
    head = (nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(width, classes))
    return nn.Sequential(stem, nn.BatchNorm1d(width), nn.ReLU(), body, *head)


def stacked(input_shape: tuple[int, int], classes: int) -> nn.Module:
    return whole(input_shape, classes, Stacked(WIDTH), WIDTH)


def parallel(input_shape: tuple[int, int], classes: int) -> nn.Module:
    return whole(input_shape, classes, Parallel(WIDTH), WIDTH)


def score(input_shape: tuple[int, int], classes: int) -> nn.Module:
    return whole(input_shape, classes, RepeatedBlock(branch(SCORE_WIDTH), BLOCKS, 0.5), SCORE_WIDTH)
