"""Long recordings of samples with a label a stretch: what a front-end reads of a stream."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..graph.formats import FractionBits
from ..recipe import DataSection
from .clip_sides import groups_of
from .clips import ArrayClips, Clips
from .keywords import class_of
from .label_tracks import Stretch, read_track
from .labels import no_class
from .logs import class_order
from .split import Int64Array, Split, equal_runs
from .streams import UNLABELLED, StreamSet, load_streams
from .wav_clips import Excerpt, WavClips
from .wav_folders import holds_sound, list_sounds
from .wav_source import Sounds, excerpt_of, read_sounds


@dataclass(frozen=True, eq=False)
class LabelRuns:
    """The labels of a stream's samples. ends: int64 [runs], where each run of one class ends; y: int64 [runs], the class."""

    ends: Int64Array
    y: Int64Array

    def at(self, samples: npt.NDArray[np.integer[Any]]) -> Int64Array:
        """The class at some samples of the stream, counted from 0."""
        found: Int64Array = self.y[np.searchsorted(self.ends, samples, side="right")]
        return found


@dataclass(frozen=True, eq=False)
class ClipStreams:
    """Streams of samples. clips: a stream each, whose y means nothing; runs: the labels of each. classes, groups: names by number."""

    name: str
    clips: Clips
    runs: Sequence[LabelRuns]
    classes: tuple[str, ...]
    groups: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of streams."""
        return len(self.runs)

    def take(self, rows: npt.NDArray[np.integer[Any]]) -> ClipStreams:
        """The streams at `rows`, in that order; nothing is read."""
        runs = [self.runs[row] for row in rows.tolist()]
        return ClipStreams(self.name, self.clips.take(rows), runs, self.classes, self.groups, self.notes)

    def of_groups(self, wanted: Sequence[str]) -> ClipStreams:
        """The streams of some groups; all of them where nobody knows of groups."""
        if self.clips.groups is None or not self.groups:
            return self
        return self.take(np.flatnonzero(np.isin(np.array(self.groups)[self.clips.groups], wanted)))

    def digest(self) -> str:
        """SHA-256 (hex) over samples and labels."""
        total = hashlib.sha256(self.clips.digest().encode())
        for run in self.runs:
            total.update(run.ends.astype("<i8").tobytes() + run.y.astype("<i8").tobytes())
        return total.hexdigest()


def load_clip_streams(
    data: DataSection,
    sample_rate: int,
    fraction_bits: FractionBits = 0,
    classes: Sequence[str] = (),
    *,
    labelled: bool = True,
    grouped: bool = True,
) -> ClipStreams:
    """The streams that `data` names: WAV files with label tracks, or what load_streams reads.

    Of WAV files (those of the folder test beside train) a stream is what lies in a row under labels, or, unlabelled, the whole file.
    sample_rate, fraction_bits: of the samples. classes, labelled, grouped: as of load_streams. Raises InputError as read_track, and for a
    label that is no class.
    """
    source = data.source.strip()
    if holds_sound(source):
        sounds = read_sounds(Path(source), data, sample_rate, labelled=labelled)
        return streams_of_files(sounds, data, classes, labelled=labelled)
    return _of_arrays(load_streams(data, classes, labelled=labelled, grouped=grouped), sample_rate, fraction_bits)


def has_tracks(data: DataSection) -> bool:
    """Whether the WAV files of a source have label tracks."""
    return any(sound.track is not None for sound in list_sounds(Path(data.source.strip()), labelled=False))


def _of_arrays(found: StreamSet, sample_rate: int, fraction_bits: FractionBits) -> ClipStreams:
    streams = found.streams
    runs = [_runs(row[:length]) for row, length in zip(streams.y, streams.lengths, strict=True)]
    split = Split(streams.x, np.full(len(streams), UNLABELLED), streams.lengths, streams.groups)
    clips = ArrayClips(split, sample_rate, 0 if split.is_integer else fraction_bits)
    return ClipStreams(found.name, clips, runs, found.classes, found.groups)


def _runs(y: Int64Array) -> LabelRuns:
    found = equal_runs(y)
    return LabelRuns(np.array([end for _, end in found], np.int64), np.array([y[begin] for begin, _ in found], np.int64))


def streams_of_files(
    sounds: Sounds, data: DataSection, classes: Sequence[str], *, labelled: bool, numbers: Sequence[int] | None = None
) -> ClipStreams:
    """The streams of WAV files whose headers are read; the rest as of load_clip_streams. numbers: of which files; None: those for test."""
    groups = groups_of(sounds.sounds, data.group)
    if numbers is None:
        numbers = [number for number, sound in enumerate(sounds.sounds) if sound.is_for_test]
    tracked = {number: list(_in_rows(sounds, number, data, classes, labelled)) for number in numbers}
    known = tuple(classes) or class_order({stretch.label for rows in tracked.values() for row in rows for stretch in row})
    excerpts, runs = [], []
    for number, rows in tracked.items():
        for row in rows:
            excerpts.append(excerpt_of(sounds, number, row[0].begin, row[-1].end, "", groups[number]))
            runs.append(_at_rate(row, excerpts[-1], sounds, known if labelled else ()))
    clips = WavClips.of(sounds.files, excerpts, ("",), sounds.rate, data.channel)
    return ClipStreams(sounds.source.stem, clips, runs, known, tuple(sorted({groups[number] for number in numbers})), sounds.notes)


def _in_rows(sounds: Sounds, number: int, data: DataSection, classes: Sequence[str], labelled: bool) -> Iterator[list[Stretch]]:
    """The stretches of a file, those together that follow each other without a hole."""
    sound, wav = sounds.sounds[number], sounds.files[number]
    if not labelled:
        yield [Stretch(0, wav.samples, "")]
        return
    if sound.track is None:
        raise InputError(f"{sound.path} has no label track: recordings of one class each are no streams, in which the label changes")
    row: list[Stretch] = []
    for stretch in read_track(sound.track, wav, data):
        if row and row[-1].end != stretch.begin:
            yield row
            row = []
        row.append(replace(stretch, label=_class_of(sound.track, stretch, classes, data)))
    yield row


def _class_of(track: Path, stretch: Stretch, classes: Sequence[str], data: DataSection) -> str:
    """The class of a stretch, among those of the model where there is one. Raises InputError with the line."""
    label = class_of(stretch.label, classes, data)
    if classes and label not in classes:
        where = f"{track}, line {stretch.line}" if stretch.line else f"data.rest for {track}"
        raise InputError(f"{where}: the label is {label!r}, {no_class(label, classes, 'correct it, or delete the line')}")
    return label


def _at_rate(row: Sequence[Stretch], excerpt: Excerpt, sounds: Sounds, known: Sequence[str]) -> LabelRuns:
    """The labels of an excerpt at the clips' rate. known: the classes; empty: nothing is labelled."""
    rate = sounds.files[excerpt.file].sample_rate
    ends = [(stretch.end - excerpt.begin) * sounds.rate // rate for stretch in row[:-1]]
    y = [known.index(stretch.label) if known else UNLABELLED for stretch in row]
    return LabelRuns(np.array([*ends, excerpt.length], np.int64), np.array(y, np.int64))
