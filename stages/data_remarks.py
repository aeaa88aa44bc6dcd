"""What a user should know of the data before a net is trained on them, a sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..data.bundled import names
from ..data.dataset import Dataset, Split
from ..data.repeated import remarks_on_repeated
from ..data.streams import is_log
from ..errors import counted
from ..recipe import Recipe
from .net_readings import training_data

UNEQUAL = 5
"""Times as many recordings as the smallest class has, of the largest, from which on classes are said to be unbalanced."""


def remarks_on_data(recipe: Recipe, dataset: Dataset) -> Iterator[str]:
    """Of recordings that are there twice, of whom they are, of classes, and of what their source says."""
    yield from dataset.notes
    split = dataset.train
    if split.groups is None and split.held is None and recipe.data.source not in names():
        yield _without_groups(recipe)
    parts = {"test": dataset.test}
    train, held = training_data(recipe, split)
    if held is not None:
        yield from remarks_on_repeated(train, held, "validation")
        parts["validation"] = held
    for name, part in parts.items():
        yield from _missed(name, part, dataset.classes)
    if recipe.train.balance == "none":
        yield from _unbalanced(split, dataset.classes)


def _without_groups(recipe: Recipe) -> str:
    """Of data that do not say whose a recording is."""
    store = "name a column in data.group" if is_log(recipe.data.source) else "store them as .npz with group_train"
    then = "a validation part is drawn from all alike, and flatters" if recipe.train.validation_fraction else "none can be held apart"
    return f"nothing says whose the training recordings are: if several are of one person or device, {then}; {store}"


def _missed(name: str, part: Split, classes: Sequence[str]) -> Iterator[str]:
    missed = np.flatnonzero(np.bincount(part.y, minlength=len(classes)) == 0)
    if missed.size:
        which = f"class {classes[missed[0]]}" if missed.size == 1 else f"{counted(missed.size, 'class')} ({classes[missed[0]]}, ...)"
        yield f"no {name} recording is of {which}, so that nothing is known of how well it is answered: add some"


def _unbalanced(split: Split, classes: Sequence[str]) -> Iterator[str]:
    counts = np.bincount(split.y, minlength=len(classes))
    least, most = int(counts.argmin()), int(counts.argmax())
    if counts[most] >= UNEQUAL * counts[least]:
        yield (
            f"the classes are unbalanced, {counted(int(counts[most]), 'training recording')} of {classes[most]} and {counts[least]:,} of "
            f"{classes[least]}: train.balance = 'weights' or 'batches' makes them count alike, and balanced accuracy and macro F1 tell more"
        )
