"""One residual block applied again and again, each time a step of an ordinary differential equation (SCORE, 2026)."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from ...errors import InputError
from .convolutions import NetShape, classifier, conv_norm


class RepeatedBlock(nn.Module):
    """`times` times x <- (1 - dt) x + dt block(x), always with the same weights."""

    def __init__(self, block: nn.Module, times: int, dt: float) -> None:
        super().__init__()
        self.block, self.times, self.dt = block, times, dt

    def forward(self, x: Tensor) -> Tensor:
        """Any shape that `block` keeps."""
        for _ in range(self.times):
            change = self.block(x) * self.dt
            x = change if self.dt == 1 else x * (1 - self.dt) + change
        return x


def score(shape: NetShape) -> nn.Module:
    """A stem, one block of two convolutions applied `blocks` times, a global average pool and a dense layer.

    Raises InputError for more than one width.
    """
    if len(shape.widths) != 1:
        raise InputError(f"model.widths of a score net is a single one, since its one block keeps its channels, not {shape.widths}")
    (width,) = shape.widths
    layers: OrderedDict[str, nn.Module] = OrderedDict(conv_norm(shape, "stem", shape.channels, width, shape.stem_stride, shape.stem_kernel))
    layers["stem_relu"] = nn.ReLU()
    branch = [*conv_norm(shape, "conv1", width, width), ("relu", nn.ReLU()), *conv_norm(shape, "conv2", width, width)]
    layers["repeated"] = RepeatedBlock(nn.Sequential(OrderedDict(branch)), shape.blocks, shape.dt)
    return nn.Sequential(OrderedDict([*layers.items(), *classifier(shape)]))
