"""The recipe that a model directory keeps, and what was meant by keys that it was made before."""

from __future__ import annotations

from ..data.dataset import Dataset
from ..data.frames import steps_of
from ..graph.formats import MOST_BLOCK_STEPS
from ..model_directory import RECIPE, STACK, ModelDirectory
from ..recipe import ALONE, BLOCK_READOUTS, STREAMS, Recipe, parse_recipe, with_unset
from .listener import Listener


def read_recipe(directory: ModelDirectory) -> Recipe:
    """The resolved recipe of a model directory. Of recurrent nets trained before ALONE's keys were there, these are what ALONE says."""
    return kept_recipe(directory, directory.read(RECIPE), RECIPE)


def kept_recipe(directory: ModelDirectory, data: bytes, name: str) -> Recipe:
    """The same of a recipe that the directory keeps in its file `name`."""
    recipe = parse_recipe(data, str(directory.path / name))
    return with_unset(recipe, ALONE) if has_state(directory, recipe) else recipe


def with_readout_steps(recipe: Recipe, dataset: Dataset) -> Recipe:
    """The recipe with model.readout_steps where it is read: unset, the steps of the longest training recording, as far as blocks go."""
    model = recipe.model
    if model.readout not in BLOCK_READOUTS or model.readout_steps is not None:
        return recipe
    longest = int(steps_of(dataset.train.lengths.max(), model.readings, model.stride or model.readings))
    return recipe.model_copy(update={"model": model.model_copy(update={"readout_steps": min(max(longest, 1), MOST_BLOCK_STEPS)})})


def has_state(directory: ModelDirectory, recipe: Recipe) -> bool:
    """Whether the net of the directory is one of recurrent cells."""
    return recipe.model.is_recurrent or directory.has(STACK)


def tell_of_before(directory: ModelDirectory, recipe: Recipe, listener: Listener) -> None:
    """Say which keys the directory was made before, where they go on meaning nothing in the `recipe` at hand."""
    kept = parse_recipe(directory.read(RECIPE), str(directory.path / RECIPE))
    if not has_state(directory, kept):
        return
    unknown = [f"train.{key}" for key, meant in ALONE.items() if getattr(kept.train, key) is None and getattr(recipe.train, key) == meant]
    if unknown:
        asked = " ".join(f"--set train.{key}={value}" for key, value in STREAMS.items())
        listener.warning(
            f"{directory.path} was made before {' and '.join(unknown)} existed, so it goes on with 0, as its net was trained: to train it "
            f"for streams, use `rescomp train --from {directory.path} --data DATA -o ANOTHER {asked}`"
        )
