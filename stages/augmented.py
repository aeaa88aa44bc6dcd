"""Training data made anew in every epoch: clips changed as [augment] says, and the features of what became of them."""

from __future__ import annotations

from typing import Any

from ..data.augmentation import AugmentedClips
from ..data.dataset import Dataset
from ..data.noise import noise_of
from ..data.split import Split
from ..frontend.clips import feature_split
from ..models import Net
from ..recipe import Recipe
from ..train.loop import Anew
from .features import FeatureDataset, feature_maker, shaped
from .listener import Silent
from .net_readings import steps, training_rows


def epoch_data(recipe: Recipe, net: Net, dataset: Dataset, epochs_before: int = 0) -> Anew | None:
    """What gives the training part of a data set as it is in an epoch, as the net reads it; None without [augment].

    epochs_before: of trainings before this one, which made other clips. Raises InputError for noise that cannot be read.
    """
    if recipe.augment is None or not isinstance(dataset, FeatureDataset):
        return None
    asked, front_end, rows = recipe.augment, dataset.front_end, training_rows(recipe, dataset.train)
    clips, features = dataset.clips.train.take(rows), feature_maker(front_end, Silent())
    noise = noise_of(asked.noise, recipe.data, clips.sample_rate)

    def anew(epoch: int) -> Split:
        changed = AugmentedClips(clips, rows, asked, noise, recipe.train.seed, epochs_before + epoch)
        made = feature_split(changed, front_end, features, f"the train split of {recipe.data.source}", dataset.frames)
        return steps(recipe, net, shaped(recipe, made))

    return anew


def augment_identity(recipe: Recipe) -> dict[str, Any]:
    """What of [augment] a resumed training must have in common with the one that it continues."""
    return {} if recipe.augment is None else {"augment": recipe.augment.model_dump(mode="json")}
