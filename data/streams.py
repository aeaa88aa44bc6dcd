"""Continuous recordings with a label a reading."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError, counted
from ..recipe import DataSection
from .bundled import names
from .check import checked_groups, checked_values, shape_of
from .images import is_image_folder
from .labels import NO_CLASS, class_numbers, no_class
from .logs import class_order
from .npz import load_arrays, read_npz_streams
from .raw import RawSplit, pad_sequences
from .recordings import LabelledLog, has_labelled_readings, read_labelled_log
from .split import Int64Array, ValueArray, valid_steps
from .steps import side_by_side
from .wav_folders import holds_sound

UNLABELLED = -1
"""In the place of a class."""


@dataclass(frozen=True, eq=False)
class Streams:
    """Continuous recordings.

    x: [streams, longest, ...] as in a Split: readings of some channels, or steps of what a net reads; zero past a stream's end. y: int64
    [streams, longest], the class of each. lengths: int64 [streams], each >= 1. groups: int64 [streams], or None. ends: bool [streams,
    longest], the last of each single recording that was put in the row, None where the recordings are continuous. ages: int64 [streams,
    longest], of steps of several readings: how many of the step's label, one after another, end with its last one; None where labels change
    between steps alone.
    """

    x: ValueArray
    y: Int64Array
    lengths: Int64Array
    groups: Int64Array | None = None
    ends: npt.NDArray[np.bool_] | None = None
    ages: Int64Array | None = None

    def __len__(self) -> int:
        """Number of streams."""
        return len(self.lengths)

    @property
    def valid(self) -> npt.NDArray[np.bool_]:
        """Which steps belong to a stream: bool [streams, longest]."""
        return valid_steps(self.lengths, self.y.shape[1])

    @property
    def has_changes(self) -> bool:
        """Whether any label changes within a stream."""
        return bool(((self.y[:, 1:] != self.y[:, :-1]) & self.valid[:, 1:]).any())

    def take(self, indices: npt.NDArray[np.integer[Any]]) -> Streams:
        """The streams at `indices`, in that order."""
        known = {name: getattr(self, name) for name in ("groups", "ends", "ages")}
        chosen = {name: None if part is None else part[indices] for name, part in known.items()}
        return replace(self, x=self.x[indices], y=self.y[indices], lengths=self.lengths[indices], **chosen)

    def digest(self) -> str:
        """SHA-256 (hex) over kind, shape, lengths, labels and valid values."""
        kind = "<i4" if np.issubdtype(self.x.dtype, np.integer) else "<f4"
        total = hashlib.sha256(f"streams {kind} {len(self)} {' '.join(map(str, self.x.shape[2:]))}\n".encode())
        for part in (self.lengths.astype("<i8"), self.y[self.valid].astype("<i8"), self.x[self.valid].astype(kind)):
            total.update(part.tobytes())
        return total.hexdigest()


@dataclass(frozen=True, eq=False)
class StreamSet:
    """Streams of a source. classes: names by y. channels: their names where the source gives them. groups: names by Streams.groups."""

    name: str
    streams: Streams
    classes: tuple[str, ...]
    channels: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


def is_log(source: str) -> bool:
    """Whether a source is read as CSV logs."""
    path = Path(source)
    if source in names() or source.lower().endswith((".npz", ".ts")):
        return False
    return source.lower().endswith(".csv") or (path.is_dir() and not is_image_folder(path) and not holds_sound(source))


def holds_streams(data: DataSection, *, labelled: bool = True) -> bool:
    """Whether the source has continuous recordings with a label a reading: a .npz with x_stream, or CSV logs with a label column.

    labelled: whether labels are read; without them CSV logs are streams in any case.
    """
    source = data.source.strip()
    if source.lower().endswith(".npz") and source not in names():
        return "x_stream" in load_arrays(Path(source), labelled=labelled)
    return is_log(source) and (not labelled or has_labelled_readings(Path(source), data))


def load_streams(data: DataSection | str, classes: Sequence[str] = (), *, labelled: bool = True, grouped: bool = True) -> StreamSet:
    """The continuous recordings that `data` names (a string: its source, the rest unset).

    A .npz holds x_stream ([streams, time, channels], or [streams, time] for one channel), y_stream ([streams, time]: 0..classes-1, or
    strings), optionally lengths_stream, group_stream and classes. CSV logs have a label column; a stream ends at a gap in time and where
    another group begins. classes: those that the labels must be of, in order; none: those that there are. labelled: whether labels
    are read, and must be there; else classes are UNLABELLED. grouped: whether CSV logs must have data.group; else a file without it is a
    group. Raises InputError naming file, stream, step and channel (for CSV: file and line).
    """
    data = DataSection.of(data) if isinstance(data, str) else data
    source = data.source.strip()
    if source.lower().endswith(".npz"):
        return _from_npz(Path(source), classes, labelled)
    if not is_log(source):
        raise InputError(
            f"{source!r} holds no continuous recordings with a label a reading: give CSV logs with a label column, or a .npz with x_stream "
            "and y_stream"
        )
    log = read_labelled_log(Path(source), data, labelled=labelled, grouped=grouped)
    return _from_log(Path(source), log, classes, labelled)


def load_test_streams(data: DataSection, classes: Sequence[str], test_groups: Sequence[str] | None) -> Streams | None:
    """The continuous recordings beside a data set's test recordings: of the test groups of CSV logs, or those of a .npz; None without.

    Logs that are split in time have none: their test recordings are the ends of recordings that were trained on. Raises InputError.
    """
    if data.split != "group" or not holds_streams(data):
        return None
    found = load_streams(data, classes)
    streams = found.streams
    if test_groups is not None and streams.groups is not None:
        streams = streams.take(np.flatnonzero(np.isin(np.array(found.groups)[streams.groups], test_groups)))
    return streams if len(streams) else None


def streams_in_steps(streams: Streams, readings: int, stride: int, one: str = "reading") -> Streams:
    """The streams with `readings` successive readings as one step [streams, steps, readings * channels], one begun every `stride` readings.

    A step has the label of its last reading. one: what a reading is called. Streams shorter than a step are left out; raises InputError
    when that leaves none.
    """
    long = np.flatnonzero(streams.lengths >= readings)
    if not long.size:
        raise InputError(f"no stream has {counted(readings, one)}, which the net takes as one step: give longer recordings")
    if (readings, stride) == (1, 1):
        return streams
    kept = streams.take(long)
    x, lengths = side_by_side(kept.x, kept.lengths, readings, stride)
    y, ages = (part[:, readings - 1 :: stride] for part in (kept.y, _ages(kept.y)))
    return Streams(x, y, lengths, kept.groups, ages=ages)


def _ages(y: Int64Array) -> Int64Array:
    """How many readings of one label, one after another, end with each: int64 [streams, longest]."""
    place = np.arange(y.shape[1])
    begins = np.pad(y[:, 1:] != y[:, :-1], ((0, 0), (1, 0))) * place
    found: Int64Array = place + 1 - np.maximum.accumulate(begins, axis=1)
    return found


def _from_npz(path: Path, classes: Sequence[str], labelled: bool) -> StreamSet:
    raw, names = read_npz_streams(path, labelled=labelled)
    if raw.x.ndim == 4:
        raise InputError(f"{raw.where} has x of shape {shape_of(raw.x)}: streams are [streams, time, channels], or [streams, time]")
    x, lengths = checked_values(raw)
    valid = valid_steps(lengths, x.shape[1])
    known, y = tuple(classes), np.full(x.shape[:2], UNLABELLED, np.int64)
    if labelled:
        known, y = _labelled(raw, valid, names.classes, known)
    groups = () if raw.groups is None else tuple(str(name) for name in np.unique(raw.groups))
    return StreamSet(path.stem, Streams(x, y, lengths, checked_groups(raw)), known, names.channels, groups)


def _labelled(
    raw: RawSplit, valid: npt.NDArray[np.bool_], named: tuple[str, ...] | None, classes: tuple[str, ...]
) -> tuple[tuple[str, ...], Int64Array]:
    """(the classes, the number of each reading's). named: those that the file itself numbers from 0, if it does; classes: the model's."""
    if raw.labels.shape != raw.x.shape[:2] or raw.labels.dtype.kind not in "biuU":
        raise InputError(
            f"{raw.where} has labels of shape {shape_of(raw.labels)} and type {raw.labels.dtype} for readings of {shape_of(raw.x)}: "
            "store one integer or string a reading"
        )
    labels = raw.labels[:, : valid.shape[1]]
    labels = labels.astype(np.int64) if labels.dtype.kind == "b" else labels
    if labels.dtype.kind != "U" and named is not None:
        labels = np.array(named)[_classes_at(raw, labels, valid, tuple(map(str, range(len(named)))))]
    known = classes or named or _present(raw, labels[valid])
    return known, _classes_at(raw, labels, valid, known)


def _present(raw: RawSplit, labels: npt.NDArray[Any]) -> tuple[str, ...]:
    """The classes that there are, where nobody names them."""
    present = np.unique(labels)
    if labels.dtype.kind != "U" and not np.array_equal(present, np.arange(len(present))):
        raise InputError(f"{raw.where} has labels {present[0]}..{present[-1]}, not all of them: number the classes from 0 without gaps")
    return tuple(map(str, present))


def _classes_at(raw: RawSplit, labels: npt.NDArray[Any], valid: npt.NDArray[np.bool_], classes: Sequence[str]) -> Int64Array:
    y = class_numbers(labels, classes)
    for stream, step in np.argwhere((y == NO_CLASS) & valid)[:1]:
        label = labels[stream, step].item()
        said = no_class(label, classes, "correct it, or drop the stream")
        raise InputError(f"{raw.where} has label {label!r} at stream {stream}, step {step}, {said}")
    return np.where(valid, y, 0)


def _from_log(path: Path, log: LabelledLog, classes: Sequence[str], labelled: bool) -> StreamSet:
    known = tuple(classes) or class_order({str(label) for recording in log.recordings for label in np.unique(recording.labels)})
    index = {name: place for place, name in enumerate(known)} if labelled else {}
    for recording in log.recordings if labelled else ():
        for row in np.flatnonzero(~np.isin(recording.labels, known))[:1]:
            label = str(recording.labels[row])
            at = f"{recording.path}, line {recording.lines[row]}: column {log.label!r}"
            raise InputError(f"{at} is {label!r}, {no_class(label, known, 'correct it, or delete the line')}")
    x, lengths = pad_sequences([recording.values for recording in log.recordings])
    y, _ = pad_sequences(
        [np.array([[index.get(label, UNLABELLED)] for label in map(str, recording.labels)], np.int64) for recording in log.recordings]
    )
    names, member = np.unique([recording.group for recording in log.recordings], return_inverse=True)
    raw = RawSplit(str(path), "stream", x.astype(np.int64) if log.integer else x, y[:, :, 0], lengths)
    streams = Streams(checked_values(raw)[0], y[:, :, 0], lengths, member.astype(np.int64))
    return StreamSet(path.stem, streams, known, log.channels, tuple(map(str, names)))
