"""The net that a model directory describes."""

from __future__ import annotations

from ..errors import InputError
from ..model_directory import CELLS_FILE, NET, ModelDirectory
from ..recipe import Recipe
from .base import Net
from .blueprint import Blueprint
from .factory import build


def described_by(directory: ModelDirectory) -> str | None:
    """The file that tells the parts of the net, None where the recipe alone does. Raises InputError where two do."""
    found = [name for name in (NET, CELLS_FILE) if directory.has(name)]
    if len(found) > 1:
        raise InputError(f"{directory.path} holds {NET} and {CELLS_FILE}, and one of them tells what the net is: train the model again")
    return found[0] if found else None


def empty_net(directory: ModelDirectory, recipe: Recipe, channels: int, classes: int) -> Net:
    """A net like the one in the directory, before its parameters are loaded. A user's own code is not run again."""
    described = described_by(directory)
    if described is None:  # of a version that wrote no file for nets of its own cells
        net: Net = build(recipe.model, channels, classes)
    else:
        net = Blueprint.from_json(directory.read(described), str(directory.path / described)).net()
    net.saturates = recipe.model.normalization == "robust"
    return net
