"""The verifier: what must hold of a model before anything is exported from it. Type rules and bounds live in the ops."""

from __future__ import annotations

import re

from ..errors import UnsupportedError
from .ir import Graph, IntegerModel

IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*\Z")


def verify_model(model: IntegerModel) -> None:
    """Raise UnsupportedError, naming graph and layer, unless the model keeps the integer contract."""
    if set(model.graphs) not in ({"step", "head"}, {"whole"}):
        raise UnsupportedError(f"a model has the graphs step and head, or whole, not {sorted(model.graphs)}")
    if not IDENTIFIER.match(model.name):
        raise UnsupportedError(f"model name {model.name!r} is not a lower-case C identifier")
    for graph in model.graphs.values():
        verify_graph(graph)
    if model.is_recurrent:
        _verify_head(model)
    if model.classes and len(model.classes) != model.output.type.size:
        raise UnsupportedError(f"{len(model.classes)} class labels for {model.output.type.size} scores")


def verify_graph(graph: Graph) -> None:
    """Raise unless names are unique and defined before use, every type rule holds, and the state keeps its type."""
    types = {value.name: value.type for value in graph.inputs}
    if len(types) != len(graph.inputs):
        raise UnsupportedError(f"graph {graph.name!r} names an input twice")
    layers: set[str] = set()
    for node in graph.nodes:
        where = f"layer {node.name!r} of graph {graph.name!r}"
        if node.name in layers or not IDENTIFIER.match(node.name):
            raise UnsupportedError(f"{where}: its name is used twice or is no identifier")
        layers.add(node.name)
        missing = [name for name in node.inputs if name not in types]
        if missing:
            raise UnsupportedError(f"{where} reads {missing[0]!r}, which nothing before it defines")
        try:
            inferred = node.op.infer(*(types[name] for name in node.inputs))
        except UnsupportedError as error:
            raise UnsupportedError(f"{where}: {error}") from error
        for name, inferred_type in zip(node.outputs, inferred, strict=True):
            if name in types or not IDENTIFIER.match(name):
                raise UnsupportedError(f"{where}: value {name!r} is defined twice or is no identifier")
            types[name] = inferred_type
    for name in graph.outputs:
        if name not in types:
            raise UnsupportedError(f"graph {graph.name!r} gives {name!r}, which nothing defines")
    for before, after in graph.state.items():
        if before not in types or after not in types or types[before] != types[after]:
            raise UnsupportedError(f"state {before!r} of graph {graph.name!r} is not replaced by a value of its own type")


def _verify_head(model: IntegerModel) -> None:
    states = {value.name: value.type for value in model.graphs["step"].state_inputs}
    for value in model.graphs["head"].inputs:
        if states.get(value.name) != value.type:
            raise UnsupportedError(f"the head reads {value.name!r}, which is no state of the step with that type")
