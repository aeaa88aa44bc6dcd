"""Calls of generated C beside step and scores, for a program that makes them one after the other, and what numpy expects of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..graph.evaluate import evaluate_graph
from ..graph.fixed_point import IntArray
from ..graph.ir import IntegerModel, Value
from .c_vectors import record_dtype

StateValues = Mapping[str, IntArray]
"""Of a step or a decision: by the name of its input int64 [1, *shape]."""


@dataclass(frozen=True)
class MadeCall:
    """what: number of what is called. which: of several states. often: how often, or how many. given: bytes of what it reads."""

    what: int
    which: int
    often: int
    given: bytes

    def encode(self) -> bytes:
        """uint8 what, uint8 which, uint32 often, and what is given."""
        return bytes([self.what, self.which]) + np.array(self.often, "<u4").tobytes() + self.given


class Calls:
    """made: what a program is told to call, in order. expected: (what it is, array) for all that it writes."""

    def __init__(self) -> None:
        self.expected: list[tuple[str, Any]] = []
        self.made: list[MadeCall] = []

    def encode(self) -> bytes:
        """How many, then each of them."""
        return np.array(len(self.made), "<u4").tobytes() + b"".join(each.encode() for each in self.made)

    def call(self, what: int, which: int, often: int = 1, given: Iterable[Any] = ()) -> None:
        """One more. given: arrays in the dtypes in which the program reads them."""
        self.made.append(MadeCall(int(what), which, often, b"".join(array.tobytes() for array in given)))

    def expect(self, what: str, array: Any) -> None:
        """The call is followed by an array in the dtype in which the program writes it. what: of which call, in words."""
        self.expected.append((f"{what}, in call {len(self.made)}", array))


def zero_state(model: IntegerModel, role: str = "step") -> StateValues:
    """What init gives."""
    return {value.name: np.zeros((1, *value.type.shape), np.int64) for value in model.graphs[role].state_inputs}


def stepped(model: IntegerModel, state: StateValues, x: IntArray) -> StateValues:
    """The state after a step on x, int [*input shape]."""
    step = model.graphs["step"]
    values = evaluate_graph(step, {model.input.name: x[None].astype(np.int64), **state})
    return {name: values[following] for name, following in step.state.items()}


def scored(model: IntegerModel, state: StateValues) -> IntArray:
    """The scores of a state, int64 [*shape]."""
    head = model.graphs["head"]
    scores: IntArray = evaluate_graph(head, {value.name: state[value.name] for value in head.inputs})[model.output.name][0]
    return scores


def decided(model: IntegerModel, deciding: StateValues, scores: IntArray) -> tuple[int, StateValues]:
    """The decision after scores int64 [*shape], and what it keeps."""
    graph = model.graphs["decide"]
    ((read,), (given,)) = graph.data_inputs, graph.outputs
    values = evaluate_graph(graph, {read.name: scores[None], **deciding})
    return int(values[given][0, 0]), {name: values[following] for name, following in graph.state.items()}


def record_of(values: Sequence[Value], arrays: StateValues) -> Any:
    """Values one behind the other, as a program writes them."""
    record = np.zeros((), record_dtype(values))
    for value in values:
        record[value.name] = arrays[value.name][0]
    return record
