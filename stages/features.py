"""The data of a recipe as a net reads them: readings of a source, or the features that a front-end makes of its clips."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np

from ..data.clip_sources import load_clips
from ..data.clips import ClipsDataset
from ..data.dataset import Dataset, load_dataset
from ..data.input_format import choose_fraction_bits
from ..data.repeated import remarks_on_repeated
from ..data.split import Split
from ..errors import InputError, MissingToolError
from ..frontend.asked import asked_for
from ..frontend.clips import FEATURE_BITS, feature_split, recordings
from ..frontend.description import FrontEnd
from ..frontend.lowering import frontend_graph, with_front_end
from ..graph.alignment import with_alignment
from ..graph.fixed_point import IntArray
from ..graph.formats import FractionBits, common_bits, own_bits
from ..graph.ir import IntegerModel, Sampling
from ..graph.sound import Features, Pcm
from ..manifest import Alignment, Manifest
from ..recipe import FrontendSection, Recipe
from ..validate.host_c import find_compiler
from ..validate.host_frontend import trained_features
from .alignment import WornDataset, load_worn
from .clip_frames import frames_of_all, front_end_for, name_of, reads_images, refuse_clips, refuse_impossible
from .listener import Listener, Silent, tell
from .sensors import sensor_of, with_told
from .worn_clips import with_turned_clips


@dataclass(frozen=True, eq=False, kw_only=True)
class FeatureDataset(Dataset):
    """Features as readings. clips: what they were made of. frames: of every clip, None where each has its own.

    alignment: by which the training clips were turned, each by the calibration of its group; None: they are as they were.
    """

    front_end: FrontEnd
    clips: ClipsDataset
    frames: int | None
    alignment: Alignment | None = None


class LoadReadings(Protocol):
    """What gives a recipe's data: load_readings, or something that leaves part of them out."""

    def __call__(self, recipe: Recipe, known: Manifest | None = None, listener: Listener | None = None) -> tuple[Recipe, Dataset]:
        """See load_readings."""
        ...


def load_readings(recipe: Recipe, known: Manifest | None = None, listener: Listener | None = None) -> tuple[Recipe, Dataset]:
    """The data of a recipe, and the recipe with all of its front-end.

    known: of the model that they are for, whose classes, alignment and format of samples stay; None: they are found in the data. Raises
    InputError.
    """
    classes = () if known is None else known.classes
    turned = None if known is None else known.alignment
    if recipe.alignment is not None and recipe.of_samples is None:
        worn = load_worn(_in_format(recipe, known), recipe.alignment, classes, turned, listener or Silent())
        return resolved(recipe, worn), worn
    if recipe.of_samples is None:
        dataset = load_dataset(recipe.data, classes)
        return resolved(recipe, dataset), dataset
    refuse_impossible(recipe)
    data, listener = _in_format(recipe, known).data, listener or Silent()
    worn_alike = recipe.alignment is not None
    clips = load_clips(data, recipe.of_samples.sample_rate, classes, partial(refuse_clips, recipe), grouped=worn_alike)
    front_end, alignment = front_end_for(recipe, clips.train), None
    tell(clips.notes, listener)
    if recipe.alignment is not None:
        clips, alignment = with_turned_clips(clips, recipe.alignment, data.fraction_bits, turned, listener)
    dataset = replace(_features(recipe, clips, front_end, listener), alignment=alignment)
    return resolved(recipe, dataset), dataset


def _in_format(recipe: Recipe, known: Manifest | None) -> Recipe:
    """The recipe with the fraction bits that the integers have which a front-end, or an alignment, reads."""
    if known is None:
        return recipe
    bits = known.input.fraction_bits if known.samples is None else known.samples.fraction_bits
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"fraction_bits": bits})})


def resolved(recipe: Recipe, dataset: Dataset) -> Recipe:
    """The recipe with all of its front-end, and what the source says of the sensor. Raises InputError where it says otherwise."""
    recipe = with_told(recipe, dataset)
    if recipe.alignment is not None and isinstance(dataset, WornDataset):
        turning = recipe.alignment.model_copy(update={"axes": dataset.alignment.axes})
        return recipe.model_copy(update={"frontend": turning})
    if recipe.of_samples is None or not isinstance(dataset, FeatureDataset):
        return recipe
    asked = asked_for(dataset.front_end, recipe.of_samples.preset)
    if dataset.alignment is not None:
        asked |= {**recipe.of_samples.of_an_alignment, "axes": dataset.alignment.axes}
    section = FrontendSection.model_validate(asked)
    return recipe.model_copy(update={"frontend": section})


