"""An ONNX file, read and checked: its nodes, its constants, the one value that it reads and the one that it gives. No code of it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import checker, numpy_helper, shape_inference

from ...errors import InputError, UnsupportedError, counted
from ...store import open_file

OLDEST_OPSET = 13
MOST_FILE_BYTES = 64 << 20
"""Of a file: far more than a model of rescomp's may hold."""
MOST_NODES = 2000
MOST_SAMPLES_A_BATCH = 1024
"""Of the batch that a file may be bound to."""
_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True)
class OnnxFile:
    """constants: by name, float32 or int64 as they are. input_shape: without the batch. output: the value that the file gives; classes: its
    entries a sample. data: the file's bytes. batch: that it was exported with, 0 where it is open.
    """

    path: Path
    nodes: Sequence[onnx.NodeProto]
    constants: Mapping[str, npt.NDArray[Any]]
    input: str
    input_shape: tuple[int, ...]
    output: str
    classes: int
    data: bytes
    batch: int = 0


def read_file(path: Path) -> OnnxFile:
    """Raises InputError for what is no ONNX file or contradicts itself, UnsupportedError for what no import reads."""
    data = _bytes_of(path)
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's own, which has no types
        raise InputError(f"{path} is no ONNX file, or cut short: export or copy it again") from error
    _check_contents(path, model)
    try:
        checker.check_model(model, full_check=True)
    except (checker.ValidationError, shape_inference.InferenceError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"{path} is damaged, or no valid ONNX ({_first_line(error)}): export it again") from error
    constants = {each.name: _array(path, each) for each in model.graph.initializer}
    nodes = _without_constants(path, model.graph.node, constants)
    ((source, shape), (output, scores)) = _only_values(path, model.graph, constants)
    if len(scores) != 1 or scores[0] < 2:
        raise UnsupportedError(
            f"{path} gives {output!r} of {list(scores)} entries a sample, and rescomp takes one score a class, [batch, classes] of two at "
            "least: end the net with them"
        )
    batch = next(each for each in model.graph.input if each.name == source).type.tensor_type.shape.dim[0].dim_value
    if not 0 <= batch <= MOST_SAMPLES_A_BATCH:
        raise UnsupportedError(
            f"{path} reads batches of {batch:,} samples: export it with an open batch, or of {MOST_SAMPLES_A_BATCH:,} at most"
        )
    return OnnxFile(path, nodes, constants, source, shape, output, scores[0], data, batch)


def _bytes_of(path: Path) -> bytes:
    try:
        with open_file(path) as file:
            data = file.read(MOST_FILE_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror or error}): check the path") from error
    if len(data) > MOST_FILE_BYTES:
        raise UnsupportedError(
            f"{path} is larger than {MOST_FILE_BYTES >> 20} MiB: no microcontroller takes such a net, import a smaller one"
        )
    return data


def _check_contents(path: Path, model: onnx.ModelProto) -> None:
    opsets = {each.domain: each.version for each in model.opset_import}
    newest = onnx.defs.onnx_opset_version()
    version = opsets.get("", opsets.get("ai.onnx", 0))
    if not model.graph.node or not version:
        raise InputError(f"{path} is no ONNX file of a net: export it again")
    if not OLDEST_OPSET <= version <= newest:
        raise UnsupportedError(f"{path} is of opset {version}: export it with opset_version = {OLDEST_OPSET} to {newest}")
    if model.functions or model.graph.sparse_initializer:
        raise UnsupportedError(f"{path} holds functions or sparse initializers of its own: export it with the operators of ONNX alone")
    if len(model.graph.node) > MOST_NODES:
        raise UnsupportedError(f"{path} has {counted(len(model.graph.node), 'node')}, more than {MOST_NODES:,}: import a smaller net")
    for tensor in (*model.graph.initializer, *(each.t for node in model.graph.node for each in node.attribute if each.HasField("t"))):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise UnsupportedError(
                f"{path} keeps {tensor.name[:80]!r} in another file: save it as one, onnx.save_model(..., save_as_external_data=False)"
            )
    for node in model.graph.node:
        if node.domain not in _DOMAINS:
            raise UnsupportedError(
                f"{path} has an operator {node.op_type[:80]!r} of the domain {node.domain[:80]!r}: only those of ONNX itself are read"
            )


def _array(path: Path, tensor: onnx.TensorProto) -> npt.NDArray[Any]:
    try:
        array = numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, OverflowError, MemoryError) as error:
        raise InputError(f"{path}: the constant {tensor.name[:80]!r} is damaged ({_first_line(error)}): export it again") from error
    if array.dtype not in (np.float32, np.int64):
        raise UnsupportedError(
            f"{path}: the constant {tensor.name[:80]!r} is of {array.dtype}: import the float net, in float32 and not quantized"
        )
    if not np.isfinite(array).all():
        raise InputError(f"{path}: the constant {tensor.name[:80]!r} holds a number that is not finite: it is no net trained to an end")
    return array


def _without_constants(path: Path, nodes: Sequence[onnx.NodeProto], constants: dict[str, npt.NDArray[Any]]) -> Sequence[onnx.NodeProto]:
    """The nodes that compute; what the others name is put into `constants`."""
    kept = []
    for node in nodes:
        if node.op_type == "Identity" and node.input[0] in constants:
            constants[node.output[0]] = constants[node.input[0]]
        elif node.op_type != "Constant":
            kept.append(node)
        elif [each.name for each in node.attribute] == ["value"]:
            constants[node.output[0]] = _array(path, node.attribute[0].t)
        else:
            constants[node.output[0]] = _listed(path, node)
    return kept


def _listed(path: Path, node: onnx.NodeProto) -> npt.NDArray[Any]:
    value = onnx.helper.get_attribute_value(node.attribute[0]) if len(node.attribute) == 1 else None
    kind = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
    name = node.attribute[0].name if value is not None else ""
    if name not in kind:
        raise UnsupportedError(f"{path}: the constant {node.output[0][:80]!r} is no number and no tensor: export it as an initializer")
    return np.asarray(value, kind[name])


def _only_values(
    path: Path, graph: onnx.GraphProto, constants: Mapping[str, npt.NDArray[Any]]
) -> tuple[tuple[str, tuple[int, ...]], tuple[str, tuple[int, ...]]]:
    """(name, shape without the batch) of the one input and the one output."""
    inputs = [each for each in graph.input if each.name not in constants]
    for what, found in (("reads", inputs), ("gives", list(graph.output))):
        if len(found) != 1:
            names = ", ".join(each.name[:80] for each in found) or "none"
            raise UnsupportedError(f"{path} {what} {counted(len(found), 'value')} ({names}): a net has one, export it so")
    return _shape_of(path, inputs[0]), _shape_of(path, graph.output[0])


def _shape_of(path: Path, value: onnx.ValueInfoProto) -> tuple[str, tuple[int, ...]]:
    tensor = value.type.tensor_type
    if tensor.elem_type != onnx.TensorProto.FLOAT:
        raise UnsupportedError(f"{path}: {value.name[:80]!r} is not of float32: import the float net, which is not quantized")
    sizes = [each.dim_value for each in tensor.shape.dim]
    if not 2 <= len(sizes) <= 4 or min(sizes[1:]) < 1:
        shown = [each.dim_value or each.dim_param[:80] or "?" for each in tensor.shape.dim]
        raise UnsupportedError(
            f"{path}: {value.name[:80]!r} has the shape {shown}: two to four axes are read, all but the batch of a fixed size; export it so"
        )
    return value.name, tuple(sizes[1:])


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:200]
