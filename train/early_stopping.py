"""Early stopping: the weights of the best epoch on the validation split, kept in memory and in the checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class BestEpoch:
    """The epoch of the highest validation figure so far (train.select), and the net's tensors after it. epoch 0: none yet.

    Of equal figures the lower validation loss (mean cross entropy) counts, so that slow progress on few sequences is seen; of equal
    losses the first.
    """

    epoch: int = 0
    figure: float = 0.0
    loss: float = 0.0
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def see(self, epoch: int, figure: float, loss: float, net: torch.nn.Module) -> None:
        """Keep this epoch's parameters and buffers if it is better."""
        if self.epoch == 0 or (figure, -loss) > (self.figure, -self.loss):
            self.epoch, self.figure, self.loss = epoch, figure, loss
            self.tensors = {name: value.detach().clone() for name, value in net.state_dict().items()}

    def is_over(self, epoch: int, patience: int) -> bool:
        """Whether `patience` epochs have passed since the best one."""
        return 0 < self.epoch <= epoch - patience

    def restore(self, net: torch.nn.Module) -> None:
        """Give the net the best epoch's parameters and buffers, if there is one."""
        if self.epoch:
            net.load_state_dict(self.tensors)
