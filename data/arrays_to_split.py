"""Arrays that nobody has split yet: a part of them goes to test, whole groups where they are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError, counted
from ..graph.archive import Arrays
from ..recipe import DataSection
from .raw import RawSplit
from .split import Int64Array
from .splits import drawn_of_each, held_out, last_of_each

TO_SPLIT = ("x", "y")
"""Keys that must be there."""
BESIDE = ("lengths", "group")
"""Keys that are read when they are there; group: integers or strings, whose sequences stay on one side."""


def is_to_split(arrays: Arrays) -> bool:
    """Whether an archive holds recordings without a split."""
    return "x" in arrays and "x_train" not in arrays and "x_test" not in arrays


def whole(path: Path, arrays: Arrays, *, labelled: bool = True) -> RawSplit:
    """All of them as one split, values unchecked. labelled: whether labels must be there; else they are empty. Raises InputError."""
    if labelled and "y" not in arrays:
        raise InputError(f"{path} has an array 'x' and no 'y' (it holds {', '.join(arrays)}): add the labels as 'y'")
    x = arrays["x"]
    for key in ("y", *BESIDE):
        if key in arrays and arrays[key].shape != x.shape[:1]:
            raise InputError(f"{path} has {key!r} of shape {list(arrays[key].shape)} for {x.shape[0] if x.ndim else 0} sequences: one each")
    y = arrays.get("y", np.full(x.shape[:1], ""))
    return RawSplit(str(path), "test", x, y, arrays.get("lengths"), arrays.get("group"))


def split_arrays(path: Path, arrays: Arrays, data: DataSection) -> tuple[RawSplit, RawSplit]:
    """(train, test): data.test_fraction of every class to test, by data.split.

    `group`: whole groups, where they are named, else sequences drawn at random; `time`: the last sequences of each class. Raises InputError
    where a class cannot stand on both sides.
    """
    every = whole(path, arrays)
    if every.labels.dtype.kind not in "biuU" or not len(every.x):
        raise InputError(f"{path} has 'y' of type {every.labels.dtype} and shape {list(every.labels.shape)}: store integers or strings")
    rows = _test_rows(path, every.labels, every.groups, data)
    chosen = np.isin(np.arange(len(every.x)), rows)
    for label in np.unique(every.labels):
        of_class = every.labels == label
        if not chosen[of_class].any() or chosen[of_class].all():
            has = counted(len(np.unique(every.groups[of_class])), "group") if every.groups is not None else "1 sequence"
            raise InputError(
                f"{path}: class {label.item()!r} cannot stand on both sides of the split (it has {has}): record more, or store "
                "x_train, y_train, x_test and y_test"
            )
    return _part(every, "train", np.flatnonzero(~chosen)), _part(every, "test", np.flatnonzero(chosen))


def _test_rows(path: Path, y: npt.NDArray[Any], groups: npt.NDArray[Any] | None, data: DataSection) -> Int64Array:
    if data.split == "time":
        return last_of_each(y, data.test_fraction)
    if groups is None:
        return drawn_of_each(y, data.test_fraction, data.split_seed)
    if groups.dtype.kind not in "iuU":
        raise InputError(f"{path} has groups of type {groups.dtype}: store one integer or string a sequence")
    member = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    if member.max() == 0:
        raise InputError(f"{path} has one group only ({groups[0]}), which cannot stand on both sides of the split: record another one")
    return np.flatnonzero(held_out(member, np.unique(y, return_inverse=True)[1].astype(np.int64), data.test_fraction, data.split_seed))


def _part(every: RawSplit, name: Any, rows: Int64Array) -> RawSplit:
    known = (None if array is None else array[rows] for array in (every.lengths, every.groups))
    return RawSplit(every.file, name, every.x[rows], every.labels[rows], *known)
