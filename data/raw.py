"""What a reader hands over: a file's arrays as they stand, before anything is checked but their presence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..errors import InputError, counted

MOST_PADDED, MOST_TIMES_PADDED = 1 << 26, 16
"""Entries of recordings filled up to one length, and how many times what they hold, that are taken together."""


@dataclass(frozen=True, eq=False)
class RawSplit:
    """One split as its file holds it, or its streams: continuous recordings with a label a reading.

    file: for messages. x: [sequences, time, channels], or [sequences, time] for one channel. labels: [sequences], of streams
    [sequences, time]; integers or strings. lengths: [sequences], or None when every sequence fills the time axis. groups: [sequences],
    integers or strings (subject, device, recording) that a later split respects, or None. spans: see Split.
    """

    file: str
    name: Literal["train", "test", "stream"]
    x: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    lengths: npt.NDArray[Any] | None = None
    groups: npt.NDArray[Any] | None = None
    spans: npt.NDArray[np.int64] | None = None

    @property
    def where(self) -> str:
        """How messages begin: file and split."""
        return f"{self.file}: the {self.name} split"

    @property
    def one(self) -> str:
        """What messages call one of x."""
        return "stream" if self.name == "stream" else "sequence"


@dataclass(frozen=True, eq=False)
class RawDataset:
    """Both splits. classes, channels: their names in order where the file gives them; unit: of the readings, likewise. facts:
    what else is worth recording of the source.
    notes: sentences on what a user should look at in it.
    """

    name: str
    train: RawSplit
    test: RawSplit
    classes: tuple[str, ...] | None = None
    channels: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unit: str = ""


def pad_sequences(sequences: list[npt.NDArray[Any]]) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """([sequences, longest, channels] zero padded, lengths) from arrays [time, channels] of equal channels.

    Raises InputError where the zeros would take the memory: one recording of a day among thousands of seconds.
    """
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    readings, longest = int(lengths.sum()), int(lengths.max(initial=0))
    padded_size = len(sequences) * longest * sequences[0].shape[1]
    if padded_size > MOST_PADDED and len(sequences) * longest > MOST_TIMES_PADDED * readings:
        raise InputError(
            f"the longest recording has {counted(longest, 'reading')}, all {len(sequences):,} together {readings:,}: filled up to one "
            f"length they would take {padded_size:,} entries; cut the long ones into pieces (data.window does it for CSV logs)"
        )
    padded = np.zeros((len(sequences), int(lengths.max(initial=0)), sequences[0].shape[1]), sequences[0].dtype)
    for row, sequence in zip(padded, sequences, strict=True):
        row[: len(sequence)] = sequence
    return padded, lengths
