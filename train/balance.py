"""Classes of different numbers of sequences, made to count alike: by weights of the loss, or by how often they are drawn."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..data.split import Int64Array, Split
from .schedule import Schedule


def weights_of(train: Split, schedule: Schedule, device: torch.device) -> Tensor | None:
    """What the losses of sequences are multiplied by, float [classes], on `device`; None: nothing."""
    return class_weights(train.y, int(train.y.max()) + 1).to(device) if schedule.balance == "weights" else None


def class_weights(y: Int64Array, classes: int) -> Tensor:
    """float32 [classes], of the classes y int64 [sequences]: all sequences / (classes that there are * sequences of the class), whose mean
    over the sequences is 1; 1 for a class without any.
    """
    counts = np.bincount(y, minlength=classes)
    weights = len(y) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return torch.from_numpy(np.where(counts, weights, 1.0).astype(np.float32))


def balanced_order(y: Tensor, generator: torch.Generator) -> Tensor:
    """So many sequences as there are, int64 [sequences], of which every run of as many as there are classes holds each class once.

    Those of a class come in random orders, one after another: of a small class several times, of a large one not all of them.
    """
    own = [(y == label).nonzero()[:, 0] for label in y.unique()]  # type: ignore[no-untyped-call]
    rounds = -(-len(y) // len(own))
    drawn = torch.stack([_drawn(sequences, rounds, generator) for sequences in own], dim=1)
    turns = torch.rand(drawn.shape, generator=generator).argsort(dim=1)
    return drawn.gather(1, turns).flatten()[: len(y)]


def _drawn(sequences: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """So many of them, all of them before one comes again."""
    orders = [torch.randperm(len(sequences), generator=generator) for _ in range(-(-count // len(sequences)))]
    return sequences[torch.cat(orders)[:count]]
