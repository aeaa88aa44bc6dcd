"""A recurrent net as plain data: from it, later stages make a user's own net again without the user's code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, get_args

import torch

from ...documents import is_count, parse_json, read_fields
from ...errors import InputError, UnsupportedError
from ..arithmetic import Nonlinearity
from ..matrix import Projection
from .cell import Cell, CellModule, CellShape
from .fastgrnn import FastGrnnCell
from .fastrnn import FastRnnCell
from .gru import GruCell
from .lstm import LstmCell
from .net import RecurrentNet
from .readout import LAST, Readout

CELLS: Mapping[str, type[CellModule]] = {"fastrnn": FastRnnCell, "fastgrnn": FastGrnnCell, "gru": GruCell, "lstm": LstmCell}
"""The recurrent kinds of [model]."""


LARGEST_STATE, LARGEST_INPUT = 4096, 1 << 16
"""Sizes in a file: of a cell's state, and of what a net reads or answers."""


@dataclass(frozen=True)
class Stack:
    """The cells of a net from the input on, as (kind, sizes); channels: of its input, readings side by side."""

    cells: tuple[tuple[str, CellShape], ...]
    channels: int
    classes: int
    nonlinearity: Nonlinearity
    readout: Readout = LAST

    @classmethod
    def of(cls, net: RecurrentNet) -> Stack:
        """Raises UnsupportedError for a cell that is none of CELLS."""
        cells = tuple((_kind(cell), _shape(cell)) for cell in net.cells)
        return cls(cells, len(net.mean), len(net.bias), net.arithmetic.nonlinearity, net.readout)

    def net(self) -> RecurrentNet:
        """A fresh net of these cells, for inputs of centre 0 and spread 1."""
        cells = [CELLS[kind](shape) for kind, shape in self.cells]
        return RecurrentNet(cells, self.classes, torch.zeros(self.channels), torch.ones(self.channels), self.nonlinearity, self.readout)

    def to_json(self) -> bytes:
        """For cells.json."""
        return (json.dumps({"schema": 1, **asdict(self)}, indent=1) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes, origin: str) -> Stack:
        """What to_json wrote. Raises InputError naming `origin` when it is damaged."""
        try:
            document: dict[str, Any] = parse_json(data)
            if document.pop("schema") != 1 or document["nonlinearity"] not in get_args(Nonlinearity):
                raise InputError(f"{origin} is of another rescomp: use the rescomp that wrote it")
            cells = tuple((kind, read_fields(CellShape, shape)) for kind, shape in document.pop("cells") if CELLS[kind])
            readout = read_fields(Readout, document.pop("readout", asdict(LAST)))
            stack = cls(cells, **document, readout=readout)
            _check(stack)
            return stack
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{origin} is damaged ({type(error).__name__}: {error}): train the model again") from error


def _check(stack: Stack) -> None:
    """Raise ValueError unless each cell reads what the one before it gives, and none is larger than a recipe could ask for."""
    reads = stack.channels
    if not is_count(reads, 1, LARGEST_INPUT) or not is_count(stack.classes, 1, LARGEST_INPUT) or not stack.cells:
        raise ValueError("it has no cells, channels or classes, or too many")
    for _, shape in stack.cells:
        ranks = [rank for rank in (shape.rank_w, shape.rank_u) if rank is not None]
        if (
            shape.input_size != reads
            or not 1 <= shape.hidden_size <= LARGEST_STATE
            or not all(1 <= rank <= LARGEST_STATE for rank in ranks)
        ):
            raise ValueError(f"a cell of {shape.hidden_size} does not fit the others")
        reads = shape.hidden_size


def _kind(cell: Cell) -> str:
    for kind, module in CELLS.items():
        if isinstance(cell, module) and type(cell) is module:
            return kind
    raise UnsupportedError(f"a {type(cell).__name__} cannot be exported: use one of {', '.join(each.__name__ for each in CELLS.values())}")


def _shape(cell: Cell) -> CellShape:
    return CellShape(cell.input.columns, cell.hidden_size, _rank(cell.input), _rank(cell.recurrent), cell.suffix)


def _rank(projection: Projection) -> int | None:
    return None if len(projection.factors) == 1 else len(projection.layers[0][1].weight)
