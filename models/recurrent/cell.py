"""What every recurrent cell has in common: two projections, states, and an update that works element by element."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from torch import Tensor, nn

from ...graph.formats import Format
from ..arithmetic import CellArithmetic
from ..matrix import Projection, Value

Tensors = Sequence[Tensor]
Constants = Sequence[Any]
"""Element-wise parameters as an arithmetic has them: tensors, or in a graph integers too."""


@dataclass(frozen=True)
class CellShape:
    """The sizes of a cell.

    rank_w, rank_u: ranks of W and U (None: full). suffix: what the names of the layer's values end with.
    """

    input_size: int
    hidden_size: int
    rank_w: int | None = None
    rank_u: int | None = None
    suffix: str = ""


class Cell(Protocol):
    """A recurrent cell in two parts: projections, which the net and the loop apply, and an element-wise update."""

    states: ClassVar[Mapping[str, Format]]
    """Name and format of every state; the first is what the recurrent projection, a next layer and the classifier read."""
    hidden_size: int
    suffix: str
    input: Projection
    recurrent: Projection

    def constants(self, arithmetic: CellArithmetic[Any]) -> Constants:
        """The element-wise parameters, in their formats."""
        ...

    def update(
        self, arithmetic: CellArithmetic[Value], projected: Value, recurrent: Value, states: Sequence[Value], constants: Constants
    ) -> tuple[Value, ...]:
        """The new states, each [..., hidden], from W x and U h (both [..., gates * hidden]) and the old ones, element by element."""
        ...


class CellModule(nn.Module):
    """Sizes and projections of a cell whose products hold `gates` gates side by side.

    Raises InputError when a rank is larger than its matrix allows.
    """

    gates: ClassVar[int] = 1
    states: ClassVar[Mapping[str, Format]]
    adds_products: ClassVar[bool] = True
    """Whether W x and U h are only ever added, so that their gradients are one."""
    compiled_as: ClassVar[str] = ""
    """CELL_<name> in compiled/recurrence.c, where that knows this very class; empty: its loop over time runs in torch alone."""

    def __init__(self, shape: CellShape) -> None:
        super().__init__()
        self.hidden_size, self.suffix = shape.hidden_size, shape.suffix
        rows = self.gates * shape.hidden_size
        self.input = Projection("input", rows, shape.input_size, shape.rank_w, shape.suffix)
        self.recurrent = Projection("recurrent", rows, shape.hidden_size, shape.rank_u, shape.suffix)
