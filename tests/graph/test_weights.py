"""Packed weights against a byte-by-byte reading of docs/contract.md."""

import numpy as np
import pytest

from rescomp.errors import UnsupportedError
from rescomp.graph.ops.drawing import SPARSE, WHOLE_KERNELS, WHOLE_ROWS, draw_storage, draw_ternary
from rescomp.graph.weights import (
    Int4Weight,
    Int8Weight,
    SeededWeight,
    SparseKernelsWeight,
    SparseRowsWeight,
    SparseWeight,
    TernaryRowsWeight,
    TernaryWeight,
    Zeros,
    smallest_storage,
    ternary_codes,
    unpack_ternary,
    unpack_ternary_rows,
    xorshift32,
)


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


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 4), (2, 48), (3, 5), (2, 7), (9, 30), (16, 64)])
def test_few_rows_take_five_bits_for_four_columns_and_no_more(rows, columns):
    matrix = draw_ternary(np.random.default_rng(rows + columns), rows, columns)
    packed = TernaryRowsWeight(matrix).pack()
    groups = -(-columns // 4)
    assert packed.nbytes == -(-rows * groups * 5 // 8)
    stream = int.from_bytes(packed.tobytes(), "little")
    blocks = int.from_bytes(TernaryWeight(matrix[:1].copy()).pack()[:5].tobytes(), "little")
    assert stream & 31 == blocks & 31, "the codes are those of blocks"
    codes = [[stream >> 5 * (row * groups + group) & 31 for group in range(groups)] for row in range(rows)]
    assert codes == ternary_codes(matrix)[:rows].tolist()
    assert stream >> 5 * rows * groups == 0
    assert np.array_equal(unpack_ternary_rows(packed, rows, columns), matrix)


def test_a_classifier_of_two_classes_takes_fifteen_bytes_in_the_place_of_sixty():
    matrix = draw_ternary(np.random.default_rng(0), 2, 48)
    assert [weight(matrix).pack().nbytes for weight in (TernaryWeight, TernaryRowsWeight)] == [60, 15]


@pytest.mark.parametrize(
    "matrix",
    [[[1, 1, 1, 1]], [[0, 0, 1, 1]], [[2, 0, 1, 1]], [[0, 1, 1, 1, 0, 0]]],
)
def test_what_is_no_ternary_weight_is_refused(matrix):
    with pytest.raises(UnsupportedError):
        TernaryWeight(np.array(matrix, np.int8))
    with pytest.raises(UnsupportedError):
        TernaryRowsWeight(np.array(matrix, np.int8))


def test_int8_is_symmetric():
    with pytest.raises(UnsupportedError):
        Int8Weight(np.array([[-128]], np.int8))
    with pytest.raises(UnsupportedError):
        Int8Weight(np.array([[1.0]]))
    with pytest.raises(UnsupportedError):
        Int4Weight(np.array([[-8]], np.int8))
    with pytest.raises(UnsupportedError):
        SparseWeight(np.array([[8]], np.int8), 4, "bitmap")


def test_whole_zeros_are_of_whole_kernels_and_of_known_bits():
    matrix = np.ones((1, 4), np.int8)
    for storage in (lambda: SparseKernelsWeight(matrix, 8, 3), lambda: SparseKernelsWeight(matrix, 8, 0)):
        with pytest.raises(UnsupportedError, match="do not fill rows of 4 entries"):
            storage()
    for storage in (lambda: SparseKernelsWeight(matrix, 6, 2), lambda: SparseRowsWeight(matrix, 5)):
        with pytest.raises(UnsupportedError, match=r"storage has \d bits: 4 or 8"):
            storage()
    with pytest.raises(UnsupportedError, match=r"outside \[-7, 7\]"):
        SparseRowsWeight(9 * matrix, 4)


@pytest.mark.parametrize(("bits", "index"), [(2, "bitmap"), (8, "coordinates"), (8.5, "delta")])
def test_unknown_sparse_storages_are_refused(bits, index):
    with pytest.raises(UnsupportedError, match="4 or 8, bitmap or delta"):
        SparseWeight(np.ones((1, 1), np.int8), bits, index)


def signed(value: int, bits: int) -> int:
    """Two's complement."""
    return value - (1 << bits) if value >> (bits - 1) else value


def read_int4(packed: bytes, rows: int, columns: int) -> list[list[int]]:
    row_bytes = (columns + 1) // 2
    lines = [packed[row * row_bytes : (row + 1) * row_bytes] for row in range(rows)]
    return [[signed(line[column // 2] >> 4 * (column % 2) & 15, 4) for column in range(columns)] for line in lines]


def read_bitmap(packed: bytes, rows: int, columns: int, bits: int) -> list[list[int]]:
    row_bytes = (columns + 7) // 8
    matrix, values, count = [[0] * columns for _ in range(rows)], packed[rows * row_bytes :], 0
    for row in range(rows):
        for column in range(columns):
            if packed[row * row_bytes + column // 8] >> column % 8 & 1:
                matrix[row][column] = signed(values[count] if bits == 8 else values[count // 2] >> 4 * (count % 2) & 15, bits)
                count += 1
    assert len(values) == (count * bits + 7) // 8
    return matrix


def read_delta(packed: bytes, rows: int, columns: int, bits: int) -> list[list[int]]:
    stream, place, pending = list(packed), 0, None
    line = [0] * (rows * columns)
    while True:
        zeros = stream.pop(0)
        place += zeros
        if zeros == 255:
            continue
        if place == len(line):
            assert stream == []
            return [line[row * columns : (row + 1) * columns] for row in range(rows)]
        if bits == 8:
            line[place] = signed(stream.pop(0), 8)
        elif pending is not None:
            line[place], pending = signed(pending, 4), None
        else:
            byte = stream.pop(0)
            line[place], pending = signed(byte & 15, 4), byte >> 4
        place += 1


def read_kernels(packed: bytes, rows: int, columns: int, bits: int, positions: int) -> list[list[int]]:
    channels = columns // positions
    row_bytes, place = (channels + 7) // 8, 0
    matrix, values = [[0] * columns for _ in range(rows)], packed[rows * ((channels + 7) // 8) :]
    for row in range(rows):
        for channel in range(channels):
            if packed[row * row_bytes + channel // 8] >> channel % 8 & 1:
                for position in range(positions):
                    byte = values[place] if bits == 8 else values[place // 2] >> 4 * (place % 2) & 15
                    matrix[row][position * channels + channel] = signed(byte, bits)
                    place += 1
    assert len(values) == (place * bits + 7) // 8
    return matrix


def read_rows(packed: bytes, rows: int, columns: int, bits: int) -> list[list[int]]:
    start, matrix = (rows + 7) // 8, []
    for row in range(rows):
        if packed[row // 8] >> row % 8 & 1:
            end = start + (columns if bits == 8 else (columns + 1) // 2)
            matrix.append([signed(byte, 8) for byte in packed[start:end]] if bits == 8 else read_int4(packed[start:end], 1, columns)[0])
            start = end
        else:
            matrix.append([0] * columns)
    assert start == len(packed)
    return matrix


def read(weight) -> list[list[int]]:
    packed, shape = weight.pack().tobytes(), weight.matrix.shape
    if weight.storage == "int4":
        return read_int4(packed, *shape)
    if weight.kind == "sparse_kernels":
        return read_kernels(packed, *shape, weight.bits, weight.positions)
    if weight.kind == "sparse_rows":
        return read_rows(packed, *shape, weight.bits)
    return (read_bitmap if weight.index == "bitmap" else read_delta)(packed, *shape, weight.bits)


@pytest.mark.parametrize("storage", ["int4", *SPARSE, *WHOLE_ROWS, *WHOLE_KERNELS])
@pytest.mark.parametrize("rows", [1, 2, 9, 40])
@pytest.mark.parametrize("columns", [1, 2, 7, 8, 9, 40, 600])
def test_the_streams_are_those_of_the_contract(storage, rows, columns):
    for seed in range(5):
        weight = draw_storage(np.random.default_rng(seed), storage, rows, columns, positions=3 if columns % 3 == 0 else 1)
        assert read(weight) == weight.matrix.tolist()
        assert weight.pack().dtype == np.uint8


def test_streams_by_hand():
    matrix = np.array([[0, 3, 0, 0], [0, 0, 0, -1], [2, 0, 0, 0]], np.int8)
    assert SparseWeight(matrix, 8, "bitmap").pack().tolist() == [0b0010, 0b1000, 0b0001, 3, 255, 2]
    assert SparseWeight(matrix, 4, "bitmap").pack().tolist() == [0b0010, 0b1000, 0b0001, 0xF3, 0x02]
    assert SparseWeight(matrix, 8, "delta").pack().tolist() == [1, 3, 5, 255, 0, 2, 3]
    assert SparseWeight(matrix, 4, "delta").pack().tolist() == [1, 0xF3, 5, 0, 0x02, 3]
    assert Int4Weight(matrix[:, :3].copy()).pack().tolist() == [0x30, 0, 0, 0, 2, 0]
    assert SparseKernelsWeight(matrix, 8, 2).pack().tolist() == [0b10, 0b10, 0b01, 3, 0, 0, 255, 2, 0]
    assert SparseKernelsWeight(matrix, 4, 4).pack().tolist() == [1, 1, 1, 0x30, 0x00, 0x00, 0xF0, 0x02, 0x00]
    assert SparseRowsWeight(matrix[1:], 8).pack().tolist() == [0b11, 0, 0, 0, 255, 2, 0, 0, 0]
    assert SparseRowsWeight(matrix[:, :3].copy(), 4).pack().tolist() == [0b101, 0x30, 0, 2, 0]
    nothing = np.zeros((3, 170), np.int8)
    assert SparseKernelsWeight(nothing, 8, 5).pack().tolist() == [0] * 15
    assert SparseRowsWeight(nothing, 4).pack().tolist() == [0]
    assert SparseWeight(nothing, 8, "delta").pack().tolist() == [255, 255, 0]
    assert SparseWeight(nothing[:, 1:], 4, "delta").pack().tolist() == [255, 252]


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize(
    ("density", "kind"), [(1.0, "int"), (0.3, "sparse_bitmap_int"), (0.02, "sparse_delta_int"), (0.0, "sparse_delta_int")]
)
def test_the_smallest_storage_is_taken(bits, density, kind):
    rng = np.random.default_rng(0)
    matrix = rng.integers(1, 8, (30, 64), dtype=np.int8)
    matrix[rng.random(matrix.shape) >= density] = 0
    weight = smallest_storage(matrix, bits)
    assert weight.storage == f"{kind}{bits}"
    assert np.array_equal(weight.matrix, matrix)
    others = (
        SparseWeight(matrix, bits, "bitmap"),
        SparseWeight(matrix, bits, "delta"),
        Int8Weight(matrix) if bits == 8 else Int4Weight(matrix),
    )
    assert weight.pack().nbytes == min(other.pack().nbytes for other in others)


def test_dense_wins_ties_then_the_bitmap():
    assert smallest_storage(np.array([[5, 0]], np.int8), 8).storage == "int8"  # 2 bytes each
    assert smallest_storage(np.array([[0, 0, 0, 5]], np.int8), 8).storage == "sparse_bitmap_int8"  # 2, and a delta of 3
    line = np.zeros((2, 8), np.int8)
    line[1, 0] = 5  # a bitmap of 2 + 1, a delta of 1 + 1 + 1
    assert smallest_storage(line, 8).storage == "sparse_bitmap_int8"
    with pytest.raises(UnsupportedError, match=r"outside \[-7, 7\]"):
        smallest_storage(np.array([[9]], np.int8), 4)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("granularity", ["weight", "kernel", "channel"])
def test_zeros_that_are_whole_take_storages_of_their_own(bits, granularity):
    """Which one is taken does not depend on where the zeros happen to lie: only those are tried that `zeros` allows."""
    rng, zeros = np.random.default_rng(1), Zeros(granularity, 9)
    matrix = rng.integers(1, 8, (12, 9, 20), dtype=np.int8)
    matrix[3:] = 0
    weight = smallest_storage(matrix.reshape(12, 180), bits, zeros)
    assert weight.kind == {"weight": "sparse", "kernel": "sparse_kernels", "channel": "sparse_rows"}[granularity]
    matrix[:, 0, :] = 1  # a weight in each kernel
    assert smallest_storage(matrix.reshape(12, 180), bits, zeros).storage == f"sparse_bitmap_int{bits}"
    assert smallest_storage(np.ones((3, 9), np.int8), bits, zeros).storage == f"int{bits}"
    assert smallest_storage(np.eye(9, dtype=np.int8), bits, Zeros(granularity, 1)).kind == "sparse"


def test_the_words_behind_a_seed():
    """Marsaglia's own example (2003), and what a seed of 1 gives by hand: 1 ^ 1 << 13 ^ 1 << 5 ^ 1 << 18."""
    assert xorshift32(2463534242, 3).tolist() == [723471715, 2497366906, 2064144800]
    assert xorshift32(1, 4).tolist() == [270369, 67634689, 2647435461, 307599695]
    assert xorshift32(0xFFFFFFFF, 2).tolist() == [253983, 4228382207]


def read_seeded(seed: int, rows: int, columns: int) -> list[list[int]]:
    """rescomp_fully_connected_seeded_body.h, read literally."""
    matrix = []
    for _ in range(rows):
        line = []
        for column in range(columns):
            if column % 32 == 0:
                seed ^= seed << 13 & 0xFFFFFFFF
                seed ^= seed >> 17
                seed ^= seed << 5 & 0xFFFFFFFF
            line.append(-1 if seed >> column % 32 & 1 else 1)
        matrix.append(line)
    return matrix


@pytest.mark.parametrize("columns", [1, 31, 32, 33, 64, 65, 100])
@pytest.mark.parametrize("seed", [1, 0x12345678, 0xFFFFFFFF])
def test_signs_of_a_seed(seed, columns):
    weight = SeededWeight(7, columns, seed)
    assert weight.matrix.tolist() == read_seeded(seed, 7, columns)
    assert weight.matrix.dtype == np.int8
    assert weight.pack().nbytes == 0


def test_the_first_signs_of_a_seed():
    """270369 = 0b1000010000000100001, then 67634689 = 0b100000010000000011000000001."""
    first, second = SeededWeight(2, 20, 1).matrix
    assert np.flatnonzero(first == -1).tolist() == [0, 5, 13, 18]
    assert np.flatnonzero(second == -1).tolist() == [0, 9, 10, 19]


def test_signs_are_balanced_and_rows_differ():
    matrix = SeededWeight(128, 348, 0xC0FFEE).matrix.astype(int)
    assert abs(matrix.mean()) < 0.02
    products = matrix @ matrix.T - 348 * np.eye(128, dtype=int)
    assert np.abs(products).max() < 6 * np.sqrt(348)
