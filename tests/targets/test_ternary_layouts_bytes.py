"""The layout of ternary matrices for AVR: round trips, sizes, and one byte stream spelled out."""

import numpy as np
import pytest

from rescomp.errors import UnsupportedError
from rescomp.graph.ops.drawing import draw_storage
from rescomp.targets.ternary_layouts_bytes import chunk_groups, matrix_of_tabled_bytes, tabled_byte_count, tabled_byte_entries, tabled_bytes


@pytest.mark.parametrize("most_groups", [1, 2, 5, 8, 255])
@pytest.mark.parametrize("rows", [1, 3, 4, 5, 8, 9])
def test_round_trip(rows, most_groups):
    rng = np.random.default_rng(rows)
    for columns in (*range(1, 10), 15, 16, 17, 20, 21, 40, 80):
        matrix = draw_storage(rng, "ternary", rows, columns).matrix
        packed = tabled_bytes(matrix, most_groups)
        assert packed.dtype == np.uint8
        assert packed.size == tabled_byte_count(rows, columns, most_groups)
        np.testing.assert_array_equal(matrix_of_tabled_bytes(packed, rows, columns), matrix)


def test_stream_of_three_groups():
    """Chunks of two groups, then one. Row 0 of the first group is (0, -, +, +): position 0, negative, both others differ: index 3."""
    plus, minus = [1, 1, 1, 0], [-1, -1, -1, 0]  # index 12
    first, second, third = [[0, -1, 1, 1], plus, minus, plus], [plus, [1, 1, 0, -1], minus, minus], [plus, plus, plus, [1, 0, -1, 1]]
    matrix = np.concatenate([first, second, third], axis=1).astype(np.int8)
    signs = 0b10100011
    pair = [3 << 1 | 0b10000001, 12 << 1 | 0b10000001, 12 << 1 | 0b01000001, 12 << 1 | 0b10000001]
    alone = [0, 12 << 1 | 0b10000001, 12 << 1 | 0b10100000]
    assert tabled_bytes(matrix, 2).tolist() == [2, signs, *pair, *alone]


def test_an_odd_chunk_begins_with_the_group_alone():
    matrix = np.tile(np.array([1, 1, 1, 0], np.int8), (4, 3))
    matrix[:, :4] *= -1
    packed = tabled_bytes(matrix, 3)
    assert packed[0] == 3
    assert packed[[1, 4]].tolist() == [0xF0, 0]
    assert packed.size == 1 + 3 + 5


@pytest.mark.parametrize(
    ("columns", "most_groups", "groups"), [(40, 5, 5), (40, 8, 6), (80, 8, 8), (80, 10, 10), (9, 8, 3), (1, 4, 1), (36, 4, 4)]
)
def test_chunks_are_even_and_tables_have_room(columns, most_groups, groups):
    assert chunk_groups(columns, most_groups) == groups
    assert tabled_byte_entries(columns, most_groups) == 16 * groups + 16


def test_sizes_of_the_har_net():
    """1.25 bit a weight, a byte for the chunk, and what odd chunks cost."""
    assert tabled_byte_count(80, 40) == tabled_byte_count(40, 80) == 1 + 500
    assert tabled_byte_count(80, 40, 5) == 1 + 2 * 20 * (3 + 5 + 5)
    assert tabled_byte_count(5, 9) == 1 + 2 * (3 + 5)


def test_refuses_what_the_kernels_cannot():
    with pytest.raises(UnsupportedError, match="1024 columns"):
        tabled_bytes(np.tile(np.array([[1, 1, 1, 0]], np.int8), 257))
    with pytest.raises(UnsupportedError, match="1 to 255"):
        tabled_bytes(np.ones((1, 3), np.int8), 0)
