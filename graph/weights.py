"""Storage of a weight matrix: what it means (`matrix`) and how it lies in the device's flash (`pack`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt

from ..errors import UnsupportedError
from .fixed_point import IntArray

GROUP = 4
"""Sherry's block: of four consecutive inputs of a row exactly one weight is zero."""
BLOCK_ROWS = 8
"""Rows packed together, so that eight accumulators share the partial sums of one group of inputs."""
BLOCK_BYTES = 5
"""Eight rows of one group: 8 x 5 bits."""


LIMITS = {4: 7, 8: 127}
"""Largest magnitude of an entry of so many bits."""
LONGEST_SKIP = 255
"""A byte of this value in a delta index passes 255 zeros and stores no entry."""
WORD_SIGNS = 32
"""Signs in a word of the generator behind seeded weights."""
MOST_SEEDED = 1 << 22
"""Entries that a seeded weight may have: its file is small whatever they are."""


class Weight(Protocol):
    """A matrix [rows, columns] of small integers. The real weight is the integer times the row's scale."""

    kind: ClassVar[str]
    """Its name in graph.json."""

    @property
    def storage(self) -> str:
        """What the kernels that read it are called by: fully_connected_int16_<storage>."""
        ...

    @property
    def layout(self) -> str:
        """What `pack` gives, in a phrase for the readers of generated code."""
        ...

    @property
    def lanes(self) -> int:
        """Columns of a row that are stored together, so that a last group of fewer is padded."""
        ...

    @property
    def matrix(self) -> IntArray:
        """The entries: int8 [rows, columns]."""
        ...

    def pack(self) -> npt.NDArray[np.integer[Any]]:
        """The entries as they are stored on the device: int8 or uint8, flat, padding included."""
        ...


@dataclass(frozen=True, eq=False)
class Int8Weight:
    """Dense int8, row after row. matrix: int8 [rows, columns] in [-127, 127]."""

    kind: ClassVar[str] = "int8"
    storage: ClassVar[str] = "int8"
    bits: ClassVar[float] = 8.0
    lanes: ClassVar[int] = 1
    layout: ClassVar[str] = "int8, row after row"

    matrix: IntArray

    def __post_init__(self) -> None:
        _check(self.matrix, -127, 127)

    def pack(self) -> IntArray:
        """int8 [rows * columns]."""
        return self.matrix.reshape(-1)


@dataclass(frozen=True, eq=False)
class Int4Weight:
    """Dense int4, two entries to a byte. matrix: int8 [rows, columns] in [-7, 7]."""

    kind: ClassVar[str] = "int4"
    storage: ClassVar[str] = "int4"
    bits: ClassVar[float] = 4.0
    lanes: ClassVar[int] = 2
    layout: ClassVar[str] = "int4, row after row, two to a byte, the first in the low half; an odd row is padded"

    matrix: IntArray

    def __post_init__(self) -> None:
        _check(self.matrix, -7, 7)

    def pack(self) -> npt.NDArray[np.uint8]:
        """uint8 [rows * ceil(columns / 2)]."""
        padded = np.pad(self.matrix, ((0, 0), (0, self.matrix.shape[1] % 2)))
        return _nibbles(padded.reshape(-1))


@dataclass(frozen=True, eq=False)
class SparseWeight:
    """Only the entries that are not zero, with their places. matrix: int8 [rows, columns], in [-127, 127] or, for 4 bits, [-7, 7].

    index "bitmap": a bit for each place of the matrix, then the values. index "delta": before each value the number of zeros
    skipped to reach it, in the matrix read row after row. docs/contract.md and rescomp_sparse.h give the streams byte by byte.
    """

    kind: ClassVar[str] = "sparse"

    matrix: IntArray
    bits: Literal[4, 8]
    index: Literal["bitmap", "delta"]

    def __post_init__(self) -> None:
        if self.bits not in LIMITS or self.index not in ("bitmap", "delta"):
            raise UnsupportedError(f"no sparse storage has {self.bits} bits and the index {self.index!r}: 4 or 8, bitmap or delta")
        _check(self.matrix, -LIMITS[self.bits], LIMITS[self.bits])

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
        return np.concatenate([bitmap, _value_bytes(values, self.bits)])


