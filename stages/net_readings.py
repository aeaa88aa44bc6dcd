"""What a net reads of recordings while it is trained and fine-tuned, and what is normal there."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch

from ..data.dataset import Dataset, Split
from ..data.split import Int64Array
from ..data.splits import Channels, no_normalization, normalization, robust_normalization, validation_rows, validation_split
from ..data.steps import in_steps, refuse_shorter, windows
from ..errors import InputError
from ..models import Net, decimation
from ..recipe import Recipe

NORMALIZATIONS: Mapping[str, Callable[[Split], tuple[Channels, Channels]]] = {
    "standard": normalization,
    "robust": robust_normalization,
    "none": no_normalization,
}
"""Centre and spread of the channels, by model.normalization."""


def steps(recipe: Recipe, net: Net, split: Split) -> Split:
    """A split as the net reads it: model.readings readings a step, or windows of one length, or images as they are."""
    if net.cells:
        return in_steps(split, *readings_and_stride(recipe, net), *_called(recipe, net))
    return split if net.time_steps is None else windows(split, net.time_steps)


def refuse_shorter_than_a_step(recipe: Recipe, net: Net, dataset: Dataset) -> None:
    """Raise InputError now for what `steps` would refuse of either split."""
    if net.cells:
        readings, _ = readings_and_stride(recipe, net)
        for split in (dataset.train, dataset.test):
            refuse_shorter(split.lengths, readings, *_called(recipe, net))


def _called(recipe: Recipe, net: Net) -> tuple[str, str]:
    """What makes steps long, and what a reading is called."""
    return "model.readings" if net.readings is None else "its first layers", "reading" if recipe.of_samples is None else "frame"


def readings_and_stride(recipe: Recipe, net: Net) -> tuple[int, int]:
    """(readings of a step, from one step's start to the next one's): those of the net's first layers, or the recipe's."""
    readings = net.readings or recipe.model.readings
    return readings, net.readings or recipe.model.stride or readings


def training_data(recipe: Recipe, split: Split) -> tuple[Split, Split | None]:
    """(training, validation or None) as [train] asks for."""
    if recipe.train.validation_fraction == 0:
        return split, None
    return validation_split(split, recipe.train.validation_fraction, recipe.train.seed)


def rows_of_parts(recipe: Recipe, split: Split) -> tuple[Int64Array, Int64Array]:
    """Which sequences training_data takes for (training, validation), int64 [sequences]; of the second there may be none."""
    if recipe.train.validation_fraction == 0:
        return np.arange(len(split)), np.arange(0)
    return validation_rows(split, recipe.train.validation_fraction, recipe.train.seed)


def centre_and_spread(recipe: Recipe, net: Net, training: Split) -> tuple[torch.Tensor, torch.Tensor]:
    """What moved samples are filled up with, and the unit of input noise, float [channels] of a split as the net reads it.

    Those of the net's normalisation; where it has none, those that would normalise the readings.
    """
    if recipe.model.normalization != "none":
        return net.mean.clone(), net.std.clone()
    centre, spread = (torch.from_numpy(array.astype(np.float32)) for array in normalization(training))
    return centre, spread


def input_shape(recipe: Recipe, dataset: Dataset) -> tuple[int, ...]:
    """Of what the net reads at once: a reading for recurrent cells, else a window or an image; channels last."""
    shape = dataset.train.x.shape[1:]
    if recipe.model.is_recurrent:
        if len(shape) != 2:
            reader = "a net with cells among its stages" if recipe.model.stages else recipe.model.kind
            raise InputError(f"{reader} reads sequences [time, channels], and the data's samples have the shape {list(shape)}")
        return shape[1:]
    return shape if len(shape) == 3 else (_time_steps(recipe, dataset), *shape[1:])


def _time_steps(recipe: Recipe, dataset: Dataset) -> int:
    """model.time_steps, or the longest training recording, up to a multiple of what the net's strides divide."""
    if recipe.model.time_steps is not None:
        return recipe.model.time_steps
    multiple = decimation(recipe.model)
    return -(-int(dataset.train.lengths.max()) // multiple) * multiple
