"""From a source's name to a checked data set."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from .bundled import names, read_bundled
from .check import check_splits
from .npz import read_npz
from .raw import RawDataset
from .split import Split
from .ts import read_ts_pair

__all__ = ["Dataset", "Split", "load_dataset"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """A training and a test split of the same classes and channels. digest: SHA-256 (hex) over classes and both splits' content."""

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    digest: str


def load_dataset(source: str) -> Dataset:
    """The data set that `source` names: a bundled set, a .npz file, or `TRAIN.ts,TEST.ts`.

    A .npz holds x_train, x_test ([sequences, time, channels], or [sequences, time] for one channel; integers stay integers),
    y_train, y_test (0..classes-1, or strings), optionally lengths_train, lengths_test and classes. Raises InputError, naming
    file, split, sequence, step and channel, when the source or a value cannot be used.
    """
    raw = _read(source.strip())
    train, test, classes = check_splits(raw)
    return Dataset(raw.name, train, test, classes, _digest(classes, train, test))


def _read(source: str) -> RawDataset:
    if source in names():
        return read_bundled(source)
    if source.endswith(".npz"):
        return read_npz(Path(source))
    if source.endswith(".ts"):
        return read_ts_pair(*_pair(source))
    if Path(source).suffix or Path(source).exists():
        raise InputError(f"{source!r} is no data that rescomp reads: give a .npz file, TRAIN.ts,TEST.ts or one of {', '.join(names())}")
    return read_bundled(source)


def _pair(source: str) -> tuple[Path, Path]:
    parts = [part.strip() for part in source.split(",")]
    if len(parts) != 2 or not all(parts):
        raise InputError(f"{source!r} does not name two .ts files: give the training and the test file as TRAIN.ts,TEST.ts")
    return Path(parts[0]), Path(parts[1])


def _digest(classes: tuple[str, ...], train: Split, test: Split) -> str:
    content = {"classes": list(classes), "train": train.digest(), "test": test.digest()}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
