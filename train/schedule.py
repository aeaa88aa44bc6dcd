"""How a stage trains: its numbers, and the learning rate of every step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..recipe import Balance, Constraint, QuantizeSection, Select, Sparse, TrainSection


@dataclass(frozen=True)
class Schedule:
    """The numbers of one stage.

    stage: the recipe's section, for reports. weight_decay: decoupled (AdamW), on matrices only. input_noise: standard deviation of
    Gaussian noise on the inputs, in units of each channel's own. rotation: that of a random rotation of every three channels, in
    radians, one about all axes or three. time_shift, crop, flip: see Augmentation. optimizer: adam or sgd. gradient_clip: largest gradient
    norm, 0 for no limit. warmup: fraction of all steps in which the learning rate rises. patience: epochs without a better figure of the
    validation part (select) after which to stop and go back to the best one's weights, None to train on to the end. settled: fraction of
    all steps after which the constraints allow any epoch's weights; earlier epochs are not among the best. carry: probability that a row
    of a batch begins in the state in which a row of the batch before ended; loss_share: of each sequence's steps, the last ones, that
    carry the loss (0: the last step alone). Both are for nets with a state. balance: what makes classes of different numbers of sequences
    count alike.
    """

    stage: str
    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    input_noise: float = 0.0
    rotation: float | tuple[float, float, float] = 0.0
    time_shift: int = 0
    crop: int = 0
    flip: bool = False
    optimizer: str = "adam"
    gradient_clip: float = 1.0
    warmup: float = 0.02
    patience: int | None = None
    settled: float = 0.0
    carry: float = 0.0
    loss_share: float = 0.0
    select: Select = "accuracy"
    balance: Balance = "none"

    def rate(self, step: int, total: int) -> float:
        """Learning rate of step 0..total-1: a linear rise, then half a cosine from `learning_rate` towards 0."""
        rising = math.ceil(self.warmup * total)
        if step < rising:
            return self.learning_rate * (step + 1) / rising
        return self.learning_rate * 0.5 * (1.0 + math.cos(math.pi * (step - rising) / max(1, total - rising)))


def train_schedule(train: TrainSection) -> Schedule:
    """The float training that a recipe asks for. What is unset of carry and loss_share is 0, as for a net without state."""
    return Schedule(
        "train",
        train.epochs,
        train.batch_size,
        train.learning_rate,
        train.seed,
        train.weight_decay,
        train.label_smoothing,
        train.input_noise,
        train.rotation,
        train.time_shift,
        train.crop,
        train.flip,
        train.optimizer,
        patience=train.patience or None,
        carry=train.carry or 0.0,
        loss_share=train.loss_share or 0.0,
        select=train.select,
        balance=train.balance,
    )


def quantize_schedule(train: TrainSection, quantize: QuantizeSection, constraints: Iterable[Constraint] = ()) -> Schedule:
    """The fine-tuning that a recipe asks for: the training's numbers with the epochs and learning rate of [quantize].

    The weights of an epoch count as settled once the sparse constraint's support is fixed.
    """
    return replace(
        train_schedule(train),
        stage="quantize",
        epochs=quantize.epochs,
        learning_rate=quantize.learning_rate,
        settled=max((constraint.search for constraint in constraints if isinstance(constraint, Sparse)), default=0.0),
    )
