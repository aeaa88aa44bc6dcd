"""Residual nets over time (1-D) and over images (2-D), as plain torch modules: channels first, as torch has them."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from .convolutions import NetShape, classifier, conv, conv_norm, stage_sizes


class ResidualBlock(nn.Module):
    """relu(shortcut(x) + branch(x)), the branch being two convolutions; a 1x1 convolution is the shortcut where shapes differ.

    Without batch normalisation the branch is multiplied by `scale`, which begins at 0 (SkipInit: De and Smith 2020).
    """

    def __init__(self, shape: NetShape, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            OrderedDict(
                [
                    *conv_norm(shape, "conv1", inputs, outputs, stride),
                    ("relu1", nn.ReLU()),
                    *conv_norm(shape, "conv2", outputs, outputs),
                ]
            )
        )
        plain = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if plain else conv(shape, inputs, outputs, 1, stride)
        self.relu = nn.ReLU()
        self.scale = nn.Parameter(torch.zeros(())) if shape.norm == "none" else None

    def forward(self, x: Tensor) -> Tensor:
        """[batch, inputs, ...] to [batch, outputs, ...]."""
        branch = self.branch(x)
        if self.scale is not None:
            branch = branch * self.scale
        result: Tensor = self.relu(self.shortcut(x) + branch)
        return result


def resnet(shape: NetShape) -> nn.Module:
    """A stem, the stages, a global average pool and a dense layer.

    With an image of 32 x 32 x 3, widths (16, 32, 64) and one block a stage this is MLPerf Tiny's ResNet-8 (Banbury et al. 2021), but for
    the biases of its convolutions, which batch normalisation cancels. Raises InputError when an axis cannot be halved so often.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(conv_norm(shape, "stem", shape.channels, shape.widths[0]))
    layers["stem_relu"] = nn.ReLU()
    for name, inputs, outputs, stride in stage_sizes(shape, shape.widths[0]):
        layers[name] = ResidualBlock(shape, inputs, outputs, stride)
    return nn.Sequential(OrderedDict([*layers.items(), *classifier(shape)]))
