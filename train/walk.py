"""The order in which a training walks through continuous recordings, so that a row of a batch goes on where it ended in the one before."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..data.chains import chains
from ..data.split import Split
from .batches import side_by_side


@dataclass(frozen=True, eq=False)
class Walk:
    """chains: of sequences in the order of time; before: int64 [sequences], the one that each follows, or -1."""

    chains: list[Tensor]
    before: Tensor

    @classmethod
    def of(cls, split: Split) -> Walk | None:
        """The chains in which the class changes, all other sequences alone. None where there is no such chain.

        A chain of one class is not walked through: a net that sees no change learns to hold its answer, and not to read on.
        """
        before = torch.full((len(split),), -1)
        kept: list[Tensor] = []
        for places in chains(split):
            chain = torch.from_numpy(places)
            if len(set(split.y[places].tolist())) > 1:
                before[chain[1:]] = chain[:-1]
                kept.append(chain)
            else:
                kept += chain[:, None].unbind()
        return cls(kept, before) if bool((before >= 0).any()) else None

    def order(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Every sequence once, int64 [sequences], to be cut into batches of `batch_size`.

        The chains, end to end in a random order, make a ring, which is cut at a random place and into as many lanes of equal length as a
        batch has rows: row i of every batch is of lane i.
        """
        ring = torch.cat([self.chains[place] for place in torch.randperm(len(self.chains), generator=generator)])
        ring = ring.roll(int(torch.randint(len(ring), (), generator=generator)))
        return torch.cat(list(side_by_side(ring, batch_size)))

    def follows(self, rows: Tensor, previous: Tensor) -> Tensor:
        """For each of the sequences `rows` [batch] the row of the batch `previous` [rows] that it follows, or -1: int64 [batch]."""
        same = self.before[rows][:, None] == previous
        return torch.where(same.any(dim=1), same.int().argmax(dim=1), -1)
