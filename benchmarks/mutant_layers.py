"""Proof by trying everything: layers that make each entry of one number alone, on every integer, run from the mutated C."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from rescomp.graph.draws import Draws
from rescomp.graph.evaluate import evaluate_forced
from rescomp.graph.ir import Graph, IntegerModel
from rescomp.graph.ops.activation import Lookup, PiecewiseLinear
from rescomp.graph.ops.add import BiasAdd
from rescomp.graph.ops.relu import Relu
from rescomp.graph.ops.requantize import Requantize
from rescomp.validate.build import Build
from rescomp.validate.host_c import HostC
from rescomp.validate.stress_layers import layer_inputs
from rescomp.validate.witness import Forced, Job

POINTWISE = (Lookup, PiecewiseLinear, BiasAdd, Relu, Requantize)
INTEGERS, ROWS = 1 << 16, 1 << 13
"""Of an int16, and how many of them are tried at a time."""
PLAIN = Build("gcc", ("-O2",))


def layers_alike(kernels: Collection[str], directory: Path, model: IntegerModel) -> bool:
    """Whether every layer that calls one of `kernels` is of POINTWISE, and its C in `directory`/c is right for every integer in every
    entry.
    """
    nodes = [node for graph in model.graphs.values() for node in graph.nodes if node.op.kernel in kernels]
    if not nodes or {node.op.kernel for node in nodes} != set(kernels) or not all(isinstance(node.op, POINTWISE) for node in nodes):
        return False
    names = {name for node in nodes for name in node.outputs}
    return all(_right(directory, model, forced, names) for forced in _every_integer(model))


def _every_integer(model: IntegerModel) -> Iterator[Forced]:
    """All entries of all values the same integer, as far as their formats hold it."""
    for start in range(-INTEGERS // 2, INTEGERS // 2, ROWS):
        integers = np.arange(start, start + ROWS)
        yield {role: _all_entries(graph, integers) for role, graph in model.graphs.items()}


def _all_entries(graph: Graph, integers: np.ndarray) -> dict[str, np.ndarray]:
    types, read = graph.types(), layer_inputs(Draws(0), graph)
    return {
        name: np.broadcast_to(
            integers.clip(types[name].format.low, types[name].format.high).reshape(-1, *(1,) * len(types[name].shape)),
            (len(integers), *types[name].shape),
        ).astype(np.int16)
        for name in read
    }


def _right(directory: Path, model: IntegerModel, forced: Forced, names: Collection[str]) -> bool:
    job = Job(model, directory, np.zeros((0, *model.input.type.shape), np.int16), np.zeros(0, np.int64), build=PLAIN)
    (answer,) = HostC().run_layers(job, forced)
    for role, graph in model.graphs.items():
        wanted = evaluate_forced(graph, forced[role])
        if not all(np.array_equal(wanted[name], answer.values[role][name]) for name in names & wanted.keys()):
            return False
    return True
