"""The recipe that a model directory keeps, and what was meant by keys that it was made before."""

from __future__ import annotations

from ..data.dataset import Dataset
from ..data.steps import steps_of
from ..documents import parse_json
from ..graph.formats import MOST_BLOCK_STEPS
from ..model_directory import CELLS_FILE, NET, RECIPE, ModelDirectory
from ..model_names import CELL_KINDS
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
    longest = int(steps_of(dataset.train.lengths.max(), model.readings_a_step, model.stride or model.readings_a_step))
    return recipe.model_copy(update={"model": model.model_copy(update={"readout_steps": min(max(longest, 1), MOST_BLOCK_STEPS)})})


def has_state(directory: ModelDirectory, recipe: Recipe) -> bool:
    """Whether the net of the directory is one of recurrent cells."""
    if not recipe.model.is_own:
        return recipe.model.is_recurrent
    return directory.has(CELLS_FILE) or (directory.expects(NET) and _has_cells(directory.read(NET)))


def _has_cells(data: bytes) -> bool:
    """Whether a cell is among the parts of net.json; a damaged one is refused where the net is made of it."""
    try:
        return any(part["kind"] in CELL_KINDS for part in parse_json(data)["parts"])
    except (ValueError, KeyError, TypeError):
        return False


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
