"""How a 3:4 ternary matrix lies in flash for kernels that look up partial sums: other orders of the codes of `weights/ternary.py`.

Layout `tabled_words`, for 32-bit cores; the order is that in which product_<act>_ternary_tabled_words reads it:

- chunks of 16 groups, the last one of what is left; in a chunk, blocks of 8 rows; in a block, quads of 4 groups;
- where a chunk's groups are no multiple of four, its FIRST quad is the short one: it lacks its first 4 - r groups;
- a quad of r groups is r words, one a group, and a word of four bytes, lowest first, of which the LAST r are its groups';
- a group's word holds the codes of rows 0 to 5, row 0 in the lowest bits, and its byte that of row 6 in bits 0..4. The code of row 7 is
  (word >> 30) ^ (byte >> 3), of which byte >> 3 already holds two bits of row 6: no mask is needed.

A kernel thus enters the loop over quads at one of four places, and from there on all quads are alike.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ..graph.fixed_point import IntArray
from ..graph.weights import BLOCK_ROWS, GROUP, matrix_of_codes, ternary_codes

CHUNK_GROUPS = 16
"""Groups whose tables stand in memory at a time: 16 x 32 entries of 16 bits are 1 KB."""
QUAD = 4
"""Groups whose bytes share a word."""
TABLE_ENTRIES = 32
"""Of a group: one for each code."""

Words = npt.NDArray[np.uint32]


def tabled_words(matrix: IntArray) -> Words:
    """int8 [rows, columns], as TernaryWeight holds it, in the layout above: uint32 [tabled_word_count(rows, columns)]."""
    codes = ternary_codes(matrix).astype(np.uint32)
    blocks = codes.reshape(-1, BLOCK_ROWS, codes.shape[1]).transpose(0, 2, 1)
    words, in_bytes = _group_words(blocks), _group_bytes(blocks)
    quads = [_quad(words[block, quad], in_bytes[block, quad]) for block, quad in _order(*words.shape)]
    return np.concatenate(quads).astype(np.uint32)


def matrix_of_tabled_words(packed: Words, rows: int, columns: int) -> IntArray:
    """The inverse of `tabled_words`: int8 [rows, columns]."""
    blocks, groups = -(-rows // BLOCK_ROWS), -(-columns // GROUP)
    codes = np.zeros((blocks, groups, BLOCK_ROWS), np.uint32)
    start = 0
    for block, quad in _order(blocks, groups):
        count = quad.stop - quad.start
        words, last = packed[start : start + count], packed[start + count]
        in_bytes = last >> np.arange(8 * (QUAD - count), 32, 8, dtype=np.uint32) & 255
        codes[block, quad, :6] = words[:, None] >> np.arange(0, 30, 5, dtype=np.uint32) & 31
        codes[block, quad, 6] = in_bytes & 31
        codes[block, quad, 7] = words >> 30 ^ in_bytes >> 3
        start += count + 1
    return matrix_of_codes(codes.transpose(0, 2, 1).reshape(-1, groups))[:rows, :columns]


def tabled_word_count(rows: int, columns: int) -> int:
    """Words of `tabled_words`: for each 8 rows one for each 4 columns, and one for each quad begun."""
    groups = -(-columns // GROUP)
    return -(-rows // BLOCK_ROWS) * (groups + -(-groups // QUAD))


def tabled_entries(columns: int) -> int:
    """Entries of 16 bits that the kernel's table needs: 32 for each group of its largest chunk."""
    return TABLE_ENTRIES * min(CHUNK_GROUPS, -(-columns // GROUP))


def _order(blocks: int, groups: int) -> Iterator[tuple[int, slice]]:
    """(block, its groups) of every quad in the order of the stream."""
    for chunk in range(0, groups, CHUNK_GROUPS):
        end = min(chunk + CHUNK_GROUPS, groups)
        for block in range(blocks):
            start = chunk
            while start < end:
                stop = start + ((end - start) % QUAD or QUAD)
                yield block, slice(start, stop)
                start = stop


def _group_words(blocks: Words) -> Words:
    """[blocks, groups, 8 rows] of codes to [blocks, groups]: rows 0 to 5, and what row 7 is short of in the two top bits."""
    rows = (blocks[..., :6] << np.arange(0, 30, 5, dtype=np.uint32)).sum(axis=-1, dtype=np.uint32)
    short_of = (blocks[..., 7] ^ blocks[..., 6] >> 3) & 3
    words: Words = (rows | short_of << 30).astype(np.uint32)
    return words


def _group_bytes(blocks: Words) -> Words:
    """[blocks, groups, 8 rows] of codes to [blocks, groups]: row 6, and the three top bits of row 7."""
    return (blocks[..., 6] | blocks[..., 7] >> 2 << 5).astype(np.uint32)


def _quad(words: Words, in_bytes: Words) -> Words:
    """The words of up to four groups, then their bytes at the upper end of one."""
    shifts = np.arange(8 * (QUAD - len(words)), 32, 8, dtype=np.uint32)
    return np.append(words, (in_bytes << shifts).sum(dtype=np.uint32))
