"""A value of the graph, as a net's program handles it."""

from __future__ import annotations

from dataclasses import dataclass

from ..graph.formats import TensorType


@dataclass(frozen=True)
class Symbol:
    """name, type: of the value."""

    name: str
    type: TensorType
