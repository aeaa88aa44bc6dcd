"""graph.json + weights.npz: an integer model on disk. Untrusted on the way back in: no pickle, every field and shape checked."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
import json
import types
import typing
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..documents import is_count, parse_json
from ..errors import InputError, RescompError
from . import ops
from .archive import OWN_BYTES, Arrays, read_archive
from .fixed_point import Requantization
from .formats import Format, TensorType
from .ir import Graph, IntegerModel, Node, Sampling, Sensor, StreamPolicy, Value
from .verify import verify_model
from .weights import (
    Int4Weight,
    Int8Weight,
    SeededWeight,
    SparseKernelsWeight,
    SparseRowsWeight,
    SparseWeight,
    TernaryRowsWeight,
    TernaryWeight,
    Weight,
)

GRAPH_SCHEMA = 1
"""Version of graph.json."""
MOST_NUMBER = 1 << 40
"""Either way, of the numbers in graph.json."""
CONTRACT = 1
"""Version of the integer contract: raised when any op's result changes by one bit."""

WEIGHT_TYPES: Mapping[str, type[Weight]] = {
    weight.kind: weight
    for weight in (
        Int8Weight,
        Int4Weight,
        SparseWeight,
        SparseKernelsWeight,
        SparseRowsWeight,
        TernaryWeight,
        TernaryRowsWeight,
        SeededWeight,
    )
}


def encode(model: IntegerModel) -> tuple[bytes, Arrays]:
    """(graph.json as canonical bytes, the arrays it names)."""
    arrays: Arrays = {}
    graphs = [_encode_graph(graph, arrays) for graph in model.graphs.values()]
    document = {"schema": GRAPH_SCHEMA, "contract": CONTRACT, "name": model.name, "classes": list(model.classes), "graphs": graphs}
    if model.policy is not None:
        document["stream"] = vars(model.policy)
    if model.hop:
        document["hop"] = model.hop
    if model.sampling is not None:
        document["sampling"] = vars(model.sampling)
    if model.channel_bits:
        document["channel_bits"] = list(model.channel_bits)
    if model.sensor is not None:
        document["sensor"] = {key: list(value) if isinstance(value, tuple) else value for key, value in vars(model.sensor).items()}
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode(), arrays


