"""The support of every matrix of cells, by the entries of `compress` that ask for a density."""

from __future__ import annotations

from collections.abc import Sequence

from ..models import Net
from ..recipe import Sparse
from .regrow import RegrowingSupport
from .selection import STATE_MATRIX, cell_matrices, entries_by_name
from .sparse import SparseSupport


def give_supports(net: Net, entries: Sequence[Sparse]) -> None:
    """Give every matrix that an entry is for its support. Raises InputError for an entry that is for none."""
    matrices = {name: factors for cell in net.cells for name, factors in cell_matrices(cell).items()}
    for name, entry in entries_by_name(entries, matrices).items():
        own = entry.density_u if name.startswith(STATE_MATRIX) else entry.density_w
        kind = RegrowingSupport if entry.regrow else SparseSupport
        for matrix in matrices[name]:
            matrix.support = kind.of(matrix.weight, own or entry.density, entry)
