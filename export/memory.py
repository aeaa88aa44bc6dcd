"""Where every value of a graph lives on the device: in the caller's buffers, in the state, or at an offset of one scratch arena."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..graph.ir import Graph, Node, TensorType

ALIGNMENT = 2
"""Bytes: the arena is an array of int16."""


@dataclass(frozen=True)
class Place:
    """A buffer. name: the input, state or output that it is; offset: bytes from the arena's start (0 elsewhere)."""

    region: Literal["input", "state", "output", "arena"]
    name: str = ""
    offset: int = 0


@dataclass(frozen=True)
class Copy:
    """To be done after the last node, in order."""

    source: Place
    target: Place
    type: TensorType


@dataclass(frozen=True)
class Plan:
    """The place of every value that lies somewhere, the arena's size, and what remains to be copied at the end."""

    places: Mapping[str, Place]
    arena_bytes: int
    copies: tuple[Copy, ...]


def plan_memory(graph: Graph, outputs: Sequence[str]) -> Plan:
    """Places for all values of `graph`; those named in `outputs` are delivered in buffers of the caller.

    Inputs are never overwritten. A next state is produced in its state's own buffer wherever nobody needs the old one any more.
    """
    types = graph.types()
    lives = _Lifetimes(graph, outputs)
    places = {value.name: Place("input", value.name) for value in graph.data_inputs}
    places.update({value.name: Place("state", value.name) for value in graph.state_inputs})
    places.update(_states_in_place(graph, lives))
    produced = [name for node in graph.nodes for name in node.outputs]
    for name in outputs:
        if name in produced and name not in places:
            places[name] = Place("output", name)
    groups = _group(graph, lives, types, [name for name in produced if name not in places])
    staged = _crossing_states(graph)
    groups += [_Group([f"{name} before"], len(graph.nodes), len(graph.nodes) + 1, types[name].nbytes) for name in staged]
    offsets, arena_bytes = _first_fit(groups)
    places.update({name: Place("arena", offset=offset) for name, offset in offsets.items()})
    return Plan(places, arena_bytes, (*_output_copies(outputs, places, types), *_state_copies(graph, places, types, staged)))


class _Lifetimes:
    """When each value is written and last read, by index of the node; `end` is after the last one."""

    def __init__(self, graph: Graph, outputs: Sequence[str]) -> None:
        self.end = len(graph.nodes)
        self.written = {name: i for i, node in enumerate(graph.nodes) for name in node.outputs}
        self.read = dict(self.written)
        for i, node in enumerate(graph.nodes):
            self.read.update(dict.fromkeys(node.inputs, i))
        self.read.update(dict.fromkeys((*outputs, *graph.state.values()), self.end))

    def dies_at(self, name: str, node: int) -> bool:
        return self.read.get(name, -1) <= node


@dataclass
class _Group:
    """Values that share one buffer, one after the other."""

    names: list[str]
    first: int
    last: int
    nbytes: int


def _states_in_place(graph: Graph, lives: _Lifetimes) -> dict[str, Place]:
    """Next states that may be written straight over the old ones."""
    places: dict[str, Place] = {}
    for before, after in graph.state.items():
        at = lives.written.get(after)
        if at is not None and after not in places and lives.dies_at(before, at) and _may_overwrite(graph.nodes[at], before):
            places[after] = Place("state", before)
    return places


def _may_overwrite(node: Node, name: str) -> bool:
    return all(i in node.op.in_place for i, read in enumerate(node.inputs) if read == name)


def _group(graph: Graph, lives: _Lifetimes, types: Mapping[str, TensorType], names: Sequence[str]) -> list[_Group]:
    """A buffer for each of `names`, shared where an op can work in place and its input dies there."""
    groups: dict[str, _Group] = {}
    for i, node in enumerate(graph.nodes):
        heirs = [name for name in node.outputs if name in names]
        for name in heirs:
            group = next((groups[x] for x in node.inputs if x in groups and _inherits(node, x, name, i, lives, types)), None)
            if group is None or len(heirs) > 1:
                group = _Group([], i, i, types[name].nbytes)
            group.names.append(name)
            group.last = lives.read[name]
            groups[name] = group
    return list({id(group): group for group in groups.values()}.values())


def _inherits(node: Node, old: str, new: str, at: int, lives: _Lifetimes, types: Mapping[str, TensorType]) -> bool:
    return _may_overwrite(node, old) and lives.dies_at(old, at) and types[old].nbytes == types[new].nbytes


def _first_fit(groups: Sequence[_Group]) -> tuple[dict[str, int], int]:
    """Offsets by name and the arena's size: the largest first, each at the lowest offset free for all of its life."""
    placed: list[tuple[_Group, int]] = []
    for group in sorted(groups, key=lambda group: (-group.nbytes, group.first)):
        offset = 0
        for other, start in sorted(placed, key=lambda pair: pair[1]):
            meets = group.first <= other.last and other.first <= group.last
            if meets and start < offset + group.nbytes:
                offset = max(offset, _aligned(start + other.nbytes))
        placed.append((group, offset))
    offsets = {name: offset for group, offset in placed for name in group.names}
    return offsets, max((_aligned(offset + group.nbytes) for group, offset in placed), default=0)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _crossing_states(graph: Graph) -> list[str]:
    """States whose OLD value becomes the next value of another state: saved first, because that state may be overwritten."""
    return sorted({after for before, after in graph.state.items() if after in graph.state and after != before})


def _state_copies(graph: Graph, places: Mapping[str, Place], types: Mapping[str, TensorType], staged: Sequence[str]) -> list[Copy]:
    saves = [Copy(places[name], places[f"{name} before"], types[name]) for name in staged]
    moves = [
        Copy(places[f"{after} before" if after in staged else after], Place("state", before), types[before])
        for before, after in graph.state.items()
        if places[after] != Place("state", before)
    ]
    return saves + moves


def _output_copies(outputs: Sequence[str], places: Mapping[str, Place], types: Mapping[str, TensorType]) -> list[Copy]:
    return [Copy(places[name], Place("output", name), types[name]) for name in outputs if places[name] != Place("output", name)]
