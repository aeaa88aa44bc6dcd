"""Which storage a sparse matrix takes: the one of the fewest bytes among those that suit its zeros."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..fixed_point import IntArray
from .dense import Int4Weight, Int8Weight
from .sparse import SparseWeight
from .sparse_kernels import SparseKernelsWeight, SparseRowsWeight
from .weight import Weight


@dataclass(frozen=True)
class Zeros:
    """What is zero together in a sparse matrix [rows, positions * channels], channels fastest.

    granularity: single entries; kernels, the `positions` entries of one row and channel; or channels of the output, which are rows.
    """

    granularity: Literal["weight", "kernel", "channel"] = "weight"
    positions: int = 1


def smallest_storage(matrix: IntArray, bits: Literal[4, 8], zeros: Zeros = Zeros()) -> Weight:
    """The storage of int8 [rows, columns] that packs into the fewest bytes, the first among equals: dense, bitmap, delta, or by `zeros`."""
    candidates: list[Weight] = [Int8Weight(matrix) if bits == 8 else Int4Weight(matrix)]
    candidates += [SparseWeight(matrix, bits, "bitmap"), SparseWeight(matrix, bits, "delta")]
    if zeros.granularity == "kernel" and zeros.positions > 1:
        candidates.append(SparseKernelsWeight(matrix, bits, zeros.positions))
    if zeros.granularity == "channel":
        candidates.append(SparseRowsWeight(matrix, bits))
    return min(candidates, key=lambda weight: weight.pack().nbytes)
