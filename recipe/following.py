"""Defaults that follow the data: what keys are that nobody has set, by how many recordings there are to train on, and how long."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .document import Recipe
from .section import RecipeSection
from .unread import spells_out_defaults

FEW = 270
"""Recordings up to which the defaults are those of the sections: JapaneseVowels has so many."""
SHORT = 1 << 16
"""Steps of all recordings together, up to which nothing is saved by fewer epochs or by compiling the loop."""
LEAST_EPOCHS, MOST_IN_A_BATCH = 10, 512
LEAST_GROUPS, HELD_SHARE = 5, 0.2
"""Groups from which on so large a share of the recordings, whole groups, is held apart for validation."""


@dataclass(frozen=True)
class DataSize:
    """recordings: to train on; steps: of all of them together, as the net reads them. groups: whose they are, 0 where nobody knows.

    held: whether the source itself keeps recordings for validation.
    """

    recordings: int
    steps: int
    groups: int = 0
    held: bool = False


def following(recipe: Recipe, size: DataSize) -> Recipe:
    """The recipe with values for the keys of [train] and [quantize] that it leaves unset, but for train.loop; docs/defaults.md."""
    few = math.sqrt(FEW / max(FEW, size.recordings))
    epochs = max(LEAST_EPOCHS, math.ceil(60 * min(1.0, math.sqrt(SHORT / max(1, size.steps)))))
    of_size = {"epochs": epochs, "batch_size": min(MOST_IN_A_BATCH, round(18 / few)), "input_noise": _rounded(0.6 * few)}
    recipe = _with_unset(recipe, "train", of_size)
    recipe = _with_unset(recipe, "quantize", {"epochs": epochs, "learning_rate": _rounded(0.01 * few**0.4)})
    return _with_unset(recipe, "train", dict(_held_apart(recipe, size)))


def _held_apart(recipe: Recipe, size: DataSize) -> Iterator[tuple[str, Any]]:
    """Validation and early stopping."""
    train, fraction = recipe.train, HELD_SHARE if size.held or size.groups >= LEAST_GROUPS else 0.0
    if "validation_fraction" in train.model_fields_set:
        fraction = train.validation_fraction
    yield "validation_fraction", fraction
    if fraction and not spells_out_defaults(recipe):
        yield "patience", max(LEAST_EPOCHS // 2, train.epochs // 2)


def _with_unset(recipe: Recipe, name: str, values: Mapping[str, Any]) -> Recipe:
    section: RecipeSection = getattr(recipe, name)
    unset = {key: value for key, value in values.items() if key not in section.model_fields_set}
    return recipe.model_copy(update={name: section.model_copy(update=unset)})


def _rounded(value: float) -> float:
    """To two digits, as a person would write it."""
    return float(f"{value:.2g}")
