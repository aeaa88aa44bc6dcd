"""Dense weights, every entry in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ..fixed_point import IntArray
from .weight import CoreForm, Held, check_entries

LIMITS = {4: 7, 8: 127}
"""Largest magnitude of an entry of so many bits."""


@dataclass(frozen=True, eq=False)
class Int8Weight(Held):
    """Dense int8, row after row. matrix: int8 [rows, columns] in [-127, 127]."""

    kind: ClassVar[str] = "int8"
    storage: ClassVar[str] = "int8"
    bits: ClassVar[float] = 8.0
    lanes: ClassVar[int] = 1
    layout: ClassVar[str] = "int8, row after row"

    matrix: IntArray

    def __post_init__(self) -> None:
        check_entries(self.matrix, -127, 127)

    def pack(self) -> IntArray:
        """int8 [rows * columns]."""
        return self.matrix.reshape(-1)


@dataclass(frozen=True, eq=False)
class Int4Weight(Held):
    """Dense int4, two entries to a byte. matrix: int8 [rows, columns] in [-7, 7]."""

    kind: ClassVar[str] = "int4"
    storage: ClassVar[str] = "int4"
    bits: ClassVar[float] = 4.0
    lanes: ClassVar[int] = 2
    other_forms: ClassVar[Sequence[CoreForm]] = ("int8",)
    layout: ClassVar[str] = "int4, row after row, two to a byte, the first in the low half; an odd row is padded"

    matrix: IntArray

    def __post_init__(self) -> None:
        check_entries(self.matrix, -7, 7)

    def pack(self) -> npt.NDArray[np.uint8]:
        """uint8 [rows * ceil(columns / 2)]."""
        padded = np.pad(self.matrix, ((0, 0), (0, self.matrix.shape[1] % 2)))
        return nibbles(padded.reshape(-1))


def nibbles(entries: IntArray) -> npt.NDArray[np.uint8]:
    """Pairs of entries (an even number) as bytes, two's complement, the first in the low half."""
    halves = entries.astype(np.uint8) & 15
    return (halves[::2] | halves[1::2] << 4).astype(np.uint8)
