"""How the tests draw formats, scales and weights: small pieces that every op's `random` shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from ..fixed_point import MAX_SHIFT, MIN_SHIFT, MULTIPLIER_BITS, TERNARY_INPUT_BOUND, TIE_FREE_WEIGHT, IntArray, Requantization
from ..formats import DType, Format
from ..weights import (
    GROUP,
    LIMITS,
    Int4Weight,
    Int8Weight,
    SeededWeight,
    SparseKernelsWeight,
    SparseRowsWeight,
    SparseWeight,
    TernaryRowsWeight,
    TernaryWeight,
    Weight,
)

DENSE = ("int8", "int4", "ternary")
SEEDED = ("seeded",)
UNPADDED = ("ternary_rows",)
SPARSE = ("sparse_bitmap_int8", "sparse_bitmap_int4", "sparse_delta_int8", "sparse_delta_int4")
WHOLE_ROWS = ("sparse_rows_int8", "sparse_rows_int4")
WHOLE_KERNELS = ("sparse_kernels_int8", "sparse_kernels_int4")
"""Of convolutions alone."""


def draw_dtype(rng: np.random.Generator) -> DType:
    """int16, or a third of the time int8."""
    return "int8" if rng.random() < 1 / 3 else "int16"


def draw_format(rng: np.random.Generator, *, ternary_input: bool = False, dtype: DType = "int16") -> Format:
    """A format; of the int16 ones half clamped (all of them when they feed a ternary weight), some non-negative."""
    if dtype == "int8":
        return Format(int(rng.integers(0, 8)), "int8", nonnegative=rng.random() < 0.2)
    bound = TERNARY_INPUT_BOUND if ternary_input or rng.random() < 0.5 else 0
    return Format(int(rng.integers(0, 16)), bound=bound, nonnegative=rng.random() < 0.2)


def draw_requantization(rng: np.random.Generator, rows: int, largest: int) -> Requantization:
    """Scales that bring accumulators up to `largest` near the int16 range; powers of two half of the time (only they have ties).

    Multipliers and shifts are sometimes equal for all rows: the C then stores one entry.
    """
    exponent = max(0, int(largest).bit_length() - 15)
    shift = rng.integers(exponent, exponent + 4, rows) + MULTIPLIER_BITS - 1
    if rng.random() < 0.5:
        multiplier = np.full(rows, 1 << (MULTIPLIER_BITS - 1))
    else:
        multiplier = rng.integers(1 << (MULTIPLIER_BITS - 1), 1 << MULTIPLIER_BITS, rows)
    multiplier, shift = (np.full_like(each, each[0]) if rng.random() < 0.3 else each for each in (multiplier, shift))
    return Requantization(multiplier.astype(np.int32), np.clip(shift, MIN_SHIFT, MAX_SHIFT).astype(np.int32))


def draw_tie_free(rng: np.random.Generator, rows: int, largest: int) -> Requantization:
    """Powers of two that bring accumulators up to `largest` near the int8 range: what stands beside int8 activations."""
    exponent = max(1, int(largest).bit_length() - 7)
    power = rng.integers(max(1, exponent - 3), exponent + 2, rows)
    power = np.full_like(power, power[0]) if rng.random() < 0.3 else power
    shift = (power + MULTIPLIER_BITS - 1).astype(np.int32)
    return Requantization(np.full(rows, 1 << (MULTIPLIER_BITS - 1), np.int32), shift)


def draw_product(
    rng: np.random.Generator,
    rows: int,
    columns: int,
    storages: Sequence[str] = (*DENSE, *SEEDED, *UNPADDED, *SPARSE, *WHOLE_ROWS),
    positions: int = 1,
) -> tuple[tuple[Weight, IntArray, Requantization, Format], Format]:
    """((weight, bias, requantization, output), input): a product of int16 values, or a third of the time of int8 values.

    storages: what the weight is drawn from, the unpadded ones for int16 values only. positions: of a kernel, see draw_storage.
    """
    dtype = draw_dtype(rng)
    kinds = [storage for storage in storages if dtype == "int16" or storage not in UNPADDED]
    weight = draw_storage(rng, kinds[rng.integers(len(kinds))], rows, columns, positions=positions)
    if dtype == "int8" and isinstance(weight, Int8Weight | SparseWeight | SparseKernelsWeight | SparseRowsWeight):
        weight = replace(weight, matrix=np.clip(weight.matrix, -TIE_FREE_WEIGHT, TIE_FREE_WEIGHT))
    x = draw_format(rng, ternary_input=weight.storage == "ternary", dtype=dtype)
    largest = int(np.abs(weight.matrix.astype(np.int64)).sum(axis=1).max()) * x.bound
    bias = rng.integers(-largest, largest + 1, rows, dtype=np.int32) if rng.random() < 0.5 else np.zeros(0, np.int32)
    requantization = (draw_tie_free if dtype == "int8" else draw_requantization)(rng, rows, largest)
    return (weight, bias, requantization, draw_format(rng, dtype=dtype)), x


def draw_storage(rng: np.random.Generator, kind: str, rows: int, columns: int, density: float | None = None, positions: int = 1) -> Weight:
    """A matrix in a storage by name, one of DENSE, SEEDED, UNPADDED, SPARSE, WHOLE_ROWS or WHOLE_KERNELS.

    density: the fraction of entries, rows or kernels that a sparse matrix keeps; None draws one, so that empty rows and long gaps come up.
    positions: entries of a kernel, which divide the columns.
    """
    if kind == "ternary":
        return TernaryWeight(draw_ternary(rng, rows, columns))
    if kind in UNPADDED:
        return TernaryRowsWeight(draw_ternary(rng, rows, columns))
    if kind in SEEDED:
        return SeededWeight(rows, columns, int(rng.integers(1, 1 << 32)))
    limit = LIMITS[4 if kind.endswith("int4") else 8]
    matrix = rng.integers(-limit, limit + 1, (rows, columns), dtype=np.int8)
    if kind in DENSE:
        return Int8Weight(matrix) if kind == "int8" else Int4Weight(matrix)
    kept = rng.choice([0.0, 0.01, 0.1, 0.5, 1.0]) if density is None else density
    bits: Literal[4, 8] = 4 if limit == LIMITS[4] else 8
    if kind in WHOLE_ROWS:
        matrix[rng.random(rows) >= kept] = 0
        return SparseRowsWeight(matrix, bits)
    if kind in WHOLE_KERNELS:
        matrix *= (rng.random((rows, 1, columns // positions)) < kept).repeat(positions, axis=1).reshape(rows, columns)
        return SparseKernelsWeight(matrix, bits, positions)
    matrix[rng.random((rows, columns)) >= kept] = 0
    return SparseWeight(matrix, bits, "bitmap" if "bitmap" in kind else "delta")


def draw_ternary(rng: np.random.Generator, rows: int, columns: int) -> IntArray:
    """int8 [rows, columns] with one zero in every full group of four."""
    groups = -(-columns // GROUP)
    matrix = rng.choice(np.array([-1, 1], np.int8), (rows, groups * GROUP))
    zero = rng.integers(0, GROUP, (rows, groups)) + GROUP * np.arange(groups)
    np.put_along_axis(matrix, zero, 0, axis=1)
    return np.ascontiguousarray(matrix[:, :columns])
