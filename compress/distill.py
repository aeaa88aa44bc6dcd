"""Knowledge distillation: fine-tune towards the scores of the float net (Hinton et al. 2015)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, log_softmax

from ..models import Net
from ..recipe import Distill


class DistillationLoss:
    """(1 - share) cross entropy + share T^2 KL(softmax(teacher / T) || softmax(scores / T)), T the temperature.

    teacher: the float net, which a copy keeps as it is. It sees what the net that learns sees, in evaluation mode.
    """

    def __init__(self, teacher: Net, constraint: Distill, label_smoothing: float) -> None:
        self.teacher: torch.nn.Module = copy.deepcopy(teacher).eval()
        self.constraint, self.label_smoothing = constraint, label_smoothing

    def __call__(self, scores: Tensor, x: Tensor, lengths: Tensor, y: Tensor) -> Tensor:
        """A scalar, from scores [batch, classes] of x [batch, time, channels] and the classes y [batch]."""
        temperature, share = self.constraint.temperature, self.constraint.share
        with torch.no_grad():
            wanted = log_softmax(self.teacher(x, lengths) / temperature, dim=1)
        answer = log_softmax(scores / temperature, dim=1)
        distance = kl_div(answer, wanted, reduction="batchmean", log_target=True) * temperature**2
        return (1 - share) * cross_entropy(scores, y, label_smoothing=self.label_smoothing) + share * distance
