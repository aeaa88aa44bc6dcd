"""Nets in torch: cells, the loop over time, and the factory that reads the recipe's model section."""

from __future__ import annotations

import torch
from torch import Tensor

from ..recipe import ModelSection
from .arithmetic import FixedPointArithmetic, FloatArithmetic, Formats
from .fastgrnn import FastGrnnCell
from .matrix import FloatFormat, Matrix, Projection, WeightFormat
from .net import RecurrentNet

__all__ = [
    "FastGrnnCell",
    "FixedPointArithmetic",
    "FloatArithmetic",
    "FloatFormat",
    "Formats",
    "Matrix",
    "Projection",
    "RecurrentNet",
    "WeightFormat",
    "build",
]


def build(section: ModelSection, input_size: int, classes: int, mean: Tensor | None = None, std: Tensor | None = None) -> RecurrentNet:
    """A fresh float net, its weights drawn from torch's global generator.

    mean, std: float [input_size] of the training data (None: 0 and 1, as for a net whose checkpoint is loaded next).
    Raises InputError when a rank is larger than its matrix allows.
    """
    cell = FastGrnnCell(input_size, section.hidden_size, section.rank_w, section.rank_u)
    mean = torch.zeros(input_size) if mean is None else mean
    std = torch.ones(input_size) if std is None else std
    return RecurrentNet(cell, classes, mean, std, section.nonlinearity)
