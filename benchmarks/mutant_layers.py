"""Proof by trying everything: layers that make each entry of one number alone, on every integer, run from the mutated C or TFLite."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import numpy as np

from rescomp.graph.draws import Draws
from rescomp.graph.evaluate import evaluate_forced
from rescomp.graph.ir import Graph, IntegerModel, Node
from rescomp.graph.ops.activation import Lookup, PiecewiseLinear
from rescomp.graph.ops.add import BiasAdd
from rescomp.graph.ops.relu import Relu
from rescomp.graph.ops.requantize import Requantize
from rescomp.validate.build import RESCOMP_S_OWN, Build
from rescomp.validate.host_c import HostC
from rescomp.validate.stress_layers import layer_inputs
from rescomp.validate.tflite import TfliteWitness
from rescomp.validate.witness import Forced, Job

POINTWISE = (Lookup, PiecewiseLinear, BiasAdd, Relu, Requantize)
ROWS = 1 << 13
"""Integers that are tried at a time."""
PLAIN = Build("gcc", ("-O2",))


def layers_alike(kernels: Collection[str], directory: Path, model: IntegerModel) -> bool:
    """Whether every layer that calls one of `kernels` is of POINTWISE, and its C in `directory`/c is right for every integer in every
    entry.
    """
    nodes = {name: node for name, node in _nodes(model).items() if node.op.kernel in kernels}
    called = {node.op.kernel for node in nodes.values()}
    return bool(nodes) and called == set(kernels) and _tried(HostC(), directory, model, nodes)


def tflite_layer_alike(tensor: str, directory: Path, model: IntegerModel) -> bool:
    """Whether the layer that a tensor of model.tflite belongs to is of POINTWISE, and the file in `directory` right for every integer."""
    name = tensor.partition("/")[0]
    node = _nodes(model).get(name)
    return node is not None and _tried(TfliteWitness(), directory, model, {name: node})


def _nodes(model: IntegerModel) -> dict[str, Node]:
    return {name: node for graph in model.graphs.values() for node in graph.nodes for name in node.outputs}


def _tried(witness: HostC | TfliteWitness, directory: Path, model: IntegerModel, nodes: Mapping[str, Node]) -> bool:
    """Whether the nodes, by what they make, are all of POINTWISE, and right for every integer that they may read."""
    types = {name: type for graph in model.graphs.values() for name, type in graph.types().items()}
    read = [types[name].format for node in nodes.values() for name in node.inputs]
    return all(isinstance(node.op, POINTWISE) for node in nodes.values()) and all(
        _right(witness, directory, model, forced, nodes)
        for forced in _every_integer(model, min(format.low for format in read), max(format.high for format in read))
    )


def _every_integer(model: IntegerModel, low: int, high: int) -> Iterator[Forced]:
    """All entries of all values the same integer between low and high, as far as their formats hold it."""
    for start in range(low, high + 1, ROWS):
        integers = np.arange(start, min(start + ROWS, high + 1))
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


def _right(witness: HostC | TfliteWitness, directory: Path, model: IntegerModel, forced: Forced, names: Collection[str]) -> bool:
    build = PLAIN if isinstance(witness, HostC) else RESCOMP_S_OWN
    job = Job(model, directory, np.zeros((0, *model.input.type.shape), np.int16), np.zeros(0, np.int64), build=build)
    wanted = {role: evaluate_forced(graph, forced[role]) for role, graph in model.graphs.items()}
    answers = [(answer.values[role], wanted[role]) for answer in witness.run_layers(job, forced) for role in answer.graphs]
    return bool(answers) and all(
        np.array_equal(ours[name], theirs[name]) for theirs, ours in answers for name in names if name in ours and name in theirs
    )