@dataclass(frozen=True, eq=False)
class TernaryWeight:
    """3:4 ternary (Sherry, section 3): in each group of four inputs one entry is 0 and three are +-1.

    matrix: int8 [rows, columns] in {-1, 0, 1}. A last group of fewer than four columns is padded with inputs of 0, so its
    missing entries are free: it may hold one zero or none.
    """

    kind: ClassVar[str] = "ternary"
    storage: ClassVar[str] = "ternary"
    bits: ClassVar[float] = 1.25
    lanes: ClassVar[int] = GROUP
    layout: ClassVar[str] = "3:4 ternary, padded to blocks of 8 rows and 4 columns in 5 bytes (rescomp_ternary.h)"

    matrix: IntArray

    def __post_init__(self) -> None:
        _check(self.matrix, -1, 1)
        rows, columns = self.matrix.shape
        full = columns - columns % GROUP
        zeros = (self.matrix[:, :full].reshape(rows, -1, GROUP) == 0).sum(axis=2)
        if np.any(zeros != 1) or np.any((self.matrix[:, full:] == 0).sum(axis=1) > 1):
            raise UnsupportedError("a ternary weight must hold exactly one zero in every group of four inputs")

    def pack(self) -> npt.NDArray[np.uint8]:
        """uint8: for each block of 8 rows, for each group of 4 columns, 5 bytes: eight 5-bit codes, row 0 in the lowest bits."""
        codes = ternary_codes(self.matrix)
        blocks = codes.reshape(-1, BLOCK_ROWS, codes.shape[1]).transpose(0, 2, 1)
        words = (blocks.astype("<u8") << (5 * np.arange(BLOCK_ROWS, dtype="<u8"))).sum(axis=2, dtype="<u8")
        stream: npt.NDArray[np.uint8] = words.reshape(-1, 1).view(np.uint8).reshape(-1, 8)[:, :BLOCK_BYTES].reshape(-1)
        return stream.copy()


@dataclass(frozen=True, eq=False)
class SeededWeight:
    """Signs that the device draws anew from a seed every time: they are not stored. See `seeded_signs`."""

    kind: ClassVar[str] = "seeded"
    storage: ClassVar[str] = "seeded"
    bits: ClassVar[float] = 0.0
    lanes: ClassVar[int] = WORD_SIGNS
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

    @cached_property
    def matrix(self) -> IntArray:
        """int8 [rows, columns] of +-1."""
        return seeded_signs(self.rows, self.columns, self.seed)

    def pack(self) -> npt.NDArray[np.uint8]:
        """uint8 [0]."""
        return np.zeros(0, np.uint8)


def smallest_storage(matrix: IntArray, bits: Literal[4, 8]) -> Weight:
    """The storage of int8 [rows, columns] that packs into the fewest bytes: dense, bitmap or delta, the first among equals."""
    dense = Int8Weight(matrix) if bits == 8 else Int4Weight(matrix)
    candidates: tuple[Weight, ...] = (dense, SparseWeight(matrix, bits, "bitmap"), SparseWeight(matrix, bits, "delta"))
    return min(candidates, key=lambda weight: weight.pack().nbytes)


def most_bytes(rows: int, columns: int, bits: Literal[4, 8], entries: int) -> int:
    """The most bytes to which `smallest_storage` packs a matrix with so many entries that are not zero, wherever they lie."""
    values, places = -(-entries * bits // 8), rows * columns
    dense = places if bits == 8 else rows * -(-columns // 2)
    delta = entries + 1 + (places - entries) // LONGEST_SKIP + values
    return min(dense, rows * -(-columns // 8) + values, delta)


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


def _value_bytes(values: IntArray, bits: int) -> npt.NDArray[np.uint8]:
    """The entries one after the other: a byte each, or two to a byte with half a byte of padding after an odd last one."""
    if bits == 4:
        return _nibbles(np.pad(values, (0, values.size % 2)))
    return values.astype(np.int8).view(np.uint8)


def _nibbles(entries: IntArray) -> npt.NDArray[np.uint8]:
    """Pairs of entries (an even number) as bytes, two's complement, the first in the low half."""
    halves = entries.astype(np.uint8) & 15
    return (halves[::2] | halves[1::2] << 4).astype(np.uint8)


def _delta_stream(matrix: IntArray, values: IntArray, bits: int) -> npt.NDArray[np.uint8]:
    """For each entry its skip and, where it begins one, its byte of values; at the end the skip past the last place."""
    places = np.append(np.flatnonzero(matrix), matrix.size)
    skips = np.diff(places, prepend=-1) - 1
    stored, per_byte = _value_bytes(values, bits), 8 // bits
    stream = bytearray()
    for entry, skip in enumerate(skips.tolist()):
        longest, rest = divmod(skip, LONGEST_SKIP)
        stream += bytes([LONGEST_SKIP] * longest + [rest])
        if entry < values.size and entry % per_byte == 0:
            stream.append(int(stored[entry // per_byte]))
    return np.frombuffer(bytes(stream), np.uint8)


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


def _check(matrix: IntArray, low: int, high: int) -> None:
    if matrix.dtype != np.int8 or matrix.ndim != 2 or matrix.size == 0:
        raise UnsupportedError(f"a weight must be a non-empty int8 matrix, not {matrix.dtype} {matrix.shape}")
    if matrix.min() < low or matrix.max() > high:
        raise UnsupportedError(f"a weight entry lies outside [{low}, {high}]")
