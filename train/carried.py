"""States handed from each batch to the next, so that a net learns to go on from wherever a stream has left it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor

from ..data.split import Split
from ..errors import InputError
from ..models import Net
from .schedule import Schedule
from .walk import Walk


@dataclass
class Carried:
    """The states in which the rows of a batch ended, as the net's own numbers.

    sizes: entries of each state, by name. probability: with which a row begins where a row of the batch before ended, instead of with
    zeros. most: rows of a batch. walk: of continuous recordings, whose rows go on where they ended themselves. states: [rows of the batch
    before, size] by name; none before the first batch. rows: int64, which sequences that batch held; none before an epoch's first.
    """

    sizes: Mapping[str, int] = field(default_factory=dict)
    probability: float = 0.0
    most: int = 0
    walk: Walk | None = None
    states: dict[str, Tensor] = field(default_factory=dict)
    rows: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))

    @classmethod
    def of(cls, net: torch.nn.Module, train: Split, schedule: Schedule) -> Self:
        """No states yet. Raises InputError where the schedule asks for what a net without state has not, or for balanced batches of
        recordings that the training walks through.
        """
        if not isinstance(net, Net) or not net.cells:
            for key in ("carry", "loss_share"):
                if getattr(schedule, key):
                    raise InputError(f"train.{key} is for recurrent cells: leave it out for a net without state")
            return cls()
        walk = Walk.of(train) if schedule.carry else None
        if walk is not None and schedule.balance == "batches":
            raise InputError(
                "train.balance = 'batches' draws recordings one by one, and these are walked through in the order of time: set it to "
                "'weights', or train.carry to 0"
            )
        return cls(net.state_sizes, schedule.carry, schedule.batch_size, walk)

    def order(self, count: int, generator: torch.Generator) -> Tensor:
        """The order of an epoch of `count` sequences, int64 [count]."""
        self.rows = self.rows[:0]
        return torch.randperm(count, generator=generator) if self.walk is None else self.walk.order(self.most, generator)

    def begin(self, rows: Tensor, generator: torch.Generator, device: torch.device) -> dict[str, Tensor] | None:
        """The states before the first step of the sequences `rows` [batch], [batch, size] by name on `device` (None: zeros).

        A row that follows one of the batch before in a continuous recording takes that one's. Others of a batch as large as the one
        before take its rows in a random order; of another size each draws one, with replacement.
        """
        if not self.probability or not self.states:
            return None
        count = len(next(iter(self.states.values())))
        order = (
            torch.randperm(count, generator=generator) if count == len(rows) else torch.randint(count, (len(rows),), generator=generator)
        )
        if self.walk is not None and len(self.rows):
            follows = self.walk.follows(rows, self.rows)
            order = torch.where(follows < 0, order, follows)
        carries = torch.rand(len(rows), generator=generator) < self.probability
        return {name: torch.where(carries[:, None], state[order], 0).to(device) for name, state in self.states.items()}

    def keep(self, states: Mapping[str, Tensor], rows: Tensor) -> None:
        """Remember where the sequences `rows` of a batch ended, [batch, size] by name, for the next one."""
        if self.probability:
            self.states, self.rows = {name: state.cpu() for name, state in states.items()}, rows

    def restore(self, states: Mapping[str, Tensor], what: str) -> None:
        """Take the states of a checkpoint. Raises InputError naming `what` unless they are none, or such as this training carries."""
        rows = {len(value) for value in states.values() if value.dim() == 2}
        sizes = {name: value.shape[1] for name, value in states.items() if value.dim() == 2 and value.dtype == torch.float32}
        fits = self.probability and sizes == self.sizes and len(rows) == 1 and 0 < max(rows) <= self.most
        if states and not (fits and all(bool(value.isfinite().all()) for value in states.values())):
            raise InputError(f"{what} holds carried states that are not of this training: use the recipe it was made with, or train anew")
        self.states = dict(states)
