"""A residual MLP, wide outside and narrow inside its blocks ("Rethinking the shape convention of an MLP", MediaTek Research 2025)."""

from __future__ import annotations

import math
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import InputError
from ..matrix import random_projection
from .convolutions import NetShape


class RandomProjection(nn.Module):
    """A linear layer whose matrix is not trained: signs drawn from a seed, over the square root of the features. The bias is trained.

    It flattens what it reads itself, channels last, as the device does. No batch normalisation may follow it: a negative gain would turn
    its signs, which the device draws anew from the seed.
    """

    matrix: Tensor

    def __init__(self, features: int, outputs: int, seed: int) -> None:
        super().__init__()
        self.features, self.seed = features, seed
        self.register_buffer("matrix", random_projection(outputs, features, seed), persistent=False)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, ...] to [batch, outputs]."""
        return F.linear(x.movedim(1, -1).flatten(1), self.matrix, self.bias)


class NarrowBlock(nn.Module):
    """x + expand(relu(reduce(x))). Without batch normalisation the branch is multiplied by `scale`, which begins at 0 (SkipInit)."""

    def __init__(self, shape: NetShape, wide: int, narrow: int) -> None:
        super().__init__()
        normalized = shape.norm == "batch"
        layers: list[tuple[str, nn.Module]] = [("reduce", nn.Linear(wide, narrow, bias=not normalized))]
        if normalized:
            layers.append(("reduce_norm", nn.BatchNorm1d(narrow)))
        self.branch = nn.Sequential(OrderedDict([*layers, ("relu", nn.ReLU()), ("expand", nn.Linear(narrow, wide))]))
        self.scale = None if normalized else nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """[batch, wide] to the same."""
        branch: Tensor = self.branch(x)
        if self.scale is not None:
            branch = branch * self.scale
        return x + branch


def hourglass(shape: NetShape) -> nn.Module:
    """A projection of the whole window or image to widths[0], `blocks` residual blocks that narrow to widths[1], a dense layer.

    fixed_projection: the projection is random, its seed drawn from torch's generator. Raises InputError for other than two widths, and
    for a causal net.
    """
    if len(shape.widths) != 2:
        raise InputError(f"model.widths of a hourglass net are the wide and the narrow one, 128,16 for instance, not {shape.widths}")
    if shape.causal:
        raise InputError("a hourglass net reads its whole window at once: leave model.streaming out")
    wide, narrow = shape.widths
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    features = math.prod(shape.input_shape)
    if shape.fixed_projection:
        layers["project"] = RandomProjection(features, wide, int(torch.randint(1, 1 << 32, ())))
    else:
        layers["flatten"] = nn.Flatten()
        layers["project"] = nn.Linear(features, wide)
        if shape.norm == "batch":
            layers["project_norm"] = nn.BatchNorm1d(wide)
    for block in range(1, shape.blocks + 1):
        layers[f"block{block}"] = NarrowBlock(shape, wide, narrow)
    layers["classifier"] = nn.Linear(wide, shape.classes)
    return nn.Sequential(layers)
