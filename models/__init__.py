"""Nets in torch: cells, the loop over time, and the factory that reads the recipe's model section."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..recipe import Loop, ModelSection
from .arithmetic import FixedPointArithmetic, FloatArithmetic, Formats
from .cell import Cell, CellModule, CellShape
from .fastgrnn import FastGrnnCell
from .fastrnn import FastRnnCell
from .gru import GruCell
from .lstm import LstmCell
from .matrix import FloatFormat, FullSupport, Matrix, Projection, Support, WeightFormat
from .net import RecurrentNet
from .recurrence import run_layer

__all__ = [
    "CELLS",
    "Cell",
    "CellShape",
    "FastGrnnCell",
    "FastRnnCell",
    "FixedPointArithmetic",
    "FloatArithmetic",
    "FloatFormat",
    "Formats",
    "FullSupport",
    "GruCell",
    "LstmCell",
    "Matrix",
    "Projection",
    "RecurrentNet",
    "Support",
    "WeightFormat",
    "build",
    "use_loop",
]

CELLS: Mapping[str, type[CellModule]] = {"fastrnn": FastRnnCell, "fastgrnn": FastGrnnCell, "gru": GruCell, "lstm": LstmCell}
"""The kinds of [model]."""


def build(section: ModelSection, channels: int, classes: int, mean: Tensor | None = None, std: Tensor | None = None) -> RecurrentNet:
    """A fresh float net, its weights drawn from torch's global generator. It reads frames: `section.window` readings side by side.

    mean, std: float [channels], centre and spread of the training data's readings (None: 0 and 1, as for a net whose checkpoint is
    loaded next).
    Raises InputError when a rank is larger than its matrix allows.
    """
    input_size = section.window * channels
    cells = []
    for suffix in ("", "_2")[: section.layers]:
        shape = CellShape(input_size, section.hidden_size, section.rank_w, section.rank_u, suffix)
        cells.append(CELLS[section.kind](shape))
        input_size = section.hidden_size
    mean = torch.zeros(channels) if mean is None else mean
    std = torch.ones(channels) if std is None else std
    net = RecurrentNet(cells, classes, mean.repeat(section.window), std.repeat(section.window), section.nonlinearity)
    net.saturates = section.normalization == "robust"
    return net


def use_loop(net: RecurrentNet, loop: Loop) -> None:
    """Choose what runs the loop over time of `net` as it is now, and compile it if that is needed.

    To be called again when the net's arithmetic changes. Raises MissingToolError without a compiler, UnsupportedError for what the C does
    not know, RescompError when the compiler fails.
    """
    if loop == "torch":
        net.run_layer = run_layer
        return
    from . import compiled

    for cell in net.cells:
        compiled.prepare(cell, net.arithmetic, net.bias.dtype)
    net.run_layer = compiled.run_layer
