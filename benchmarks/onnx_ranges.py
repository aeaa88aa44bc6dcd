"""What an ONNX file computes, in a form that two files share where range analysis proves that they compute the same.

Every tensor has an interval for each of its last axis' entries, from the formats of the graph's inputs on; where it is a value of the graph
and has the form that the right file gives it, also the bounds that the value's format has by the graph's own proof. A clamp that its
interval never meets is left out of the form, so are copies, and entries of a table that its indices never reach. Equal forms of all
outputs are a proof. Where two forms differ that are each made entry by entry of the same integers, all of them are tried; a
transposition that moves no entry is none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx_exhaustion import ENTRY_BY_ENTRY, INTEGERS, Chain, agree

from rescomp.graph.fixed_point import IntArray
from rescomp.graph.formats import Format
from rescomp.graph.ir import IntegerModel


@dataclass(frozen=True, eq=False)
class Tensor:
    """form: a hash of how it is computed. low, high: float64, scalars or one entry for each of the last axis. value: of a constant.

    chain: how it is made entry by entry, where it is. step: what its integers are multiples of, as low and high. shows: the form whose
    entries it has in the same order, where that is another one.
    """

    form: str
    low: Any
    high: Any
    rank: int | None = None
    value: Any = None
    chain: Chain | None = None
    step: Any = 1
    shows: str = ""


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


def _hash(*words: object) -> str:
    return hashlib.sha256(repr(words).encode()).hexdigest()


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
            values[value.name] = Tensor(_hash(place, i), float(form.low), float(form.high), ranks[value.name])
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
        rule = _RULES.get(node.op_type, _unknown)
        result = rule(node.op_type, inputs, attributes)
        low, high = result.low, result.high
        limit = 2.0**63 if types.get(node.output[0]) == onnx.TensorProto.INT64 else 2.0**31
        if not (np.all(np.abs(low) < limit) and np.all(np.abs(high) < limit)):
            low, high = -np.inf, np.inf  # it may have wrapped around
        chain = _chain(node.op_type, inputs, attributes, types.get(node.output[0])) if len(node.output) == 1 else None
        shows = self._shown(node, inputs, attributes)
        for name in node.output:
            form = result.form if len(node.output) == 1 else _hash(result.form, list(node.output).index(name))
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
            return _form(node.op_type, inputs, {**attributes, "keepdims": 0}) if attributes.get("keepdims", 1) else ""
        numbers = [each for each in inputs if not each.shows]
        if len(numbers) == len(inputs) or node.op_type not in ENTRY_BY_ENTRY or any(n.value is None or n.value.size != 1 for n in numbers):
            return ""
        shown = [replace(each, form=each.shows or each.form) for each in inputs]
        return _RULES.get(node.op_type, _unknown)(node.op_type, shown, attributes).form

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
        whole = _hash("Scan", [each.form for each in inputs], forms, sorted((k, v) for k, v in attributes.items() if k != "body"))
        for i, name in enumerate(node.output):
            result = inner[body.output[i].name]
            values[name] = Tensor(_hash(whole, i), result.low, result.high, None if result.rank is None else result.rank + (i >= count))


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
    form = _hash("constant", array.dtype.str, array.shape, array.tobytes())
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


def _ends(a: Tensor, b: Tensor, operation: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    """The interval of a binary operation that is monotonic in each argument."""
    with np.errstate(invalid="ignore", divide="ignore"):
        try:
            found = [np.nan_to_num(operation(x, y), nan=np.inf) for x in (a.low, a.high) for y in (b.low, b.high)]
        except ValueError:  # last axes that do not match: they stand for others, channels in front
            return -np.inf, np.inf
    return np.minimum.reduce(np.broadcast_arrays(*found)), np.maximum.reduce(np.broadcast_arrays(*found))


def _form(kind: str, inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> str:
    forms = [each.form for each in inputs]
    return _hash(kind, sorted(forms) if kind in ("Add", "Mul", "Min", "Max") else forms, sorted(attributes.items()))


def _unknown(kind: str, inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> Tensor:
    return Tensor(_form(kind, inputs, attributes), -np.inf, np.inf)


def _same(_kind: str, inputs: Sequence[Tensor], _attributes: Mapping[str, Any]) -> Tensor:
    return inputs[0]


def _moved(kind: str, inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> Tensor:
    """The same numbers elsewhere, zeros perhaps among them (Pad)."""
    low, high = (float(np.min([np.min(x.low) for x in inputs[:1]])), float(np.max([np.max(x.high) for x in inputs[:1]])))
    if kind == "Concat":
        low, high = min(float(np.min(x.low)) for x in inputs), max(float(np.max(x.high)) for x in inputs)
    if kind in ("Pad", "Expand"):
        low, high = min(low, 0.0), max(high, 0.0)
    return Tensor(_form(kind, inputs, attributes), low, high)


def _cast(kind: str, inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> Tensor:
    (x,) = inputs
    info = np.iinfo(onnx.helper.tensor_dtype_to_np_dtype(attributes["to"])) if attributes["to"] in _INTEGERS else None
    inside = info is None or (np.all(x.low >= info.min) and np.all(x.high <= info.max))
    low, high = (x.low, x.high) if inside or info is None else (float(info.min), float(info.max))
    value = None if x.value is None or not inside else x.value.astype(onnx.helper.tensor_dtype_to_np_dtype(attributes["to"]))
    return Tensor(_form(kind, inputs, attributes), low, high, value=value)


_INTEGERS = frozenset(
    (onnx.TensorProto.INT8, onnx.TensorProto.INT16, onnx.TensorProto.INT32, onnx.TensorProto.INT64, onnx.TensorProto.UINT8)
)


def _arithmetic(kind: str, inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> Tensor:
    neutral = 1 if kind == "Mul" else 0
    for x, other in ((inputs[0], inputs[1]), (inputs[1], inputs[0]))[: 1 if kind == "Sub" else 2]:
        if other.value is not None and other.value.size == 1 and np.all(other.value == neutral):
            return x
    operation = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply}[kind]
    return Tensor(_form(kind, inputs, attributes), *_ends(*inputs, operation))


def _divided(kind: str, inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> Tensor:
    x, by = inputs
    if np.any(by.low <= 0):
        return _unknown(kind, inputs, attributes)
    low, high = _ends(x, by, np.divide)
    return Tensor(_form(kind, inputs, attributes), np.floor(low), np.ceil(high))


def _least(kind: str, inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> Tensor:
    """Min and Max: the input alone where the other one never decides."""
    a, b = inputs
    for x, other in ((a, b), (b, a)):
        if np.all(np.max(x.high) <= np.min(other.low)) if kind == "Min" else np.all(np.min(x.low) >= np.max(other.high)):
            return x
    return Tensor(_form(kind, inputs, attributes), *_ends(a, b, np.minimum if kind == "Min" else np.maximum))


def _clipped(kind: str, inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> Tensor:
    """Of the two bounds, those that the value can reach; of bounds that cross, the upper one wins."""
    x, low, high = inputs
    bottom, top = float(np.max(low.high)), float(np.min(high.low))
    if low.value is None or high.value is None or bottom > top:
        return _unknown(kind, inputs, attributes)
    reached = [bottom if np.any(x.low < bottom) else None, top if np.any(x.high > top) else None]
    if reached == [None, None]:
        return x
    return Tensor(_hash("Clip", x.form, reached), np.clip(x.low, bottom, top), np.clip(x.high, bottom, top))


def _rectified(kind: str, inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> Tensor:
    (x,) = inputs
    return x if np.all(x.low >= 0) else Tensor(_form(kind, inputs, attributes), np.maximum(x.low, 0), np.maximum(x.high, 0))


def _product(kind: str, inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> Tensor:
    x, weight = inputs
    if weight.value is None or weight.value.ndim != 2:
        return _unknown(kind, inputs, attributes)
    matrix = weight.value.astype(np.float64)
    low, high = (np.broadcast_to(end, matrix.shape[0]) if np.size(end) in (1, matrix.shape[0]) else None for end in (x.low, x.high))
    if low is None or high is None:
        low, high = np.full(matrix.shape[0], np.min(x.low)), np.full(matrix.shape[0], np.max(x.high))
    positive, negative = np.maximum(matrix, 0), np.minimum(matrix, 0)
    with np.errstate(invalid="ignore"):  # of ends that are infinite
        ends = low @ positive + high @ negative, high @ positive + low @ negative
    return Tensor(
        _form(kind, inputs, attributes),
        *(np.where(np.isnan(end), unknown, end) for end, unknown in zip(ends, (-np.inf, np.inf), strict=True)),
        step=np.gcd.reduce(weight.value.astype(np.int64), axis=0) * np.gcd.reduce(np.ravel(x.step)),
    )


def _looked_up(kind: str, inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> Tensor:
    """A table matters where its indices reach."""
    table, index = inputs
    first, last = np.min(index.low), np.max(index.high)
    if table.value is None or table.value.ndim != 1 or attributes.get("axis", 0) != 0 or first < 0 or last >= table.value.size:
        return _moved(kind, inputs, attributes)
    part = table.value[int(first) : int(last) + 1]
    form = _hash(kind, index.form, int(first), part.tobytes())
    return Tensor(form, float(part.min()), float(part.max()))


def _quantized(kind: str, inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> Tensor:
    return Tensor(_form(kind, inputs, attributes), -128.0, 127.0)


_RULES: Mapping[str, Callable[[str, Sequence[Tensor], Mapping[str, Any]], Tensor]] = {
    "Identity": _same,
    **dict.fromkeys(("Transpose", "Reshape", "Slice", "Concat", "Pad", "Expand", "Unsqueeze", "Squeeze"), _moved),
    "Cast": _cast,
    **dict.fromkeys(("Add", "Sub", "Mul"), _arithmetic),
    "Div": _divided,
    "Min": _least,
    "Max": _least,
    "Clip": _clipped,
    "Relu": _rectified,
    "MatMul": _product,
    "QuantizeLinear": _quantized,
    "Gather": _looked_up,
}
