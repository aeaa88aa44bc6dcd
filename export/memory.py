"""Where every value of a graph lives on the device: in the caller's buffers, in the state, or at an offset of one scratch arena."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..graph.formats import Format, TensorType
from ..graph.ir import Graph, Node

ARENA_ALIGNMENT = 2
"""Bytes: the arena is a whole number of int16, and one with scratch in it, a whole number of int32. A value begins at a multiple of its
entries' size."""


@dataclass(frozen=True)
class Location:
    """A buffer or a part of one. name: the input, state or output that it is; offset: bytes from the start of that, or of the arena."""

    region: Literal["input", "state", "output", "arena"]
    name: str = ""
    offset: int = 0

    def shifted(self, offset: int) -> Location:
        """The place so many bytes further on."""
        return replace(self, offset=self.offset + offset)


@dataclass(frozen=True)
class BufferCopy:
    """To be done after the last node, in order."""

    source: Location
    target: Location
    type: TensorType


@dataclass(frozen=True)
class MemoryPlan:
    """The place of every value that lies somewhere, the arena's size, and what remains to be copied at the end.

    scratch: offsets in the arena of what nodes need only while they run, by the node's name.
    """

    places: Mapping[str, Location]
    arena_bytes: int
    copies: tuple[BufferCopy, ...]
    scratch: Mapping[str, int]


