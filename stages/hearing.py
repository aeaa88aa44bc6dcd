"""New samples before a front-end: how a model that is there makes readings of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ..data.clip_streams import ClipStreams, has_tracks, load_clip_streams
from ..data.clips import ArrayClips, Clips
from ..data.new_clips import SOUND_KEYS, load_new_clips
from ..data.new_data import NewData
from ..data.split import Int64Array, Split
from ..data.streams import Streams, holds_streams
from ..data.wav_folders import holds_sound
from ..errors import InputError
from ..frontend.asked import asked_front_end
from ..frontend.clips import feature_split, samples_of
from ..frontend.description import FrontEnd
from ..graph.ir import IntegerModel
from ..graph.sound import Features
from ..manifest import Manifest, SampleFormat
from ..recipe import DataSection, Recipe
from ..validate.host_frontend import trained_features


@dataclass(frozen=True, eq=False)
class HeardData(NewData):
    """Readings that a front-end made of samples. clips: those of single recordings."""

    clips: Clips | None = None

    @property
    def samples(self) -> Split | None:
        """The single recordings as the device reads them, int16 [recordings, longest, channels]; all in the memory."""
        if self.clips is None:
            return None
        x = np.zeros((len(self.clips), int(self.clips.lengths.max()), self.clips.channels), np.int16)
        for row in range(len(x)):
            read = self.clips.read(row)
            x[row, : len(read)] = read
        return Split(x, self.clips.y, self.clips.lengths, self.clips.groups)


@dataclass(frozen=True, eq=False)
class Hearing:
    """front_end, features: what makes readings, and who computes them. samples: what it reads. frames: of every recording, for a net that
    reads windows of one length or images, else None. is_image: whether a net reads these frames as an image.
    """

    front_end: FrontEnd
    features: Features
    samples: SampleFormat
    frames: int | None
    is_image: bool

    @classmethod
    def of(cls, recipe: Recipe, manifest: Manifest, model: IntegerModel) -> Self | None:
        """None for a model without a front-end. What was read of the directory was checked against each other."""
        if manifest.samples is None or recipe.of_samples is None:
            return None
        front_end = asked_front_end(recipe.of_samples.of_a_front_end, manifest.samples.sample_rate, manifest.samples.channels)
        shape = manifest.input.shape or model.input.type.shape
        frames = shape[0] if len(shape) > 1 else None
        return cls(front_end, trained_features(model.graphs["frontend"]), manifest.samples, frames, len(shape) == 3)

    @property
    def rate(self) -> float:
        """Frames a second."""
        return self.front_end.sample_rate / self.front_end.hop

    def last_sample(self, frames: Int64Array) -> Int64Array:
        """Of frames of a recording, both counted from 0."""
        return np.asarray(frames * self.front_end.hop + self.front_end.span - 1)

    def readings(self, clips: Clips, what: str) -> Split:
        """Recordings of samples as readings, in real numbers. what: they are, for messages. Raises InputError for one without a frame."""
        split = feature_split(clips, self.front_end, self.features, what, self.frames)
        return replace(split, x=split.x[..., None]) if self.is_image else split

    def readings_of_integers(self, split: Split) -> Split:
        """The same of device integers int16 [recordings, samples, channels]."""
        return self.readings(ArrayClips(split, self.front_end.sample_rate), "the recordings")

    def streams(self, streams: ClipStreams) -> Streams:
        """A frame a reading of every stream that has one, with the label of its last sample. Raises InputError where none has a frame."""
        front_end = self.front_end
        long = np.array([row for row, samples in enumerate(streams.clips.lengths) if front_end.frames(int(samples))], np.int64)
        if not len(long):
            raise InputError(f"no stream has the {front_end.span} samples that a frame reads (frontend.length): give longer recordings")
        kept = streams.take(long)
        made = feature_split(kept.clips, front_end, self.features, streams.name)
        y = np.zeros(made.x.shape[:2], np.int64)
        for row, runs, frames in zip(y, kept.runs, made.lengths, strict=True):
            row[:frames] = runs.at(self.last_sample(np.arange(frames)))
        return Streams(made.x, y, made.lengths, made.groups)

    def least_samples(self, recorded: Int64Array, frames_a_step: int) -> Int64Array:
        """How many samples a recording of so many must keep, whatever befalls it: int64 [recordings]."""
        if self.frames is None:
            return np.full(len(recorded), samples_of(self.front_end, frames_a_step), np.int64)
        return np.minimum(recorded, samples_of(self.front_end, self.frames))

    def load(self, data: DataSection, classes: Sequence[str], *, labelled: bool, grouped: bool) -> NewData:
        """New data of samples, as readings. Raises InputError as load_new_clips."""
        said = self.samples
        found = load_new_clips(data, classes, said.channels, said.sample_rate, said.fraction_bits, labelled=labelled, grouped=grouped)
        split = None if found.clips is None else self.readings(found.clips, data.source)
        streams, groups = (None, ()) if found.streams is None else (self.streams(found.streams), found.streams.groups)
        return HeardData(found.name, split, streams, found.groups, groups, without_split=found.without_clips, clips=found.clips)


def sound_section(source: str, data: DataSection) -> DataSection:
    """How to read new WAV files: by the keys of `data` that are of such."""
    return DataSection.of(source, **{key: getattr(data, key) for key in SOUND_KEYS})


def load_test_clip_streams(
    data: DataSection, classes: Sequence[str], test_groups: Sequence[str] | None, samples: SampleFormat
) -> ClipStreams | None:
    """The continuous recordings of samples beside a data set's test recordings, None without; see load_test_streams."""
    tracked = has_tracks(data) if holds_sound(data.source.strip()) else holds_streams(data)
    if data.split == "time" or not tracked:
        return None
    streams = load_clip_streams(data, samples.sample_rate, samples.fraction_bits, classes)
    streams = streams if test_groups is None else streams.of_groups(test_groups)
    return streams if len(streams) else None
