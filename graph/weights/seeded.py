"""Seeded weights: signs that are drawn anew every time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ...errors import UnsupportedError
from ..fixed_point import IntArray
from ..formats import DType
from .weight import CoreForm

WORD_SIGNS = 32
"""Signs in a word of the generator behind seeded weights."""
MOST_SEEDED = 1 << 22
"""Entries that a seeded weight may have: its file is small whatever they are."""


@dataclass(frozen=True, eq=False)
class SeededWeight:
    """Signs that the device draws anew from a seed every time: they are not stored. See `seeded_signs`."""

    kind: ClassVar[str] = "seeded"
    storage: ClassVar[str] = "seeded"
    bits: ClassVar[float] = 0.0
    lanes: ClassVar[int] = WORD_SIGNS
    is_dense: ClassVar[bool] = False
    read_by: ClassVar[Sequence[str]] = ("fully_connected",)
    activations: ClassVar[Sequence[DType]] = ("int16", "int8")
    other_forms: ClassVar[Sequence[CoreForm]] = ()
    layout: ClassVar[str] = "+-1 from a seed"

    rows: int
    columns: int
    seed: int

    def __post_init__(self) -> None:
        if not 0 < self.seed < 1 << 32:
            raise UnsupportedError(f"a seed of {self.seed} draws no signs: choose one from 1 to 2^32 - 1")
        if min(self.rows, self.columns) < 1 or self.rows * self.columns > MOST_SEEDED:
            raise UnsupportedError(
                f"a seeded weight cannot be {self.rows} x {self.columns}: it has a row, a column and at most {MOST_SEEDED} entries"
            )

    @property
    def entries(self) -> int:
        """See Weight."""
        return self.rows * self.columns

    @property
    def products(self) -> int:
        """See Weight."""
        return self.entries

    @property
    def most_bytes(self) -> int:
        """None."""
        return 0

    @property
    def drawn_from(self) -> int:
        """See Weight."""
        return self.seed

    @cached_property
    def matrix(self) -> IntArray:
        """int8 [rows, columns] of +-1."""
        return seeded_signs(self.rows, self.columns, self.seed)

    def pack(self) -> npt.NDArray[np.uint8]:
        """uint8 [0]."""
        return np.zeros(0, np.uint8)


def xorshift32(seed: int, count: int) -> npt.NDArray[np.uint32]:
    """The `count` words that follow `seed` in Marsaglia's xorshift32 (2003), uint32.

    Each comes from the one before by x ^= x << 13, x ^= x >> 17, x ^= x << 5 in 32 bits; the first comes from the seed.
    """
    words, x = np.empty(count, np.uint32), seed
    for i in range(count):
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        words[i] = x
    return words


def seeded_signs(rows: int, columns: int, seed: int) -> IntArray:
    """int8 [rows, columns] of +-1: rows one after the other, each of ceil(columns / 32) words of xorshift32.

    Bit c % 32 of word c / 32 of a row is the sign of its column c, 1 = negative; what is left of a row's last word is not used.
    """
    words = xorshift32(seed, rows * -(-columns // WORD_SIGNS)).astype("<u4").reshape(rows, -1)
    negative = np.unpackbits(words.view(np.uint8), axis=1, count=columns, bitorder="little")
    return np.where(negative, np.int8(-1), np.int8(1))
