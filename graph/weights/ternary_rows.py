"""3:4 ternary weights of few rows: the same codes row after row, without rows that only pad."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ..fixed_point import IntArray
from ..formats import DType
from .ternary import GROUP, check_pattern, matrix_of_codes, ternary_codes
from .weight import Held

CODE_BITS = 5
"""Of a group of four columns."""


@dataclass(frozen=True, eq=False)
class TernaryRowsWeight(Held):
    """What a TernaryWeight is, in fewer bytes where its rows are few: those of a classifier. matrix: int8 [rows, columns] as there."""

    kind: ClassVar[str] = "ternary_rows"
    storage: ClassVar[str] = "ternary_rows"
    bits: ClassVar[float] = 1.25
    lanes: ClassVar[int] = GROUP
    is_dense: ClassVar[bool] = False
    read_by: ClassVar[Sequence[str]] = ("fully_connected",)
    activations: ClassVar[Sequence[DType]] = ("int16",)
    layout: ClassVar[str] = "3:4 ternary, row after row, padded to 4 columns in 5 bits (rescomp_fully_connected_ternary_rows_body.h)"

    matrix: IntArray

    def __post_init__(self) -> None:
        check_pattern(self.matrix)

    def pack(self) -> npt.NDArray[np.uint8]:
        """uint8: the 5-bit codes of every row's groups, one behind the other, the first in the lowest bits; zeros fill the last byte."""
        codes = ternary_codes(self.matrix)[: len(self.matrix)]
        bits = np.unpackbits(codes[..., None], axis=2, count=CODE_BITS, bitorder="little")
        return np.packbits(bits.reshape(-1), bitorder="little")


def unpack_ternary_rows(packed: npt.NDArray[np.uint8], rows: int, columns: int) -> IntArray:
    """The inverse of TernaryRowsWeight.pack: int8 [rows, columns]."""
    groups = -(-columns // GROUP)
    bits = np.unpackbits(packed, count=rows * groups * CODE_BITS, bitorder="little")
    codes = bits.reshape(rows, groups, CODE_BITS) @ (1 << np.arange(CODE_BITS))
    return np.ascontiguousarray(matrix_of_codes(codes)[:, :columns])
