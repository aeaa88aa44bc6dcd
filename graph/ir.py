"""The intermediate representation: values, nodes, graphs, models. Plain data, numpy only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .formats import FractionBits, TensorType, row_dtype
from .ops.base import Op


@dataclass(frozen=True)
class Value:
    """A named input of a graph."""

    name: str
    type: TensorType


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
class Sampling:
    """What a sensor is to deliver to a front-end: rate, samples a second of each channel; an integer times 2^-fraction_bits is its unit.

    No integer is computed from either.
    """

    rate: int
    fraction_bits: int = 0


@dataclass(frozen=True)
class Sensor:
    """What the readings, or a front-end's samples, are that the model was trained on. No integer is computed from any of it.

    unit: of a reading, channels: their names in order; both empty where nobody said. millihertz: readings a second, times 1000; 0: nobody
    said, or the sampling does. full_scale: the largest integer that the sensor gives in each channel; empty: nobody said.
    """

    unit: str = ""
    channels: tuple[str, ...] = ()
    millihertz: int = 0
    full_scale: tuple[int, ...] = ()


@dataclass(frozen=True)
class IntegerModel:
    """An integer model: `step` (one time step) and `head` (state to scores), or `whole` for a net without state.

    name: a C identifier, the prefix of everything generated. classes: one label a score, or empty.
    The head reads the state inputs of the step by name. A model with steps may have `decide` (graph/decide.py) behind its head, and a
    policy of its streams (graph/policy.py). Any model may have `frontend` before them, from a frame of samples to one of the features that
    the others read; hop: samples from one frame to the next. sampling: of those samples; None: nobody said. channel_bits: fraction bits of
    the integers that the sensor gives, one for each channel of a reading or a sample, where they differ; what else tells fraction bits of
    that, the format of the input or the sampling, has none then. sensor: what gives the readings or the samples; None: nobody said.
    """

    name: str
    graphs: Mapping[str, Graph]
    classes: tuple[str, ...] = ()
    policy: StreamPolicy | None = None
    hop: int = 0
    sampling: Sampling | None = None
    channel_bits: tuple[int, ...] = ()
    sensor: Sensor | None = None

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
    def input_channel_bits(self) -> tuple[int, ...]:
        """Fraction bits of each channel of what the net reads, where they differ."""
        return () if self.reads_samples else self.channel_bits

    @property
    def input_bits(self) -> FractionBits:
        """Of what the net reads: of its input's format, or of each channel of a reading."""
        return self.input_channel_bits or self.input.type.format.fraction_bits

    def type_text(self, type: TensorType) -> str:
        """The type of an input, with the fraction bits of each channel where they differ."""
        if not self.input_channel_bits:
            return str(type)
        return str(type).replace(f"Q{type.format.fraction_bits}", f"Q({', '.join(map(str, self.input_channel_bits))})", 1)

    @property
    def output(self) -> Value:
        """The scores; the answer is their argmax."""
        graph = self.graphs["head" if self.is_recurrent else "whole"]
        (name,) = graph.outputs
        return Value(name, graph.types()[name])

    @property
    def class_names(self) -> tuple[str, ...]:
        """One a score: the classes, or their numbers where they have no names."""
        return self.classes or tuple(map(str, range(self.output.type.size)))

    def states(self, role: str) -> tuple[Value, ...]:
        """The state inputs of the graph of that name; none where the model has no such graph."""
        return self.graphs[role].state_inputs if role in self.graphs else ()

    @property
    def decision(self) -> Value:
        """The decision, of a model that decides."""
        graph = self.graphs["decide"]
        (name,) = graph.outputs
        return Value(name, graph.types()[name])

    @property
    def reads_samples(self) -> bool:
        """Whether a front-end stands before the rest."""
        return "frontend" in self.graphs

    @property
    def samples(self) -> Value:
        """What a frame reads, of a model with a front-end: [span, channels]."""
        (value,) = self.graphs["frontend"].data_inputs
        return value

    @property
    def features(self) -> Value:
        """What it makes of them: of one frame, so many of which are an input."""
        graph = self.graphs["frontend"]
        (name,) = graph.outputs
        return Value(name, graph.types()[name])

    @property
    def frames_an_input(self) -> int:
        """Frames whose features side by side are one input."""
        return self.input.type.size // self.features.type.size

    @property
    def decides(self) -> bool:
        """Whether a decision stands behind the scores."""
        return "decide" in self.graphs
