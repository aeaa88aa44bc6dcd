"""How a training begins, before torch is imported, which takes seconds: the first line, and what is wrong with a recipe and its data."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from ..data.dataset import Dataset
from ..errors import missing_package
from ..manifest import Manifest
from ..recipe import Recipe, refuse_search, refuse_unread
from ..store import refuse_held
from .features import load_readings
from .listener import Listener, Silent

TRAINING_PACKAGES = ("torch", "safetensors")


class ReadAlready:
    """Gives the data of a recipe once without reading them again: see LoadReadings. They are kept no longer than until then."""

    def __init__(self, recipe: Recipe, listener: Listener) -> None:
        self._recipe = recipe
        self._read: tuple[Recipe, Dataset] | None = load_readings(recipe, None, listener)

    def __call__(self, recipe: Recipe, known: Manifest | None = None, listener: Listener | None = None) -> tuple[Recipe, Dataset]:
        """See load_readings."""
        read, self._read = self._read, None
        return load_readings(recipe, known, listener) if read is None or known is not None or recipe != self._recipe else read


def read_first(recipe: Recipe, path: Path, listener: Listener) -> ReadAlready:
    """The data of a recipe for a model directory at `path`. Raises, torch not imported yet, what the training would raise of them."""
    refuse_unread(recipe)
    refuse_search(recipe)
    refuse_held(path)
    for package in TRAINING_PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise missing_package(ModuleNotFoundError(name=package))
    if recipe.train.device == "cuda":  # what only torch can tell comes before the work of reading
        from ..train.device import refuse_absent

        refuse_absent(recipe.train.device)
    return ReadAlready(recipe, listener)


def train_model(recipe: Recipe | None, path: Path, *, force: bool = False, listener: Listener | None = None) -> float:
    """Make a model directory at `path` and train the recipe's float net into it; returns its accuracy on the test set.

    recipe None: resume the interrupted training in `path` with the recipe recorded there; the result is that of an uninterrupted
    run. Raises InputError for bad data, recipes and directories; an interruption keeps the last epoch's checkpoint.
    """
    listener = listener or Silent()
    listener.stage(f"read {path if recipe is None else recipe.data.source}")
    load = load_readings if recipe is None else read_first(recipe, path, listener)
    from .training import train_alone

    return train_alone(recipe, path, load, force=force, listener=listener)
