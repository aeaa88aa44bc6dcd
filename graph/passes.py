"""Graph to graph: rewrites that exports share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set
from dataclasses import replace

import numpy as np

from .fixed_point import IntArray
from .ir import Graph, IntegerModel, Node
from .ops.activation import Lookup, PiecewiseLinear
from .ops.add import Add, BiasAdd
from .ops.base import Op
from .ops.fastgrnn_gate import FastGrnnGate
from .ops.fastgrnn_update import MAX_STATE_FRACTION_BITS, ActivationForm, FastGrnnUpdate, can_be_mirrored


def compose(model: IntegerModel) -> Graph:
    """One graph of the whole model: a time step followed by the head on the NEW state (or `whole` as it is).

    Inputs are those of the step. Outputs are the next states, in the order of the state inputs, and last the scores. A name of
    the head that the step uses too gets the prefix `head_`.
    """
    if not model.is_recurrent:
        return model.graphs["whole"]
    step, head = model.graphs["step"], model.graphs["head"]
    values, layers = set(step.types()), {node.name for node in step.nodes}
    renamed = {value.name: step.state[value.name] for value in head.inputs}
    nodes = list(step.nodes)
    for node in head.nodes:
        inputs = tuple(renamed[name] for name in node.inputs)
        renamed.update({name: _unused(name, values) for name in node.outputs})
        nodes.append(Node(_unused(node.name, layers), node.op, inputs, tuple(renamed[name] for name in node.outputs)))
    following = tuple(step.state[value.name] for value in step.state_inputs)
    outputs = (*following, *(renamed[name] for name in head.outputs))
    return Graph(model.name, step.inputs, tuple(nodes), outputs, step.state)


def _unused(name: str, taken: Set[str]) -> str:
    return f"head_{name}" if name in taken else name


def fuse_fastgrnn_update(graph: Graph, *, mirrored: bool = False) -> Graph:
    """The same graph with every FastGRNN update in one node: all that leads from the two products of a step to its next state.

    mirrored: tables are read together with their mirror image, which is faster on 32-bit cores. The node has the name, the place and
    the output of the fastgrnn_gate in it. An update of which another node, or the caller, reads a part stays as it is.
    """
    parts = _Parts(graph)
    fused: dict[str, Node] = {}
    absorbed: set[str] = set()
    for node in graph.nodes:
        inner = _inside_fastgrnn_update(node, parts)
        if inner:
            fused[node.name] = _fastgrnn_update(node, inner, mirrored=mirrored)
            absorbed.update(part.name for part in inner)
    return replace(graph, nodes=tuple(fused.get(node.name, node) for node in graph.nodes if node.name not in absorbed))


class _Parts:
    """Which node makes a value, where nobody but those asked for reads it."""

    def __init__(self, graph: Graph) -> None:
        self.types = graph.types()
        self._makers = {name: node for node in graph.nodes for name in node.outputs}
        self._reads = Counter([*(name for node in graph.nodes for name in node.inputs), *graph.outputs, *graph.state.values()])

    def maker(self, name: str, *kinds: type[Op], readers: int = 1) -> Node | None:
        """The node that makes the value, if its op is of one of `kinds` and the value is read so often."""
        node = self._makers.get(name)
        return node if node is not None and isinstance(node.op, kinds) and self._reads[name] == readers else None


def _inside_fastgrnn_update(node: Node, parts: _Parts) -> tuple[Node, ...]:
    """(sigmoid, tanh, gate bias, candidate bias, add) in front of a fastgrnn_gate, or nothing where the kernel cannot replace them."""
    if not isinstance(node.op, FastGrnnGate) or node.op.state.fraction_bits > MAX_STATE_FRACTION_BITS:
        return ()
    if len(parts.types[node.outputs[0]].shape) != 1:
        return ()
    functions = [parts.maker(name, Lookup, PiecewiseLinear) for name in node.inputs[:2]]  # its type rule says which is which
    biases = [function and parts.maker(function.inputs[0], BiasAdd) for function in functions]
    sources = {bias and bias.inputs[0] for bias in biases}
    add = parts.maker(sources.pop() or "", Add, readers=2)
    found = tuple(part for part in (*functions, *biases, add) if part is not None)
    alike = len(found) == 5 and not sources and found[4].op == Add() and _table(found[0].op) == _table(found[1].op)
    return found if alike else ()


def _table(function: Op) -> bytes:
    """Of a lookup; nothing of the piecewise linear form."""
    return function.table.tobytes() if isinstance(function, Lookup) else b""


def _fastgrnn_update(node: Node, inner: tuple[Node, ...], *, mirrored: bool) -> Node:
    sigmoid, _, gate_bias, candidate_bias, add = inner
    gate = node.op
    assert isinstance(gate, FastGrnnGate)
    assert isinstance(gate_bias.op, BiasAdd)
    assert isinstance(candidate_bias.op, BiasAdd)
    form: tuple[ActivationForm, IntArray] = "piecewise_linear", np.zeros(0, np.int16)
    if isinstance(sigmoid.op, Lookup):
        table = sigmoid.op.table
        form = ("mirrored_lookup" if mirrored and can_be_mirrored(table) else "lookup"), table
    update = FastGrnnUpdate(*form, gate_bias.op.bias, candidate_bias.op.bias, gate.zeta, gate.nu, gate.state)
    return Node(node.name, update, (*add.inputs, node.inputs[2]), node.outputs)
