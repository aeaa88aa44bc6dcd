"""Residual nets over time (1-D) and over images (2-D), as plain torch modules: channels first, as torch has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ..errors import InputError

Dimensions = Literal[1, 2]
Norm = Literal["batch", "none"]
_CONVOLUTION = {1: nn.Conv1d, 2: nn.Conv2d}
_BATCH_NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d}
_PADDING = {1: nn.ConstantPad1d, 2: nn.ConstantPad2d}
_AVERAGE_POOL = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d}


@dataclass(frozen=True)
class NetShape:
    """The sizes of a residual net.

    input_shape: (time, channels) or (height, width, channels). widths: channels of each stage; from the second on, the first block of
    a stage halves time, or height and width. blocks: of each stage. kernel_size: of every convolution that is not 1x1. norm: batch
    normalisation, or none with a learned scale on every branch (SkipInit: De and Smith 2020). causal: outputs see no later readings.
    """

    input_shape: tuple[int, ...]
    classes: int
    widths: tuple[int, ...]
    blocks: int = 1
    kernel_size: int = 3
    norm: Norm = "batch"
    causal: bool = False

    @property
    def dimensions(self) -> Dimensions:
        """1 over time, 2 over images."""
        return 1 if len(self.input_shape) == 2 else 2

    @property
    def channels(self) -> int:
        """Of the input."""
        return self.input_shape[-1]

    @property
    def decimation(self) -> int:
        """How many input positions one position of the last stage stands for, along each axis."""
        return decimation(len(self.widths))


def decimation(stages: int) -> int:
    """The factor by which that many stages shorten every axis."""
    return 1 << (stages - 1)


class ResidualBlock(nn.Module):
    """relu(shortcut(x) + branch(x)), the branch being two convolutions; a 1x1 convolution is the shortcut where shapes differ.

    Without batch normalisation the branch is multiplied by `scale`, which begins at 0 (SkipInit).
    """

    def __init__(self, shape: NetShape, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *convolution(shape, inputs, outputs, stride),
            nn.ReLU(),
            *convolution(shape, outputs, outputs),
        )
        plain = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if plain else _CONVOLUTION[shape.dimensions](inputs, outputs, 1, stride)
        self.relu = nn.ReLU()
        self.scale = nn.Parameter(torch.zeros(())) if shape.norm == "none" else None

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, ...] to the same with `outputs` channels."""
        branch = self.branch(x)
        if self.scale is not None:
            branch = self.scale * branch
        return self.relu(self.shortcut(x) + branch)


def resnet(shape: NetShape) -> nn.Module:
    """A stem, the stages, a global average pool and a dense layer.

    With an image of 32 x 32 x 3, widths (16, 32, 64) and one block a stage this is MLPerf Tiny's ResNet-8 (Banbury et al. 2021).
    Raises InputError when an axis cannot be halved so often.
    """
    check_divisible(shape)
    layers = [*convolution(shape, shape.channels, shape.widths[0]), nn.ReLU()]
    inputs = shape.widths[0]
    for stage, width in enumerate(shape.widths):
        for block in range(shape.blocks):
            layers.append(ResidualBlock(shape, inputs, width, 2 if stage and not block else 1))
            inputs = width
    return nn.Sequential(*layers, *classifier(shape, inputs))


def convolution(
    shape: NetShape, inputs: int, outputs: int, stride: int = 1, kernel_size: int | None = None, groups: int = 1
) -> list[nn.Module]:
    """A convolution that keeps a size, or divides it evenly by its stride, and its batch normalisation if the net has any.

    Zeros are put on as TensorFlow's SAME does: the odd one below and to the right. All of them come first where the net is causal.
    """
    size = kernel_size or shape.kernel_size
    missing = max(size - stride, 0)
    before = missing if shape.causal else missing // 2
    after = missing - before
    padded: list[nn.Module] = []
    if before != after:
        padded.append(_PADDING[shape.dimensions]((before, after) * shape.dimensions, 0.0))
        before = 0
    normalized = shape.norm == "batch"
    kernel = _CONVOLUTION[shape.dimensions](inputs, outputs, size, stride, before, groups=groups, bias=not normalized)
    nn.init.kaiming_normal_(kernel.weight, mode="fan_in", nonlinearity="relu")
    return [*padded, kernel, *([_BATCH_NORM[shape.dimensions](outputs)] if normalized else [])]


def classifier(shape: NetShape, inputs: int) -> Sequence[nn.Module]:
    """Global average pool, flatten, dense."""
    return _AVERAGE_POOL[shape.dimensions](1), nn.Flatten(), nn.Linear(inputs, shape.classes)


def check_divisible(shape: NetShape) -> None:
    """Raise InputError, naming the layer, where a strided layer would not divide the map evenly, or a map is smaller than 1."""
    names = ("time",) if shape.dimensions == 1 else ("height", "width")
    for name, size in zip(names, shape.input_shape, strict=False):
        for stage in range(1, len(shape.widths)):
            if size % 2:
                raise InputError(
                    f"the first block of stage {stage + 1} halves {name}, and {size} positions are left of {shape.input_shape}: "
                    f"choose a {name} that is a multiple of {shape.decimation}, or fewer stages in model.widths"
                )
            size //= 2
