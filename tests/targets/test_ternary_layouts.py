"""The order of ternary codes for kernels with tables of partial sums, against a literal reading of targets/ternary_layouts.py."""

import numpy as np
import pytest

from rescomp.graph.ops.drawing import draw_ternary
from rescomp.graph.weights import ternary_codes
from rescomp.targets.ternary_layouts import matrix_of_tabled_words, tabled_entries, tabled_word_count, tabled_words

ROWS, COLUMNS = (1, 7, 8, 9, 17), (1, 4, 5, 8, 9, 13, 16, 17, 61, 64, 65, 68, 69, 129)


def read_words(packed, rows, columns):
    """The module's text, word by word: codes of [rows padded to 8, groups]."""
    groups, blocks, words = -(-columns // 4), -(-rows // 8), iter(packed.tolist())
    codes = [[None] * groups for _ in range(blocks * 8)]
    for chunk in range(0, groups, 16):
        left_in_chunk = min(16, groups - chunk)
        for block in range(blocks):
            group = chunk
            for quad in range((left_in_chunk + 3) // 4):
                count = left_in_chunk % 4 if quad == 0 and left_in_chunk % 4 else 4
                of_groups, of_bytes = [next(words) for _ in range(count)], next(words).to_bytes(4, "little")
                assert not any(of_bytes[: 4 - count])
                for word, byte in zip(of_groups, of_bytes[4 - count :], strict=True):
                    found = [word >> 5 * row & 31 for row in range(6)] + [byte & 31, word >> 30 ^ byte >> 3]
                    for row, code in enumerate(found):
                        codes[block * 8 + row][group] = code
                    group += 1
    assert next(words, None) is None
    return codes


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("columns", COLUMNS)
def test_tabled_words_round_trip_and_read_as_described(rows, columns):
    matrix = draw_ternary(np.random.default_rng(rows * 1000 + columns), rows, columns)
    packed = tabled_words(matrix)
    assert packed.dtype == np.uint32
    assert packed.size == tabled_word_count(rows, columns)
    assert read_words(packed, rows, columns) == ternary_codes(matrix).tolist()
    np.testing.assert_array_equal(matrix_of_tabled_words(packed, rows, columns), matrix)


@pytest.mark.parametrize(
    ("rows", "columns", "bits"), [(80, 64, 1.25), (8, 16, 1.25), (8, 12, 4 * 32 / 96), (80, 5, 2.4), (9, 32, 20 / 9), (2, 80, 5.0)]
)
def test_bits_a_weight(rows, columns, bits):
    assert tabled_word_count(rows, columns) * 32 / (rows * columns) == pytest.approx(bits)


def test_a_table_has_thirty_two_entries_a_group_and_at_most_sixteen_groups():
    assert [tabled_entries(columns) for columns in (1, 4, 5, 64, 65, 1000)] == [32, 32, 64, 512, 512, 512]
