"""A net's answers on a whole split."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ..data.confusion import Confusion
from ..data.rows import row_orders
from ..data.split import Split
from ..models import CountedSteps, Net
from ..recipe import IN_STREAMS, Select
from .batches import Batch, side_by_side
from .device import device_of
from .metrics import ClassMeans

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
    return confusion(net, split, batch_size).accuracy


def confusion(net: torch.nn.Module, split: Split, batch_size: int = EVALUATION_BATCH) -> Confusion:
    """The answers to all sequences, by class."""
    return _judged(scores(net, split, batch_size), torch.from_numpy(split.y))[0]


def _judged(answers: Tensor, y: Tensor) -> tuple[Confusion, float]:
    """(answers by class, mean cross entropy)."""
    return Confusion.of(y.numpy(), answers.argmax(dim=1).numpy(), answers.shape[1]), float(cross_entropy(answers, y))


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
        y = torch.from_numpy(self.split.y)
        alone, loss = _judged(scores(net, self.split), y)
        if self.order is None or not isinstance(net, Net):
            return Judgement(alone, None, loss)
        row, row_loss = _judged(_scores_in_a_row(net, self.split, self.order), y[self.order])
        return Judgement(alone, row, (loss + row_loss) / 2)


@dataclass(frozen=True)
class Judgement:
    """alone: answers to sequences one by one; streamed: at the ends of those in a row, None where states are not carried. loss: mean
    cross entropy, of both ways where there are two.
    """

    alone: Confusion
    streamed: Confusion | None
    loss: float

    @property
    def told(self) -> dict[str, Any]:
        """What a report of the epoch tells, by its fields' names."""
        told: dict[str, Any] = {"validation_accuracy": self.alone.accuracy, "validation": ClassMeans.of(self.alone)}
        if self.streamed is not None:
            told |= {"streamed_accuracy": self.streamed.accuracy, "streamed": ClassMeans.of(self.streamed)}
        return told

    def watched(self, select: Select) -> float:
        """What early stopping compares, the larger the better: the mean of both ways where there are two, unless one is named."""
        if select == "loss":
            return -self.loss
        alone = None if select.startswith(IN_STREAMS) else self.alone
        each = [getattr(way, select.removeprefix(IN_STREAMS)) for way in (alone, self.streamed) if way is not None]
        return float(sum(each) / len(each))


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
