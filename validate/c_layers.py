"""What layers.c of firmware_templates/platforms reads and writes: every layer of generated C on values of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..graph.fixed_point import IntArray
from ..graph.ir import Graph, IntegerModel, Value
from ..targets.kernel_choice import Target, graph_on
from .c_kernels import tapped_values
from .c_vectors import check_length, decision_values, record_dtype, stored_dtype
from .witness import Forced, LayerAnswer


def encode_forced(model: IntegerModel, forced: Forced, target: Target | None = None) -> bytes:
    """The samples of each graph, one after the other; none of those that are not forced. target: for which the C was exported."""
    return b"".join(_encode(model, role, graph_on(graph, target), forced.get(role, {})) for role, graph in model.graphs.items())


def decode_layers(
    model: IntegerModel, forced: Forced, output: bytes, variant: str, version: str, target: Target | None = None
) -> LayerAnswer:
    """What the program wrote. Raises DeviceError when it is not exactly as long as it must be."""
    graphs = {role: graph_on(graph, target) for role, graph in model.graphs.items()}
    tapped = {role: tapped_values(graph) for role, graph in graphs.items()}
    left = {role: _delivered(model, role) for role in graphs}
    # Positions stand for names: a value may be tapped and delivered too.
    records = {
        role: np.dtype([(f"{i}", stored_dtype(value.type), value.type.shape) for i, value in enumerate((*tapped[role], *left[role]))])
        for role in graphs
    }
    counts = {role: _batch(forced.get(role, {})) for role in graphs}
    check_length(output, sum(counts[role] * records[role].itemsize for role in graphs))
    values: dict[str, dict[str, IntArray]] = {}
    delivered: dict[str, dict[str, IntArray]] = {}
    start = 0
    for role, record in records.items():
        found = np.frombuffer(output, record, counts[role], start)
        start += counts[role] * record.itemsize
        arrays = [found[f"{i}"].astype(np.int64) for i in range(len(record.names or ()))]
        split = len(tapped[role])
        values[role] = {value.name: array for value, array in zip(tapped[role], arrays[:split], strict=True)}
        delivered[role] = {value.name: array for value, array in zip(left[role], arrays[split:], strict=True)}
    asked = {role: graph for role, graph in graphs.items() if role in forced}
    return LayerAnswer(variant, version, asked, values, delivered)


def _encode(model: IntegerModel, role: str, graph: Graph, forced: Mapping[str, IntArray]) -> bytes:
    """For each sample: states, input, and for every tapped value whether one is forced on it, and which."""
    states = (*model.states("step"), *model.states("decide"))
    inputs = model.graphs[role].data_inputs if role != "head" else ()
    given = [(f"given {i}", value) for i, value in enumerate(tapped_values(graph))]
    fields: list[tuple[str, np.dtype[Any], tuple[int, ...]]] = []
    for key, value in given:
        fields.append((key, np.dtype("u1"), ()))
        fields += [(value.name, stored_dtype(value.type), value.type.shape)] if value.name in forced else []
    records = np.zeros(_batch(forced), np.dtype([*record_dtype((*states, *inputs)).descr, *fields]))
    for name in records.dtype.names or ():
        if name in forced:
            records[name] = forced[name]
    for key, value in given:
        records[key] = value.name in forced
    return np.array([len(records)], "<u4").tobytes() + records.tobytes()


def _delivered(model: IntegerModel, role: str) -> tuple[Value, ...]:
    """What main finds in its buffers after the call."""
    if role == "frontend":
        return (model.features,)
    if role in ("step", "decide"):
        return model.graphs[role].state_inputs + tuple(decision_values(model) if role == "decide" else ())
    return (model.output,)


def _batch(forced: Mapping[str, IntArray]) -> int:
    return len(next(iter(forced.values()), ()))
