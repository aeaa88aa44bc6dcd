"""Which units of a recurrent net stay: by the order among them that strong weights make, or by their size.

"Lattice-Based Pruning in Recurrent Neural Networks via Poset Modeling" (Sengupta 2025, arXiv 2502.16525): units are a partially ordered
set, one below another that it feeds; a unit is meet-irreducible where exactly one unit covers it, and those are what is kept. Strong is a
weight of more than STRONG times the mean magnitude; a net with feedback has cycles, so edges go in from the strongest on, and one that
would close a cycle is left out. Whole units go: their rows and columns of U, rows of W, biases and columns of the classifier.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from rescomp.models import RecurrentNet

Matrix2d = npt.NDArray[np.float64]
Order = npt.NDArray[np.bool_]
STRONG = 2.0
"""Of the mean magnitude. By the mean itself nearly all units stand above each other, and all but few are meet-irreducible."""


def order_of(u: Matrix2d) -> Order:
    """below [units, units]: whether a path of strong weights leads from the one to the other. u[i, j]: from j to i."""
    size = np.abs(u) * (1 - np.eye(len(u)))
    strong = size > STRONG * size.sum() / max(1, size.size - len(u))
    below = np.zeros_like(strong)
    for place in np.argsort(-size, axis=None, kind="stable"):
        to, of = divmod(int(place), len(u))
        if strong[to, of] and not below[to, of]:
            lower = below[:, of] | (np.arange(len(u)) == of)
            upper = below[to] | (np.arange(len(u)) == to)
            below |= np.outer(lower, upper)
    return below


def upper_covers(below: Order) -> npt.NDArray[np.int64]:
    """How many units stand above each with none between: int64 [units]."""
    between = (below.astype(np.int64) @ below.astype(np.int64)) > 0
    covers: npt.NDArray[np.int64] = (below & ~between).sum(axis=1)
    return covers


def strength(net: RecurrentNet) -> Matrix2d:
    """The sum of magnitudes of each unit's weights: float64 [units]."""
    w, u, c = (matrix.detach().double().abs().numpy() for matrix in weights_of(net))
    total: Matrix2d = w.sum(axis=1) + u.sum(axis=0) + u.sum(axis=1) + c.sum(axis=0)
    return total


def weights_of(net: RecurrentNet) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """W, U and the classifier's."""
    (w,), (u,) = net.cells[0].input.matrices(), net.cells[0].recurrent.matrices()
    return w, u, net.classifier.weight


def by_lattice(net: RecurrentNet, keep: int) -> list[int]:
    """Meet-irreducible units first, the stronger first among equals: the first `keep`, in order."""
    covers = upper_covers(order_of(weights_of(net)[1].detach().double().numpy()))
    return sorted(np.lexsort((-strength(net), covers != 1))[:keep].tolist())


def by_strength(net: RecurrentNet, keep: int) -> list[int]:
    """The strongest `keep` units, in order."""
    return sorted(np.argsort(-strength(net), kind="stable")[:keep].tolist())


def keep_units(net: RecurrentNet, small: RecurrentNet, units: list[int]) -> None:
    """Give `small`, which has as many units, those of `net`. Both have one cell."""
    whole, part = net.state_dict(), small.state_dict()
    for name, value in whole.items():
        for axis in range(value.dim()):
            if value.shape[axis] == net.cells[0].hidden_size:
                value = value.index_select(axis, torch.tensor(units))
        if value.shape != part[name].shape:
            raise ValueError(f"{name} has the shape {list(value.shape)}, not {list(part[name].shape)}")
        part[name].copy_(value)
