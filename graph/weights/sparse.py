"""Sparse weights: the entries that are not zero, and where they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from ...errors import UnsupportedError
from ..fixed_point import IntArray
from .dense import LIMITS, nibbles
from .weight import Held, check_entries

LONGEST_SKIP = 255
"""A byte of this value in a delta index passes 255 zeros and stores no entry."""


@dataclass(frozen=True, eq=False)
class SparseWeight(Held):
    """Only the entries that are not zero, with their places. matrix: int8 [rows, columns], in [-127, 127] or, for 4 bits, [-7, 7].

    index "bitmap": a bit for each place of the matrix, then the values. index "delta": before each value the number of zeros
    skipped to reach it, in the matrix read row after row. docs/contract.md and rescomp_sparse.h give the streams byte by byte.
    """

    kind: ClassVar[str] = "sparse"
    is_dense: ClassVar[bool] = False

    matrix: IntArray
    bits: Literal[4, 8]
    index: Literal["bitmap", "delta"]

    def __post_init__(self) -> None:
        if self.bits not in LIMITS or self.index not in ("bitmap", "delta"):
            raise UnsupportedError(f"no sparse storage has {self.bits} bits and the index {self.index!r}: 4 or 8, bitmap or delta")
        check_entries(self.matrix, -LIMITS[self.bits], LIMITS[self.bits])

    @property
    def storage(self) -> str:
        """sparse_<index>_int<bits>."""
        return f"sparse_{self.index}_int{self.bits}"

    @property
    def lanes(self) -> int:
        """A byte of a bitmap is for eight columns; a delta has no groups."""
        return 8 if self.index == "bitmap" else 1

    @property
    def layout(self) -> str:
        """What `pack` gives, with the number of entries stored."""
        return f"with {np.count_nonzero(self.matrix)} int{self.bits} entries and their {self.index} (rescomp_sparse.h)"

    def pack(self) -> npt.NDArray[np.uint8]:
        """uint8: the stream of the kernels."""
        values = self.matrix[self.matrix != 0]
        if self.index == "delta":
            return _delta_stream(self.matrix, values, self.bits)
        bitmap = np.packbits(self.matrix != 0, axis=1, bitorder="little").reshape(-1)
        return np.concatenate([bitmap, value_bytes(values, self.bits)])

    @property
    def products(self) -> int:
        """One for each entry that is stored."""
        return int(np.count_nonzero(self.matrix))

    @property
    def most_bytes(self) -> int:
        """Wherever as many entries that are not zero lie."""
        values, places = -(-self.products * self.bits // 8), self.matrix.size
        rows, columns = self.matrix.shape
        dense = places if self.bits == 8 else rows * -(-columns // 2)
        delta = self.products + 1 + (places - self.products) // LONGEST_SKIP + values
        return min(dense, rows * -(-columns // 8) + values, delta)


def value_bytes(values: IntArray, bits: int) -> npt.NDArray[np.uint8]:
    """The entries one after the other: a byte each, or two to a byte with half a byte of padding after an odd last one."""
    if bits == 4:
        return nibbles(np.pad(values, (0, values.size % 2)))
    return values.astype(np.int8).view(np.uint8)


def _delta_stream(matrix: IntArray, values: IntArray, bits: int) -> npt.NDArray[np.uint8]:
    """For each entry its skip and, where it begins one, its byte of values; at the end the skip past the last place."""
    places = np.append(np.flatnonzero(matrix), matrix.size)
    skips = np.diff(places, prepend=-1) - 1
    stored, per_byte = value_bytes(values, bits), 8 // bits
    stream = bytearray()
    for entry, skip in enumerate(skips.tolist()):
        longest, rest = divmod(skip, LONGEST_SKIP)
        stream += bytes([LONGEST_SKIP] * longest + [rest])
        if entry < values.size and entry % per_byte == 0:
            stream.append(int(stored[entry // per_byte]))
    return np.frombuffer(bytes(stream), np.uint8)
