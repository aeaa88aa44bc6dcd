"""Nets in torch: cells and the loop over time, nets without state, and the factory that reads the recipe's model section."""

from __future__ import annotations

from .applied import LayerParameters
from .base import Net
from .blueprint import Blueprint
from .counted_steps import CountedSteps, mean_cross_entropy, mean_loss
from .factory import NETS, build, build_net, decimation, refuse_unusable, scaled_widths, set_normalization, use_loop, widths_of
from .fixed_point_arithmetic import FixedPointArithmetic
from .float_arithmetic import FloatArithmetic
from .layered.convolutions import NetShape
from .layered.feed_forward import FeedForwardNet
from .layered.hourglass import RandomProjection
from .layered.plan import Layer, Plan, Step
from .layered.timed_layers import TimedLayers
from .layered.trace import trace
from .matrix import FloatStorage, FullSupport, Matrix, Projection, Storage, Support
from .recurrent.cell import Cell, CellShape
from .recurrent.fastgrnn import FastGrnnCell
from .recurrent.fastrnn import FastRnnCell
from .recurrent.gru import GruCell
from .recurrent.lstm import LstmCell
from .recurrent.net import RecurrentNet
from .recurrent.readout import Readout
from .staged import CELLS

__all__ = [
    "CELLS",
    "NETS",
    "Blueprint",
    "Cell",
    "CellShape",
    "CountedSteps",
    "FastGrnnCell",
    "FastRnnCell",
    "FeedForwardNet",
    "FixedPointArithmetic",
    "FloatArithmetic",
    "FloatStorage",
    "FullSupport",
    "GruCell",
    "Layer",
    "LayerParameters",
    "LstmCell",
    "Matrix",
    "Net",
    "NetShape",
    "Plan",
    "Projection",
    "RandomProjection",
    "Readout",
    "RecurrentNet",
    "Step",
    "Storage",
    "Support",
    "TimedLayers",
    "build",
    "build_net",
    "decimation",
    "mean_cross_entropy",
    "mean_loss",
    "refuse_unusable",
    "scaled_widths",
    "set_normalization",
    "trace",
    "use_loop",
    "widths_of",
]
