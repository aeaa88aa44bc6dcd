"""What no training can do, before its first epoch."""

from __future__ import annotations

import torch

from ..data.split import Split
from ..errors import InputError
from ..recipe import IN_STREAMS
from .carried import Carried
from .schedule import Schedule


def check_schedule(net: torch.nn.Module, train: Split, validation: Split | None, schedule: Schedule) -> None:
    """Raise InputError for what `fit` would refuse of these before its first epoch."""
    if schedule.patience is not None and validation is None:
        raise InputError("train.patience watches a validation part, and there is none: set train.validation_fraction, 0.2 for instance")
    if schedule.select != "accuracy" and schedule.patience is None:
        raise InputError(
            f"train.select = {schedule.select!r} says which epoch is the best, which train.patience keeps, and it is unset: set it, and "
            "train.validation_fraction, or leave train.select out"
        )
    if schedule.select.startswith(IN_STREAMS) and not schedule.carry:
        alone = schedule.select.removeprefix(IN_STREAMS)
        raise InputError(f"train.select = {schedule.select!r} is for nets whose states are carried (train.carry): choose {alone!r}")
    Carried.of(net, train, schedule)