def plan_memory(graph: Graph, outputs: Sequence[str], scratch: Mapping[str, int] | None = None) -> MemoryPlan:
    """Places for all values of `graph`; those named in `outputs` are delivered in buffers of the caller.

    Inputs are never overwritten. A next state is produced in its state's own buffer wherever nobody needs the old one any more.
    Views lie inside what they show. scratch: bytes, whole numbers of int32, that nodes need while they run, by the node's name.
    """
    scratch = scratch or {}
    types = graph.types()
    lives = _Lifetimes(graph, outputs)
    places = {value.name: Location("input", value.name) for value in graph.data_inputs}
    places.update({value.name: Location("state", value.name) for value in graph.state_inputs})
    places.update(_states_in_place(graph, lives))
    produced = [name for node in graph.nodes if node.op.view is None for name in node.outputs]
    for name in outputs:
        shown = _whole_of(lives, types, name)
        if shown in produced and shown not in places and (shown == name or shown not in outputs):
            places[shown] = Location("output", name)
    sharing = _Sharing(lives, types)
    for i, node in enumerate(graph.nodes):
        for name in node.outputs:
            if name in produced and name not in places:
                sharing.place(node, name, i)
    staged = _crossing_states(graph, lives)
    buffers = sharing.buffers + [_Buffer(len(graph.nodes), len(graph.nodes) + 1, types[name], {f"{name} before": 0}) for name in staged]
    for i, node in enumerate(graph.nodes):
        if node.name in scratch:
            buffers.append(_Buffer(i, i, TensorType((scratch[node.name] // 4,), Format(0, "int32")), {_scratch(node.name): 0}))
    offsets, arena_bytes = _first_fit(buffers)
    scratch_offsets = {name: offsets.pop(_scratch(name)) for name in scratch}
    places.update({name: Location("arena", offset=offset) for name, offset in offsets.items()})
    for name, (base, offset) in lives.views.items():
        if name not in places:
            places[name] = places[base].shifted(offset)
    copies = (*_output_copies(outputs, places, types), *_state_copies(graph, places, types, staged))
    return MemoryPlan(places, arena_bytes, copies, scratch_offsets)


def _whole_of(lives: _Lifetimes, types: Mapping[str, TensorType], name: str) -> str:
    """What an output shows all of, so that it may be computed there; else itself."""
    base = lives.base(name)
    return base if types[base].nbytes == types[name].nbytes else name


def _scratch(node: str) -> str:
    """A name that no value has."""
    return f"scratch of {node}"


class _Lifetimes:
    """When each value is written and last read, by index of the node; `end` is after the last one.

    views: for each view the value that it is a part of, itself no view, and the bytes from that value's start.
    held: until when the buffer of a value that is no view is needed: while it is read, or one of its views.
    """

    def __init__(self, graph: Graph, outputs: Sequence[str]) -> None:
        self.end = len(graph.nodes)
        self.views = _views(graph)
        self.written = {name: i for i, node in enumerate(graph.nodes) for name in node.outputs}
        self.read = dict(self.written)
        for i, node in enumerate(graph.nodes):
            self.read.update(dict.fromkeys(node.inputs, i))
        self.read.update(dict.fromkeys((*outputs, *graph.state.values()), self.end))
        self.held: dict[str, int] = {}
        for name, last in self.read.items():
            self.held[self.base(name)] = max(last, self.held.get(self.base(name), -1))

    def origin(self, name: str) -> tuple[str, int]:
        """The value whose buffer holds `name`, and the bytes from its start."""
        return self.views.get(name, (name, 0))

    def base(self, name: str) -> str:
        """The value whose buffer holds `name`."""
        return self.origin(name)[0]

    def dies_at(self, name: str, node: int) -> bool:
        """Whether neither the value (no view) nor a view of it is read after the node."""
        return self.held.get(name, -1) <= node


def _views(graph: Graph) -> dict[str, tuple[str, int]]:
    types = graph.types()
    views: dict[str, tuple[str, int]] = {}
    for node in graph.nodes:
        if node.op.view is not None:
            (seen,), (name,) = node.inputs, node.outputs
            base, offset = views.get(seen, (seen, 0))
            views[name] = (base, offset + node.op.view * types[name].format.numpy_dtype.itemsize)
    return views


@dataclass
class _Buffer:
    """Memory for a value of `type`, held from node `first` to node `last`.

    offsets: the values in it that are no views, one after the other; their entries are of one dtype.
    """

    first: int
    last: int
    type: TensorType
    offsets: dict[str, int]

    @property
    def nbytes(self) -> int:
        return self.type.nbytes

    @property
    def alignment(self) -> int:
        return self.type.format.numpy_dtype.itemsize


def _states_in_place(graph: Graph, lives: _Lifetimes) -> dict[str, Location]:
    """Next states that may be written straight over the old ones."""
    places: dict[str, Location] = {}
    for before, after in graph.state.items():
        at = lives.written.get(after)
        if at is None or after in places or graph.nodes[at].op.view is not None:
            continue
        others = [name for name in graph.nodes[at].inputs if name != before]
        apart = all(lives.base(name) != before for name in others)
        if apart and lives.dies_at(before, at) and _may_overwrite(graph.nodes[at], before):
            places[after] = Location("state", before)
    return places


def _may_overwrite(node: Node, name: str) -> bool:
    return all(i in node.op.in_place or i == node.op.shrinks_into for i, read in enumerate(node.inputs) if read == name)


class _Sharing:
    """Gives each value that has no place yet a buffer: a new one, or where an op can work in place that of its input."""

    def __init__(self, lives: _Lifetimes, types: Mapping[str, TensorType]) -> None:
        self.buffers: list[_Buffer] = []
        self._holding: dict[str, _Buffer] = {}
        self._lives, self._types = lives, types

    def place(self, node: Node, name: str, at: int) -> None:
        """Find room for an output of the node, which is number `at`."""
        old = next((x for x in node.inputs if len(node.outputs) == 1 and self._inherits(node, x, name, at)), None)
        if old is None:
            self._holding[name] = _Buffer(at, at, self._types[name], {name: 0})
            self.buffers.append(self._holding[name])
        else:
            offset = self._span(old)[0]
            self._holding[name] = self._holding[self._lives.base(old)]
            self._holding[name].offsets[name] = offset
        self._holding[name].last = max(self._holding[name].last, self._lives.held[name])

    def _inherits(self, node: Node, old: str, new: str, at: int) -> bool:
        """Whether `new` may be written where `old` lies: nothing there is read later, or at another entry by the same node."""
        buffer = self._holding.get(self._lives.base(old))
        if buffer is None or not _may_overwrite(node, old) or not self._fits(node, old, new):
            return False
        start, end = self._span(old)
        for name, last in self._lives.read.items():
            if self._holding.get(self._lives.base(name)) is buffer:
                first, past = self._span(name)
                apart = past <= start or end <= first
                harmless = name not in node.inputs or (first == start and _may_overwrite(node, name))
                if not apart and (last > at or not harmless):
                    return False
        return True

    def _fits(self, node: Node, old: str, new: str) -> bool:
        """Whether they have the same entries, or fewer of an op that may write them there."""
        before, after = self._types[old], self._types[new]
        shrinks = node.op.shrinks_into is not None and node.inputs[node.op.shrinks_into] == old
        return before.format.dtype == after.format.dtype and (after.size <= before.size if shrinks else after.size == before.size)

    def _span(self, name: str) -> tuple[int, int]:
        """Where a value, or a view, begins and ends in its buffer."""
        base, offset = self._lives.origin(name)
        start = self._holding[base].offsets[base] + offset
        return start, start + self._types[name].nbytes


def _first_fit(buffers: Sequence[_Buffer]) -> tuple[dict[str, int], int]:
    """Offsets by name and the arena's size: the largest first, each at the lowest offset free for all of its life."""
    placed: list[tuple[_Buffer, int]] = []
    for buffer in sorted(buffers, key=lambda buffer: (-buffer.nbytes, buffer.first)):
        start = 0
        for other, taken in sorted(placed, key=lambda pair: pair[1]):
            meets = buffer.first <= other.last and other.first <= buffer.last
            if meets and taken < start + buffer.nbytes:
                start = max(start, _aligned(taken + other.nbytes, buffer.alignment))
        placed.append((buffer, start))
    offsets = {name: start + offset for buffer, start in placed for name, offset in buffer.offsets.items()}
    alignment = max((ARENA_ALIGNMENT, *(buffer.alignment for buffer in buffers)))
    return offsets, max((_aligned(start + buffer.nbytes, alignment) for buffer, start in placed), default=0)


def _aligned(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment


def _crossing_states(graph: Graph, lives: _Lifetimes) -> list[str]:
    """Next states that lie in the OLD value of another state: saved first, because that state may be overwritten."""
    return sorted({after for before, after in graph.state.items() if lives.base(after) in graph.state.keys() - {before}})


def _state_copies(graph: Graph, places: Mapping[str, Location], types: Mapping[str, TensorType], staged: Sequence[str]) -> list[BufferCopy]:
    saves = [BufferCopy(places[name], places[f"{name} before"], types[name]) for name in staged]
    moves = [
        BufferCopy(places[f"{after} before" if after in staged else after], Location("state", before), types[before])
        for before, after in graph.state.items()
        if places[after] != Location("state", before)
    ]
    return saves + moves


def _output_copies(outputs: Sequence[str], places: Mapping[str, Location], types: Mapping[str, TensorType]) -> list[BufferCopy]:
    return [BufferCopy(places[name], Location("output", name), types[name]) for name in outputs if places[name] != Location("output", name)]
