"""Storages of a weight matrix, a file each."""

from __future__ import annotations

from .dense import LIMITS, Int4Weight, Int8Weight
from .seeded import SeededWeight, seeded_signs, xorshift32
from .smallest import Zeros, smallest_storage
from .sparse import SparseWeight
from .sparse_kernels import SparseKernelsWeight, SparseRowsWeight
from .ternary import BLOCK_ROWS, GROUP, TernaryWeight, matrix_of_codes, ternary_codes, unpack_ternary
from .ternary_rows import TernaryRowsWeight, unpack_ternary_rows
from .weight import Weight

__all__ = [
    "BLOCK_ROWS",
    "GROUP",
    "LIMITS",
    "Int4Weight",
    "Int8Weight",
    "SeededWeight",
    "SparseKernelsWeight",
    "SparseRowsWeight",
    "SparseWeight",
    "TernaryRowsWeight",
    "TernaryWeight",
    "Weight",
    "Zeros",
    "matrix_of_codes",
    "seeded_signs",
    "smallest_storage",
    "ternary_codes",
    "unpack_ternary",
    "unpack_ternary_rows",
    "xorshift32",
]
