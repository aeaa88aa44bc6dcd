"""[train] and [quantize]: the float training, and the fine-tuning under the constraints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from .section import RecipeSection

Loop = Literal["torch", "compiled"]
Device = Literal["auto", "cpu", "cuda"]
Balance = Literal["none", "weights", "batches"]
Select = Literal[
    "accuracy", "balanced_accuracy", "macro_f1", "loss", "streamed_accuracy", "streamed_balanced_accuracy", "streamed_macro_f1"
]
IN_STREAMS = "streamed_"
"""What names of Select begin with that are of sequences in a row, without a reset, alone."""
STREAMS: Mapping[str, float] = {"carry": 0.75, "loss_share": 0.5}
"""What keys of [train] that recurrent nets alone read are where they are unset."""
EVERY_STEP = 1.0
"""train.loss_share of readout `every`."""
ALONE: Mapping[str, float] = dict.fromkeys(STREAMS, 0.0)
"""What they were before there were such keys: recordings one by one, the loss on each one's last step."""
BEFORE: Mapping[str, float | str] = {**ALONE, "balance": "none", "select": "accuracy"}
"""The same of keys that every net reads."""


def _angles(value: Any) -> float | tuple[float, float, float]:
    """One number, or three about x, y and z, of which some is not 0."""
    several = isinstance(value, list | tuple)
    given = list(value) if several else [value]
    if len(given) != (3 if several else 1) or not all(_is_angle(each) for each in given):
        raise ValueError("an angle in radians is wanted, at least 0, or a list of three, about x, y and z")
    x, *others = map(float, given)
    return (x, others[0], others[1]) if any(others) or (several and x) else x


def _is_angle(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9


class TrainSection(RecipeSection):
    """The float training. What is unset of epochs, batch_size, input_noise, validation_fraction, patience and loop follows the data
    (recipe/following.py); the values here are those for a few hundred short recordings.

    optimizer: AdamW, or gradient descent with Nesterov momentum 0.9. threads: of torch, pinned because the count changes the weights.
    For nets of this size one is as fast as two, and far faster when the machine is busy. input_noise: standard deviation of Gaussian
    noise on the readings, in units of each channel's spread. rotation: standard deviation in radians of the three components of a
    rotation, one for all or three, drawn for each sequence and turning every three successive channels (x, y, z of one sensor), as a
    sensor worn a little askew would. time_shift: the most steps by which a sequence is moved in time, its centre in their place; recut: the
    most readings by which a window is cut earlier or later from its continuous recording, anew in every epoch; time_warp: the most by which
    a sequence is slower or faster, as a share. crop: the most pixels by which an image is moved;
    flip: images are mirrored half of the time. patience: stop after this many epochs without a better validation accuracy; the weights
    of the best epoch are kept (0, or unset without validation: train all epochs and keep the last one's). It holds for the fine-tuning
    too. select: by which figure of the validation part the best epoch is the best; of a net whose states are carried the mean of the
    figures of recordings one by one and in a row, `streamed_...` in a row alone. balance: where classes have different numbers of
    recordings, `weights` multiplies the loss of each recording by recordings / (classes * recordings of its class), and `batches` draws
    every class equally often, so that recordings of small ones come several times an epoch and some of large ones not at all. loop: what
    runs the loop over time; `compiled`: C that gcc compiles for this machine, several times as fast, with weights that differ from
    torch's in the last bits. device `auto`: a GPU where there is one, for nets without state; weights differ from one device to another.

    Recurrent cells alone read two keys, and the fine-tuning reads them too. carry: probability that a row of a batch begins in the state
    in which a row of the batch before ended (rows permuted; no gradient flows there), as on a device that runs on without a reset, and
    not with zeros (unset: 0.75). loss_share: share of each recording's last steps that carries the loss, the mean over them (0: the last
    step alone; unset: 0.5).
    """

    epochs: Annotated[int, Field(ge=0)] = 60
    batch_size: Annotated[int, Field(ge=1)] = 18
    learning_rate: Annotated[float, Field(gt=0)] = 1e-2
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    optimizer: Literal["adam", "sgd"] = "adam"
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    input_noise: Annotated[float, Field(ge=0)] = 0.6
    rotation: Annotated[float | tuple[float, float, float], BeforeValidator(_angles)] = 0.0
    time_shift: Annotated[int, Field(ge=0)] = 0
    recut: Annotated[int, Field(ge=0)] = 0
    time_warp: Annotated[float, Field(ge=0, lt=1)] = 0.0
    crop: Annotated[int, Field(ge=0)] = 0
    flip: bool = False
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    validation_fraction: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    patience: Annotated[int, Field(ge=0)] | None = None
    select: Select = "accuracy"
    balance: Balance = "none"
    seed: Annotated[int, Field(ge=0)] = 0
    threads: Annotated[int, Field(ge=1, le=64)] = 1
    loop: Loop = "torch"
    device: Device = "auto"
    carry: Annotated[float, Field(ge=0, le=1)] | None = None
    loss_share: Annotated[float, Field(ge=0, le=1)] | None = None

    @model_validator(mode="after")
    def _patience_needs_validation(self) -> Self:
        if self.patience and self.validation_fraction == 0 and "validation_fraction" in self.model_fields_set:
            raise ValueError(
                f"train.patience = {self.patience}: early stopping needs a validation part: set train.validation_fraction, 0.2 for instance"
            )
        return self

    @field_validator("device")
    @classmethod
    def _fits_the_loop(cls, value: Device, info: ValidationInfo) -> Device:
        if value == "cuda" and info.data.get("loop") == "compiled":
            raise ValueError('train.loop = "compiled" runs on the processor: leave one of them out')
        return value


class QuantizeSection(RecipeSection):
    """The fine-tuning under the constraints, against the integer formats.

    vectors: how many test samples are kept as golden vectors, which every witness runs (unset: all of them).
    """

    epochs: Annotated[int, Field(ge=0)] = 60
    learning_rate: Annotated[float, Field(gt=0)] = 1e-2
    vectors: Annotated[int, Field(ge=1)] | None = None
