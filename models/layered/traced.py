"""What tracing gives: a plan and the modules of its layers; and on the way there, what an fx node stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ...errors import UnsupportedError
from .axes import Axes, Sizes, natural_axes
from .kinds import Segments, Shape

if TYPE_CHECKING:
    from ...graph.formats import Padding
    from .plan import Plan

_AXES: Mapping[str, str] = {"b": "batch", "c": "channels", "h": "height", "w": "width or time", "f": "features"}


@dataclass
class Traced:
    """A plan, and for each layer its module and what is folded into it."""

    plan: Plan
    modules: Mapping[str, LayerModules]


@dataclass
class LayerModules:
    """What one layer is made of. weight: [rows, columns], in the plan's order; norm: a batch normalisation; scale: a scalar."""

    weight: Tensor
    bias: Tensor | None
    norm: nn.Module | None = None
    scale: Tensor | None = None


@dataclass(frozen=True)
class TracedValue:
    """What an fx node stands for: a step's value, zeros still to be added around it, or a number.

    segments: of a flat value, the maps whose entries it holds one after the other; none of a map. padding: top, bottom, left, right.
    number: of a constant. parameter: the name of a scalar parameter. axes: in torch, where they are not what they are by nature.
    """

    name: str = ""
    shape: Shape = (0, 0, 0)
    segments: Segments = ()
    padding: Padding = (0, 0, 0, 0)
    number: float = 1.0
    parameter: str = ""
    axes: Axes = ()

    @property
    def is_one_position(self) -> bool:
        """Whether its entries are channels alone, flat or as a map."""
        return all(shape[:2] == (1, 1) for shape in self.maps)

    @property
    def maps(self) -> Segments:
        """The maps whose entries it holds: itself, or its segments."""
        return self.segments or (self.shape,)

    @property
    def is_padded(self) -> bool:
        """Whether zeros are still to be added."""
        return any(self.padding)

    def rank(self, axes: int) -> int:
        """Of its tensor in torch. axes: of the net's input, its channels among them."""
        return 2 if self.segments else axes + 1

    def axes_and_sizes(self, axes: int) -> tuple[Axes, Sizes]:
        """The axes of its tensor in torch, and their sizes."""
        names = self.axes or natural_axes(axes + 1, bool(self.segments))
        height, width, channels = self.shape
        sizes = {"b": None, "c": channels, "h": height, "w": width, "f": channels, "1": 1}
        return names, tuple(sizes[name] for name in names)

    def check_axes(self, axes: int, where: str) -> None:
        """Raise UnsupportedError, naming who reads it, where its axes were moved."""
        if self.axes:
            natural = "[batch, channels, time]" if axes == 2 else "[batch, channels, height, width]"
            raise UnsupportedError(
                f"{where} reads axes that were moved, [{', '.join(_AXES.get(axis, axis) for axis in self.axes)}]: rescomp gives the net "
                f"{natural}, and layers read that or what torch.flatten(x, 1) makes of it: leave permute and its like out"
            )

    def check_padding(self, where: str) -> None:
        """Raise UnsupportedError, naming who reads it, where zeros are still to be added."""
        if self.is_padded:
            raise UnsupportedError(f"{where} reads a zero padding: padding may only stand before a convolution or an average pool")


def shown(values: Sequence[TracedValue]) -> str:
    """The maps of values, for a message."""
    return " and ".join(str(shape) for value in values for shape in value.maps)


def columns_of(weight: Tensor, segments: Segments) -> Tensor:
    """The rows of a linear layer [outputs, features] over flattened maps, each map's channels fastest."""
    parts = torch.split(weight, [prod(shape) for shape in segments], dim=1)
    return torch.cat([_channels_last(part, shape) for part, shape in zip(parts, segments, strict=True)], dim=1)


def _channels_last(weight: Tensor, shape: Shape) -> Tensor:
    height, width, channels = shape
    return weight.reshape(-1, channels, height, width).permute(0, 2, 3, 1).reshape(weight.shape)
