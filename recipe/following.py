"""Defaults that follow the data: what keys are that nobody has set, by how many recordings there are to train on, and how long."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..model_names import CELL_KINDS
from .document import Recipe
from .section import RecipeSection
from .unread import spells_out_defaults

FEW = 270
"""Recordings up to which the defaults are those of the sections: JapaneseVowels has so many."""
SHORT = 1 << 16
"""Steps of all recordings together, up to which nothing is saved by fewer epochs or by compiling the loop."""
LEAST_EPOCHS, MOST_IN_A_BATCH = 10, 512
UPDATES, MOST_EPOCHS = 900, 300
"""Of the weights in a training, at least, as FEW recordings make in the sections' epochs; and the epochs that this asks for, at most."""
SHORT_RECORDING, LONG_RECORDING = 16, 128
"""Steps of a recording, in the mean, between which the noise on each falls as they grow."""
LONGEST_LOOP, MOST_SIDE_BY_SIDE = 48, 32
"""Steps of the median recording to which readings side by side bring it; values that are so read at once, at most."""
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


def with_readings(recipe: Recipe, median: int, shortest: int, channels: int) -> Recipe:
    """The recipe with model.readings, where it is unset and a cell reads the recordings themselves: few enough steps to learn over.

    median, shortest: readings of a recording.
    """
    model = recipe.model
    reads_itself = model.kind in CELL_KINDS and recipe.of_samples is None and model.stride is None
    if not reads_itself or "readings" in model.model_fields_set:
        return recipe
    readings = 1
    while median > readings * LONGEST_LOOP and 2 * readings <= shortest and 2 * readings * channels <= MOST_SIDE_BY_SIDE:
        readings *= 2
    return _with_unset(recipe, "model", {"readings": readings} if readings > 1 else {})


def following(recipe: Recipe, size: DataSize) -> Recipe:
    """The recipe with values for the keys of [train] and [quantize] that it leaves unset, but for train.loop; docs/defaults.md."""
    few = math.sqrt(FEW / max(FEW, size.recordings))
    batch = recipe.train.batch_size if "batch_size" in recipe.train.model_fields_set else min(MOST_IN_A_BATCH, round(18 / few))
    epochs = max(LEAST_EPOCHS, math.ceil(60 * min(1.0, math.sqrt(SHORT / max(1, size.steps)))))
    epochs = max(epochs, min(MOST_EPOCHS, math.ceil(UPDATES / math.ceil(size.recordings / batch))))
    noise = _rounded(0.6 * min(few, SHORT_RECORDING / min(max(SHORT_RECORDING, size.steps / size.recordings), LONG_RECORDING)))
    recipe = _with_unset(recipe, "train", {"epochs": epochs, "batch_size": batch, "input_noise": noise})
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
