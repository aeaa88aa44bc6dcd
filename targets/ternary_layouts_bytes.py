"""How a 3:4 ternary matrix lies in flash for AVR: the layout `tabled_bytes`, in the order of product_<act>_ternary_tabled_bytes.

A code of five bits (weights.ternary_codes) is taken apart: the sign of the first of its three kept weights, and an index of four bits,
position of the zero * 4 + (third sign differs from the first) * 2 + (second sign differs), into the 16 sums whose first sign is +.

- one byte: how many groups a chunk has, whose tables of 16 sums stand in memory at a time;
- chunks of so many groups, the last one of what is left; in a chunk, blocks of 4 rows; in a block, pairs of groups;
- where a chunk's groups are odd in number, its FIRST group stands alone;
- a pair is five bytes, a group alone three: a byte of signs, then two bytes for each group;
- signs: 1 = negative, from bit 7 down rows 0 to 3 of the first group, then those of the second;
- a group's two bytes hold the indices of rows 0 and 1, and of rows 2 and 3: the even row's in bits 4..1, the odd row's in bits 0, 7, 6, 5,
  which a swap of the byte's halves brings to bits 4..1. An index times two is what 16-bit sums lie apart.

So it takes 1.25 bit a weight where groups are even in number. All chunks but the last have one size, and that is the smallest (of the
even ones, where there are several chunks) with which there are no more chunks than there must be.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ..errors import UnsupportedError
from ..graph.fixed_point import IntArray
from ..graph.weights import GROUP, matrix_of_codes, ternary_codes

BYTE_CHUNK_GROUPS = 10
"""The most groups of a chunk unless told otherwise: tables of 320 bytes."""
MOST_CHUNK_GROUPS = 255
ROWS = 4
"""Of a block: as many 24-bit accumulators as AVR's registers hold beside what a look-up needs."""
BYTE_TABLE_ENTRIES = 16
"""Of a group: half of its 32 sums."""
ALIGNING_ENTRIES = 16
"""Room in which the kernel moves its tables to a multiple of 32 bytes, so that no look-up crosses a page of 256: up to 31 bytes, since
avr-gcc aligns nothing and a state may begin at an odd address."""
MOST_COLUMNS = {"int8": 340, "int16": 1024}
"""By activations: the kernels add up int8 sums in 16 bits and int16 sums in 24."""

Bytes = npt.NDArray[np.uint8]


def tabled_bytes(matrix: IntArray, most_groups: int = BYTE_CHUNK_GROUPS) -> Bytes:
    """int8 [rows, columns], as TernaryWeight holds it, in the layout above: uint8 [tabled_byte_count(rows, columns, most_groups)].

    most_groups: of a chunk; more take more RAM (tabled_byte_entries) and less time.
    """
    columns = matrix.shape[1]
    if columns > MOST_COLUMNS["int16"]:
        raise UnsupportedError(f"the layout tabled_bytes has at most {MOST_COLUMNS['int16']} columns, not {columns}: use another one")
    codes = ternary_codes(matrix)
    chunk = chunk_groups(columns, most_groups)
    sets = [_pair_bytes(codes[rows, groups]) for rows, groups in _order(len(matrix), codes.shape[1], chunk)]
    return np.concatenate([np.array([chunk], np.uint8), *sets])


def matrix_of_tabled_bytes(packed: Bytes, rows: int, columns: int) -> IntArray:
    """The inverse of `tabled_bytes`: int8 [rows, columns]."""
    codes = np.zeros((-(-rows // ROWS) * ROWS, -(-columns // GROUP)), np.uint8)
    start = 1
    for block, groups in _order(rows, codes.shape[1], int(packed[0])):
        count = 1 + 2 * (groups.stop - groups.start)
        codes[block, groups] = _codes_of(packed[start : start + count])
        start += count
    return matrix_of_codes(codes)[:rows, :columns]


def tabled_byte_count(rows: int, columns: int, most_groups: int = BYTE_CHUNK_GROUPS) -> int:
    """Bytes of `tabled_bytes`."""
    groups = -(-columns // GROUP)
    order = _order(rows, groups, chunk_groups(columns, most_groups))
    return 1 + sum(1 + 2 * int(pair.stop - pair.start) for _, pair in order)


def tabled_byte_entries(columns: int, most_groups: int = BYTE_CHUNK_GROUPS) -> int:
    """Entries of 16 bits that the kernel's table needs: 16 for each group of a chunk, and what aligning them may take."""
    return BYTE_TABLE_ENTRIES * chunk_groups(columns, most_groups) + ALIGNING_ENTRIES


def chunk_groups(columns: int, most_groups: int = BYTE_CHUNK_GROUPS) -> int:
    """Groups of a chunk, at most `most_groups`: the fewest that do not make one chunk more, and an even number if it can be."""
    if not 1 <= most_groups <= MOST_CHUNK_GROUPS:
        raise UnsupportedError(f"a chunk of the layout tabled_bytes has 1 to {MOST_CHUNK_GROUPS} groups, not {most_groups}")
    groups = -(-columns // GROUP)
    chunks = -(-groups // most_groups)
    chunk = -(-groups // chunks)
    return chunk + 1 if chunks > 1 and chunk % 2 and chunk < most_groups else chunk


def _order(rows: int, groups: int, chunk: int) -> Iterator[tuple[slice, slice]]:
    """(rows of the block, groups of the pair) in the order of the stream."""
    for first in range(0, groups, chunk):
        end = min(first + chunk, groups)
        for row in range(0, rows, ROWS):
            start = first
            while start < end:
                stop = start + ((end - start) % 2 or 2)
                yield slice(row, row + ROWS), slice(start, stop)
                start = stop


def _pair_bytes(codes: Bytes) -> Bytes:
    """[4 rows, 1 or 2 groups] of codes to three or five bytes."""
    negative = codes.T & 1
    others = codes.T >> 1 & 3 ^ 3 * negative  # the second and third sign, each 1 where it differs from the first
    index = (codes.T >> 3 << 2 | others).astype(np.uint8)
    even, odd = index[:, ::2], index[:, 1::2]
    stored = even << 1 | odd << 5 | odd >> 3
    pair: Bytes = np.concatenate([np.packbits(negative), stored.reshape(-1)]).astype(np.uint8)
    return pair


def _codes_of(stored: Bytes) -> Bytes:
    """The inverse of `_pair_bytes`: [4 rows, groups]."""
    pairs = stored[1:].reshape(-1, 2)
    index = np.stack([pairs >> 1 & 15, (pairs >> 5 | pairs << 3) & 15], axis=2).reshape(-1, ROWS)
    negative = np.unpackbits(stored[:1])[: index.size].reshape(-1, ROWS)
    codes = np.empty((ROWS, len(index)), np.uint8)
    codes[:] = (index >> 2 << 3 | (index & 3 ^ 3 * negative) << 1 | negative).T
    return codes
