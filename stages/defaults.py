"""What a recipe leaves unset, by the data and the net that it is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..data.dataset import Dataset
from ..data.splits import validation_rows
from ..data.steps import steps_of
from ..errors import InputError, RescompError
from ..recipe import HELD_SHARE, SHORT, DataSize, Recipe, following, with_readings

if TYPE_CHECKING:
    from ..models import Net


def with_defaults(recipe: Recipe, dataset: Dataset) -> Recipe:
    """The recipe with the defaults that follow the data, but for train.loop, which follows the net too."""
    recipe = with_readings_side_by_side(recipe, dataset)
    return following(recipe, size_of(recipe, dataset))


def with_readings_side_by_side(recipe: Recipe, dataset: Dataset) -> Recipe:
    """The recipe with model.readings."""
    lengths = np.concatenate([dataset.train.lengths, dataset.test.lengths])
    if dataset.train.x.ndim != 3 or not len(dataset.train):
        return recipe
    return with_readings(recipe, int(np.median(dataset.train.lengths)), int(lengths.min()), dataset.train.channels)


def size_of(recipe: Recipe, dataset: Dataset) -> DataSize:
    """How much there is to train on."""
    split, model = dataset.train, recipe.model
    steps = steps_of(split.lengths, model.readings_a_step, model.stride or model.readings_a_step)
    held = split.held is not None and bool(split.held.any())
    groups = 0 if split.groups is None or not _can_be_held(recipe, dataset) else len(np.unique(split.groups))
    return DataSize(len(split), int(np.maximum(steps, 1).sum()), groups, held)


def _can_be_held(recipe: Recipe, dataset: Dataset) -> bool:
    """Whether whole groups can be held apart without taking a class's last one."""
    try:
        validation_rows(dataset.train, HELD_SHARE, recipe.train.seed)
    except InputError:
        return False
    return True


def with_loop(recipe: Recipe, net: Net, dataset: Dataset) -> Recipe:
    """The recipe with train.loop: unset, the compiled one for much data and a net that it knows, where there is a compiler.

    The net is run by it.
    """
    from ..compress import constrain  # both bring torch
    from ..models import RecurrentNet, use_loop

    chosen = "loop" in recipe.train.model_fields_set or recipe.train.device == "cuda"
    if chosen or not isinstance(net, RecurrentNet) or size_of(recipe, dataset).steps <= SHORT:
        return recipe
    try:
        use_loop(net, "compiled")
        use_loop(constrain(net, recipe.compress), "compiled")
    except RescompError:
        use_loop(net, "torch")
        return recipe
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"loop": "compiled"})})
