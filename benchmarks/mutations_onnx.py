"""Mutants of ONNX files: attributes, initializers, inputs, operator types, bounds, metadata; in Scan bodies too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
from mutations import Mutant, StaleError
from onnx import numpy_helper

OTHER_TYPES: Mapping[str, Sequence[str]] = {
    "Add": ("Sub",),
    "Sub": ("Add",),
    "Mul": ("Add",),
    "Div": ("Mul",),
    "Min": ("Max",),
    "Max": ("Min",),
    "Clip": ("Identity",),
    "Relu": ("Abs", "Identity"),
    "ReduceSum": ("ReduceMax",),
}
COMMUTATIVE = frozenset({"Add", "Mul", "Min", "Max"})
BOUNDED = frozenset({"Clip", "Min", "Max"})
"""Operators whose constants are bounds."""


def onnx_mutants(model: str, file: str, data: bytes) -> Iterator[Mutant]:
    """Every mutant of one ONNX file."""
    proto = onnx.load_from_string(data)
    for graph in _graphs(proto.graph):
        found = [*_initializers(graph), *_attributes(graph), *_inputs(graph), *_types(graph)]
        for operator, site, before, after in found:
            yield Mutant(model, file, operator, site, 0, before, after)
    for entry in proto.metadata_props:
        yield Mutant(model, file, "metadata", f"metadata {entry.key}", 0, entry.value, _other_text(entry.value))


def apply_to_onnx(data: bytes, mutant: Mutant) -> bytes:
    """The file with the change. Raises StaleError where the site is gone or is another by now."""
    proto = onnx.load_from_string(data)
    kind, _, rest = mutant.site.partition(" ")
    if not any(_APPLY[kind](target, rest, mutant) for target in ([proto] if kind == "metadata" else _graphs(proto.graph))):
        raise StaleError(mutant.site)
    return bytes(proto.SerializeToString(deterministic=True))


def _graphs(graph: Any) -> Iterator[Any]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _graphs(attribute.g)


Found = tuple[str, str, str, str]
"""Operator, site, before, after."""


def _initializers(graph: Any) -> Iterator[Found]:
    bounds = {name for node in graph.node if node.op_type in BOUNDED for name in node.input[-2:]}
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor).reshape(-1)
        operator = "bound" if tensor.name in bounds and values.size == 1 else f"initializer {_size(values.size)}"
        for i, value in enumerate(values):
            for after in _near(value):
                yield operator, f"initializer {tensor.name}[{i}]", str(value), str(after)


def _size(count: int) -> str:
    return "scalar" if count == 1 else "vector" if count <= 16 else "array"


def _near(value: Any) -> Iterator[Any]:
    """Values beside one, of its dtype."""
    if np.issubdtype(value.dtype, np.floating):
        candidates = [value * 2, value / 2, value * type(value)(1.0 + 2**-7), -value]
    else:
        low, high = np.iinfo(value.dtype).min, np.iinfo(value.dtype).max
        candidates = [v for v in (int(value) + 1, int(value) - 1, int(value) ^ 4, -int(value)) if low <= v <= high]
    yield from (after for after in candidates if after != value)


def _attributes(graph: Any) -> Iterator[Found]:
    for node in graph.node:
        for attribute in node.attribute:
            value = onnx.helper.get_attribute_value(attribute)
            site = f"attribute {node.name}:{attribute.name}"
            if isinstance(value, int):
                yield from (("attribute", site, str(value), str(after)) for after in (value + 1, value - 1))
            elif isinstance(value, list) and all(isinstance(entry, int) for entry in value):
                yield from (("attribute", site, str(list(value)), str(after)) for after in _near_lists(list(value)))


def _near_lists(values: list[int]) -> Iterator[list[int]]:
    for i, value in enumerate(values):
        yield [*values[:i], value + 1, *values[i + 1 :]]
        if i + 1 < len(values) and value != values[i + 1]:
            yield [*values[:i], values[i + 1], value, *values[i + 2 :]]


def _inputs(graph: Any) -> Iterator[Found]:
    """Inputs swapped, and inputs that come from the value before the right one."""
    made: list[str] = [value.name for value in graph.input]
    for node in graph.node:
        inputs = list(node.input)
        for i, (first, second) in enumerate(pairwise(inputs)):
            if first != second and node.op_type not in COMMUTATIVE:
                after = [*inputs[:i], second, first, *inputs[i + 2 :]]
                yield "swapped inputs", f"inputs {node.name}", ", ".join(inputs), ", ".join(after)
        for i, name in enumerate(inputs):
            at = made.index(name) if name in made else 0
            if at > 0:
                after = [*inputs[:i], made[at - 1], *inputs[i + 1 :]]
                yield "another input", f"inputs {node.name}", ", ".join(inputs), ", ".join(after)
        made += node.output


def _types(graph: Any) -> Iterator[Found]:
    for node in graph.node:
        for after in OTHER_TYPES.get(node.op_type, ()):
            yield "operator type", f"type {node.name}", node.op_type, after
        if node.op_type in ("Add", "Sub", "Mul", "Div", "Min", "Max"):
            yield "operator dropped", f"type {node.name}", node.op_type, "Identity"


def _other_text(text: str) -> str:
    return text[:-1] + ("0" if text[-1:] != "0" else "1")


def _change_initializer(graph: Any, rest: str, mutant: Mutant) -> bool:
    name, _, index = rest.rpartition("[")
    for tensor in graph.initializer:
        if tensor.name == name:
            values = numpy_helper.to_array(tensor).copy()
            flat, i = values.reshape(-1), int(index[:-1])
            if i >= flat.size or str(flat[i]) != mutant.before:
                raise StaleError(mutant.site)
            flat[i] = values.dtype.type(mutant.after)
            tensor.CopyFrom(numpy_helper.from_array(values, name))
            return True
    return False


def _change_attribute(graph: Any, rest: str, mutant: Mutant) -> bool:
    name, _, key = rest.rpartition(":")
    for attribute in (attribute for node in graph.node if node.name == name for attribute in node.attribute if attribute.name == key):
        value = onnx.helper.get_attribute_value(attribute)
        if str(list(value) if isinstance(value, list) else value) != mutant.before:
            raise StaleError(mutant.site)
        after = [int(word) for word in mutant.after.strip("[]").split(",")]
        attribute.CopyFrom(onnx.helper.make_attribute(key, after if isinstance(value, list) else after[0]))
        return True
    return False


def _change_inputs(graph: Any, rest: str, mutant: Mutant) -> bool:
    for node in (node for node in graph.node if node.name == rest):
        if ", ".join(node.input) != mutant.before:
            raise StaleError(mutant.site)
        node.input[:] = mutant.after.split(", ")
        return True
    return False


def _change_type(graph: Any, rest: str, mutant: Mutant) -> bool:
    for node in (node for node in graph.node if node.name == rest):
        if node.op_type != mutant.before:
            raise StaleError(mutant.site)
        node.op_type = mutant.after
        if mutant.after in ("Identity", "Abs"):
            del node.input[1:], node.attribute[:]
        return True
    return False


def _change_metadata(proto: Any, rest: str, mutant: Mutant) -> bool:
    for entry in (entry for entry in proto.metadata_props if entry.key == rest):
        if entry.value != mutant.before:
            raise StaleError(mutant.site)
        entry.value = mutant.after
        return True
    return False


_APPLY = {
    "initializer": _change_initializer,
    "attribute": _change_attribute,
    "inputs": _change_inputs,
    "type": _change_type,
    "metadata": _change_metadata,
}
