"""Trained matrices cut to a low rank (Kusupati et al. 2018, section 3.2: W = W1 (W2)^T), by their singular values."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..models import FloatStorage, Matrix, Projection


@torch.no_grad()
def cut_rank(projection: Projection, rank: int) -> None:
    """Replace the factors of a projection by the two of `rank` nearest to their product (Eckart and Young), of equal magnitude.

    Raises InputError when the rank is larger than the product's, or the matrices have been given a support or a storage before.
    """
    matrices = cast(list[Matrix], list(projection.factors))
    if any(matrix.is_sparse or not isinstance(matrix.storage, FloatStorage) for matrix in matrices):
        raise InputError("low_rank makes new matrices: put it before sparse, quantize and ternary in compress")
    most = min(size for matrix in matrices for size in matrix.weight.shape)
    if rank > most:
        raise InputError(f"low_rank: rank {rank} is larger than the {projection.name} matrix allows: use at most {most}")
    projection.factors = nn.ModuleList(_matrix(values) for values in _factors(_product(matrices), rank))


def _product(matrices: list[Matrix]) -> Tensor:
    """float64 [rows, columns]."""
    result = matrices[0].weight.double()
    for matrix in matrices[1:]:
        result = matrix.weight.double() @ result
    return result


def _factors(whole: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """([rank, columns], [rows, rank]) in the order of application, the singular values shared between them."""
    left, values, right = torch.linalg.svd(whole, full_matrices=False)
    root = values[:rank].sqrt()
    return root[:, None] * right[:rank], left[:, :rank] * root


def _matrix(values: Tensor) -> Matrix:
    matrix = Matrix(*values.shape)
    matrix.weight.copy_(values)
    return matrix
