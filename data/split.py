"""Labelled sequences of one split, and what every later stage asks of them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]
ValueArray = Float32Array | npt.NDArray[np.int32] | npt.NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Split:
    """Labelled sequences of different lengths.

    x: [sequences, longest, channels], float32 in the data's own units, or int32 for sensors that give integers; zero past a
    sequence's end. Images are [samples, height, width, channels], their rows in the place of time; their integers are int16.
    y: int64 [sequences], the class. lengths: int64 [sequences], valid steps, 1..longest. groups: int64 [sequences];
    sequences of one group (a subject, a device, a recording) stay together when the split is split again. None: each is its own.
    spans: int64 [sequences, 2], where the readings of each begin and end on a line of all readings, on which continuous recordings lie
    farther apart than any is long. None: nothing is known of what came before a sequence. held: bool [sequences], those that the source
    itself keeps for validation; None: it says nothing.
    """

    x: ValueArray
    y: Int64Array
    lengths: Int64Array
    groups: Int64Array | None = None
    spans: Int64Array | None = None
    held: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self.y)

    @property
    def channels(self) -> int:
        """Channels of one step."""
        return int(self.x.shape[-1])

    @property
    def is_integer(self) -> bool:
        """Whether the values are the sensor's own integers."""
        return np.issubdtype(self.x.dtype, np.integer)

    @property
    def valid(self) -> npt.NDArray[np.bool_]:
        """Which steps belong to a sequence: bool [sequences, longest]."""
        return valid_steps(self.lengths, self.x.shape[1])

    @property
    def steps(self) -> ValueArray:
        """All valid steps (of an image: pixels), sequence after sequence: [sum of lengths, channels]."""
        valid: ValueArray = self.x[self.valid]
        return valid.reshape(-1, self.channels)

    def take(self, indices: npt.NDArray[np.integer[Any]]) -> Split:
        """The sequences at `indices`, in that order; the padded time stays."""
        known = {name: getattr(self, name) for name in ("groups", "spans", "held")}
        chosen = {name: None if part is None else part[indices] for name, part in known.items()}
        return dataclasses.replace(self, x=self.x[indices], y=self.y[indices], lengths=self.lengths[indices], **chosen)

    def digest(self) -> str:
        """SHA-256 (hex) over values, labels, lengths and groups; neither padding nor byte order nor the file's compression counts."""
        return hashlib.sha256(self.canonical_bytes()).hexdigest()

    def places_digest(self) -> str | None:
        """SHA-256 (hex) over the spans; None without any."""
        return None if self.spans is None else hashlib.sha256(self.spans.astype("<i8").tobytes()).hexdigest()

    def canonical_bytes(self) -> bytes:
        """What `digest` covers: kind and shape as text, then lengths, labels, valid steps and groups, little-endian."""
        kind = "int32" if self.is_integer else "float32"
        header = f"{kind} {len(self)} {' '.join(map(str, self.x.shape[2:]))}\n".encode()
        steps = self.steps.astype("<i4" if self.is_integer else "<f4").tobytes()
        groups = b"" if self.groups is None else self.groups.astype("<i8").tobytes()
        return header + self.lengths.astype("<i8").tobytes() + self.y.astype("<i8").tobytes() + steps + groups


def set_digest(classes: Sequence[str], train: str, test: str) -> str:
    """SHA-256 (hex) of a data set, over its classes and the digests of its two parts."""
    content = {"classes": list(classes), "train": train, "test": test}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def equal_runs(row: npt.NDArray[Any]) -> list[tuple[int, int]]:
    """(begin, end) of each longest run of equal entries of `row` [steps], in order; [] of no entries."""
    cuts = [0, *(np.flatnonzero(row[1:] != row[:-1]) + 1).tolist(), len(row)]
    return list(pairwise(cuts)) if len(row) else []


def valid_steps(lengths: npt.NDArray[np.integer[Any]], time_steps: int) -> npt.NDArray[np.bool_]:
    """bool [sequences, time_steps]: True before each sequence's end."""
    return np.asarray(np.arange(time_steps)[None, :] < lengths[:, None])
