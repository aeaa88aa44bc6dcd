"""CSV logs cut into recordings: readings of one group and one label, one after another in time without a gap; or of one group alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..recipe import DataSection
from ..text_files import escaped
from .csv_table import FloatColumn, Table, read_table
from .hidden import visible, visible_below
from .paces import Pace

DEFAULT_LABEL = "label"
"""The column of labels when data.label is unset."""
TIME_NAMES = ("timestamp", "time")
"""A column of one of these names (in any case) holds the times when data.time is unset: it is no channel."""


APART = 1 << 32
"""Readings between continuous recordings on the line on which `Recording.begin` is a place: more than any has."""


@dataclass(frozen=True, eq=False)
class Recording:
    """values: float64 [readings, channels]. begin: of its first reading, the place on a line of all readings of the source, on which one
    follows another without a gap where it did so in time, whatever their labels.
    """

    values: npt.NDArray[np.float64]
    label: str
    group: str
    begin: int

    def __len__(self) -> int:
        """Number of readings."""
        return len(self.values)


@dataclass(frozen=True, eq=False)
class Log:
    """All recordings of a source, in order. integer: every channel holds integers, the device's own readings. interval: the median step of
    the times, in their own unit; None without any. paces: of each file with times.
    """

    path: Path
    files: int
    channels: tuple[str, ...]
    integer: bool
    recordings: tuple[Recording, ...]
    interval: float | None = None
    paces: tuple[Pace, ...] = ()


@dataclass(frozen=True, eq=False)
class LabelledRecording:
    """A continuous recording. values: float64 [readings, channels]; labels: a text a reading. path, lines: where each reading stands."""

    values: npt.NDArray[np.float64]
    labels: npt.NDArray[np.str_]
    group: str
    path: Path
    lines: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LabelledLog:
    """All continuous recordings of a source, in order. channels, integer: as of a Log. label: the column's name."""

    channels: tuple[str, ...]
    integer: bool
    label: str
    recordings: tuple[LabelledRecording, ...]


@dataclass(frozen=True)
class _Source:
    """A file, the class that its folder names (None: a column does), and the group that it is."""

    path: Path
    label: str | None
    group: str


@dataclass(frozen=True)
class _Columns:
    """Which column is what."""

    label: str | None
    group: str | None
    time: str | None
    channels: tuple[str, ...]


def read_log(path: Path, data: DataSection, *, labelled: bool = True, grouped: bool = True) -> Log:
    """The recordings in a CSV file or a folder of CSV files, columns as `data` names them. Raises InputError with file and line.

    labelled: whether labels are read, and must be there; else all are empty, and cut nothing. grouped: whether data.group must be there;
    else a file without it is a group.
    """
    sources = _sources(path, data)
    recordings: list[Recording] = []
    intervals: list[FloatColumn] = []
    paces: list[Pace] = []
    integer = True
    for source, table, columns in _tables(sources, data, labelled, grouped):
        begin = recordings[-1].begin + APART if recordings else 0
        recordings += _cut(table, columns, source, data.gap, begin)
        steps, gaps = _steps_and_gaps(table, columns, source, data.gap)
        intervals.append(steps)
        if columns.time:
            paces.append(Pace(escaped(source.path.name), float(np.median(steps)) if len(steps) else None, gaps))
        integer = integer and all(table.is_integer(name) for name in columns.channels)
    interval = float(np.median(np.concatenate(intervals))) if any(map(len, intervals)) else None
    return Log(path, len(sources), columns.channels, integer, tuple(recordings), interval, tuple(paces))


def has_labelled_readings(path: Path, data: DataSection) -> bool:
    """Whether a column of the logs in `path` gives each reading its label, rather than a folder its files. Raises InputError."""
    return all(source.label is None for source in _sources(path, data))


