"""Which matrices of a net an entry of `compress` is for: their names, and the choice by names and patterns."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from typing import TypeVar

from ..errors import InputError
from ..models import Matrix, Net
from ..models.layered.layered_module import LayeredModule
from ..models.recurrent.cell import Cell
from ..models.recurrent.net import RecurrentNet
from ..recipe import NamingEntry

INPUT_MATRIX, STATE_MATRIX, CLASSIFIER = "W", "U", "classifier"
"""What a cell's matrices are called, before its suffix, and that of the scores behind it."""
_MOST_SHOWN = 40
Entry = TypeVar("Entry", bound=NamingEntry)


def cell_matrices(cell: Cell) -> dict[str, list[Matrix]]:
    """The matrices of a cell by name, W and U with its suffix; of a product of a low rank both factors."""
    projections = {f"{INPUT_MATRIX}{cell.suffix}": cell.input, f"{STATE_MATRIX}{cell.suffix}": cell.recurrent}
    return {name: [matrix for _, matrix in projection.layers] for name, projection in projections.items()}


def layer_matrices(module: LayeredModule) -> dict[str, list[Matrix]]:
    """The matrix of each layer by its name; of a layer of a low rank both factors, in the order of application."""
    found: dict[str, list[Matrix]] = {}
    for name, layer in module.by_name.items():
        found.setdefault(module.whole(name), []).append(layer.matrix)
    return found


def named_matrices(net: Net) -> dict[str, list[Matrix]]:
    """Every matrix of the net by the name that `compress` knows: those of cells, `classifier` behind them, and layers by their own."""
    of_cells = {name: matrices for cell in net.cells for name, matrices in cell_matrices(cell).items()}
    of_layers = {name: each for module in net.layer_modules for name, each in layer_matrices(module).items()}
    return {**of_cells, **of_layers, **({CLASSIFIER: [net.classifier]} if isinstance(net, RecurrentNet) else {})}


def chosen(patterns: Sequence[str] | None, names: Collection[str]) -> list[str]:
    """Those of `names` that a pattern (with * ? []) matches; all where there are none. Raises InputError for one that matches nothing."""
    if patterns is None:
        return list(names)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise InputError(f"matrices in compress: {pattern!r} matches none of this net's matrices, which are {_listed(names)}")
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def entries_by_name(entries: Sequence[Entry], names: Collection[str]) -> dict[str, Entry]:
    """The entry that each of `names` has: the last that names it, else the one that names none.

    Raises InputError for a pattern that matches nothing, and for an entry that is left with nothing.
    """
    owners: dict[str, int] = {}
    in_order = sorted(enumerate(entries), key=lambda numbered: numbered[1].matrices is not None)
    for number, entry in in_order:
        owners.update(dict.fromkeys(chosen(entry.matrices, names), number))
    for number, entry in enumerate(entries):
        if number not in owners.values():
            raise InputError(f"compress: other entries take every matrix that {entry.phrase} is for: leave it out, or name others")
    return {name: entries[owners[name]] for name in names if name in owners}


def _listed(names: Collection[str]) -> str:
    shown = ", ".join(list(names)[:_MOST_SHOWN])
    return shown if len(names) <= _MOST_SHOWN else f"{shown} and {len(names) - _MOST_SHOWN} more"
