"""Training data made anew in every epoch: sequences cut again, or clips changed as [augment] says and the features of these."""

from __future__ import annotations

from typing import Any

from ..data.augmentation import AugmentedClips
from ..data.dataset import Dataset
from ..data.noise import noise_of
from ..data.recutting import Recutting
from ..data.split import Split
from ..errors import InputError
from ..frontend.clips import feature_split
from ..models import Net
from ..recipe import Recipe
from ..train.loop import Anew
from .clip_frames import name_of
from .features import FeatureDataset, feature_maker, shaped
from .listener import Silent
from .net_readings import rows_of_parts, steps


def epoch_data(recipe: Recipe, net: Net, dataset: Dataset, epochs_before: int = 0) -> Anew | None:
    """What gives the training part of a data set as it is in an epoch, as the net reads it; None where it is always the same.

    epochs_before: of trainings before this one, which made others. Raises InputError for noise that cannot be read, and for data that
    cannot be cut again.
    """
    if recipe.train.recut or recipe.train.time_warp:
        return _cut_again(recipe, net, dataset, epochs_before)
    if recipe.augment is None or not isinstance(dataset, FeatureDataset):
        return None
    asked, front_end, (rows, held_out) = recipe.augment, dataset.front_end, rows_of_parts(recipe, dataset.train)
    every = dataset.clips.train
    clips, features = every.take(rows), feature_maker(front_end, Silent())
    noise = noise_of(asked.noise, recipe.data, clips.sample_rate, (every.take(held_out), dataset.clips.tested_on))

    def anew(epoch: int) -> Split:
        changed = AugmentedClips(clips, rows, asked, noise, recipe.train.seed, epochs_before + epoch)
        made = feature_split(changed, front_end, features, name_of(recipe, "train"), dataset.frames)
        return steps(recipe, net, shaped(recipe, made))

    return anew


def _cut_again(recipe: Recipe, net: Net, dataset: Dataset, epochs_before: int) -> Anew:
    train = recipe.train
    key = "recut" if train.recut else "time_warp"
    if dataset.train.x.ndim != 3:
        raise InputError(f"train.{key} is for sequences, and the data are none: leave it out")
    recutting = Recutting.of(dataset.train.take(rows_of_parts(recipe, dataset.train)[0]))
    if train.recut and not recutting.moves:
        raise InputError(
            "train.recut cuts windows again from continuous recordings, and these data have none that overlap or touch: give logs with "
            "data.window and data.stride, or leave it out"
        )
    return lambda epoch: steps(recipe, net, recutting.drawn(train.recut, train.time_warp, train.seed, epochs_before + epoch))


def augment_identity(recipe: Recipe) -> dict[str, Any]:
    """What of data made anew a resumed training must have in common with the one that it continues."""
    cut = {key: value for key in ("recut", "time_warp") if (value := getattr(recipe.train, key))}
    return cut if recipe.augment is None else {**cut, "augment": recipe.augment.model_dump(mode="json")}
