"""What becomes of the form and the interval of a tensor at each operator of an ONNX file (onnx_ranges.py)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx_exhaustion import Chain


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


def hash_of(*words: object) -> str:
    return hashlib.sha256(repr(words).encode()).hexdigest()


def _ends(a: Tensor, b: Tensor, operation: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    """The interval of a binary operation that is monotonic in each argument."""
    with np.errstate(invalid="ignore", divide="ignore"):
        try:
            found = [np.nan_to_num(operation(x, y), nan=np.inf) for x in (a.low, a.high) for y in (b.low, b.high)]
        except ValueError:  # last axes that do not match: they stand for others, channels in front
            return -np.inf, np.inf
    return np.minimum.reduce(np.broadcast_arrays(*found)), np.maximum.reduce(np.broadcast_arrays(*found))


def form_of(kind: str, inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> str:
    forms = [each.form for each in inputs]
    return hash_of(kind, sorted(forms) if kind in ("Add", "Mul", "Min", "Max") else forms, sorted(attributes.items()))


def unknown(kind: str, inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> Tensor:
    return Tensor(form_of(kind, inputs, attributes), -np.inf, np.inf)


def _same(_kind: str, inputs: Sequence[Tensor], _attributes: Mapping[str, Any]) -> Tensor:
    return inputs[0]


def _moved(kind: str, inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> Tensor:
    """The same numbers elsewhere, zeros perhaps among them (Pad)."""
    low, high = (float(np.min([np.min(x.low) for x in inputs[:1]])), float(np.max([np.max(x.high) for x in inputs[:1]])))
    if kind == "Concat":
        low, high = min(float(np.min(x.low)) for x in inputs), max(float(np.max(x.high)) for x in inputs)
    if kind in ("Pad", "Expand"):
        low, high = min(low, 0.0), max(high, 0.0)
    return Tensor(form_of(kind, inputs, attributes), low, high)


def _cast(kind: str, inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> Tensor:
    (x,) = inputs
    info = np.iinfo(onnx.helper.tensor_dtype_to_np_dtype(attributes["to"])) if attributes["to"] in _INTEGERS else None
    inside = info is None or (np.all(x.low >= info.min) and np.all(x.high <= info.max))
    low, high = (x.low, x.high) if inside or info is None else (float(info.min), float(info.max))
    value = None if x.value is None or not inside else x.value.astype(onnx.helper.tensor_dtype_to_np_dtype(attributes["to"]))
    return Tensor(form_of(kind, inputs, attributes), low, high, value=value)


_INTEGERS = frozenset(
    (onnx.TensorProto.INT8, onnx.TensorProto.INT16, onnx.TensorProto.INT32, onnx.TensorProto.INT64, onnx.TensorProto.UINT8)
)


def _arithmetic(kind: str, inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> Tensor:
    neutral = 1 if kind == "Mul" else 0
    for x, other in ((inputs[0], inputs[1]), (inputs[1], inputs[0]))[: 1 if kind == "Sub" else 2]:
        if other.value is not None and other.value.size == 1 and np.all(other.value == neutral):
            return x
    operation = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply}[kind]
    return Tensor(form_of(kind, inputs, attributes), *_ends(*inputs, operation))


def _divided(kind: str, inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> Tensor:
    x, by = inputs
    if np.any(by.low <= 0):
        return unknown(kind, inputs, attributes)
    low, high = _ends(x, by, np.divide)
    return Tensor(form_of(kind, inputs, attributes), np.floor(low), np.ceil(high))


def _least(kind: str, inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> Tensor:
    """Min and Max: the input alone where the other one never decides."""
    a, b = inputs
    for x, other in ((a, b), (b, a)):
        if np.all(np.max(x.high) <= np.min(other.low)) if kind == "Min" else np.all(np.min(x.low) >= np.max(other.high)):
            return x
    return Tensor(form_of(kind, inputs, attributes), *_ends(a, b, np.minimum if kind == "Min" else np.maximum))


def _clipped(kind: str, inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> Tensor:
    """Of the two bounds, those that the value can reach; of bounds that cross, the upper one wins."""
    x, low, high = inputs
    bottom, top = float(np.max(low.high)), float(np.min(high.low))
    if low.value is None or high.value is None or bottom > top:
        return unknown(kind, inputs, attributes)
    reached = [bottom if np.any(x.low < bottom) else None, top if np.any(x.high > top) else None]
    if reached == [None, None]:
        return x
    return Tensor(hash_of("Clip", x.form, reached), np.clip(x.low, bottom, top), np.clip(x.high, bottom, top))


def _rectified(kind: str, inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> Tensor:
    (x,) = inputs
    return x if np.all(x.low >= 0) else Tensor(form_of(kind, inputs, attributes), np.maximum(x.low, 0), np.maximum(x.high, 0))


def _product(kind: str, inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> Tensor:
    x, weight = inputs
    if weight.value is None or weight.value.ndim != 2:
        return unknown(kind, inputs, attributes)
    matrix = weight.value.astype(np.float64)
    low, high = (np.broadcast_to(end, matrix.shape[0]) if np.size(end) in (1, matrix.shape[0]) else None for end in (x.low, x.high))
    if low is None or high is None:
        low, high = np.full(matrix.shape[0], np.min(x.low)), np.full(matrix.shape[0], np.max(x.high))
    positive, negative = np.maximum(matrix, 0), np.minimum(matrix, 0)
    with np.errstate(invalid="ignore"):  # of ends that are infinite
        ends = low @ positive + high @ negative, high @ positive + low @ negative
    return Tensor(
        form_of(kind, inputs, attributes),
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
    form = hash_of(kind, index.form, int(first), part.tobytes())
    return Tensor(form, float(part.min()), float(part.max()))


def _quantized(kind: str, inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> Tensor:
    return Tensor(form_of(kind, inputs, attributes), -128.0, 127.0)


RULES: Mapping[str, Callable[[str, Sequence[Tensor], Mapping[str, Any]], Tensor]] = {
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
