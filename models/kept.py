"""The net that a model directory describes."""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest

import torch

from ..errors import InputError
from ..model_directory import CELLS_FILE, NET, RECIPE, ModelDirectory
from ..recipe import ModelSection, Recipe
from .base import Net
from .blueprint import Blueprint, CellPart
from .factory import build, build_net
from .layered.plan import Plan


def described_by(directory: ModelDirectory) -> str | None:
    """The file that tells the parts of the net, None where the recipe alone does. Raises InputError where two do."""
    found = [name for name in (NET, CELLS_FILE) if directory.expects(name)]
    if len(found) > 1:
        raise InputError(f"{directory.path} holds {NET} and {CELLS_FILE}, and one of them tells what the net is: train the model again")
    return found[0] if found else None


def empty_net(directory: ModelDirectory, recipe: Recipe, channels: int, classes: int) -> Net:
    """A net like the one in the directory, before its parameters are loaded. A user's own code is not run again.

    Raises InputError where the file that tells its parts and the recipe speak of two nets.
    """
    described = described_by(directory)
    if described is None:  # of a version that wrote no file for nets of its own cells
        net: Net = build(recipe.model, channels, classes)
    else:
        origin = str(directory.path / described)
        blueprint = Blueprint.from_json(directory.read(described), origin)
        _refuse_another(blueprint, recipe.model, origin)
        net = blueprint.net()
    net.saturates = recipe.model.normalization == "robust"
    return net


def refuse_other_net(directory: ModelDirectory, net: Net) -> None:
    """Raise InputError unless the file that tells the parts of the directory's net, where there is one, tells those of `net`."""
    described = described_by(directory)
    if described is not None:
        origin = str(directory.path / described)
        _compare(Blueprint.from_json(directory.read(described), origin), Blueprint.of(net), origin)


def _refuse_another(blueprint: Blueprint, section: ModelSection, origin: str) -> None:
    """Raise InputError unless the recipe makes a net of these sizes. What a user's own function makes, it alone knows."""
    if section.is_own:
        return
    first, channels = blueprint.parts[0], blueprint.channels // section.readings_a_step
    read = first.input_shape if isinstance(first, Plan) and not section.is_recurrent else (channels,)
    with torch.random.fork_rng(devices=[]):
        made = Blueprint.of(build_net(section, read, blueprint.classes))
    _compare(blueprint, made, origin)


def _compare(blueprint: Blueprint, made: Blueprint, origin: str) -> None:
    """Raise InputError unless the two are of one net. made: of the recipe; origin: where the other one was read."""
    for ours, theirs in zip_longest(made.sizes, blueprint.sizes, fillvalue="nothing more"):
        if ours != theirs:
            told = f"it tells {theirs}, and the recipe makes {ours}"
            raise InputError(f"{origin} is not of the net in {RECIPE}: {told}; train the model again")
    for part, wanted in zip(blueprint.parts, made.parts, strict=True):
        if _unseeded(part) != _unseeded(wanted):
            told = f"its layers {_first_other(part, wanted)} are put together in another way"
            raise InputError(f"{origin} is not of the net in {RECIPE}: {told}; train the model again")


def _unseeded(part: CellPart | Plan) -> CellPart | Plan:
    """The part whatever the seeds are of its fixed projections, which each training draws."""
    if not isinstance(part, Plan):
        return part
    return replace(part, layers=tuple(replace(layer, seed=layer.seed and 1) for layer in part.layers))


def _first_other(part: CellPart | Plan, wanted: CellPart | Plan) -> str:
    """The first step of one that is not one of the other."""
    steps = [each.steps if isinstance(each, Plan) else () for each in (part, wanted)]
    return next((f"from {ours.name!r} on" for ours, theirs in zip(*steps, strict=False) if ours != theirs), "beside cells")
