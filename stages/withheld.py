"""Data of which the test set is withheld: the recordings kept for validation stand in its place, so that nothing can be chosen by it."""

from __future__ import annotations

from dataclasses import replace

from ..data.dataset import Dataset
from ..manifest import Manifest
from ..recipe import Recipe
from .features import FeatureDataset, load_readings
from .listener import Listener
from .net_readings import rows_of_parts


def withheld(recipe: Recipe, dataset: Dataset) -> Dataset:
    """The data as a candidate of a search sees them. What it is trained on is what `rescomp run` trains it on."""
    _, rows = rows_of_parts(recipe, dataset.train)
    judged = replace(dataset, test=replace(dataset.train.take(rows), held=None))
    if isinstance(judged, FeatureDataset):
        clips = replace(judged.clips, test=judged.clips.train.take(rows), withheld=judged.clips.tested_on)
        judged = replace(judged, clips=clips)
    return judged


class WithheldData:
    """Loads data so, each form of them once: a front-end's features are padded for windows, or images, as the net reads them."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], tuple[Recipe, Dataset]] = {}

    def __call__(self, recipe: Recipe, known: Manifest | None = None, listener: Listener | None = None) -> tuple[Recipe, Dataset]:
        """See load_readings."""
        form: tuple[object, ...] = ()
        if recipe.of_samples is not None:
            model = recipe.model
            form = (model.is_recurrent, model.kind, model.widths, model.stem_stride, model.stages, model.time_steps)
        if form not in self._known:
            self._known[form] = load_readings(recipe, known, listener)
        resolved, dataset = self._known[form]
        return recipe.model_copy(update={"frontend": resolved.frontend, "data": resolved.data}), withheld(recipe, dataset)
