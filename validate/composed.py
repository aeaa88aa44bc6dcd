"""What the values of a model's graphs are called in the one graph that ONNX and TFLite files hold."""

from __future__ import annotations

from collections.abc import Mapping

from ..graph.ir import Graph, IntegerModel
from ..graph.passes import compose

COMPUTED = "/computed"
"""Ends the name of what a layer makes in such a file, where the value's own name is that of what the next layers read."""


def composed_names(model: IntegerModel) -> dict[str, dict[str, str]]:
    """For each graph by name: every value of it, and its name in `compose(model)`. The head reads the next states."""
    if not model.is_recurrent:
        return {"whole": {name: name for name in model.graphs["whole"].types()}}
    step, head = model.graphs["step"], model.graphs["head"]
    names = {value.name: step.state[value.name] for value in head.inputs}
    for own, node in zip(head.nodes, compose(model).nodes[len(step.nodes) :], strict=True):
        names.update(zip(own.outputs, node.outputs, strict=True))
    return {"step": {name: name for name in step.types()}, "head": names}


def composed_graphs(model: IntegerModel) -> dict[str, Graph]:
    """The graphs that `compose(model)` is made of, by name: neither front-end nor decision stands in such a file."""
    return {role: graph for role, graph in model.graphs.items() if role not in ("frontend", "decide")}


def defined_values(model: IntegerModel) -> Mapping[str, list[str]]:
    """For each graph by name the values that its nodes define, in order."""
    return {role: [name for node in graph.nodes for name in node.outputs] for role, graph in model.graphs.items()}
