"""Knowledge distillation: train towards the scores of the float net, or of several nets (Hinton et al. 2015)."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import kl_div, log_softmax

from ..models import CountedSteps, Net, mean_cross_entropy, mean_loss
from ..recipe import Distill


class DistillationLoss:
    """(1 - share) cross entropy + share T^2 KL(mean of softmax(teacher / T) || softmax(scores / T)), T the temperature.

    teachers: float nets, which copies keep as they are. They see what the net that learns sees, in evaluation mode; but they begin every
    sequence with zeros, for their answer is to be that sequence's alone, whatever came before.
    """

    def __init__(self, teachers: Sequence[Net], constraint: Distill, label_smoothing: float, weights: Tensor | None = None) -> None:
        """weights: float [classes], by which the loss of a sequence of each is multiplied (None: by 1)."""
        self.teachers: Sequence[Net] = [copy.deepcopy(teacher).eval() for teacher in teachers]
        self.constraint, self.label_smoothing, self.weights = constraint, label_smoothing, weights

    def __call__(self, scores: Tensor, x: Tensor, lengths: Tensor, y: Tensor, counted: CountedSteps | None = None) -> Tensor:
        """A scalar, from scores [counted, classes] of x [batch, time, channels] and the classes y [batch].

        counted: the steps that the scores are of (None: one score of each sequence).
        """
        temperature, share = self.constraint.temperature, self.constraint.share
        with torch.no_grad():
            wanted = self._wanted(x, lengths, counted)
        answer = log_softmax(scores / temperature, dim=1)
        distance = self._distance(answer, wanted, y, counted)
        entropy = mean_cross_entropy(scores, y, self.label_smoothing, counted, self.weights)
        return (1 - share) * entropy + share * distance * temperature**2

    def _distance(self, answer: Tensor, wanted: Tensor, y: Tensor, counted: CountedSteps | None) -> Tensor:
        """The mean divergence of `answer` from `wanted`, logarithms [counted, classes]."""
        if counted is None and self.weights is None:
            return kl_div(answer, wanted, reduction="batchmean", log_target=True)
        each = kl_div(answer, wanted, reduction="none", log_target=True).sum(dim=1)
        labels = y if counted is None else y[counted.sequence]
        return mean_loss(each, labels, counted, self.weights)

    def _wanted(self, x: Tensor, lengths: Tensor, counted: CountedSteps | None) -> Tensor:
        """The logarithms of the teachers' mean probabilities at the counted steps."""
        each = [log_softmax(_scores(teacher, x, lengths, counted) / self.constraint.temperature, dim=1) for teacher in self.teachers]
        return each[0] if len(each) == 1 else torch.stack(each).logsumexp(dim=0) - math.log(len(each))


def _scores(teacher: Net, x: Tensor, lengths: Tensor, counted: CountedSteps | None) -> Tensor:
    if counted is not None:
        return teacher.answer(x, lengths, counted)[0]
    scores: Tensor = teacher(x, lengths)
    return scores
