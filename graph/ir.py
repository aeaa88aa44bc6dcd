"""The intermediate representation: formats, types, values, nodes, graphs, models. Plain data, numpy only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from .ops.base import Op

DType = Literal["int8", "int16", "int32"]
MOST_ENTRIES = 1 << 22
"""Of a value, of a weight, of an image with its padding."""
MOST_FRACTION_BITS = 64
"""Either way: 2^-64 to 2^64 is more than any sum of the contract spans."""
_LIMIT: Mapping[str, int] = {"int8": 1 << 7, "int16": 1 << 15, "int32": 1 << 31}


@dataclass(frozen=True)
class Format:
    """How the entries of a value are stored: real = integer * 2^-fraction_bits, |integer| <= bound.

    A bound at the dtype's limit (32768 for int16) means plain saturation to the dtype; a non-negative format clamps below at 0.
    """

    fraction_bits: int
    dtype: DType = "int16"
    bound: int = 0  # 0: the dtype's limit
    nonnegative: bool = False

    def __post_init__(self) -> None:
        limit = _LIMIT[self.dtype]
        if self.bound == 0:
            object.__setattr__(self, "bound", limit)
        if not 0 < self.bound <= limit:
            raise ValueError(f"bound {self.bound} is outside 1..{limit} for {self.dtype}")
        if abs(self.fraction_bits) > MOST_FRACTION_BITS:
            raise ValueError(f"{self.fraction_bits} fraction bits are past {MOST_FRACTION_BITS}")

    @property
    def low(self) -> int:
        """Smallest integer of the format."""
        return 0 if self.nonnegative else -self.bound

    @property
    def high(self) -> int:
        """Largest integer of the format."""
        return min(self.bound, _LIMIT[self.dtype] - 1)

    @property
    def fills_dtype(self) -> bool:
        """Whether the dtype's own saturation is all the clamping that the format needs."""
        return self.bound == _LIMIT[self.dtype] and not self.nonnegative

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The dtype that evaluate stores."""
        return np.dtype(self.dtype)

    def __str__(self) -> str:
        clamp = "" if self.fills_dtype else f", {self.low}..{self.high}"
        return f"{self.dtype} Q{self.fraction_bits}{clamp}"


@dataclass(frozen=True)
class TensorType:
    """Shape (without batch; channels last) and format of a value."""

    shape: tuple[int, ...]
    format: Format

    @property
    def size(self) -> int:
        """Number of entries."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes in a buffer on the device."""
        return self.size * self.format.numpy_dtype.itemsize

    def __str__(self) -> str:
        return f"{'x'.join(map(str, self.shape))} {self.format}"


@dataclass(frozen=True)
class Value:
    """A named input of a graph."""

    name: str
    type: TensorType


def row_dtype(formats: Iterable[Format]) -> np.dtype[Any]:
    """Of entries of such formats side by side: int16, where that is wide enough."""
    return np.dtype(np.int32 if any(format.dtype == "int32" for format in formats) else np.int16)


@dataclass(frozen=True)
class Node:
    """One layer: an op applied to named values. `name` is stable from the graph to the C tap."""

    name: str
    op: Op
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """Nodes in execution order. `state` maps a state input to the value that replaces it for the next time step."""

    name: str
    inputs: tuple[Value, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    state: Mapping[str, str] = field(default_factory=dict)

    def types(self) -> dict[str, TensorType]:
        """The type of every value, inferred in order (ops raise UnsupportedError on misuse)."""
        types = {value.name: value.type for value in self.inputs}
        for node in self.nodes:
            inferred = node.op.infer(*(types[name] for name in node.inputs))
            types.update(zip(node.outputs, inferred, strict=True))
        return types

    @property
    def data_inputs(self) -> tuple[Value, ...]:
        """Inputs that are not state."""
        return tuple(value for value in self.inputs if value.name not in self.state)

    @property
    def state_inputs(self) -> tuple[Value, ...]:
        """Inputs that carry state from one step to the next (all zero before the first)."""
        return tuple(value for value in self.inputs if value.name in self.state)


@dataclass(frozen=True)
class StreamPolicy:
    """What a stream does beside running on, in steps; 0: nothing. docs/contract.md, `A stream that is interrupted`.

    gap: for so many lost readings the last one is held; then everything begins anew. rail: for so many readings in a row an entry may
    stand at an end of its format; the next ones count as lost. half_window: two states run, each begins anew every two half windows, and
    the older one answers.
    """

    gap: int = 0
    rail: int = 0
    half_window: int = 0

    @property
    def states(self) -> int:
        """How many states a stream steps, and keeps."""
        return 2 if self.half_window else 1


@dataclass(frozen=True)
class IntegerModel:
    """An integer model: `step` (one time step) and `head` (state to scores), or `whole` for a net without state.

    name: a C identifier, the prefix of everything generated. classes: one label a score, or empty.
    The head reads the state inputs of the step by name. A model with steps may have `decide` (graph/decide.py) behind its head, and a
    policy of its streams (graph/policy.py).
    """

    name: str
    graphs: Mapping[str, Graph]
    classes: tuple[str, ...] = ()
    policy: StreamPolicy | None = None

    @property
    def is_recurrent(self) -> bool:
        """Whether the model carries state from step to step."""
        return "step" in self.graphs

    @property
    def state_dtype(self) -> np.dtype[Any]:
        """Of all states side by side, as rows of them are held."""
        return row_dtype(value.type.format for value in self.graphs["step"].state_inputs) if self.is_recurrent else row_dtype(())

    @property
    def input(self) -> Value:
        """The one value that the device reads from its sensor."""
        (value,) = self.graphs["step" if self.is_recurrent else "whole"].data_inputs
        return value

    @property
    def output(self) -> Value:
        """The scores; the answer is their argmax."""
        graph = self.graphs["head" if self.is_recurrent else "whole"]
        (name,) = graph.outputs
        return Value(name, graph.types()[name])

    @property
    def decides(self) -> bool:
        """Whether a decision stands behind the scores."""
        return "decide" in self.graphs