def read_labelled_log(path: Path, data: DataSection, *, labelled: bool = True, grouped: bool = True) -> LabelledLog:
    """The same logs cut at gaps and where another group begins, not where the label changes. Raises InputError with file and line."""
    recordings: list[LabelledRecording] = []
    integer = True
    for source, table, columns in _tables(_sources(path, data), data, labelled, grouped):
        if labelled and columns.label is None:
            raise InputError(f"{path} has a sub-folder a class: recordings of one class each are no streams, whose readings have labels")
        values, groups, labels = _values(table, columns), _groups(table, columns, source), _labels(table, columns, source)
        lines = np.array(table.lines)
        for part in _parts(groups, np.zeros(len(table), np.str_), _times(table, columns), data.gap):
            recordings.append(LabelledRecording(values[part], labels[part], str(groups[part[0]]), table.path, lines[part]))
        integer = integer and all(table.is_integer(name) for name in columns.channels)
    return LabelledLog(columns.channels, integer, columns.label or "", tuple(recordings))


def _tables(sources: Iterable[_Source], data: DataSection, labelled: bool, grouped: bool) -> Iterator[tuple[_Source, Table, _Columns]]:
    """Each file with the columns to read. labelled, grouped: as of read_log."""
    columns: _Columns | None = None
    for source in sources:
        table = read_table(source.path)
        roles = _roles(data, source.label is not None)
        group = data.group if grouped or data.group in table.columns else None
        columns = columns or _columns(table, data, roles, {"data.label": roles["data.label"] if labelled else None, "data.group": group})
        _check_columns(table, columns, data, roles.values())
        yield source if labelled else replace(source, label=""), table, replace(columns, group=group)


def _sources(path: Path, data: DataSection) -> list[_Source]:
    if not path.is_dir():
        return [_Source(path, None, path.name)]
    folders = [entry for entry in visible(path) if entry.is_dir()]
    loose = csv_files(visible(path))
    if folders and loose:
        raise InputError(f"{path} holds CSV files beside sub-folders: keep one sub-folder a class, or files with a label column alone")
    if not folders and not loose:
        raise InputError(f"{path} holds no CSV file: give a folder of CSV files, or one with a sub-folder a class")
    if not folders:
        return [_Source(file, None, file.name) for file in loose]
    return [source for folder in folders for source in _class_folder(folder, None if data.label else folder.name)]


def _class_folder(folder: Path, label: str | None) -> list[_Source]:
    files = csv_files(visible_below(folder))
    if not files:
        raise InputError(f"{folder} holds no CSV file: each sub-folder is a class with its recordings; add some or remove it")
    return [_Source(file, label, file.relative_to(folder.parent).as_posix()) for file in files]


def csv_files(entries: Iterable[Path]) -> list[Path]:
    """Those among the entries of folders, by name."""
    return sorted(entry for entry in entries if entry.suffix.lower() == ".csv" and not entry.is_dir())


def _roles(data: DataSection, by_folder: bool) -> dict[str, str | None]:
    """The column of labels and that of groups, by key. by_folder: no column holds labels unless data.label names one."""
    return {"data.label": data.label or (None if by_folder else DEFAULT_LABEL), "data.group": data.group}


def _columns(table: Table, data: DataSection, roles: dict[str, str | None], read: dict[str, str | None]) -> _Columns:
    """What each column is, from the recipe and the first file. roles: what is no channel; read: those of them that are read."""
    time = data.time or next((name for name in table.columns if name.lower() in TIME_NAMES and name not in (data.channels or ())), None)
    named = {**read, "data.time": time}
    for key, name in named.items():
        if name is not None:
            table.column(name, key)
    others = [name for name in table.columns if name not in (*roles.values(), time)]
    channels = data.channels or tuple(name for name in others if table.looks_numeric(name))
    if not channels:
        raise InputError(f"{table.top}: no column but {', '.join(filter(None, (*roles.values(), time)))} holds numbers: add a channel")
    _check_roles(named, channels)
    return _Columns(read["data.label"], read["data.group"], time, channels)


