"""Which int32 values of a graph an export can spell: those of ops alone that are made for them."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import UnsupportedError
from ..graph.ir import Graph


def refuse_int32(graph: Graph, who: str) -> None:
    """Raise UnsupportedError for an int32 value that any other op reads or makes, or none. who: computes on int8 and int16 values."""
    for name in _int32_for_others(graph):
        raise UnsupportedError(f"value {name!r} of graph {graph.name!r} is int32: {who} on int8 and int16 values")


def _int32_for_others(graph: Graph) -> Iterator[str]:
    wide = {name for name, type in graph.types().items() if type.format.dtype == "int32"}
    known: set[str] = set()
    others: set[str] = set()
    for node in graph.nodes:
        (known if node.op.takes_int32 else others).update((*node.inputs, *node.outputs))
    yield from sorted(wide & others | wide - known)
