"""A split as torch tensors, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..data.split import Split


def side_by_side(order: Tensor, lanes: int) -> Iterator[Tensor]:
    """`order` [count] cut into so many lanes of equal length, at most, and of each the next entry, as long as it has one: int64 [lanes]."""
    parts = order.tensor_split(min(lanes, len(order)))
    for step in range(len(parts[0])):
        yield torch.stack([part[step] for part in parts if step < len(part)])


@dataclass(frozen=True, eq=False)
class Batch:
    """x: float32 [batch, longest of the batch, channels]; lengths, y: int64 [batch]."""

    x: Tensor
    lengths: Tensor
    y: Tensor

    @classmethod
    def whole(cls, split: Split) -> Batch:
        """All of a split, in its order."""
        return cls(torch.from_numpy(split.x).float(), torch.from_numpy(split.lengths), torch.from_numpy(split.y))

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self.y)

    def take(self, indices: Tensor) -> Batch:
        """The sequences at `indices`, padded only to the longest of them."""
        lengths = self.lengths[indices]
        return Batch(self.x[indices, : int(lengths.max())], lengths, self.y[indices])

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        return Batch(self.x.to(device), self.lengths.to(device), self.y.to(device))

    def split(self, order: Tensor, size: int) -> Iterator[Batch]:
        """Batches of `size` in the given order; the last may be smaller."""
        for start in range(0, len(order), size):
            yield self.take(order[start : start + size])