def _check_roles(named: dict[str, str | None], channels: tuple[str, ...]) -> None:
    taken: dict[str, str] = {}
    for key, name in [*named.items(), *(("data.channels", name) for name in channels)]:
        if name is not None and name in taken:
            raise InputError(f"column {name!r} is named by {taken[name]} and by {key}: a column has one role")
        if name is not None:
            taken[name] = key


def _check_columns(table: Table, columns: _Columns, data: DataSection, others: Iterable[str | None]) -> None:
    """Refuse a file with a column of numbers that the first file has not, instead of dropping it silently. others: no channels."""
    known = (*columns.channels, columns.time, *others)
    if data.channels is None:
        for name in table.columns:
            if name not in known and table.looks_numeric(name):
                raise InputError(f"{table.top}: column {name!r} is not in the first file: name the columns to use in data.channels")


def _cut(table: Table, columns: _Columns, source: _Source, gap: float, begin: int) -> list[Recording]:
    """The recordings of one file, group after group. begin: the place of the first of them."""
    values, groups = _values(table, columns), _groups(table, columns, source)
    labels, times = _labels(table, columns, source), _times(table, columns)
    line = np.empty(len(table), np.int64)
    for number, part in enumerate(_parts(groups, np.zeros(len(table), np.str_), times, gap)):
        line[part] = begin + number * APART + np.arange(len(part))
    parts = _parts(groups, labels, times, gap)
    return [Recording(values[part], str(labels[part[0]]), str(groups[part[0]]), int(line[part[0]])) for part in parts]


def _values(table: Table, columns: _Columns) -> npt.NDArray[np.float64]:
    return np.stack([table.numbers(name) for name in columns.channels], axis=1)


def _groups(table: Table, columns: _Columns, source: _Source) -> npt.NDArray[np.str_]:
    return np.array(table.texts(columns.group, "data.group") if columns.group else (source.group,) * len(table))


def _labels(table: Table, columns: _Columns, source: _Source) -> npt.NDArray[np.str_]:
    return np.array(table.texts(columns.label, "data.label") if columns.label else (source.label or "",) * len(table))


def _times(table: Table, columns: _Columns) -> FloatColumn | None:
    return table.times(columns.time) if columns.time else None


def _steps_and_gaps(table: Table, columns: _Columns, source: _Source, gap: float) -> tuple[FloatColumn, int]:
    """(steps of time between neighbouring readings of each group, without gaps and those that do not go forward; how many gaps)."""
    times, groups = _times(table, columns), _groups(table, columns, source)
    if times is None:
        return np.zeros(0), 0
    parts = list(_parts(groups, np.zeros(len(table), np.str_), times, gap))
    steps = np.concatenate([np.diff(times[part]) for part in parts])
    return steps[steps > 0], len(parts) - len(np.unique(groups))


def _parts(
    groups: npt.NDArray[np.str_], labels: npt.NDArray[np.str_], times: FloatColumn | None, gap: float
) -> Iterator[npt.NDArray[np.int64]]:
    """The rows of each recording: of one group and one label, without a gap."""
    _, member, counts = np.unique(groups, return_inverse=True, return_counts=True)
    for rows in np.split(np.argsort(member, kind="stable"), np.cumsum(counts)[:-1]):
        yield from np.split(rows, _breaks(rows, labels[rows], times, gap))


def _breaks(rows: npt.NDArray[np.int64], labels: npt.NDArray[np.str_], times: FloatColumn | None, gap: float) -> npt.NDArray[np.int64]:
    """Positions in `rows` where a recording begins: another label, a gap in time or, without times, a reading of another group."""
    other = labels[1:] != labels[:-1]
    apart = np.diff(rows) != 1 if times is None else _gaps(times[rows], gap)
    return np.flatnonzero(other | apart) + 1


def _gaps(times: FloatColumn, gap: float) -> npt.NDArray[np.bool_]:
    """Where time steps back, or forward by more than `gap` median steps: bool [readings - 1]."""
    steps = np.diff(times)
    forward = steps[steps > 0]
    limit = gap * float(np.median(forward)) if forward.size else np.inf
    return np.asarray((steps < 0) | (steps > limit))
