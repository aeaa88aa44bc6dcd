"""How a stage trains: its numbers, and the learning rate of every step."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..recipe import QuantizeSection, TrainSection


@dataclass(frozen=True)
class Schedule:
    """The numbers of one stage.

    stage: the recipe's section, for reports. weight_decay: decoupled (AdamW), on matrices only. input_noise: standard deviation of
    Gaussian noise on the inputs, in units of each channel's own. gradient_clip: largest gradient norm, 0 for no limit. warmup:
    fraction of all steps in which the learning rate rises.
    """

    stage: str
    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    input_noise: float = 0.0
    gradient_clip: float = 1.0
    warmup: float = 0.02

    def rate(self, step: int, total: int) -> float:
        """Learning rate of step 0..total-1: a linear rise, then half a cosine from `learning_rate` towards 0."""
        rising = math.ceil(self.warmup * total)
        if step < rising:
            return self.learning_rate * (step + 1) / rising
        return self.learning_rate * 0.5 * (1.0 + math.cos(math.pi * (step - rising) / max(1, total - rising)))


def train_schedule(train: TrainSection) -> Schedule:
    """The float training that a recipe asks for."""
    return Schedule(
        "train",
        train.epochs,
        train.batch_size,
        train.learning_rate,
        train.seed,
        train.weight_decay,
        train.label_smoothing,
        train.input_noise,
    )


def quantize_schedule(train: TrainSection, quantize: QuantizeSection) -> Schedule:
    """The fine-tuning that a recipe asks for: the training's numbers with the epochs and learning rate of [quantize]."""
    return Schedule(
        "quantize",
        quantize.epochs,
        train.batch_size,
        quantize.learning_rate,
        train.seed,
        train.weight_decay,
        train.label_smoothing,
        train.input_noise,
    )
