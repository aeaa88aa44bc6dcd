"""Knowledge distillation: fine-tune towards the scores of the float net (Hinton et al. 2015)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from torch.nn.functional import kl_div, log_softmax

from ..models import CountedSteps, Net, mean_cross_entropy
from ..recipe import Distill


class DistillationLoss:
    """(1 - share) cross entropy + share T^2 KL(softmax(teacher / T) || softmax(scores / T)), T the temperature.

    teacher: the float net, which a copy keeps as it is. It sees what the net that learns sees, in evaluation mode; but it begins every
    sequence with zeros, for its answer is to be that sequence's alone, whatever came before.
    """

    def __init__(self, teacher: Net, constraint: Distill, label_smoothing: float) -> None:
        self.teacher: Net = copy.deepcopy(teacher).eval()
        self.constraint, self.label_smoothing = constraint, label_smoothing

    def __call__(self, scores: Tensor, x: Tensor, lengths: Tensor, y: Tensor, counted: CountedSteps | None = None) -> Tensor:
        """A scalar, from scores [counted, classes] of x [batch, time, channels] and the classes y [batch].

        counted: the steps that the scores are of (None: one score of each sequence).
        """
        temperature, share = self.constraint.temperature, self.constraint.share
        with torch.no_grad():
            wanted = log_softmax(self._wanted(x, lengths, counted) / temperature, dim=1)
        answer = log_softmax(scores / temperature, dim=1)
        if counted is None:
            distance = kl_div(answer, wanted, reduction="batchmean", log_target=True)
        else:
            distance = counted.mean(kl_div(answer, wanted, reduction="none", log_target=True).sum(dim=1))
        return (1 - share) * mean_cross_entropy(scores, y, self.label_smoothing, counted) + share * distance * temperature**2

    def _wanted(self, x: Tensor, lengths: Tensor, counted: CountedSteps | None) -> Tensor:
        """The teacher's scores at the counted steps."""
        if counted is not None:
            return self.teacher.answer(x, lengths, counted)[0]
        scores: Tensor = self.teacher(x, lengths)
        return scores
