"""What a calibration is worth of a model's own test recordings, and of new ones: readings, or clips before a front-end."""

from __future__ import annotations

from functools import partial

from ..data.clips import Clips
from ..data.dataset import Dataset
from ..data.split import Split
from ..manifest import Calibrated, Manifest
from ..recipe import Recipe
from .calibrated import calibrated_accuracy
from .clip_frames import name_of
from .features import FeatureDataset
from .hearing import Hearing
from .readings import Reader
from .subjects import Subject
from .worn_clips import calibrated_clips


def of_test_recordings(recipe: Recipe, manifest: Manifest, reader: Reader, dataset: Dataset, test: Split) -> Calibrated | None:
    """test: the test recordings as device integers; those of a front-end are read anew."""
    clips = dataset.clips.test if isinstance(dataset, FeatureDataset) else None
    return _worth(recipe, reader, Hearing.of(recipe, manifest, reader.model), clips, test, name_of(recipe, "test"))


def of_new_recordings(recipe: Recipe, reader: Reader, hearing: Hearing | None, subject: Subject) -> Calibrated | None:
    """None for a model without an alignment, and where there are none."""
    return _worth(recipe, reader, hearing, subject.clips, subject.readings, subject.data)


def _worth(
    recipe: Recipe, reader: Reader, hearing: Hearing | None, clips: Clips | None, readings: Split | None, what: str
) -> Calibrated | None:
    """what: the recordings are, for messages."""
    if recipe.alignment is None:
        return None
    if hearing is not None:
        return None if clips is None else calibrated_clips(recipe.alignment, reader, clips, partial(hearing.readings, what=what))
    return None if readings is None or not len(readings) else calibrated_accuracy(recipe.alignment, reader, readings)
