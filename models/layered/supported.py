"""Which torch modules and functions a net without state may be made of, and what to use instead of others."""

from __future__ import annotations

import operator
from collections.abc import Mapping

import torch
from torch import nn

from .kinds import LAYER_KINDS

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
PADS = (nn.ConstantPad1d, nn.ConstantPad2d, nn.ZeroPad1d, nn.ZeroPad2d)
TRANSPARENT = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d)
MAX_POOLS, AVERAGE_POOLS = (nn.MaxPool1d, nn.MaxPool2d), (nn.AvgPool1d, nn.AvgPool2d)
GLOBAL_AVERAGES, GLOBAL_MAXIMA = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d), (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d)
SPATIAL = (*CONVOLUTIONS, *PADS, *MAX_POOLS, *AVERAGE_POOLS, *GLOBAL_AVERAGES, *GLOBAL_MAXIMA)
PRODUCTS = (operator.mul, operator.imul, torch.mul, "mul", "mul_")
PERMUTATIONS = (torch.permute, "permute")
SWAPS = (torch.transpose, "transpose", torch.swapaxes, "swapaxes", torch.swapdims, "swapdims")
SQUEEZES, UNSQUEEZES = (torch.squeeze, "squeeze"), (torch.unsqueeze, "unsqueeze")
VIEWS = (torch.reshape, "reshape", "view")
COPIES = ("contiguous", "float")
"""Functions that change no number and, of what the net has, copy nothing."""
MEANS = (torch.mean, "mean")
SIZES = ("size", getattr, operator.getitem)
IN_PLACE = (operator.iadd, operator.imul)
"""Functions that change what they read, beside those whose names end in _."""
_FLATTEN = "torch.flatten(x, 1)"
_POOL_FUNCTIONS: Mapping[str, str] = {
    "max_pool": "MaxPool",
    "avg_pool": "AvgPool",
    "adaptive_max_pool": "AdaptiveMaxPool",
    "adaptive_avg_pool": "AdaptiveAvgPool",
}
_INSTEAD: Mapping[str, str] = {
    "ReLU6": "nn.ReLU",
    "LeakyReLU": "nn.ReLU",
    "GELU": "nn.ReLU",
    "SiLU": "nn.ReLU",
    "Hardswish": "nn.ReLU",
    "Sigmoid": "nn.ReLU",
    "Tanh": "nn.ReLU",
    "Softmax": "nothing: rescomp trains on the scores and takes the largest",
    "LogSoftmax": "nothing: rescomp trains on the scores and takes the largest",
    "LayerNorm": "nn.BatchNorm1d, which folds into the layer before it",
    "GroupNorm": "nn.BatchNorm1d or nn.BatchNorm2d, which fold into the layer before them",
    "GRU": "a rescomp.models.RecurrentNet of GruCell",
    "LSTM": "a rescomp.models.RecurrentNet of LstmCell",
    "RNN": "a rescomp.models.RecurrentNet of FastRnnCell",
    "ConvTranspose1d": "nn.Conv1d",
    "ConvTranspose2d": "nn.Conv2d",
    **dict.fromkeys(("leaky_relu", "gelu", "silu", "hardswish", "relu6", "sigmoid", "tanh"), "nn.ReLU"),
    **{f"{name}{axes}": f"the module nn.{module}{axes}" for name, module in _POOL_FUNCTIONS.items() for axes in ("1d", "2d")},
    "dropout": "the module nn.Dropout",
    "pad": "the module nn.ZeroPad1d or nn.ZeroPad2d",
    **dict.fromkeys(("size", "getattr", "getitem"), f"{_FLATTEN}, which asks for no shape"),
    "clone": "the value itself, and nothing in place",
    "T": "the axes as they are, [batch, channels, ...]",
}
"""What to use in place of common modules and functions."""
_FUNCTIONS = ", ".join(name for name, kind in LAYER_KINDS.items() if kind.functions)
_SUPPORTED = (
    "Conv1d, Conv2d, Linear, BatchNorm, ReLU, max and average pools, zero padding, Flatten, multiplication by a number, and the functions "
    f"{_FUNCTIONS}"
)


def advice(name: str) -> str:
    """What to do about a module or a function of that name, which is not supported."""
    instead = _INSTEAD.get(name)
    return f"use {instead}" if instead else f"supported are {_SUPPORTED}"
