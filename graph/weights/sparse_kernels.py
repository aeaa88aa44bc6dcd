"""Sparse weights whose zeros are whole: kernels of a convolution, of one output and one input channel each, or rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from ...errors import UnsupportedError
from ..fixed_point import IntArray
from .dense import LIMITS, Int4Weight, Int8Weight
from .sparse import value_bytes
from .weight import Held, check_entries


@dataclass(frozen=True, eq=False)
class SparseKernelsWeight(Held):
    """Only the kernels that are not all zero, with every entry of theirs.

    matrix: int8 [rows, positions * channels], channels fastest, in [-127, 127] or, for 4 bits, [-7, 7]. positions: entries of a kernel,
    those of one row and channel. docs/contract.md and rescomp_sparse.h give the stream byte by byte.
    """

    kind: ClassVar[str] = "sparse_kernels"
    lanes: ClassVar[int] = 1
    is_dense: ClassVar[bool] = False
    read_by: ClassVar[Sequence[str]] = ("conv2d",)

    matrix: IntArray
    bits: Literal[4, 8]
    positions: int

    def __post_init__(self) -> None:
        check_sparse(self.kind, self.matrix, self.bits)
        if self.positions < 1 or self.matrix.shape[1] % self.positions:
            raise UnsupportedError(f"kernels of {self.positions} entries do not fill rows of {self.matrix.shape[1]} entries")

    @property
    def storage(self) -> str:
        """sparse_kernels_int<bits>."""
        return f"{self.kind}_int{self.bits}"

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """[rows, channels]: which kernels are stored."""
        kept: npt.NDArray[np.bool_] = (self._by_position != 0).any(axis=1)
        return kept

    @property
    def layout(self) -> str:
        """What `pack` gives, with the number of kernels stored."""
        return f"with {np.count_nonzero(self.kept)} kernels of {self.positions} int{self.bits} entries and their bitmap (rescomp_sparse.h)"

    def pack(self) -> npt.NDArray[np.uint8]:
        """uint8: for each row ceil(channels / 8) bytes of bitmap, then the kernels, row after row, channel after channel."""
        bitmap = np.packbits(self.kept, axis=1, bitorder="little").reshape(-1)
        return np.concatenate([bitmap, value_bytes(self._by_position.transpose(0, 2, 1)[self.kept].reshape(-1), self.bits)])

    @property
    def products(self) -> int:
        """One for each entry that is stored."""
        return int(np.count_nonzero(self.kept)) * self.positions

    @property
    def _by_position(self) -> IntArray:
        """[rows, positions, channels]."""
        return self.matrix.reshape(len(self.matrix), self.positions, -1)


@dataclass(frozen=True, eq=False)
class SparseRowsWeight(Held):
    """Only the rows that are not all zero, dense. matrix: int8 [rows, columns], in [-127, 127] or, for 4 bits, [-7, 7]."""

    kind: ClassVar[str] = "sparse_rows"
    is_dense: ClassVar[bool] = False

    matrix: IntArray
    bits: Literal[4, 8]

    def __post_init__(self) -> None:
        check_sparse(self.kind, self.matrix, self.bits)

    @property
    def storage(self) -> str:
        """sparse_rows_int<bits>."""
        return f"{self.kind}_int{self.bits}"

    @property
    def lanes(self) -> int:
        """A byte holds two int4 entries of a row."""
        return 8 // self.bits

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """[rows]: which are stored."""
        kept: npt.NDArray[np.bool_] = (self.matrix != 0).any(axis=1)
        return kept

    @property
    def layout(self) -> str:
        """What `pack` gives, with the number of rows stored."""
        return f"with {np.count_nonzero(self.kept)} rows of int{self.bits} entries and their bitmap (rescomp_sparse.h)"

    def pack(self) -> npt.NDArray[np.uint8]:
        """uint8: ceil(rows / 8) bytes of bitmap, then the rows as the dense storages have them."""
        bitmap, rows = np.packbits(self.kept, bitorder="little"), self.matrix[self.kept]
        if not len(rows):
            return bitmap
        dense = Int8Weight(rows) if self.bits == 8 else Int4Weight(rows)
        return np.concatenate([bitmap, dense.pack().view(np.uint8)])

    @property
    def products(self) -> int:
        """One for each entry that is stored."""
        return int(np.count_nonzero(self.kept)) * self.matrix.shape[1]


def check_sparse(kind: str, matrix: IntArray, bits: int) -> None:
    """Raise UnsupportedError unless a weight of so many bits can hold an int8 matrix [rows, columns]."""
    if bits not in LIMITS:
        raise UnsupportedError(f"no {kind} storage has {bits} bits: 4 or 8")
    check_entries(matrix, -LIMITS[bits], LIMITS[bits])