def digest(model: IntegerModel) -> str:
    """SHA-256 (hex) of the model: its structure and every integer in it."""
    document, arrays = encode(model)
    total = hashlib.sha256(document)
    for name in sorted(arrays):
        array = arrays[name]
        total.update(f"{name} {array.dtype.str} {array.shape}".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def to_npz(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """The arrays as .npz bytes, equal for equal arrays (no times inside)."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{name: arrays[name] for name in sorted(arrays)})
    return buffer.getvalue()


def from_npz(data: bytes, what: str) -> Arrays:
    """The arrays of .npz bytes; InputError naming `what` when they are damaged."""
    try:
        return read_archive(io.BytesIO(data), len(data), most=OWN_BYTES)
    except (ValueError, OSError) as error:
        raise InputError(f"{what} is not a readable .npz archive ({error}): write it again") from error


def decode(document: bytes, arrays: Mapping[str, npt.NDArray[Any]]) -> IntegerModel:
    """The verified model from graph.json and its arrays. Raises InputError when they are damaged or of a newer version."""
    try:
        data = parse_json(document)
        for key, known in (("schema", GRAPH_SCHEMA), ("contract", CONTRACT)):
            if data[key] != known:
                raise InputError(f"graph.json has {key} {data[key]}, this rescomp reads {known}: use the rescomp that wrote it")
        graphs = {graph["name"]: _decode_graph(graph, arrays) for graph in data["graphs"]}
        if len(graphs) != len(data["graphs"]):
            raise InputError("graph.json names a graph twice: export the model again")
        policy = _decode_fields(StreamPolicy, data["stream"], {}) if "stream" in data else None
        sampling = _decode_fields(Sampling, data["sampling"], {}) if "sampling" in data else None
        classes, hop = tuple(map(_text, data["classes"])), _count(data.get("hop", 0))
        bits = _whole_numbers(data.get("channel_bits", []))
        sensor = _decode_sensor(data["sensor"]) if "sensor" in data else None
        model = IntegerModel(_text(data["name"]), graphs, classes, policy, hop, sampling, bits, sensor)
        verify_model(model)
    except RescompError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError) as error:
        raise InputError(f"graph.json is damaged ({type(error).__name__}: {error}): export the model again") from error
    return model


def _encode_graph(graph: Graph, arrays: Arrays) -> dict[str, Any]:
    nodes = [
        {
            "name": node.name,
            "op": node.op.name,
            "inputs": list(node.inputs),
            "outputs": list(node.outputs),
            "fields": _encode_fields(node.op, f"{graph.name}.{node.name}", arrays),
        }
        for node in graph.nodes
    ]
    inputs = [{"name": value.name, "shape": list(value.type.shape), "format": vars(value.type.format)} for value in graph.inputs]
    return {"name": graph.name, "inputs": inputs, "nodes": nodes, "outputs": list(graph.outputs), "state": dict(graph.state)}


def _encode_fields(item: Any, path: str, arrays: Arrays) -> dict[str, Any]:
    return {field.name: _encode_value(getattr(item, field.name), f"{path}.{field.name}", arrays) for field in dataclasses.fields(item)}


def _encode_value(value: Any, path: str, arrays: Arrays) -> Any:
    if isinstance(value, np.ndarray):
        arrays[path] = value
        return {"array": path}
    if type(value) in WEIGHT_TYPES.values():
        return {"weight": value.kind, **_encode_fields(value, path, arrays)}
    if dataclasses.is_dataclass(value):
        return _encode_fields(value, path, arrays)
    return list(value) if isinstance(value, tuple) else value


def _decode_graph(data: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Graph:
    inputs = tuple(
        Value(_text(item["name"]), TensorType(_whole_numbers(item["shape"]), _decode_fields(Format, item["format"], arrays)))
        for item in data["inputs"]
    )
    nodes = tuple(
        Node(
            _text(item["name"]),
            _decode_fields(ops.REGISTRY[item["op"]], item["fields"], arrays),
            tuple(map(_text, item["inputs"])),
            tuple(map(_text, item["outputs"])),
        )
        for item in data["nodes"]
    )
    state = {_text(before): _text(after) for before, after in data["state"].items()}
    return Graph(_text(data["name"]), inputs, nodes, tuple(map(_text, data["outputs"])), state)


def _decode_sensor(data: Mapping[str, Any]) -> Sensor:
    if set(data) != {"unit", "channels", "millihertz", "full_scale"} or type(data["channels"]) is not list:
        raise InputError(f"graph.json tells {sorted(data)} of the sensor")
    unit, channels = _text(data["unit"]), tuple(map(_text, data["channels"]))
    return Sensor(unit, channels, _count(data["millihertz"]), _whole_numbers(data["full_scale"]))


def _text(value: Any) -> str:
    if type(value) is not str:
        raise InputError(f"graph.json holds {value!r:.80} where a name belongs")
    return value


def _count(value: Any) -> int:
    if not is_count(value, 0, MOST_NUMBER):
        raise InputError(f"graph.json holds {value!r:.80} where a number of samples belongs")
    return int(value)


def _whole_numbers(value: Any) -> tuple[int, ...]:
    if type(value) is not list or not all(is_count(item, -MOST_NUMBER, MOST_NUMBER) for item in value):
        raise InputError(f"graph.json holds {value!r:.80} where a list of whole numbers belongs")
    return tuple(value)


def _decode_fields(kind: type[Any], data: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Any:
    hints, needed = _fields(typing.cast(Hashable, kind))
    if not needed <= set(data) <= hints.keys():
        raise InputError(f"graph.json gives {kind.__name__} the fields {sorted(data)} instead of {sorted(hints)}")
    return kind(**{name: _decode_value(hints[name], value, arrays) for name, value in data.items()})


@functools.cache
def _fields(kind: Any) -> tuple[Mapping[str, Any], frozenset[str]]:
    """(the type of each field by name, those without a default)."""
    fields, hints = dataclasses.fields(kind), typing.get_type_hints(kind)
    needed = frozenset(field.name for field in fields if field.default is dataclasses.MISSING)
    return {field.name: hints[field.name] for field in fields}, needed


def _decode_value(hint: Any, value: Any, arrays: Mapping[str, npt.NDArray[Any]]) -> Any:
    if hint is Weight:
        fields = {key: item for key, item in value.items() if key != "weight"}
        return _decode_fields(WEIGHT_TYPES[value["weight"]], fields, arrays)
    if hint in (Format, Requantization):
        return _decode_fields(hint, value, arrays)
    if isinstance(value, dict):
        array = arrays[value["array"]]
        if not np.issubdtype(array.dtype, np.signedinteger):
            raise InputError(f"weights.npz holds {array.dtype} for {value['array']}, not integers")
        return array
    if typing.get_origin(hint) is tuple:
        numbers, wanted = _whole_numbers(value), typing.get_args(hint)
        if wanted[-1] is not Ellipsis and len(numbers) != len(wanted):
            raise InputError(f"graph.json holds {len(numbers)} numbers where {len(wanted)} belong")
        return numbers
    if typing.get_origin(hint) is typing.Literal and not any(
        type(value) is type(known) and value == known for known in typing.get_args(hint)
    ):
        raise InputError(f"graph.json holds {value!r} where one of {', '.join(map(repr, typing.get_args(hint)))} belongs")
    if isinstance(hint, type) and not isinstance(hint, types.GenericAlias) and type(value) is not hint:
        raise InputError(f"graph.json holds {value!r} where {hint.__name__} belongs")
    if type(value) is int and abs(value) > MOST_NUMBER:
        raise InputError(f"graph.json holds the number {value}, which is past any meaning")
    return value
