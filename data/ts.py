"""The .ts text format of the UEA archive, as sktime and aeon read it: '@' headers, then a sequence a line, channels between ':'.

Values are numbers separated by commas, and the class comes last. Time stamps and missing values are refused.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..errors import InputError, counted
from ..store import read_file
from ..text_files import TextError, decimal, decode_text, whole_number
from .raw import RawDataset, RawSplit, pad_sequences

FloatSequence = npt.NDArray[np.float64]


@dataclass
class _TsFile:
    path: Path
    headers: dict[str, str] = field(default_factory=dict)
    sequences: list[FloatSequence] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    labelled: bool = True

    @property
    def ends_in_labels(self) -> bool:
        """Whether the last of what ':' parts is the class."""
        return self.headers.get("classlabel", "true").lower().startswith("true")

    @property
    def classes(self) -> tuple[str, ...] | None:
        return tuple(self.headers.get("classlabel", "").split()[1:]) or None


def read_ts_pair(train: Path, test: Path) -> RawDataset:
    """The data set of two .ts files. Raises InputError, with the line's number, for what is missing, damaged or unsupported."""
    first, second = _read(train), _read(test)
    if first.classes and second.classes and set(first.classes) != set(second.classes):
        declared = f"({' '.join(second.classes)}) than {train} ({' '.join(first.classes)})"
        raise InputError(f"{test} declares other classes {declared}: give the two files of one data set")
    name = first.headers.get("problemname") or train.stem
    return RawDataset(name, _split(first, "train"), _split(second, "test"), first.classes or second.classes)


def read_ts(path: Path, *, labelled: bool = True) -> tuple[RawSplit, tuple[str, ...] | None]:
    """(the sequences of one .ts file, its classes where it declares them). Raises InputError as above.

    labelled: whether labels are read, and must be there; else whatever stands in their place is none of the readings.
    """
    file = _read(path, labelled)
    return _split(file, "test"), file.classes


def _split(file: _TsFile, name: Literal["train", "test"]) -> RawSplit:
    x, lengths = pad_sequences(file.sequences)
    return RawSplit(str(file.path), name, x, np.array(file.labels, np.str_), lengths)


def _read(path: Path, labelled: bool = True) -> _TsFile:
    file = _TsFile(path, labelled=labelled)
    lines = _lines(path)
    _read_headers(file, lines)
    for number, line in lines:
        _read_sequence(file, number, line)
    if not file.sequences:
        raise InputError(f"{path} has no sequence after @data: it may be truncated, write or copy it again")
    return file


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        text = decode_text(read_file(path))
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror or error}): check the path") from error
    except TextError as error:
        raise InputError(f"{path}, line {error.line}: {error}") from error
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            yield number, stripped


def _read_headers(file: _TsFile, lines: Iterator[tuple[int, str]]) -> None:
    for number, line in lines:
        key, _, value = line.partition(" ")
        if not key.startswith("@"):
            raise InputError(f"{file.path}, line {number}: text before @data that is no '@' header: give a UEA .ts file")
        if key.lower() == "@data":
            return _check_headers(file)
        file.headers[key[1:].lower()] = value.strip()
    raise InputError(f"{file.path} has no @data line: give a UEA .ts file, complete")


def _check_headers(file: _TsFile) -> None:
    if file.headers.get("timestamps", "false").lower() == "true":
        raise InputError(f"{file.path} has time stamps among its values (@timeStamps true): write it without them")
    if "targetlabel" in file.headers or (file.labelled and not file.ends_in_labels):
        raise InputError(f"{file.path} has no class labels (@classLabel true ...): give a data set for classification")
    dimensions = file.headers.get("dimensions", file.headers.get("dimension", "1"))
    if whole_number(dimensions) is None:
        raise InputError(f"{file.path} declares @dimensions {dimensions!r}: write the number of channels")


def _read_sequence(file: _TsFile, number: int, line: str) -> None:
    *channels, label = line.split(":") if file.ends_in_labels else [*line.split(":"), ""]
    at = f"{file.path}, line {number}"
    if not channels or (file.labelled and not label.strip()):
        raise InputError(f"{at}: no class label after the last ':': it may be truncated, write or copy it again")
    sequence = _channels(at, channels)
    expected = _expected_channels(file)
    if expected and len(channels) != expected:
        raise InputError(f"{at}: {counted(len(channels), 'channel')} instead of {expected}: write every sequence with the same channels")
    if file.labelled and file.classes and label.strip() not in file.classes:
        raise InputError(f"{at}: class {label.strip()!r} is not declared in @classLabel ({' '.join(file.classes)}): correct it")
    file.sequences.append(sequence)
    file.labels.append(label.strip())


def _expected_channels(file: _TsFile) -> int:
    declared = file.headers.get("dimensions", file.headers.get("dimension"))
    if declared:
        return int(declared)
    return file.sequences[0].shape[1] if file.sequences else 0


def _channels(at: str, channels: list[str]) -> FloatSequence:
    values = [_numbers(at, channel, text) for channel, text in enumerate(channels)]
    for channel, numbers in enumerate(values):
        if len(numbers) != len(values[0]):
            steps = f"{counted(len(numbers), 'step')} and channel 0 has {len(values[0])}"
            raise InputError(f"{at}: channel {channel} has {steps}: write equal lengths")
    return np.array(values, np.float64).T


def _numbers(at: str, channel: int, text: str) -> list[float]:
    return [_number(at, channel, step, item.strip()) for step, item in enumerate(text.split(","))]


def _number(at: str, channel: int, step: int, item: str) -> float:
    value = decimal(item)
    if value is not None and math.isfinite(value):
        return value
    place = f"{at}: channel {channel}, step {step} (counting from 0)"
    if item.lower() in ("?", "nan"):
        raise InputError(f"{place} is missing ({item}): fill it in or drop the sequence")
    raise InputError(f"{place} is {item!r}, not a finite number: correct it or drop the sequence")
