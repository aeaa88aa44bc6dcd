"""A net as plain data, its parts in order: from it, later stages make any net again without a user's code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import prod
from typing import Any, get_args

import torch
from torch import nn

from ..documents import is_count, parse_json, read_fields
from ..errors import InputError, UnsupportedError
from ..graph.formats import MOST_ENTRIES
from ..recipe import MOST_CELLS, MOST_STAGES
from .arithmetic import NORMALIZED, Nonlinearity
from .base import Net
from .layered.feed_forward import FeedForwardNet
from .layered.plan import Plan
from .layered.plan_check import check_counts
from .layered.timed_layers import TimedLayers, lookbacks, names_fault
from .matrix import Projection
from .recurrent.cell import Cell, CellShape
from .recurrent.net import RecurrentNet
from .recurrent.net_parts import CELL_SUFFIXES
from .recurrent.readout import LAST, Readout
from .staged import CELLS

NET_SCHEMA = 2
MOST_WEIGHTS = 1 << 24
"""Entries of all matrices of a net."""
LARGEST_INPUT = 1 << 16
"""In a file: entries of what a net reads at once or answers."""
_LAYERS = "layers"


@dataclass(frozen=True)
class CellPart:
    """A cell: its kind, of CELLS, and its sizes."""

    kind: str
    shape: CellShape

    @classmethod
    def of(cls, cell: Cell) -> CellPart:
        """Raises UnsupportedError for a cell that is none of CELLS."""
        shape = CellShape(cell.input.columns, cell.hidden_size, _rank(cell.input), _rank(cell.recurrent), cell.suffix)
        return cls(_kind(cell), shape)

    def describe(self) -> str:
        """In a phrase."""
        shape = self.shape
        ranks = "".join(f", {name} {rank}" for name, rank in (("rank_w", shape.rank_w), ("rank_u", shape.rank_u)) if rank is not None)
        return f"{self.kind} of hidden size {shape.hidden_size}{ranks} behind {shape.input_size}"


@dataclass(frozen=True)
class Blueprint:
    """parts: cells and the plans of layers, from the input on. channels: entries of what a net with cells reads at a step, or of a reading
    of one without; classes: of its answer; nonlinearity, readout: of its cells.
    """

    parts: tuple[CellPart | Plan, ...]
    channels: int
    classes: int
    nonlinearity: Nonlinearity = "table"
    readout: Readout = LAST

    @classmethod
    def of(cls, net: Net) -> Blueprint:
        """Raises UnsupportedError for a cell that cannot be exported."""
        if not isinstance(net, RecurrentNet):
            (module,) = net.layer_modules
            return cls((module.plan,), len(net.mean), prod(module.plan.steps[-1].shape))
        parts = tuple(part.plan if isinstance(part, TimedLayers) else CellPart.of(part) for part in net.parts)
        return cls(parts, len(net.mean), len(net.bias), net.arithmetic.nonlinearity, net.readout)

    @property
    def sizes(self) -> tuple[str, ...]:
        """What a recipe tells of it, a phrase for each cell, for the matrices of each part of layers, and for what is read of cells."""
        parts = tuple(part.describe() if isinstance(part, CellPart) else _sizes_of(part) for part in self.parts)
        cells = any(isinstance(part, CellPart) for part in self.parts)
        return (*parts, *((f"nonlinearity {self.nonlinearity}", f"readout {self.readout.describe()}") if cells else ()))

    def net(self) -> Net:
        """A fresh net of these parts, for inputs of centre 0 and spread 1."""
        first = self.parts[0]
        if isinstance(first, Plan) and len(self.parts) == 1:
            return FeedForwardNet(first)
        parts: list[nn.Module] = [TimedLayers(part) if isinstance(part, Plan) else CELLS[part.kind](part.shape) for part in self.parts]
        readings = first.input_shape[0] if isinstance(first, Plan) else 1
        centre, spread = torch.zeros(self.channels), torch.ones(self.channels)
        return RecurrentNet(parts, self.classes, centre, spread, self.nonlinearity, self.readout, readings)

    def to_json(self) -> bytes:
        """For net.json."""
        parts = [{"kind": _LAYERS, **asdict(part)} if isinstance(part, Plan) else asdict(part) for part in self.parts]
        document = {"schema": NET_SCHEMA, **asdict(self), "parts": parts}
        return (json.dumps(document, indent=1) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes, origin: str) -> Blueprint:
        """What to_json wrote, and what earlier versions wrote: net.json of a net of layers, cells.json of one of cells.

        Raises InputError naming `origin` when it is damaged.
        """
        try:
            document = parse_json(data)
            _check_schema(document["schema"], origin)
            blueprint = _read(document)
            _check(blueprint)
        except (ValueError, KeyError, TypeError, AttributeError, UnsupportedError) as error:
            raise InputError(f"{origin} is damaged ({type(error).__name__}: {error}): train the model again") from error
        return blueprint


def _sizes_of(plan: Plan) -> str:
    return f"layers of {', '.join(f'{layer.rows} x {layer.columns}' for layer in plan.layers)}"


def _check_schema(schema: Any, origin: str) -> None:
    if not is_count(schema, 1, NET_SCHEMA):
        raise InputError(f"{origin} has schema {schema!r:.40}, this rescomp reads 1 and {NET_SCHEMA}: use the rescomp that wrote it")


def _read(document: Any) -> Blueprint:
    if document["schema"] == NET_SCHEMA:
        return _of(document, tuple(_part(part) for part in _bounded(document["parts"])), "parts")
    if "cells" in document:
        return _of(document, tuple(_cell(kind, shape) for kind, shape in document["cells"][: MOST_CELLS + 1]), "cells")
    plan = _plan(document, "schema")
    return Blueprint((plan,), plan.input_shape[-1], prod(plan.steps[-1].shape))


def _of(document: Mapping[str, Any], parts: tuple[CellPart | Plan, ...], key: str) -> Blueprint:
    known = ("channels", "classes", "nonlinearity")
    if set(document) - {"readout"} != {"schema", key, *known}:
        raise ValueError(f"it has other keys than {key}, {', '.join(known)}, readout")
    try:
        readout = read_fields(Readout, document.get("readout", asdict(LAST)))  # which directories of before readouts do not tell
    except InputError as error:  # which does not name the file
        raise ValueError(error) from error
    return Blueprint(parts, document["channels"], document["classes"], document["nonlinearity"], readout)


def _bounded(parts: Any) -> Any:
    """The parts, before work is spent on more than a net has."""
    layers = [part for part in parts[: MOST_STAGES + 1] if part["kind"] == _LAYERS]
    check_counts(sum(len(part["layers"]) for part in layers), sum(len(part["steps"]) for part in layers))
    return parts[: MOST_STAGES + 1]


def _part(document: Mapping[str, Any]) -> CellPart | Plan:
    if document["kind"] == _LAYERS:
        return _plan(document, "kind")
    _check_keys(document, "kind", "shape")
    return _cell(document["kind"], document["shape"])


def _plan(document: Mapping[str, Any], *beside: str) -> Plan:
    _check_keys(document, *beside, *(field.name for field in fields(Plan)))
    return Plan.from_document(document)


def _check_keys(document: Mapping[str, Any], *known: str) -> None:
    if set(document) != set(known):
        raise ValueError(f"it has a part with other keys than {', '.join(known)}")


def _cell(kind: Any, shape: Any) -> CellPart:
    if kind not in CELLS:
        raise ValueError(f"it has a cell {kind!r:.80}")
    return CellPart(kind, read_fields(CellShape, shape))


def _check(blueprint: Blueprint) -> None:
    """Raise ValueError unless each part reads what the one before it gives, and none is larger than a model may be."""
    cells = [part for part in blueprint.parts if isinstance(part, CellPart)]
    if len(blueprint.parts) > MOST_STAGES or len(cells) > MOST_CELLS or (not cells and len(blueprint.parts) != 1):
        raise ValueError(f"it has {len(blueprint.parts)} parts, {len(cells)} cells among them")
    if not is_count(blueprint.channels, 1, LARGEST_INPUT) or not is_count(blueprint.classes, 1, LARGEST_INPUT):
        raise ValueError("it has no channels or classes, or too many")
    if blueprint.nonlinearity not in get_args(Nonlinearity):
        raise ValueError(f"it has the nonlinearity {blueprint.nonlinearity!r}")
    weights = sum(_weights(part) for part in blueprint.parts)
    if weights > MOST_WEIGHTS:
        raise ValueError(f"its matrices have {weights:,} entries, and at most {MOST_WEIGHTS:,} can be exported")
    if cells:
        _check_order(blueprint)
        _check_names(blueprint.parts)


def _check_order(blueprint: Blueprint) -> None:
    """The same of a net with cells."""
    parts, size = blueprint.parts, blueprint.channels
    last = max(place for place, part in enumerate(parts) if isinstance(part, CellPart))
    for place, part in enumerate(parts):
        if isinstance(part, CellPart):
            _check_cell(part, size)
            size = part.shape.hidden_size if place < last else blueprint.readout.entries(part.shape.hidden_size)
            continue
        rows = part.input_shape[0]
        if lookbacks(part, NORMALIZED) and place > last:
            raise ValueError("layers behind the last cell reach back over time")
        if place and isinstance(parts[place - 1], Plan):
            raise ValueError("two parts of layers follow each other")
        if len(part.input_shape) != 2 or prod(part.input_shape) != size or (place and rows != 1) or part.steps[-1].shape[:2] != (1, 1):
            raise ValueError(f"layers over {list(part.input_shape)} do not fit the others")
        size = part.steps[-1].shape[2]
    if size * blueprint.classes > MOST_ENTRIES:
        raise ValueError(f"its classifier has {blueprint.classes} x {size} entries")


def _check_names(parts: Sequence[CellPart | Plan]) -> None:
    """Raise ValueError where two values would have one name."""
    suffixes = [part.shape.suffix for part in parts if isinstance(part, CellPart)]
    if len(set(suffixes)) < len(suffixes) or not set(CELL_SUFFIXES).issuperset(suffixes):
        raise ValueError(f"its cells have the suffixes {suffixes}")
    if fault := names_fault(part for part in parts if isinstance(part, Plan)):
        raise ValueError(fault)


def _weights(part: CellPart | Plan) -> int:
    """Entries of the matrices of a part, at most."""
    if isinstance(part, Plan):
        return sum(layer.rows * layer.columns for layer in part.layers)
    rows = CELLS[part.kind].gates * part.shape.hidden_size
    return rows * (part.shape.input_size + part.shape.hidden_size)


def _check_cell(part: CellPart, size: int) -> None:
    shape, gates = part.shape, CELLS[part.kind].gates
    ranks = ((shape.rank_w, shape.input_size), (shape.rank_u, shape.hidden_size))
    fits = all(rank is None or 1 <= rank <= min(gates * shape.hidden_size, columns) for rank, columns in ranks)
    if (
        shape.input_size != size
        or shape.hidden_size < 1
        or not fits
        or gates * shape.hidden_size * max(size, shape.hidden_size) > MOST_ENTRIES
    ):
        raise ValueError(f"a cell of {shape.hidden_size} does not fit the others")


def _kind(cell: Cell) -> str:
    for kind, module in CELLS.items():
        if isinstance(cell, module) and type(cell) is module:
            return kind
    raise UnsupportedError(f"a {type(cell).__name__} cannot be exported: use one of {', '.join(each.__name__ for each in CELLS.values())}")


def _rank(projection: Projection) -> int | None:
    return None if len(projection.factors) == 1 else len(projection.layers[0][1].weight)
