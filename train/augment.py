"""What a net sees of a sample in training: the same readings or pixels, a little different every time."""

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

    rotation: standard deviation in radians of the components of a rotation vector, one for all or three, one vector a sequence; it turns
    every three successive channels. time_shift: the most steps by which a sequence begins earlier or later. crop: the most pixels by which
    an image is moved up, down, left or right. flip: images are mirrored left to right half of the time. What moves in is `center`, float
    [channels] (None: 0).
    Raises InputError when the channels do not go in threes.
    """

    spread: Tensor
    noise: float = 0.0
    rotation: float | tuple[float, float, float] = 0.0
    time_shift: int = 0
    crop: int = 0
    flip: bool = False
    center: Tensor | None = None

    def __post_init__(self) -> None:
        if self.rotation and len(self.spread) % AXES:
            raise InputError(
                f"train.rotation turns channels in threes (x, y, z of one sensor), and there are {len(self.spread)}: set it to 0, or "
                "choose other channels"
            )

    def __call__(self, batch: Batch, generator: torch.Generator) -> Batch:
        """The batch as the net sees it this time; lengths and labels stay. Raises InputError for images where sequences are meant."""
        x = batch.x
        self._check_axes(x.dim())
        center = torch.zeros(x.shape[-1]) if self.center is None else self.center
        if self.rotation:
            x = rotate(x, torch.tensor(self.rotation) * torch.randn(len(x), AXES, generator=generator))
        if self.time_shift:
            x = move(x, _amounts(len(x), self.time_shift, generator), 1, center)
        if self.crop:
            for axis in (1, 2):
                x = move(x, _amounts(len(x), self.crop, generator), axis, center)
        if self.flip:
            mirrored = torch.rand(len(x), generator=generator) < 0.5
            x = torch.where(mirrored[:, None, None, None], x.flip(2), x)
        if self.noise:
            x = x + self.noise * (torch.randn(x.shape, generator=generator) * self.spread)
        return replace(batch, x=x)

    def _check_axes(self, axes: int) -> None:
        for keys, wanted, what in ((("crop", "flip"), 4, "images"), (("rotation", "time_shift"), 3, "sequences")):
            used = [key for key in keys if getattr(self, key)]
            if used and axes != wanted:
                raise InputError(f"train.{used[0]} is for {what}, and the data are none: leave it out")


def rotate(x: Tensor, vectors: Tensor) -> Tensor:
    """x [batch, time, 3 * sensors] turned about `vectors` [batch, 3], each by its length in radians."""
    zero = torch.zeros_like(vectors[:, 0])
    a, b, c = vectors.unbind(1)
    generator = torch.stack([zero, -c, b, c, zero, -a, -b, a, zero], dim=1).view(-1, AXES, AXES)
    turns = torch.linalg.matrix_exp(generator)
    turned: Tensor = x.reshape(*x.shape[:2], -1, AXES) @ turns.transpose(1, 2)[:, None]
    return turned.reshape(x.shape)


def move(x: Tensor, amounts: Tensor, axis: int, fill: Tensor) -> Tensor:
    """x [batch, ..., channels] with sample i moved by amounts[i] positions along `axis` (1 or 2); `fill` [channels] moves in."""
    index = torch.arange(x.shape[axis]) - amounts[:, None]
    inside = (index >= 0) & (index < x.shape[axis])
    along = x.transpose(1, axis)
    moved = along[torch.arange(len(x))[:, None], index.clamp(0, x.shape[axis] - 1)]
    kept = inside.view(*inside.shape, *(1,) * (x.dim() - 2))
    return torch.where(kept, moved, fill).transpose(1, axis)


def _amounts(count: int, most: int, generator: torch.Generator) -> Tensor:
    return torch.randint(-most, most + 1, (count,), generator=generator)
