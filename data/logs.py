"""A data set from CSV logs: recordings cut into windows, and split so that no group stands on both sides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from ..errors import InputError, counted
from ..recipe import DataSection
from ..text_files import whole_number
from .labels import refuse_other_classes
from .paces import remarks_on_paces
from .raw import RawDataset, RawSplit, pad_sequences
from .recordings import Log, Recording, read_log
from .splits import held_out


class _Cuttable(Protocol):
    """A recording, or where one lies."""

    @property
    def label(self) -> str: ...

    @property
    def group(self) -> str: ...

    def __len__(self) -> int: ...


_Cut = TypeVar("_Cut", bound=_Cuttable)


@dataclass(frozen=True, eq=False)
class _Window:
    """A sequence to classify. group: for later splits of its side. begin: see Recording."""

    values: npt.NDArray[np.float64]
    label: str
    group: str
    begin: int


def read_logs(path: Path, data: DataSection, known: Sequence[str] = ()) -> RawDataset:
    """The data set of a CSV file or a folder of CSV files. Raises InputError with file and line, or with the class that is short.

    known: the classes that the logs must have, where they are for a net.
    """
    if data.stride is not None and data.window is None:
        raise InputError("data.stride needs data.window: set the number of readings in a window")
    log = read_log(path, data)
    classes = several_classes(path, {recording.label for recording in log.recordings})
    if known:
        refuse_other_classes(path, classes, known)
    train, test = (_by_group if data.split == "group" else _by_time)(log, classes, data)
    splits = _raw(log, "train", train), _raw(log, "test", test)
    notes = tuple(remarks_on_paces(log.paces, log.interval, data.gap))
    return RawDataset(path.stem, *splits, classes, log.channels, _facts(log, data, train, test), notes)


def read_windows(path: Path, data: DataSection, *, labelled: bool, grouped: bool) -> tuple[RawSplit | None, Log]:
    """(every window of the logs, split or not, None where no recording fills one; the logs). labelled, grouped: as of read_log.

    Raises InputError as above.
    """
    log = read_log(path, data, labelled=labelled, grouped=grouped)
    windows = list(_windows(log.recordings, data))
    return _raw(log, "test", windows) if windows else None, log


def in_windows(log: Log, data: DataSection) -> int:
    """How many readings of the logs lie in a window."""
    if data.window is None:
        return sum(map(len, log.recordings))
    stride, total = data.stride or data.window, 0
    for recording in log.recordings:
        more = (len(recording) - data.window) // stride
        total += data.window + more * min(stride, data.window) if more >= 0 else 0
    return total


def _by_group(log: Log, classes: Sequence[str], data: DataSection) -> tuple[list[_Window], list[_Window]]:
    windows = list(_windows(log.recordings, data))
    _check_classes(log, windows, classes, data, "")
    groups = sorted({window.group for window in windows})
    if len(groups) < 2:
        raise InputError(
            f"{log.path} has one group only ({groups[0]}), which cannot stand on both sides of the split: name a group column in "
            "data.group (subject, device, session), record another group, or split each class in time with data.split = 'time'"
        )
    member = np.array([groups.index(window.group) for window in windows])
    y = np.array([classes.index(window.label) for window in windows])
    chosen = held_out(member, y, data.test_fraction, data.split_seed)
    for label in classes:
        if label not in {window.label for window, test in zip(windows, chosen, strict=True) if test}:
            own = sorted({window.group for window in windows if window.label == label})
            raise InputError(
                f"{log.path}: class {label!r} cannot stand on both sides of the split without taking a group apart (it has "
                f"{len(own)}: {', '.join(own[:3])}{', ...' if len(own) > 3 else ''}): record another group, or set data.split = 'time'"
            )
    return _select(windows, ~chosen), _select(windows, chosen)


def _by_time(log: Log, classes: Sequence[str], data: DataSection) -> tuple[list[_Window], list[_Window]]:
    """The last readings of each class and group to test; recordings are cut before the windows are, so no reading is on both sides."""
    if data.window is None:
        raise InputError("data.split = 'time' cuts recordings in two, so it needs data.window: set the number of readings in a window")
    early: list[Recording] = []
    late: list[Recording] = []
    for number, (recording, cut) in enumerate(cuts(log.recordings, data.test_fraction)):
        # Windows that overlap share readings: a later split may not take a recording apart.
        part = replace(recording, group=str(number) if (data.stride or data.window) < data.window else "")
        early += [replace(part, values=part.values[:cut])] if cut else []
        late += [replace(part, values=part.values[cut:], begin=part.begin + cut)] if cut < len(part) else []
    train, test = list(_windows(early, data)), list(_windows(late, data))
    _check_classes(log, train, classes, data, " in the training part")
    _check_classes(log, test, classes, data, " in the test part")
    return train, test


def cuts(recordings: Sequence[_Cut], fraction: float) -> Iterator[tuple[_Cut, int]]:
    """Each recording, and how many of its readings are for training: all but the last `fraction` of each class and group."""
    total: dict[tuple[str, str], int] = {}
    for recording in recordings:
        key = recording.group, recording.label
        total[key] = total.get(key, 0) + len(recording)
    left = {key: readings - round(fraction * readings) for key, readings in total.items()}
    for recording in recordings:
        key = recording.group, recording.label
        cut = min(left[key], len(recording))
        left[key] -= cut
        yield recording, cut


def _windows(recordings: Sequence[Recording], data: DataSection) -> Iterator[_Window]:
    for recording in recordings:
        size = data.window or len(recording)
        for start in range(0, len(recording) - size + 1, data.stride or size):
            yield _Window(recording.values[start : start + size], recording.label, recording.group, recording.begin + start)


def _check_classes(log: Log, windows: Sequence[_Window], classes: Sequence[str], data: DataSection, where: str) -> None:
    present = {window.label for window in windows}
    for label in classes:
        if label not in present:
            longest = max(len(recording) for recording in log.recordings if recording.label == label)
            raise InputError(
                f"{log.path}: no recording of class {label!r}{where} fills a window of {counted(data.window or 1, 'reading')} "
                f"(the longest has {longest} in all): lower data.window, or raise data.gap if the log was cut at gaps in time"
            )


def _select(windows: Sequence[_Window], chosen: npt.NDArray[np.bool_]) -> list[_Window]:
    return [window for window, here in zip(windows, chosen, strict=True) if here]


def several_classes(source: object, labels: set[str]) -> tuple[str, ...]:
    """The classes of a source, in order. Raises InputError where there is one alone."""
    classes = class_order(labels)
    if len(classes) < 2:
        raise InputError(f"{source} has one class only ({classes[0]}): a classifier needs two")
    return classes


def class_order(labels: set[str]) -> tuple[str, ...]:
    """By number where all labels are numbers, else by name."""
    return tuple(sorted(labels, key=(lambda label: (int(label), label)) if all(map(_is_integer, labels)) else str))


def _is_integer(label: str) -> bool:
    return whole_number(label.removeprefix("-")) is not None


def _raw(log: Log, name: Literal["train", "test"], windows: Sequence[_Window]) -> RawSplit:
    x, lengths = pad_sequences([window.values for window in windows])
    labels, groups = np.array([window.label for window in windows]), np.array([window.group for window in windows])
    values = x.astype(np.int64) if log.integer else x
    begins = np.array([window.begin for window in windows], np.int64)
    groups_or_none = groups if any(window.group for window in windows) else None
    return RawSplit(str(log.path), name, values, labels, lengths, groups_or_none, np.stack([begins, begins + lengths], axis=1))


def _facts(log: Log, data: DataSection, train: Sequence[_Window], test: Sequence[_Window]) -> dict[str, Any]:
    """What the manifest records of the log and its split."""
    used = sum(len(recording) for recording in log.recordings if len(recording) >= (data.window or 1))
    return {
        **({} if log.interval is None else {"interval": log.interval}),
        "files": log.files,
        "recordings": len(log.recordings),
        "readings": sum(map(len, log.recordings)),
        "readings_too_short_for_a_window": sum(map(len, log.recordings)) - used,
        "split": data.split,
        "train_groups": sorted({window.group for window in train}) if data.split == "group" else [],
        "test_groups": sorted({window.group for window in test}) if data.split == "group" else [],
    }
