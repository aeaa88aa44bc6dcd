"""The support of every matrix that an entry of `compress` asks a density of: of cells, of layers, of the classifier behind cells."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InputError
from ..models import Net
from ..recipe import Sparse
from .regrow import RegrowingSupport
from .selection import CLASSIFIER, STATE_MATRIX, cell_matrices, entries_by_name, named_matrices
from .sparse import SparseSupport


def give_supports(net: Net, entries: Sequence[Sparse]) -> None:
    """Give every matrix that an entry is for its support. One that names none is for the matrices of cells; without cells for all layers.

    Depthwise kernels and random projections stay as they are, and so do classes where whole channels go. Raises InputError for an entry
    that is left with nothing, or that a net or matrix cannot have.
    """
    matrices, cells = named_matrices(net), {name for cell in net.cells for name in cell_matrices(cell)}
    owners = {name: entry for name, entry in entries_by_name(entries, matrices).items() if entry.matrices or not net.cells or name in cells}
    positions = _positions(net)
    for entry in entries:
        own = [name for name, owner in owners.items() if owner is entry]
        _refuse(entry, own, cells, has_cells=bool(net.cells))
        thinned = [name for name in own if name not in _left_alone(net, entry)]
        if not thinned:
            raise InputError(
                f"{entry.phrase} in compress changes nothing of this net: depthwise kernels and random projections stay as they are, "
                'and classes under granularity = "channel": name other matrices'
            )
        for name in thinned:
            own_density = (entry.density_u if name.startswith(STATE_MATRIX) else entry.density_w) if name in cells else None
            kind = RegrowingSupport if entry.regrow else SparseSupport
            for matrix in matrices[name]:
                matrix.support = kind.of(matrix.weight, own_density or entry.density, entry, positions.get(id(matrix), 1))


def _refuse(entry: Sparse, own: Sequence[str], cells: set[str], *, has_cells: bool) -> None:
    """Refuse keys that the net or what the entry names cannot have."""
    if not has_cells and (entry.density_w or entry.density_u):
        raise InputError("density_w and density_u of sparse in compress are for recurrent cells: set density")
    without = [name for name in own if name in cells or (has_cells and name == CLASSIFIER)]
    if entry.granularity != "weight" and without:
        raise InputError(
            f'granularity = "{entry.granularity}" of sparse in compress is for layers, and {without[0]} has no kernels or channels '
            "to be left out whole: name layers in matrices, or leave granularity out"
        )


def _left_alone(net: Net, entry: Sparse) -> set[str]:
    """The layers that the entry leaves as they are, by name."""
    found = {module.whole(name) for module in net.layer_modules for name, layer in module.by_name.items() if layer.layer.is_special}
    if entry.granularity == "channel" and not net.cells:
        found |= {module.whole(name) for module in net.layer_modules for name in module.plan.last()}
    return found


def _positions(net: Net) -> dict[int, int]:
    """The positions of a kernel of every matrix of layers."""
    return {id(layer.matrix): next(module.plan.uses(name)).area for module in net.layer_modules for name, layer in module.by_name.items()}
