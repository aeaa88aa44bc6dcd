"""A net's answers on a whole split."""

from __future__ import annotations

import torch
from torch import Tensor

from ..data.split import Split
from .batches import Batch

EVALUATION_BATCH = 256


def scores(net: torch.nn.Module, split: Split, batch_size: int = EVALUATION_BATCH) -> Tensor:
    """net(x, lengths) in evaluation mode for every sequence, in order: [sequences, classes]. The net's mode is restored."""
    training = net.training
    net.eval()
    try:
        with torch.no_grad():
            whole = Batch.whole(split)
            return torch.cat([net(batch.x, batch.lengths) for batch in whole.split(torch.arange(len(whole)), batch_size)])
    finally:
        net.train(training)


def accuracy(net: torch.nn.Module, split: Split, batch_size: int = EVALUATION_BATCH) -> float:
    """Fraction of sequences whose highest score (the first of equals) is their class."""
    correct = scores(net, split, batch_size).argmax(dim=1) == torch.from_numpy(split.y)
    return int(correct.sum()) / len(split)
