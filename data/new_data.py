"""Data for a model that is there: single recordings and streams, of the model's channels and, where labels are read, of its classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import InputError, counted
from ..recipe import DataSection
from .bundled import names, read_bundled
from .check import checked_groups, checked_values, labels_among
from .images import is_image_folder, read_image_part
from .logs import in_windows, read_windows
from .npz import read_npz_part
from .npz_names import NpzNames
from .raw import RawSplit
from .recordings import Log
from .split import Split
from .streams import UNLABELLED, Streams, holds_streams, is_log, load_streams
from .ts import read_ts

LOG_KEYS = ("label", "group", "time", "channels", "window", "stride", "gap")
"""Of [data], by which new CSV logs are read; nothing of them is split."""


@dataclass(frozen=True, eq=False)
class NewData:
    """split: single recordings, None where there are streams alone, and without_split why; streams: continuous ones, None without any.

    groups, stream_groups: names by Split.groups and by Streams.groups. channels, unit: their names, and that of the readings,
    where the source gives them. interval: of
    CSV logs with times, see Log. readings, in_windows: of CSV logs: how many there are, and how many lie in a window.
    """

    name: str
    split: Split | None
    streams: Streams | None
    groups: tuple[str, ...] = ()
    stream_groups: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    unit: str = ""
    without_split: str = ""
    interval: float | None = None
    readings: int = 0
    in_windows: int = 0


def load_new_data(data: DataSection, classes: Sequence[str], channels: int, *, labelled: bool = True, grouped: bool = False) -> NewData:
    """What `data` names, for a model of these classes and so many channels.

    A bundled set's test part; a .npz with x_test, y_test and optionally lengths_test, or with x, y and lengths, or with streams
    (see load_streams), or both; a .ts
    file (of TRAIN.ts,TEST.ts the second); CSV logs, every window of them and the streams that they are; a folder of images, or its folder
    test. labelled: whether labels are read, and must be there; else classes are UNLABELLED. grouped: whether CSV logs must have data.group;
    else a file without it is a group. Raises InputError, naming the place, for what is damaged, of other channels, or of a class that the
    model has not.
    """
    source = data.source.strip()
    raw, said, log = _read(source, data, labelled, grouped)
    kept = holds_streams(data, labelled=labelled)
    # before the windows of a log: a wrong label is told by its line
    streams = load_streams(data, tuple(classes), labelled=labelled, grouped=grouped) if kept else None
    split = None if raw is None else _checked(raw, said.classes, tuple(classes), labelled)
    without = "" if split is not None else _without_split(source, data, kept)
    if split is None and streams is None:
        raise InputError(without)
    for part in (split, streams.streams if streams else None):
        if part is not None and part.x.shape[-1] != channels:
            raise InputError(
                f"{source} has {counted(part.x.shape[-1], 'channel')} and the model reads {channels}: give recordings of the same sensors"
            )
    groups = () if raw is None or raw.groups is None else tuple(map(str, np.unique(raw.groups)))
    found = NewData(Path(source).stem, split, None, groups, channels=said.channels, unit=said.unit)
    if log is not None:
        readings, inside = sum(map(len, log.recordings)), in_windows(log, data)
        found = replace(found, channels=log.channels, interval=log.interval, readings=readings, in_windows=inside)
    if streams is not None:
        found = replace(found, streams=streams.streams, stream_groups=streams.groups, without_split=without)
    return found


def _without_split(source: str, data: DataSection, streams: bool) -> str:
    """Why there are no single recordings, and what to do."""
    if is_log(source):
        window = counted(data.window or 1, "reading")
        return f"{source}: no recording fills a window of {window}: give longer ones{', or --stream' if streams else ''}"
    if streams:
        return f"{source} holds streams alone: give --stream, or recordings as x_test"
    return f"{source} holds neither x_test nor x_stream: store recordings as x_test, or continuous ones as x_stream"


def section_for(source: str, data: DataSection, channels: Sequence[str]) -> DataSection:
    """How to read new data: CSV logs by the keys of `data` that are of logs, and the columns `channels`, unless that is empty."""
    if not is_log(source):
        return DataSection.of(source)
    kept = {key: getattr(data, key) for key in LOG_KEYS}
    return DataSection.of(source, **{**kept, **({"channels": tuple(channels)} if channels else {})})


def _read(source: str, data: DataSection, labelled: bool, grouped: bool) -> tuple[RawSplit | None, NpzNames, Log | None]:
    """(single recordings, None where there are none; what the source says of them; what CSV logs are)."""
    path, lower = Path(source), source.lower()
    if source in names():
        bundled = read_bundled(source)
        return bundled.test, NpzNames(bundled.classes), None
    if lower.endswith(".npz"):
        return *(read_npz_part(path, labelled=labelled) or (None, NpzNames())), None
    if lower.endswith(".ts"):
        part, classes = read_ts(Path(source.rpartition(",")[2].strip()), labelled=labelled)
        return part, NpzNames(classes), None
    if path.is_dir() and is_image_folder(path):
        return read_image_part(path), NpzNames(), None
    if is_log(source):
        raw, log = read_windows(path, data, labelled=labelled, grouped=grouped)
        return raw, NpzNames(), log
    raise InputError(
        f"{source!r} is no data that rescomp reads: give a .csv file or a folder of them, a folder of images, a .npz file, a .ts file or "
        f"one of {', '.join(names())}"
    )


def _checked(raw: RawSplit, named: tuple[str, ...] | None, classes: tuple[str, ...], labelled: bool) -> Split:
    x, lengths = checked_values(raw)
    if labelled and raw.labels.dtype.kind == "U" and not (raw.labels != "").any():
        raise InputError(f"{raw.where} has no labels: give some, or let the model answer with `rescomp predict`")
    y = labels_among(raw, named, classes) if labelled else np.full(len(x), UNLABELLED, np.int64)
    return Split(x, y, lengths, checked_groups(raw))
