"""The steps of each sequence that a loss counts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


@dataclass(frozen=True, eq=False)
class CountedSteps:
    """The last steps of every sequence, sequence after sequence, each in the order of time.

    sequence, step: int64 [counted], which one of the batch, and which one of its steps. count: int64 [batch], how many of each.
    """

    sequence: Tensor
    step: Tensor
    count: Tensor

    @classmethod
    def of(cls, lengths: Tensor, share: float) -> CountedSteps:
        """The last `share` of each sequence of `lengths` [batch], rounded half up, but one step at least."""
        count = torch.floor(lengths.double() * share + 0.5).long().clamp(min=1)
        sequence = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), count)
        place = torch.arange(len(sequence), device=lengths.device) - (count.cumsum(0) - count)[sequence]
        return cls(sequence, (lengths - count)[sequence] + place, count)

    @property
    def last(self) -> Tensor:
        """Where the last step of every sequence is among them: int64 [batch]."""
        return self.count.cumsum(0) - 1

    def mean(self, values: Tensor) -> Tensor:
        """The mean over the sequences of the mean over the steps of each, of `values` [counted]."""
        return (values / self.count[self.sequence]).sum() / len(self.count)


def mean_cross_entropy(
    scores: Tensor, y: Tensor, label_smoothing: float, counted: CountedSteps | None, weights: Tensor | None = None
) -> Tensor:
    """A scalar, from scores [counted, classes] of sequences of the classes y [batch]. counted None: one of each sequence.

    weights: float [classes], by which the loss of a sequence is multiplied (None: by 1).
    """
    if counted is None and weights is None:
        return cross_entropy(scores, y, label_smoothing=label_smoothing)
    labels = y if counted is None else y[counted.sequence]
    return mean_loss(cross_entropy(scores, labels, label_smoothing=label_smoothing, reduction="none"), labels, counted, weights)


def mean_loss(each: Tensor, labels: Tensor, counted: CountedSteps | None, weights: Tensor | None) -> Tensor:
    """Of the losses [counted] of scores of the classes `labels` [counted]; see mean_cross_entropy."""
    each = each if weights is None else each * weights[labels]
    return each.mean() if counted is None else counted.mean(each)
