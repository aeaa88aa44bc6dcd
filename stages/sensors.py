"""What a sensor is, as a recipe and its data tell it: unit, rate, full scale and order of channels."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..data.dataset import Dataset
from ..data.input_format import INT16_HIGH, scaled
from ..errors import InputError, counted
from ..graph.formats import FractionBits
from ..graph.ir import Sensor
from ..recipe import Recipe


def with_told(recipe: Recipe, dataset: Dataset) -> Recipe:
    """The recipe with the unit and the rate that the source names. Raises InputError where the recipe names other ones."""
    data, told = recipe.data, dict[str, Any]()
    rate = dataset.facts.get("sample_rate") if recipe.of_samples is None else None
    for key, own in (("unit", dataset.unit), ("sample_rate", rate)):
        asked = getattr(data, key)
        if own and asked not in ("", None, own):
            raise InputError(f"{data.source} says {key} = {own!r}, and the recipe data.{key} = {asked!r}: correct one")
        told |= {key: own} if own and asked != own else {}
    if data.sample_rate is not None and recipe.of_samples is not None:
        raise InputError("data.sample_rate is of readings that a net reads as they are: with a front-end set frontend.sample_rate")
    channels = dataset.train.channels if recipe.of_samples is None else None
    if isinstance(data.full_scale, tuple) and channels is not None and len(data.full_scale) != channels:
        has = counted(channels, "channel")
        raise InputError(f"data.full_scale lists {len(data.full_scale)} numbers, and {data.source} has {has}: give one for each, or one")
    return recipe.model_copy(update={"data": data.model_copy(update=told)}) if told else recipe


def sensor_of(recipe: Recipe, names: tuple[str, ...], channels: int, bits: FractionBits) -> Sensor | None:
    """What the graph says of it; None where nobody said anything. names: of the channels; bits: of the integers that the device reads."""
    data = recipe.data
    full = () if data.full_scale is None else _in_integers(data.full_scale, channels, bits)
    found = Sensor(data.unit, names, round(1000 * (data.sample_rate or 0)), full)
    return None if found == Sensor() else found


def _in_integers(full_scale: float | tuple[float, ...], channels: int, bits: FractionBits) -> tuple[int, ...]:
    """Each channel's, as the device reads it: at least 1, and no more than 16 bits hold."""
    told = np.broadcast_to(np.asarray(full_scale, np.float64), (channels,))
    return tuple(int(each) for each in np.clip(np.floor(scaled(told, bits) + 0.5), 1, INT16_HIGH))
