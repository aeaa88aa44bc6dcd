"""What the templates write of one model's C, piece by piece: constants, calls, layers, buffers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..graph.formats import TensorType
from ..graph.ops.base import Array, ConstantKind

CODE_WIDTH = 112
"""Columns of generated code."""


@dataclass(frozen=True, eq=False)
class ConstArray:
    """A const array of the generated C. owner: the first layer that needs it, or "" if it belongs to none in particular."""

    identifier: str
    owner: str
    array: Array
    kind: ConstantKind
    note: str

    @property
    def c_type(self) -> str:
        """int8_t, uint8_t, int16_t or int32_t."""
        return f"{self.array.dtype.name}_t"

    @property
    def rows(self) -> list[str]:
        """The entries as lines of C, aligned."""
        packed = self.array.dtype == np.uint8
        texts = [f"0x{entry:02x}" if packed else str(entry) for entry in self.array.reshape(-1).tolist()]
        width = max(map(len, texts))
        per_line = 15 if packed else min(16, (CODE_WIDTH - 4) // (width + 2))
        cells = [f"{text:>{width}}," for text in texts]
        return [" ".join(cells[i : i + per_line]) for i in range(0, len(cells), per_line)]


def c_type(type: TensorType) -> str:
    """Of the entries of a value: int8_t, int16_t or int32_t."""
    return f"{type.format.dtype}_t"


@dataclass(frozen=True)
class Tap:
    """What a layer tells the tap: its number, and the buffer just written. macro: <MODEL>_LAYER_<NAME>."""

    index: int
    macro: str
    expression: str
    type: TensorType


@dataclass(frozen=True)
class Call:
    """Of a kernel, as text."""

    kernel: str
    text: str


@dataclass(frozen=True)
class LayerCode:
    """What computes a layer, with everything a reader wants to know about it. A view has no calls."""

    name: str
    graph: str
    calls: tuple[Call, ...]
    comment: str
    constant_bytes: int
    taps: tuple[Tap, ...]

    def row(self, width: int, graph_width: int) -> str:
        """The layer's line in the table of layers, its name and its graph's in so many columns."""
        shapes = ", ".join(str(tap.type) for tap in self.taps)
        kernel = self.calls[0].kernel if self.calls else "(a view of its input)"
        return (
            f"{self.taps[0].index:>5}  {self.graph:<{graph_width}}  {self.name:<{width}}  {kernel:<40}  {self.constant_bytes:>6}  {shapes}"
        )


@dataclass(frozen=True)
class FunctionBody:
    """The body of one graph's function.

    pointers: (identifier, expression, type) of the values in the scratch arena. copies: (target, source, bytes) at the end.
    arena_bytes: of values and of what kernels need while they run; values_bytes: what the values alone would take.
    unused: parameters that nothing in the body reads.
    """

    pointers: tuple[tuple[str, str, TensorType], ...]
    layers: tuple[LayerCode, ...]
    copies: tuple[tuple[str, str, int], ...]
    arena_bytes: int
    values_bytes: int
    unused: tuple[str, ...]

    @property
    def declarations(self) -> list[str]:
        """The pointers as lines of C, their comments aligned."""
        lines = [f"{c_type(type)} *const {identifier} = {expression};" for identifier, expression, type in self.pointers]
        return commented(lines, [type for _, _, type in self.pointers])


@dataclass(frozen=True)
class Parameter:
    """An input, a state or the scores: what the caller's buffer is called and what it holds."""

    identifier: str
    type: TensorType

    @property
    def macro(self) -> str:
        """Upper case, for macros."""
        return self.identifier.upper()

    @property
    def c_type(self) -> str:
        """Of its entries."""
        return c_type(self.type)


def commented(lines: Sequence[str], types: Sequence[TensorType]) -> list[str]:
    """Lines of C, each with what it declares behind it, aligned."""
    width = max(map(len, lines), default=0)
    return [f"{line:<{width}} /* {type} */" for line, type in zip(lines, types, strict=True)]
