"""The operators of ONNX that an import reads, one table: what each becomes in torch."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import Tensor, nn

from ...errors import InputError, UnsupportedError
from .program import Builder, FileValue, attributes_of
from .shapes import flatten, reshape, squeeze, transpose, unsqueeze
from .windows import average_pool, convolution, global_average, global_maximum, max_pool, mean, pad

OpReader = Callable[[Builder, onnx.NodeProto], FileValue]


def _gemm(builder: Builder, node: onnx.NodeProto) -> FileValue:
    given, weight, bias = attributes_of(node), builder.constant(node, 1), builder.constant(node, 2)
    if given.get("transA", 0) or weight is None or weight.ndim != 2:
        raise UnsupportedError(f"{builder.where(node)} multiplies by no constant matrix, or turns what it reads: export a linear layer")
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused with the net
        weight = (weight if given.get("transB", 0) else weight.T) * np.float32(given.get("alpha", 1.0))
        if bias is not None:
            bias = _a_row(builder, node, bias, len(weight)) * np.float32(given.get("beta", 1.0))
    return _linear(builder, node, builder.flat(builder.value(node)), weight, bias)


def _matmul(builder: Builder, node: onnx.NodeProto) -> FileValue:
    weight, x = builder.constant(node, 1), builder.value(node)
    if weight is None or weight.ndim != 2:
        raise UnsupportedError(f"{builder.where(node)} multiplies by no constant matrix: two values of the net are not multiplied")
    if not x.is_flat and x.axes[-1] == "c" and math.prod(x.shape) > x.sizes["c"]:
        return _at_every_position(builder, node, x, weight.T)
    return _linear(builder, node, builder.flat(x), weight.T, None)


def _linear(builder: Builder, node: onnx.NodeProto, x: FileValue, weight: npt.NDArray[Any], bias: npt.NDArray[Any] | None) -> FileValue:
    """weight: [rows, columns], the columns in the file's order."""
    rows, columns = weight.shape
    if columns != x.sizes["f"]:
        raise InputError(f"{builder.where(node)} has weights for {columns} entries and reads {x.sizes['f']}: export it again")
    if x.order is not None:
        moved = np.empty_like(weight)
        moved[:, x.order] = weight
        weight = moved
    module = nn.Linear(columns, rows, bias is not None)
    _fill(module, weight, bias)
    return builder.layer("dense", FileValue("", ("b", "f"), {"f": rows}), x, module)


def _at_every_position(builder: Builder, node: onnx.NodeProto, x: FileValue, weight: npt.NDArray[Any]) -> FileValue:
    rows, columns = weight.shape
    if columns != x.sizes["c"]:
        raise InputError(f"{builder.where(node)} has weights for {columns} channels and reads {x.sizes['c']}: export it again")
    kind: Any = nn.Conv1d if len(x.positions) == 1 else nn.Conv2d
    module = kind(columns, rows, 1, bias=False)
    _fill(module, weight.reshape(module.weight.shape), None)
    return builder.layer("conv", replace(x, sizes={**x.sizes, "c": rows}), x, module)


def _fill(module: Any, weight: npt.NDArray[Any], bias: npt.NDArray[Any] | None) -> None:
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight)))
        if bias is not None:
            module.bias.copy_(torch.from_numpy(np.ascontiguousarray(bias)))


def _a_row(builder: Builder, node: onnx.NodeProto, array: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
    """A constant that has one entry a channel, or one in all."""
    if array.size not in (1, count):
        raise UnsupportedError(f"{builder.where(node)} has a constant of shape {list(array.shape)} where one number a channel is wanted")
    return np.array(np.broadcast_to(array.reshape(-1), (count,)), np.float32)


def _add(builder: Builder, node: onnx.NodeProto) -> FileValue:
    constants = [place for place, name in enumerate(node.input) if name in builder.file.constants]
    if constants:
        return _bias(builder, node, 1 - constants[0], builder.file.constants[node.input[constants[0]]])
    a, b = builder.value(node, 0), builder.value(node, 1)
    same = (a.axes, a.sizes) == (b.axes, b.sizes) and np.array_equal(_order(a), _order(b))
    if not same:
        raise UnsupportedError(f"{builder.where(node)} adds values of {list(a.shape)} and {list(b.shape)}: they must be equal")
    return builder.call(replace(a, layer=""), [a, b], lambda left, right: _called(operator.add, left, right))


def _order(value: FileValue) -> npt.NDArray[np.int64]:
    return np.arange(value.sizes.get("f", 0)) if value.order is None else value.order


def _bias(builder: Builder, node: onnx.NodeProto, place: int, array: npt.NDArray[Any]) -> FileValue:
    """A constant behind a layer that has none of its own: its bias."""
    x, where = builder.value(node, place), builder.where(node)
    module: Any = builder.module.get_submodule(x.layer) if x.layer else None
    if not isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear) or module.bias is not None or builder.uses[node.input[place]] > 1:
        raise UnsupportedError(f"{where} adds a constant to what is no linear layer's or convolution's own result: give that a bias")
    channel = x.axes.index("f" if x.is_flat else "c")
    wide = (1,) * (len(x.axes) - array.ndim) + array.shape
    if len(wide) != len(x.axes) or any(size != 1 for axis, size in enumerate(wide) if axis != channel):
        raise UnsupportedError(f"{where} adds a constant of shape {list(array.shape)}: one number a channel is read, as a bias")
    module.bias = nn.Parameter(torch.from_numpy(_a_row(builder, node, array, len(module.weight))))
    return x


