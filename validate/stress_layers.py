"""Forced values for the layers of a graph: what each node reads, side by side in one array a value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..graph.draws import Draws
from ..graph.fixed_point import IntArray
from ..graph.formats import TensorType
from ..graph.ir import Graph, Node
from ..graph.passes import fuse_fastgrnn_update
from ..graph.stress import random_values
from .stress_patterns import held_patterns

FEWEST_ROWS = 32
MOST_FORCED_BYTES = 1 << 26
"""Of all forced values of a graph together, in the quick mode."""
MOST_STRESS_ROWS = 4096
"""Applications of every node, in the quick mode."""
MOST_WISHED = 1 << 17
"""Entries of all inputs of a node that is given what its op asks for, which is up to 700 rows; larger ones get the background."""


def layer_inputs(draws: Draws, graph: Graph, times: int = 1) -> dict[str, IntArray]:
    """For every input of `graph`, and every value that a node reads, int16 or int32 [batch, *shape] within its format.

    Each node finds, in some rows, the inputs that its op asks for (Op.stress); what is left is random. All consumers of a value read the
    same rows, and a view is what it shows: each has the rows that the others leave. times: of the quick mode's room.
    """
    nodes, types = _readers(graph), graph.types()
    entries = sum(t.size for t in types.values())
    fewest = min(FEWEST_ROWS, max(1, MOST_FORCED_BYTES // (4 * entries)))
    most = min(MOST_STRESS_ROWS, max(fewest, MOST_FORCED_BYTES // (2 * entries))) * times
    small = [node for node in nodes if sum(types[name].size for name in node.inputs) <= MOST_WISHED]
    wishes = [(node, _wishes(draws, node, [types[name] for name in node.inputs], times, most)) for node in small]
    plan = _Plan(graph, most)
    blocks = [(node, inputs, plan.place(node, len(inputs[0]))) for node, inputs in wishes]
    forced = {name: _background(draws, types[name], max(plan.rows, fewest)) for name in plan.owners}
    for node, inputs, start in blocks:
        for name, array in zip(node.inputs, inputs, strict=True):
            plan.write(forced, name, start, array)
    return {name: array.astype(_stored(types[name])) for name, array in _with_views(graph, forced).items()}


def _stored(t: TensorType) -> np.dtype[Any]:
    """Of forced values: int16 where that is wide enough."""
    return np.promote_types(np.int16, t.format.numpy_dtype)


def _wishes(draws: Draws, node: Node, types: Sequence[TensorType], times: int, most: int) -> tuple[IntArray, ...]:
    """What the op asks for, drawn so many times anew: [most at most, *shape]."""
    asked = [zip(types, node.op.stress(draws, *types), strict=True) for _ in range(times)]
    drawn = [[array[:most].astype(_stored(t)) for t, array in arrays] for arrays in asked]
    return tuple(np.concatenate(arrays)[:most] for arrays in zip(*drawn, strict=True))


def _readers(graph: Graph) -> Iterator[Node]:
    """The nodes, and those that exports put in the place of several."""
    yield from graph.nodes
    yield from (node for node in fuse_fastgrnn_update(graph).nodes if node not in graph.nodes)


def _background(draws: Draws, t: TensorType, rows: int) -> IntArray:
    """Random values, and ends in a quarter of the rows."""
    array = random_values(draws, t, rows)
    array[::4] = held_patterns(draws, t, len(array[::4]))
    return array


def _with_views(graph: Graph, forced: dict[str, IntArray]) -> dict[str, IntArray]:
    """The forced values, and those of the views of them that somebody reads."""
    read = {name for node in graph.nodes for name in node.inputs}
    for node in graph.nodes:
        if node.op.view is not None:
            forced.update(zip(node.outputs, node.op.evaluate(*(forced[name] for name in node.inputs)), strict=True))
    inputs = {value.name for value in graph.inputs}
    return {name: array for name, array in forced.items() if name in read or name in inputs}


@dataclass(frozen=True)
class _Place:
    """Where a value lies: entries start .. start + size - 1 of its owner, which is no view."""

    owner: str
    start: int
    size: int


class _Plan:
    """Which rows of which entries are taken."""

    def __init__(self, graph: Graph, most: int) -> None:
        types = graph.types()
        self.most, self.rows = most, 0
        self.places = {value.name: _Place(value.name, 0, value.type.size) for value in graph.inputs}
        for node in graph.nodes:
            for name in node.outputs:
                self.places[name] = self._place(node, name, types[name].size)
        self.owners = list(dict.fromkeys(place.owner for place in self.places.values()))
        self._free = {name: np.zeros(types[name].size, np.int64) for name in self.owners}

    def _place(self, node: Node, name: str, size: int) -> _Place:
        if node.op.view is None:
            return _Place(name, 0, size)
        shown = self.places[node.inputs[0]]
        return _Place(shown.owner, shown.start + node.op.view, size)

    def place(self, node: Node, count: int) -> int:
        """The first of `count` rows that are free in all inputs of a node."""
        parts = [self._free[place.owner][place.start : place.start + place.size] for place in (self.places[name] for name in node.inputs)]
        start = max(int(part.max()) for part in parts)
        end = min(start + count, self.most)
        for part in parts:
            part[:] = max(end, start)
        self.rows = max(self.rows, end)
        return start

    def write(self, forced: dict[str, IntArray], name: str, start: int, array: IntArray) -> None:
        """Put the wanted values of one input where `place` said."""
        place = self.places[name]
        rows = forced[place.owner].reshape(len(forced[place.owner]), -1)
        count = max(0, min(len(array), len(rows) - start))
        rows[start : start + count, place.start : place.start + place.size] = array[:count].reshape(count, -1)
