"""The data sets that come with rescomp, and their compact file format.

A bundled file holds, for `train` and `test`, labels, lengths and the valid steps as decimal integers (value * 10^decimals). The
steps are stored as differences in time within each sequence, zigzag coded (0, -1, 1, -2, ... become 0, 1, 2, 3, ...) and split
into byte planes, because that is what deflate shrinks best: uint8 [planes, channels, sum of lengths].
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..errors import InputError, did_you_mean
from .npz import load_arrays
from .raw import RawDataset, RawSplit, pad_sequences

_FOLDER = Path(__file__).parent / "bundled"

Wide = npt.NDArray[np.int64]


def names() -> tuple[str, ...]:
    """The bundled sets."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.npz")))


def read_bundled(name: str) -> RawDataset:
    """The bundled set `name`. Raises InputError when there is none, with the nearest name."""
    if name not in names():
        hint = did_you_mean(name, names()) or f": give one of {', '.join(names())}, a .csv file or folder, a .npz file or TRAIN.ts,TEST.ts"
        raise InputError(f"no bundled data set is named {name!r}{hint}")
    arrays = load_arrays(_FOLDER / f"{name}.npz")
    return RawDataset(name, _unpack_split(name, arrays, "train"), _unpack_split(name, arrays, "test"), tuple(map(str, arrays["classes"])))


def pack(raw: RawDataset, decimals: int) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a bundled file for a data set whose values have at most `decimals` decimals; ValueError when they have more."""
    if raw.classes is None:
        raise ValueError("a bundled set names its classes")
    arrays: dict[str, npt.NDArray[Any]] = {"classes": np.array(raw.classes), "decimals": np.array(decimals, np.int16)}
    for split in (raw.train, raw.test):
        lengths = np.full(len(split.x), split.x.shape[1]) if split.lengths is None else split.lengths
        arrays[f"labels_{split.name}"] = split.labels
        arrays[f"lengths_{split.name}"] = lengths.astype(np.int16)
        arrays[f"steps_{split.name}"] = _pack_steps([_to_decimal(x[:length], decimals) for x, length in zip(split.x, lengths, strict=True)])
    return arrays


def _to_decimal(values: npt.NDArray[Any], decimals: int) -> Wide:
    integers: Wide = np.rint(values * 10.0**decimals).astype(np.int64)
    if not np.array_equal(integers / 10.0**decimals, values):
        raise ValueError(f"values have more than {decimals} decimals")
    return integers


def _pack_steps(sequences: list[Wide]) -> npt.NDArray[np.uint8]:
    change = np.concatenate([np.diff(sequence, axis=0, prepend=0) for sequence in sequences])
    zigzag = ((change << 1) ^ (change >> 63)).T
    planes = max(1, -(-int(zigzag.max()).bit_length() // 8))
    return np.array([(zigzag >> (8 * plane)) & 255 for plane in range(planes)], np.uint8)


def _unpack_steps(planes: npt.NDArray[np.uint8], lengths: Wide) -> list[Wide]:
    zigzag = sum((plane.astype(np.int64) << (8 * index) for index, plane in enumerate(planes)), np.int64(0)).T
    change = (zigzag >> 1) ^ -(zigzag & 1)
    return [np.cumsum(part, axis=0) for part in np.split(change, np.cumsum(lengths)[:-1])]


def _unpack_split(name: str, arrays: Mapping[str, npt.NDArray[Any]], split: Literal["train", "test"]) -> RawSplit:
    lengths = arrays[f"lengths_{split}"].astype(np.int64)
    integers, _ = pad_sequences(_unpack_steps(arrays[f"steps_{split}"], lengths))
    return RawSplit(name, split, integers / 10.0 ** int(arrays["decimals"]), arrays[f"labels_{split}"], lengths)
