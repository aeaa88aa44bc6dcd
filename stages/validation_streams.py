"""The continuous recordings behind validation recordings: long WAV files with label tracks, and logs in which the label changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.clip_streams import ClipStreams, load_clip_streams, streams_of_files
from ..data.dataset import Dataset
from ..data.split import Int64Array
from ..data.streams import Streams, holds_streams, load_streams
from ..data.wav_clips import WavClips
from ..data.wav_source import read_sounds
from ..graph.ir import IntegerModel
from ..manifest import Manifest
from ..recipe import Recipe
from .features import FeatureDataset
from .hearing import Hearing
from .net_readings import rows_of_parts
from .readings import Reader
from .subjects import as_read


def validation_streams(recipe: Recipe, manifest: Manifest, model: IntegerModel, dataset: Dataset) -> Streams | None:
    """Those of which nothing was trained on or is for testing, as the model reads them; None without any in which the label changes.

    Of WAV files with label tracks each that lies in the validation part whole; of CSV logs those of the validation groups. An archive's
    streams stand beside its test recordings; recordings that an alignment turned are no longer those of the source.
    """
    trained, kept = rows_of_parts(recipe, dataset.train)
    reader = Reader.of(manifest, model)
    found: Streams | ClipStreams | None
    if recipe.alignment is not None:
        return None
    if isinstance(dataset, FeatureDataset) and isinstance(dataset.clips.train, WavClips):
        found = _of_files(recipe, dataset, dataset.clips.train, kept, trained)
    else:
        found = _of_groups(recipe, manifest, dataset, _names_of(dataset, kept) - _names_of(dataset, trained))
    if isinstance(found, ClipStreams):
        hearing = Hearing.of(recipe, manifest, model)
        assert hearing is not None
        front_end = hearing.front_end
        found = hearing.streams(found) if any(front_end.frames(int(samples)) for samples in found.clips.lengths) else None
    if found is None or int(found.lengths.max()) < reader.readings_a_step:
        return None
    streams = as_read(reader, found)[0]
    return streams if streams.has_changes else None


def _of_files(recipe: Recipe, dataset: FeatureDataset, train: WavClips, kept: Int64Array, trained: Int64Array) -> ClipStreams | None:
    """Of the files whose clips are all of the validation part."""
    test = dataset.clips.tested_on
    elsewhere = {*_files_of(train, trained), *(_files_of(test, np.arange(len(test))) if isinstance(test, WavClips) else ())}
    sounds = read_sounds(Path(recipe.data.source.strip()), recipe.data, train.sample_rate)
    files = sorted(set(_files_of(train, kept)) - elsewhere)
    if not sounds.have_tracks or not (numbers := [file for file in files if file < len(sounds.sounds)]):
        return None
    return streams_of_files(sounds, recipe.data, dataset.classes, labelled=True, numbers=numbers)


def _files_of(clips: WavClips, rows: npt.NDArray[np.integer[Any]]) -> list[int]:
    numbers: list[int] = np.unique(clips.places[rows, 0]).tolist()
    return numbers


def _names_of(dataset: Dataset, rows: Int64Array) -> set[str]:
    """The groups of training recordings of a log."""
    names, groups = dataset.facts.get("train_groups", ()), dataset.train.groups
    return set() if groups is None else {names[number] for number in np.unique(groups[rows]).tolist() if number < len(names)}


def _of_groups(recipe: Recipe, manifest: Manifest, dataset: Dataset, names: set[str]) -> Streams | ClipStreams | None:
    """Those of some groups of logs; None where there are no logs in which the label changes."""
    if not names or not holds_streams(recipe.data):
        return None
    if manifest.samples is not None:
        said = manifest.samples
        heard = load_clip_streams(recipe.data, said.sample_rate, said.fraction_bits, dataset.classes).of_groups(sorted(names))
        return heard if len(heard) else None
    found = load_streams(recipe.data, dataset.classes)
    assert found.streams.groups is not None
    streams = found.streams.take(np.flatnonzero(np.isin(np.array(found.groups)[found.streams.groups], sorted(names))))
    return streams if len(streams) else None