def _features(recipe: Recipe, clips: ClipsDataset, front_end: FrontEnd, listener: Listener) -> FeatureDataset:
    features, frames = feature_maker(front_end, listener), frames_of_all(recipe, clips.train, front_end)
    train, test = (
        shaped(recipe, feature_split(split, front_end, features, name_of(recipe, name), frames))
        for name, split in (("train", clips.train), ("test", clips.test))
    )
    train = replace(train, held=clips.kept_for_validation)
    notes = tuple(dict.fromkeys((*clips.remarks, *remarks_on_repeated(train, test, "test"))))
    known = (clips.name, train, test, clips.classes, clips.digest, (), clips.facts, notes, clips.unit)
    return FeatureDataset(*known, front_end=front_end, clips=clips, frames=frames)


def feature_maker(front_end: FrontEnd, listener: Listener) -> Features:
    """Who computes features: the front-end compiled for this machine, or numpy, which gives the same and takes longer."""
    try:
        find_compiler()
    except MissingToolError:
        listener.warning("no C compiler is installed, so that numpy computes the features: the same ones, some twenty times slower")
    return trained_features(frontend_graph(front_end))


def shaped(recipe: Recipe, split: Split) -> Split:
    """A split of features as the net's kind reads it: frames in the place of time, or a spectrogram as an image."""
    return replace(split, x=split.x[..., None]) if reads_images(recipe) else split


def input_bits(recipe: Recipe, dataset: Dataset) -> FractionBits:
    """Fraction bits of what the net reads: of features, or as choose_fraction_bits says. Raises InputError."""
    if isinstance(dataset, FeatureDataset):
        return FEATURE_BITS
    if isinstance(dataset, WornDataset):
        return dataset.fraction_bits
    return choose_fraction_bits(dataset.train, recipe.data.fraction_bits)


def sound_of(dataset: Dataset, rows: IntArray) -> Pcm | None:
    """What the test recordings at `rows` were made of, where that is clips."""
    if not isinstance(dataset, FeatureDataset):
        return None
    read = list(recordings(dataset.clips.test.take(rows), dataset.front_end, dataset.frames))
    lengths = np.array([len(each) for each in read], np.int64)
    samples = np.zeros((len(read), int(lengths.max()), dataset.front_end.channels), np.int16)
    for row, each in zip(samples, read, strict=True):
        row[: len(each)] = each
    return Pcm(samples, lengths)


def refuse_lengths(dataset: Dataset, *, has_cells: bool) -> None:
    """Raise InputError where an own net turns out to have cells, and clips were brought to one length for it."""
    if not isinstance(dataset, FeatureDataset) or dataset.frames is None or not has_cells:
        return
    for split in (dataset.clips.train, dataset.clips.tested_on):
        if any(dataset.front_end.frames(int(samples)) != dataset.frames for samples in split.lengths):
            raise InputError(
                "a front-end brings clips to one length for an own net, and this one has recurrent cells, which would go on through the "
                "silence: give clips of one length, or list the net as [[model.stages]]"
            )


def with_sensor(model: IntegerModel, recipe: Recipe, dataset: Dataset) -> IntegerModel:
    """The model of a net that was trained on such data, with what is told of the sensor."""
    if isinstance(dataset, FeatureDataset):
        clips = dataset.clips
        return replace(model, sensor=sensor_of(recipe, clips.channels, clips.train.channels, clips.fraction_bits))
    return replace(model, sensor=sensor_of(recipe, dataset.channels, dataset.train.channels, input_bits(recipe, dataset)))


def with_what_stands_before(model: IntegerModel, dataset: Dataset) -> IntegerModel:
    """The model of a net that was trained on such data, with the front-end or the alignment that they came through."""
    if isinstance(dataset, FeatureDataset):
        bits = dataset.clips.fraction_bits
        sampling = Sampling(dataset.clips.train.sample_rate, common_bits(bits))
        model = with_front_end(replace(model, channel_bits=own_bits(bits)), dataset.front_end, sampling)
        worn = dataset.alignment
        return model if worn is None else with_alignment(model, dataset.clips.train.channels, worn.axes, worn.reference)
    if isinstance(dataset, WornDataset):
        return with_alignment(model, dataset.train.channels, dataset.alignment.axes, dataset.alignment.reference)
    return model
