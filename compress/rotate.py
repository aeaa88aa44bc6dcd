"""The two factors of a low rank turned before they are quantized: (A R)(R^T B) is A B for any rotation R (Gong, Lazebnik 2011: ITQ)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from ..errors import InputError
from ..models import Matrix, Net, Projection
from ..models.matrix import Storage
from ..recipe import RotateFactors


def rotate_factors(net: Net, entry: RotateFactors) -> None:
    """Turn the factors of every product of a low rank, in place. Raises InputError where there is none."""
    products = [module for module in net.modules() if isinstance(module, Projection) and len(module.factors) == 2]
    if not products:
        raise InputError(
            "rotate_factors in compress turns the two factors of a low rank, and this net has none: set model.rank_u, for instance, "
            "or leave it out"
        )
    for product in products:
        rotate(product, entry.rounds)


@torch.no_grad()
def rotate(product: Projection, rounds: int) -> float:
    """Turn the factors [rank, columns] and [rows, rank] in place, so that their storages keep more of the product.

    Returns its relative error then.

    A round quantizes both and takes the rotation that brings them nearest to that (Procrustes). The best one counts, or none at all.
    """
    (_, inner), (_, outer) = product.layers
    a, b = outer.weight.double(), inner.weight.double()
    rotation = best = torch.eye(len(b), dtype=torch.float64, device=b.device)
    least = torch.inf
    for _ in range(rounds + 1):
        turned_a, turned_b = _stored(outer, a @ rotation), _stored(inner, rotation.T @ b)
        error = float(torch.linalg.norm(turned_a @ turned_b - a @ b))
        if error < least:
            least, best = error, rotation
        left, _, right = torch.linalg.svd(a.T @ turned_a + b @ turned_b.T)
        rotation = left @ right
    outer.weight.copy_(a @ best)
    inner.weight.copy_(best.T @ b)
    return least / float(torch.linalg.norm(a @ b))


def _stored(matrix: Matrix, weight: Tensor) -> Tensor:
    return cast(Storage, matrix.storage)(weight)
