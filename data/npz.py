"""Data sets as .npz archives: x_train, y_train, x_test, y_test or x and y, optional lengths, names, groups. No pickles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from numpy.lib.format import MAGIC_PREFIX

from ..errors import InputError, did_you_mean, nearest
from ..graph.archive import ArchiveError, Arrays, ObjectArrayError, read_archive
from ..recipe import DataSection
from ..store import open_file
from .arrays_to_split import BESIDE, TO_SPLIT, is_to_split, split_arrays, whole
from .hidden import is_hidden
from .npz_names import NAME_ARRAYS, SAMPLE_RATE, NpzNames
from .raw import RawDataset, RawSplit
from .source_keys import refuse_unread_keys

REQUIRED = ("x_train", "y_train", "x_test", "y_test")
"""Keys that must be there."""
OPTIONAL_ARRAYS = ("lengths_train", "lengths_test", "length_train", "length_test", "group_train", *NAME_ARRAYS)
"""Keys that are read when they are there; others are ignored unless they look like a misspelt one of these.

group_train: integers or strings, whose sequences stay together in the validation split."""
STREAM_ARRAYS = ("x_stream", "y_stream", "lengths_stream", "group_stream")
"""Keys of continuous recordings with a label a reading, of which the first two must be there."""
LABELS = ("y_train", "y_test", "y_stream", "classes")
"""Keys that nothing reads which does without labels."""
_KNOWN = ("group_test", *STREAM_ARRAYS)
"""Not read for training: the test split is not split again but where its groups are calibrated, and streams are for `rescomp evaluate`."""


def read_npz(path: Path, data: DataSection, *, grouped: bool = False) -> RawDataset:
    """The data set in `path`, values unchecked, split as `data` says where it is not. grouped: with the groups of the test split, too.

    Raises InputError when the file is missing or damaged or lacks an array, and for a key of `data` that it leaves without a meaning.
    """
    arrays = load_arrays(path)
    to_split = is_to_split(arrays)
    refuse_unread_keys(data, "arrays without a split" if to_split else "arrays")
    _check_keys(path, arrays, to_split=to_split)
    if to_split:
        train, test = split_arrays(path, arrays, data)
        test = test if grouped else replace(test, groups=None)
    else:
        train, test = (_split(path, arrays, name, grouped=grouped or name == "train") for name in ("train", "test"))
    names = NpzNames.of(path, arrays, train.x)
    facts: dict[str, Any] = {} if names.sample_rate is None else {SAMPLE_RATE: names.sample_rate}
    facts |= {"split": data.split} if to_split else {}
    return RawDataset(path.stem, train, test, names.classes, names.channels, facts, unit=names.unit)


def read_npz_part(path: Path, *, labelled: bool = True) -> tuple[RawSplit, NpzNames] | None:
    """(the test split in `path`, or all of what has none, values unchecked; what it says of them), or None where there is neither.

    labelled: whether labels are read, and must be there; else they are empty. Raises InputError as above.
    """
    arrays = load_arrays(path, labelled=labelled)
    if is_to_split(arrays):
        _check_keys(path, arrays, to_split=True, labelled=labelled)
        return whole(path, arrays, labelled=labelled), NpzNames.of(path, arrays, arrays["x"])
    if "x_test" not in arrays and "y_test" not in arrays:
        return None
    for key in ("x_test", "y_test")[: 1 + labelled]:
        if key not in arrays:
            raise InputError(f"{path} has no array {key!r} (it holds {', '.join(arrays)}): add it")
    for key in arrays:
        if key.lower() in ("length", "lengths"):
            raise InputError(f"{path} has an array {key!r}, which is not read{_misspelt(key)}")
    x = arrays["x_test"]
    y = arrays.get("y_test", np.full(x.shape[:1], ""))
    return RawSplit(str(path), "test", x, y, _lengths(path, arrays, "test"), arrays.get("group_test")), NpzNames.of(path, arrays, x)


def read_npz_streams(path: Path, *, labelled: bool = True) -> tuple[RawSplit, NpzNames]:
    """(the streams in `path`, values unchecked; what it says of them). labelled: as above. Raises InputError as above."""
    arrays = load_arrays(path, labelled=labelled)
    for key in STREAM_ARRAYS[: 1 + labelled]:
        if key not in arrays:
            hint = did_you_mean(key, set(arrays) - {*STREAM_ARRAYS}) or ": add it"
            raise InputError(f"{path} has no array {key!r} (it holds {', '.join(arrays) or 'nothing'}){hint}")
    for key in set(arrays) - {*STREAM_ARRAYS}:
        if "stream" in key.lower() or key.lower() in ("length", "lengths"):
            near = nearest(key, STREAM_ARRAYS)
            raise InputError(
                f"{path} has an array {key!r}, which is not read; the nearest one of streams is {near!r} (of {', '.join(STREAM_ARRAYS)})"
            )
    x = arrays["x_stream"]
    y = arrays.get("y_stream", np.full(x.shape[:2], ""))
    return RawSplit(str(path), "stream", x, y, arrays.get("lengths_stream"), arrays.get("group_stream")), NpzNames.of(path, arrays, x)


def load_arrays(path: Path, *, labelled: bool = True) -> Arrays:
    """Every array of the archive. Raises InputError when `path` is no readable .npz or holds pickled objects.

    labelled: whether labels and class names are among them.
    """

    def ignored(name: str) -> bool:
        return is_hidden(name) or (not labelled and name.removesuffix(".npy") in LABELS)

    try:
        with open_file(path) as file:
            if file.read(len(MAGIC_PREFIX)) == MAGIC_PREFIX:
                raise InputError(f"{path} holds a single array: save {', '.join(REQUIRED)} together with numpy.savez")
            return read_archive(file, path.stat().st_size, ignored)
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror or error}): check the path") from error
    except ObjectArrayError as error:
        raise InputError(f"{path}: {str(error)!r} is an object array, which rescomp does not read: store numbers or strings") from error
    except ArchiveError as error:
        raise InputError(f"{path} is not a readable .npz archive ({error}): it may be truncated, write or copy it again") from error


def _check_keys(path: Path, arrays: Arrays, *, to_split: bool, labelled: bool = True) -> None:
    required, optional = (TO_SPLIT[: 1 + labelled], (*BESIDE, *NAME_ARRAYS)) if to_split else (REQUIRED, OPTIONAL_ARRAYS)
    known = {*required, *optional, *_KNOWN}
    for key in required:
        if key not in arrays:
            hint = did_you_mean(key, set(arrays) - known) or ": add it"
            raise InputError(f"{path} has no array {key!r} (it holds {', '.join(arrays) or 'nothing'}){hint}")
    for key in arrays:
        hint = "" if key in known else _misspelt(key, optional)
        if hint:
            raise InputError(f"{path} has an array {key!r}, which is not read{hint}")


def _misspelt(key: str, optional: Sequence[str] = OPTIONAL_ARRAYS) -> str:
    # Silently ignored lengths would turn padding into data.
    if key.lower() in ("length", "lengths") and "lengths" not in optional:
        return ": name it for its split, lengths_train and lengths_test"
    return did_you_mean(key, optional) if key.lower().startswith(("len", "class", "chan", "group", "sampl", "rate", "unit")) else ""


def _split(path: Path, arrays: Arrays, name: Literal["train", "test"], *, grouped: bool) -> RawSplit:
    groups = arrays.get(f"group_{name}") if grouped else None
    return RawSplit(str(path), name, arrays[f"x_{name}"], arrays[f"y_{name}"], _lengths(path, arrays, name), groups)


def _lengths(path: Path, arrays: Arrays, name: str) -> npt.NDArray[Any] | None:
    found = [key for key in OPTIONAL_ARRAYS if key.startswith("length") and key.endswith(name) and key in arrays]
    if len(found) > 1:
        raise InputError(f"{path} has both {found[0]!r} and {found[1]!r}: keep one")
    other = "test" if name == "train" else "train"
    if not found and f"x_{other}" in arrays and any(f"{stem}_{other}" in arrays for stem in ("length", "lengths")):
        raise InputError(f"{path} has lengths for the {other} split and none for the {name} split: add 'lengths_{name}'")
    return arrays[found[0]] if found else None
