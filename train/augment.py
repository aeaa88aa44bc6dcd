"""What a net sees of a sequence in training: the same readings, a little different every time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import InputError
from .batches import Batch

AXES = 3


@dataclass(frozen=True, eq=False)
class Augmentation:
    """noise: standard deviation of Gaussian noise on every reading, in units of `spread`, float [channels].

    rotation: standard deviation in radians of the components of a rotation vector, one a sequence; it turns every three successive
    channels. Raises InputError when the channels do not go in threes.
    """

    spread: Tensor
    noise: float = 0.0
    rotation: float = 0.0

    def __post_init__(self) -> None:
        if self.rotation and len(self.spread) % AXES:
            raise InputError(
                f"train.rotation turns channels in threes (x, y, z of one sensor), and there are {len(self.spread)}: set it to 0, or "
                "choose other channels"
            )

    def __call__(self, batch: Batch, generator: torch.Generator) -> Batch:
        """The batch as the net sees it this time; lengths and labels stay."""
        x = batch.x
        if self.rotation:
            x = rotate(x, self.rotation * torch.randn(len(x), AXES, generator=generator))
        if self.noise:
            x = x + self.noise * (torch.randn(x.shape, generator=generator) * self.spread)
        return replace(batch, x=x)


def rotate(x: Tensor, vectors: Tensor) -> Tensor:
    """x [batch, time, 3 * sensors] turned about `vectors` [batch, 3], each by its length in radians."""
    zero = torch.zeros_like(vectors[:, 0])
    a, b, c = vectors.unbind(1)
    generator = torch.stack([zero, -c, b, c, zero, -a, -b, a, zero], dim=1).view(-1, AXES, AXES)
    turns = torch.linalg.matrix_exp(generator)
    turned: Tensor = x.reshape(*x.shape[:2], -1, AXES) @ turns.transpose(1, 2)[:, None]
    return turned.reshape(x.shape)
