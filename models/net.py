"""A net for sequences: normalisation, a recurrent cell, and class scores from its last state."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .arithmetic import FloatArithmetic, Nonlinearity
from .matrix import Matrix
from .recurrence import Cell, run_cell


class RecurrentNet(nn.Module):
    """scores = C h_T + b, h from the cell over normalised inputs.

    mean, std: float [channels] of the training data's valid steps; a std of 0 counts as 1. dropout: probability
    for entries of the last state, in training only.
    """

    cell: Cell
    mean: Tensor
    std: Tensor

    def __init__(self, cell: nn.Module, classes: int, mean: Tensor, std: Tensor, nonlinearity: Nonlinearity = "table") -> None:
        super().__init__()
        self.cell = cast(Cell, cell)
        self.arithmetic: FloatArithmetic = FloatArithmetic(nonlinearity)
        self.classifier = Matrix(classes, self.cell.hidden_size)
        self.bias = nn.Parameter(torch.zeros(classes))
        self.register_buffer("mean", mean.detach().clone().float())
        self.register_buffer("std", torch.where(std == 0, torch.ones_like(std), std).detach().float())
        self.dropout = 0.0

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Scores [batch, classes] of x [batch, time, channels], readings of which the first `lengths` [batch] (>= 1) are valid."""
        states = self._run(x, lengths)
        last = states[lengths - 1, torch.arange(len(lengths))]
        return self.scores(F.dropout(last, self.dropout, self.training))

    def states(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Every hidden state [batch, time, hidden]; zero after a sequence's end."""
        running = torch.arange(x.shape[1]) < lengths[:, None]
        states = self._run(x, lengths).transpose(0, 1) * running[:, : int(lengths.max()), None]
        return F.pad(states, (0, 0, 0, x.shape[1] - states.shape[1]))

    def scores(self, h: Tensor) -> Tensor:
        """Class scores [batch, classes] of states [batch, hidden]."""
        bias = self.arithmetic.accumulator_bias(self.bias, self.classifier)
        return self.arithmetic.requantize(F.linear(h, self.classifier(), bias), "scores")

    def _run(self, x: Tensor, lengths: Tensor) -> Tensor:
        """States [longest of lengths, batch, hidden]. Past its end a sequence runs on with whatever stands there."""
        x = x[:, : int(lengths.max())].transpose(0, 1).contiguous()
        x = self.arithmetic.normalize(x, self.mean, self.std)
        projection = self.cell.input
        projected = projection.apply_matrices(self.arithmetic, x, projection.matrices())
        return run_cell(self.cell, self.arithmetic, projected)
