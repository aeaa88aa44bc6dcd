"""Ternary packing against a bit-by-bit reading of its definition."""

import numpy as np
import pytest

from rescomp.errors import UnsupportedError
from rescomp.graph.ops.drawing import draw_ternary
from rescomp.graph.weights import Int8Weight, TernaryWeight, unpack_ternary


def read_packed(packed: bytes, rows: int, columns: int) -> list[list[int]]:
    """docs/contract.md, read literally."""
    groups = -(-columns // 4)
    matrix = [[0] * (groups * 4) for _ in range(-(-rows // 8) * 8)]
    for block in range(len(matrix) // 8):
        for group in range(groups):
            start = (block * groups + group) * 5
            word = int.from_bytes(packed[start : start + 5], "little")
            for row in range(8):
                code = word >> (5 * row) & 31
                signs = [code >> bit & 1 for bit in range(3)]
                for position in range(4):
                    if position != code >> 3:
                        matrix[block * 8 + row][group * 4 + position] = -1 if signs.pop(0) else 1
    return [line[:columns] for line in matrix[:rows]]


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 32])
@pytest.mark.parametrize("columns", [1, 2, 3, 4, 5, 8, 12, 33])
def test_packing_round_trips(rows, columns):
    matrix = draw_ternary(np.random.default_rng(rows * 100 + columns), rows, columns)
    packed = TernaryWeight(matrix).pack()
    assert packed.size == -(-rows // 8) * -(-columns // 4) * 5
    assert read_packed(packed.tobytes(), rows, columns) == matrix.tolist()
    assert np.array_equal(unpack_ternary(packed, rows, columns), matrix)


def test_a_short_last_group_may_lack_its_zero():
    matrix = np.array([[0, 1, 1, 1, -1], [1, 0, -1, 1, 0]], np.int8)
    packed = TernaryWeight(matrix).pack()
    assert read_packed(packed.tobytes(), 2, 5) == matrix.tolist()


def test_all_thirty_two_codes_are_used_and_distinct():
    patterns = []
    for zero in range(4):
        for signs in range(8):
            row = [1 - 2 * (signs >> bit & 1) for bit in range(3)]
            row.insert(zero, 0)
            patterns.append(row)
    matrix = np.array(patterns, np.int8)
    packed = TernaryWeight(matrix).pack()
    words = [int.from_bytes(packed[i : i + 5].tobytes(), "little") for i in range(0, packed.size, 5)]
    assert sorted(word >> (5 * row) & 31 for word in words for row in range(8)) == list(range(32))


@pytest.mark.parametrize(
    "matrix",
    [[[1, 1, 1, 1]], [[0, 0, 1, 1]], [[2, 0, 1, 1]], [[0, 1, 1, 1, 0, 0]]],
)
def test_what_is_no_ternary_weight_is_refused(matrix):
    with pytest.raises(UnsupportedError):
        TernaryWeight(np.array(matrix, np.int8))


def test_int8_is_symmetric():
    with pytest.raises(UnsupportedError):
        Int8Weight(np.array([[-128]], np.int8))
    with pytest.raises(UnsupportedError):
        Int8Weight(np.array([[1.0]]))
