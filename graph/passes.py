"""Graph to graph: rewrites that exports share."""

from __future__ import annotations

from collections.abc import Set

from .ir import Graph, IntegerModel, Node


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
