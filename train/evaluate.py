"""A net's answers on a whole split."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ..data.rows import row_orders
from ..data.split import Split
from ..models import CountedSteps, Net
from .batches import Batch, side_by_side
from .device import device_of

EVALUATION_BATCH = 256
LANES = 16
"""Rows of recordings that are judged side by side."""


def scores(net: torch.nn.Module, split: Split, batch_size: int = EVALUATION_BATCH) -> Tensor:
    """net(x, lengths) in evaluation mode for every sequence, in order: [sequences, classes]. The net's mode is restored."""
    whole, device = Batch.whole(split), device_of(net)
    with _evaluating(net):
        batches = (batch.to(device) for batch in whole.split(torch.arange(len(whole)), batch_size))
        return torch.cat([net(batch.x, batch.lengths).cpu() for batch in batches])


@contextmanager
def _evaluating(net: torch.nn.Module) -> Iterator[None]:
    """The net in evaluation mode and without gradients; its own mode is restored."""
    training = net.training
    net.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        net.train(training)


def accuracy(net: torch.nn.Module, split: Split, batch_size: int = EVALUATION_BATCH) -> float:
    """Fraction of sequences whose highest score (the first of equals) is their class."""
    return accuracy_and_loss(net, split, batch_size)[0]


def accuracy_and_loss(net: torch.nn.Module, split: Split, batch_size: int = EVALUATION_BATCH) -> tuple[float, float]:
    """The same, and the mean cross entropy."""
    return _right_and_loss(scores(net, split, batch_size), torch.from_numpy(split.y))


def _right_and_loss(answers: Tensor, y: Tensor) -> tuple[float, float]:
    correct = int((answers.argmax(dim=1) == y).sum())
    return correct / len(y), float(cross_entropy(answers, y))


@dataclass(frozen=True, eq=False)
class Validation:
    """What watches a training. order: int64 [sequences], in which they are put in a row; None: they are judged one by one alone."""

    split: Split
    order: Tensor | None

    @classmethod
    def of(cls, split: Split, *, in_a_row: bool) -> Validation:
        """in_a_row: whether the net is to run on without a reset. The order is drawn once, neighbours differ in class where possible."""
        return cls(split, torch.from_numpy(row_orders(split.y, 1)[0]) if in_a_row else None)

    def judge(self, net: torch.nn.Module) -> Judgement:
        """The net as it is now, which is not changed."""
        offline = accuracy_and_loss(net, self.split)
        if self.order is None or not isinstance(net, Net):
            return Judgement(offline[0], None, *offline)
        row = _right_and_loss(_scores_in_a_row(net, self.split, self.order), torch.from_numpy(self.split.y)[self.order])
        return Judgement(offline[0], row[0], (offline[0] + row[0]) / 2, (offline[1] + row[1]) / 2)


@dataclass(frozen=True)
class Judgement:
    """accuracy: of sequences one by one; streamed: at the ends of those in a row. watched, loss: what early stopping compares, the means of
    both ways where there are two.
    """

    accuracy: float
    streamed: float | None
    watched: float
    loss: float


def _scores_in_a_row(net: Net, split: Split, order: Tensor) -> Tensor:
    """At the end of every sequence, in that order [sequences, classes]; `order` is cut into LANES, each of which begins with zeros."""
    whole, device = Batch.whole(split), device_of(net)
    places, found = [], []
    begin: dict[str, Tensor] | None = None
    with _evaluating(net):
        for lanes in side_by_side(torch.arange(len(order)), LANES):
            batch = whole.take(order[lanes]).to(device)
            begin = begin and {name: state[: len(batch)] for name, state in begin.items()}
            answers, begin = net.answer(batch.x, batch.lengths, CountedSteps.of(batch.lengths, 0.0), begin)
            places.append(lanes)
            found.append(answers.cpu())
    return torch.cat(found)[torch.cat(places).argsort()]
