"""The net that a model directory describes."""

from __future__ import annotations

from ..model_directory import CELLS_FILE, NET, ModelDirectory
from ..recipe import Recipe
from .base import Net
from .blueprint import Blueprint
from .factory import build


def empty_net(directory: ModelDirectory, recipe: Recipe, channels: int, classes: int) -> Net:
    """A net like the one in the directory, before its parameters are loaded. A user's own code is not run again."""
    described = next((name for name in (NET, CELLS_FILE) if directory.has(name)), None)
    if described is None:  # of a version that wrote no file for nets of its own cells
        net: Net = build(recipe.model, channels, classes)
    else:
        net = Blueprint.from_json(directory.read(described), str(directory.path / described)).net()
    net.saturates = recipe.model.normalization == "robust"
    return net
