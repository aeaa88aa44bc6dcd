"""What a reader hands over: a file's arrays as they stand, before anything is checked but their presence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class RawSplit:
    """One split as its file holds it.

    file: for messages. x: [sequences, time, channels], or [sequences, time] for one channel. labels: [sequences], integers or
    strings. lengths: [sequences], or None when every sequence fills the time axis.
    """

    file: str
    name: Literal["train", "test"]
    x: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    lengths: npt.NDArray[Any] | None = None

    @property
    def where(self) -> str:
        """How messages begin: file and split."""
        return f"{self.file}: the {self.name} split"


@dataclass(frozen=True, eq=False)
class RawDataset:
    """Both splits. classes: the class names in order where the file gives them."""

    name: str
    train: RawSplit
    test: RawSplit
    classes: tuple[str, ...] | None = None


def pad_sequences(sequences: list[npt.NDArray[Any]]) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """([sequences, longest, channels] zero padded, lengths) from arrays [time, channels] of equal channels."""
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    padded = np.zeros((len(sequences), int(lengths.max(initial=0)), sequences[0].shape[1]), sequences[0].dtype)
    for row, sequence in zip(padded, sequences, strict=True):
        row[: len(sequence)] = sequence
    return padded, lengths
