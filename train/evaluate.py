"""A net's answers on a whole split."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ..data.split import Split
from .batches import Batch
from .device import device_of

EVALUATION_BATCH = 256


def scores(net: torch.nn.Module, split: Split, batch_size: int = EVALUATION_BATCH) -> Tensor:
    """net(x, lengths) in evaluation mode for every sequence, in order: [sequences, classes]. The net's mode is restored."""
    training = net.training
    net.eval()
    try:
        with torch.no_grad():
            whole, device = Batch.whole(split), device_of(net)
            batches = (batch.to(device) for batch in whole.split(torch.arange(len(whole)), batch_size))
            return torch.cat([net(batch.x, batch.lengths).cpu() for batch in batches])
    finally:
        net.train(training)


def accuracy(net: torch.nn.Module, split: Split, batch_size: int = EVALUATION_BATCH) -> float:
    """Fraction of sequences whose highest score (the first of equals) is their class."""
    return accuracy_and_loss(net, split, batch_size)[0]


def accuracy_and_loss(net: torch.nn.Module, split: Split, batch_size: int = EVALUATION_BATCH) -> tuple[float, float]:
    """The same, and the mean cross entropy."""
    answers, y = scores(net, split, batch_size), torch.from_numpy(split.y)
    correct = int((answers.argmax(dim=1) == y).sum())
    return correct / len(split), float(cross_entropy(answers, y))
