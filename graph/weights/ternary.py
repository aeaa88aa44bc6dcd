"""3:4 ternary weights: groups of four entries, one zero and three signs, in five bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ...errors import UnsupportedError
from ..fixed_point import IntArray
from .weight import CoreForm, Held, check_entries

GROUP = 4
"""Sherry's block: of four consecutive inputs of a row exactly one weight is zero."""
BLOCK_ROWS = 8
"""Rows packed together, so that eight accumulators share the partial sums of one group of inputs."""
BLOCK_BYTES = 5
"""Eight rows of one group: 8 x 5 bits."""


@dataclass(frozen=True, eq=False)
class TernaryWeight(Held):
    """3:4 ternary (Sherry, section 3): in each group of four inputs one entry is 0 and three are +-1.

    matrix: int8 [rows, columns] in {-1, 0, 1}. A last group of fewer than four columns is padded with inputs of 0, so its
    missing entries are free: it may hold one zero or none.
    """

    kind: ClassVar[str] = "ternary"
    storage: ClassVar[str] = "ternary"
    bits: ClassVar[float] = 1.25
    lanes: ClassVar[int] = GROUP
    other_forms: ClassVar[Sequence[CoreForm]] = ("int8", "tables")
    layout: ClassVar[str] = "3:4 ternary, padded to blocks of 8 rows and 4 columns in 5 bytes (rescomp_ternary.h)"

    matrix: IntArray

    def __post_init__(self) -> None:
        check_pattern(self.matrix)

    def pack(self) -> npt.NDArray[np.uint8]:
        """uint8: for each block of 8 rows, for each group of 4 columns, 5 bytes: eight 5-bit codes, row 0 in the lowest bits."""
        codes = ternary_codes(self.matrix)
        blocks = codes.reshape(-1, BLOCK_ROWS, codes.shape[1]).transpose(0, 2, 1)
        words = (blocks.astype("<u8") << (5 * np.arange(BLOCK_ROWS, dtype="<u8"))).sum(axis=2, dtype="<u8")
        stream: npt.NDArray[np.uint8] = words.reshape(-1, 1).view(np.uint8).reshape(-1, 8)[:, :BLOCK_BYTES].reshape(-1)
        return stream.copy()


def check_pattern(matrix: IntArray) -> None:
    """Raise UnsupportedError unless an int8 matrix [rows, columns] is 3:4 ternary."""
    check_entries(matrix, -1, 1)
    rows, columns = matrix.shape
    full = columns - columns % GROUP
    zeros = (matrix[:, :full].reshape(rows, -1, GROUP) == 0).sum(axis=2)
    if np.any(zeros != 1) or np.any((matrix[:, full:] == 0).sum(axis=1) > 1):
        raise UnsupportedError("a ternary weight must hold exactly one zero in every group of four inputs")


def ternary_codes(matrix: IntArray) -> npt.NDArray[np.uint8]:
    """The 5-bit code of every group: uint8 [rows padded to 8, ceil(columns / 4)].

    Bits 4..3: position of the zero. Bits 2..0: signs of the three kept weights in column order, bit 0 the first, 1 = negative.
    A short last group without a zero keeps its zero in the padding. Padded rows hold code 0.
    """
    rows, columns = matrix.shape
    padded = np.zeros((-(-rows // BLOCK_ROWS) * BLOCK_ROWS, -(-columns // GROUP) * GROUP), np.int8)
    padded[:rows, :columns] = matrix
    groups = padded.reshape(len(padded), -1, GROUP)
    zero = np.argmin(groups != 0, axis=2)  # the first zero; later ones lie in the padding
    kept = np.arange(3) + (np.arange(3) >= zero[..., None])
    negative = np.take_along_axis(groups, kept, axis=2) < 0
    codes: npt.NDArray[np.uint8] = ((zero << 3) + negative @ np.array([1, 2, 4])).astype(np.uint8)
    codes[rows:] = 0
    return codes


def unpack_ternary(packed: npt.NDArray[np.uint8], rows: int, columns: int) -> IntArray:
    """The inverse of TernaryWeight.pack: int8 [rows, columns]."""
    groups = -(-columns // GROUP)
    words = np.zeros((len(packed) // BLOCK_BYTES, 8), np.uint8)
    words[:, :BLOCK_BYTES] = packed.reshape(-1, BLOCK_BYTES)
    codes = (words.view("<u8") >> (5 * np.arange(BLOCK_ROWS, dtype="<u8"))) & np.uint64(31)
    return matrix_of_codes(codes.reshape(-1, groups, BLOCK_ROWS).transpose(0, 2, 1).reshape(-1, groups))[:rows, :columns]


def matrix_of_codes(codes: npt.NDArray[np.integer[Any]]) -> IntArray:
    """The inverse of `ternary_codes`, padding included: [rows, groups] to int8 [rows, 4 * groups]."""
    codes = codes.astype(np.int64)
    zero, signs = codes >> 3, (codes[..., None] >> np.arange(3)) & 1
    kept = np.arange(3) + (np.arange(3) >= zero[..., None])
    matrix = np.zeros((*codes.shape, GROUP), np.int8)
    np.put_along_axis(matrix, kept, (1 - 2 * signs).astype(np.int8), axis=2)
    return matrix.reshape(len(codes), -1)