def _multiply(builder: Builder, node: onnx.NodeProto) -> FileValue:
    places = [place for place, name in enumerate(node.input) if name in builder.file.constants]
    array = builder.file.constants[node.input[places[0]]] if places else np.zeros(0)
    if array.size != 1 or array.ndim > len(builder.value(node, 1 - places[0]).axes):
        raise UnsupportedError(f"{builder.where(node)} multiplies by something else than one number: put factors into the weights")
    x, factor = builder.value(node, 1 - places[0]), float(array.reshape(-1)[0])
    return builder.call(replace(x, layer=""), [x], lambda value: _called(operator.mul, value, factor))


def _batch_norm(builder: Builder, node: onnx.NodeProto) -> FileValue:
    x, where, given = builder.value(node), builder.where(node), attributes_of(node)
    arrays = [builder.constant(node, place) for place in range(1, 5)]
    if given.get("training_mode", 0) or len(node.output) > 1:
        raise UnsupportedError(f"{where} is in training mode: export the net for inference")
    x = x if x.is_flat else builder.map(node, x)
    count = x.sizes["f" if x.is_flat else "c"]
    if any(each is None or each.shape != (count,) for each in arrays):
        raise InputError(f"{where} has constants that are not one number for each of its {count} channels: export it again")
    tensors = [torch.from_numpy(each.copy()) for each in arrays if each is not None]
    kind: Any = nn.BatchNorm2d if len(x.positions) == 2 else nn.BatchNorm1d
    module = kind(count, eps=given.get("epsilon", 1e-5))
    if bool((tensors[3] < 0).any()):
        raise InputError(f"{where} has a negative variance: it is no net that was trained to an end")
    with torch.no_grad():
        for target, tensor in zip((module.weight, module.bias, module.running_mean, module.running_var), tensors, strict=True):
            target.copy_(tensor)
    if x.order is not None:
        raise UnsupportedError(f"{where} stands behind a flattened map of another order: put it before Flatten")
    return replace(builder.layer("norm", replace(x, layer=""), x, module), layer="")


def _called(function: Callable[..., Any], *values: Any) -> Tensor:
    result: Tensor = function(*values)
    return result


def _pointwise(function: Callable[[Tensor], Tensor]) -> OpReader:
    """A function of each entry."""

    def read(builder: Builder, node: onnx.NodeProto) -> FileValue:
        x = builder.value(node)
        return builder.call(replace(x, layer=""), [x], function)

    return read


def _same(builder: Builder, node: onnx.NodeProto) -> FileValue:
    return builder.value(node)


OPS: Mapping[str, OpReader] = {
    "Conv": convolution,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "BatchNormalization": _batch_norm,
    "Add": _add,
    "Mul": _multiply,
    "Relu": _pointwise(torch.relu),
    "Abs": _pointwise(torch.abs),
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average,
    "GlobalMaxPool": global_maximum,
    "ReduceMean": mean,
    "Pad": pad,
    "Flatten": flatten,
    "Reshape": reshape,
    "Transpose": transpose,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Identity": _same,
    "Dropout": _same,
}
"""By the operator's name."""
INSTEAD: Mapping[str, str] = {
    **dict.fromkeys(("GRU", "LSTM", "RNN"), "make it of rescomp's cells, docs/nets.md"),
    **dict.fromkeys(("Shape", "Gather", "Slice", "Concat", "Range", "Expand"), "export fixed shapes, and flatten by torch.flatten(x, 1)"),
    **dict.fromkeys(("Clip", "LeakyRelu", "HardSwish", "HardSigmoid", "Sigmoid", "Tanh", "Elu", "Gelu", "Erf", "PRelu"), "train with ReLU"),
    "ConvTranspose": "use Conv",
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear", "QLinearConv", "ConvInteger", "MatMulInteger"), "import the float net"),
    **dict.fromkeys(("Softmax", "LogSoftmax"), "leave it to the end, where it is dropped"),
    **dict.fromkeys(("LayerNormalization", "InstanceNormalization", "GroupNormalization"), "train with batch normalisation, which folds"),
}
"""What to do about an operator that is not read."""
