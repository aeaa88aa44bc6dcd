"""What an ONNX file computes, in a form that two files share where range analysis proves that they compute the same.

Every tensor has an interval for each of its last axis' entries, from the formats of the graph's inputs on; where it is a value of the graph
and has the form that the right file gives it, also the bounds that the value's format has by the graph's own proof. A clamp that its
interval never meets is left out of the form, so are copies, and entries of a table that its indices never reach. Equal forms of all
outputs are a proof. Where two forms differ that are each made entry by entry of the same integers, all of them are tried; a
transposition that moves no entry is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx_exhaustion import ENTRY_BY_ENTRY, INTEGERS, Chain, agree
from onnx_range_rules import RULES, Tensor, form_of, hash_of, unknown

from rescomp.graph.fixed_point import IntArray
from rescomp.graph.formats import Format
from rescomp.graph.ir import IntegerModel

Values = dict[str, Tensor]


def same_by_ranges(right: bytes, other: bytes, model: IntegerModel) -> bool:
    """Whether range analysis proves that two files give the same outputs. right: the file that computes what the graph means."""
    formats = {name: type.format for graph in model.graphs.values() for name, type in graph.types().items()}
    first = _Walk(formats, None)
    wanted = first.graph(_inferred(right))
    try:
        return _Walk(formats, first.tensors).graph(_inferred(other)) == wanted
    except (NotProvedError, IndexError, ValueError):  # the last two of files that no runtime takes
        return False


def _inferred(data: bytes) -> Any:
    return onnx.shape_inference.infer_shapes(onnx.load_from_string(data)).graph


class _Walk:
    """Goes through graphs in order. right: the right file's tensors; None: this is the right one."""

    def __init__(self, formats: Mapping[str, Format], right: Values | None) -> None:
        self._formats, self._right = formats, right
        self.tensors: Values = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._padded: dict[str, tuple[Tensor, int]] = {}

    def graph(self, graph: Any) -> Sequence[str]:
        """Name and form of a file's outputs."""
        values = self.values(graph, {}, "input")
        return [f"{output.name} {values[output.name].form}" for output in graph.output]

    def values(self, graph: Any, outer: Values, place: str) -> Values:
        """Every tensor."""
        infos = (*graph.value_info, *graph.input, *graph.output)
        ranks = {info.name: len(info.type.tensor_type.shape.dim) for info in infos}
        types = {info.name: info.type.tensor_type.elem_type for info in infos}
        self._shapes.update({info.name: tuple(dim.dim_value for dim in info.type.tensor_type.shape.dim) for info in infos})
        values: Values = dict(outer)
        for tensor in graph.initializer:
            array = numpy_helper.to_array(tensor)
            values[tensor.name] = _constant(array)
        for i, value in enumerate(graph.input):
            form = self._formats[value.name.removeprefix("step/")]
            values[value.name] = Tensor(hash_of(place, i), float(form.low), float(form.high), ranks[value.name])
        for node in graph.node:
            self._node(node, values, ranks, types)
        return values

    def _node(self, node: Any, values: Values, ranks: Mapping[str, int], types: Mapping[str, int]) -> None:
        inputs = [values[name] for name in node.input if name]
        attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        if node.op_type == "Scan":
            self._scan(node, inputs, attributes, values)
            return
        if node.op_type == "Slice":
            inputs = [*inputs[:2], _limited(inputs, self._shapes.get(node.input[0], ())), *inputs[3:]]
        inputs = self._without_padding(node, inputs)
        if node.op_type == "Reshape":
            inputs = [replace(inputs[0], form=inputs[0].shows or inputs[0].form), *inputs[1:]]
        if "axis" in attributes and inputs[0].rank:
            attributes["axis"] %= inputs[0].rank + (node.op_type == "Unsqueeze")
        rule = RULES.get(node.op_type, unknown)
        result = rule(node.op_type, inputs, attributes)
        low, high = result.low, result.high
        limit = 2.0**63 if types.get(node.output[0]) == onnx.TensorProto.INT64 else 2.0**31
        if not (np.all(np.abs(low) < limit) and np.all(np.abs(high) < limit)):
            low, high = -np.inf, np.inf  # it may have wrapped around
        chain = _chain(node.op_type, inputs, attributes, types.get(node.output[0])) if len(node.output) == 1 else None
        shows = self._shown(node, inputs, attributes)
        for name in node.output:
            form = result.form if len(node.output) == 1 else hash_of(result.form, list(node.output).index(name))
            values[name] = self._narrowed(name, Tensor(form, low, high, ranks.get(name), result.value, chain, result.step, shows))

    def _without_padding(self, node: Any, inputs: list[Tensor]) -> list[Tensor]:
        """A Gather along the last axis reads what lies in front of the padding, where no index goes further."""
        shape = self._shapes.get(node.input[0], ())
        if node.op_type == "Pad" and inputs[1].value is not None and not inputs[1].value[:-1].any() and shape and shape[-1]:
            self._padded[node.output[0]] = inputs[0], shape[-1]
        elif node.op_type == "Gather" and node.input[0] in self._padded and inputs[1].value is not None:
            before, length = self._padded[node.input[0]]
            last = all(each.name != "axis" or each.i % len(shape) == len(shape) - 1 for each in node.attribute) and node.attribute
            if last and inputs[1].value.min() >= 0 and inputs[1].value.max() < length:
                return [before, *inputs[1:]]
        return inputs

    def _shown(self, node: Any, inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> str:
        """The form whose entries a node's result has in the same order, where that is another one."""
        if node.op_type == "Transpose":
            keeps = _keeps_order(attributes["perm"], self._shapes.get(node.input[0], ()))
            return inputs[0].shows or inputs[0].form if keeps else ""
        if node.op_type == "ReduceSum":
            return form_of(node.op_type, inputs, {**attributes, "keepdims": 0}) if attributes.get("keepdims", 1) else ""
        numbers = [each for each in inputs if not each.shows]
        if len(numbers) == len(inputs) or node.op_type not in ENTRY_BY_ENTRY or any(n.value is None or n.value.size != 1 for n in numbers):
            return ""
        shown = [replace(each, form=each.shows or each.form) for each in inputs]
        return RULES.get(node.op_type, unknown)(node.op_type, shown, attributes).form

    def _narrowed(self, name: str, found: Tensor) -> Tensor:
        """What the right file has, where all integers show that it is the same; with the bounds of the graph's value of that name, where
        it is one and is computed as it should be.
        """
        right = self._right.get(name) if self._right is not None else None
        if right is not None and right.form != found.form and right.chain and found.chain and agree(right.chain, found.chain):
            found = replace(found, form=right.form, low=right.low, high=right.high, value=right.value, chain=right.chain)
        self.tensors[name] = found
        value, _, kind = name.removeprefix("step/").rpartition("/")
        if (
            kind not in ("int32", "int8")
            or value not in self._formats
            or (self._right is not None and (not right or right.form != found.form))
        ):
            return found
        format = self._formats[value]
        return replace(found, low=np.maximum(found.low, float(format.low)), high=np.minimum(found.high, float(format.high)), chain=None)

    def _scan(self, node: Any, inputs: Sequence[Tensor], attributes: Mapping[str, Any], values: Values) -> None:
        """States begin in their formats' ranges; that a step keeps them there is checked, not assumed."""
        body = attributes["body"]
        inner = self.values(body, values, "scan")
        count = len(inputs) - attributes["num_scan_inputs"]
        for i, (value, begin) in enumerate(zip(body.input[:count], inputs, strict=False)):
            state, after = inner[value.name], inner[body.output[i].name]
            kept = all(np.all(each.low >= state.low) and np.all(each.high <= state.high) for each in (begin, after))
            if not kept:
                raise NotProvedError(value.name)
        forms = [inner[output.name].form for output in body.output]
        whole = hash_of("Scan", [each.form for each in inputs], forms, sorted((k, v) for k, v in attributes.items() if k != "body"))
        for i, name in enumerate(node.output):
            result = inner[body.output[i].name]
            values[name] = Tensor(hash_of(whole, i), result.low, result.high, None if result.rank is None else result.rank + (i >= count))


def _chain(kind: str, inputs: Sequence[Tensor], attributes: Mapping[str, Any], type: int | None) -> Chain | None:
    """Of a node that makes each entry of one entry of its only input that is no constant."""
    varying = [x for x in inputs if x.value is None]
    dtype = INTEGERS.get(attributes.get("to", type))
    if len(varying) != 1 or dtype is None:
        return None
    (x,) = varying
    begun = x.chain or Chain(x.form, x.low, x.high, x.step)
    return begun.then(kind, [each.value for each in inputs], dtype)


class NotProvedError(Exception):
    """Something holds for neither file nor mutant that the analysis needs."""


def _constant(array: IntArray) -> Tensor:
    form = hash_of("constant", array.dtype.str, array.shape, array.tobytes())
    if array.size == 0:
        return Tensor(form, 0.0, 0.0, array.ndim, array)
    rows = array.astype(np.float64).reshape(-1, array.shape[-1]) if array.ndim else array.astype(np.float64).reshape(1, 1)
    return Tensor(form, rows.min(axis=0), rows.max(axis=0), array.ndim, array)


def _keeps_order(perm: Sequence[int], shape: Sequence[int]) -> bool:
    """Whether a transposition leaves the first axis, and moves no other one than axes of one entry."""
    moved = [axis for axis in perm if axis >= len(shape) or shape[axis] != 1]
    return perm[0] == 0 and moved == sorted(moved)


def _limited(inputs: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
    """The ends of a Slice, at most the lengths of its axes where they are known (0: not)."""
    ends, axes = inputs[2], inputs[3].value if len(inputs) > 3 else None
    if ends.value is None or axes is None or not shape or np.any(ends.value < 0):
        return ends
    lengths = [shape[axis] for axis in axes]
    return _constant(
        np.array([min(end, length) if length else end for end, length in zip(ends.value, lengths, strict=True)], ends.value.dtype)
    )
