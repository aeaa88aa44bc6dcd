"""The layers of an ONNX file, side by side: its own nodes and initializers, cut at every value of the integer graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..export.optional_package import import_optional
from ..graph.fixed_point import IntArray
from ..graph.formats import TensorType
from ..graph.ir import IntegerModel
from .composed import COMPUTED, composed_graphs, composed_names, defined_values

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto


@dataclass(frozen=True)
class FileTensor:
    """A value in a file. inner: as layers have it, int32, or int8 with the channels in front; else of the format's dtype, channels last."""

    name: str
    type: TensorType
    inner: bool = True

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the tensor."""
        wide = self.inner and self.type.format.dtype != "int8"
        return np.dtype(np.int32) if wide else self.type.format.numpy_dtype

    @property
    def in_front(self) -> bool:
        """Whether the channels stand before the other axes."""
        return self.inner and self.type.format.dtype == "int8" and len(self.type.shape) > 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Without batch."""
        *rest, channels = self.type.shape
        return (channels, *rest) if self.in_front else self.type.shape

    def store(self, values: IntArray) -> IntArray:
        """Values [batch, *shape] as the tensor has them."""
        return np.ascontiguousarray(np.moveaxis(values, -1, 1) if self.in_front else values, self.dtype)

    def load(self, tensor: IntArray) -> IntArray:
        """The inverse, int64."""
        return (np.moveaxis(tensor, 1, -1) if self.in_front else tensor).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Layers:
    """A file whose inputs are what layers read, and whose outputs what they make. reads, makes: by the value's name in its graph."""

    graph: str
    data: bytes
    reads: Mapping[str, FileTensor]
    makes: Mapping[str, FileTensor]


def cut_step(data: bytes, path: Path, model: IntegerModel) -> Iterator[Layers]:
    """The layers of each graph in a file of one time step and the head, or of a whole net. Raises InputError where a value is missing."""
    file = _load(data, path)
    names, defined = composed_names(model), defined_values(model)
    for role, graph in composed_graphs(model).items():
        inputs = {value.name for value in graph.inputs} if role != "head" else set()
        places = {
            name: FileTensor(name, type, inner=False) if name in inputs else _named(names[role][name], type)
            for name, type in graph.types().items()
        }
        yield _cut(file, file.graph, role, places, defined[role], path)


def cut_alone(data: bytes, path: Path, model: IntegerModel, role: str) -> Layers:
    """The layers of a file of one graph that stands by itself: a decision, a front-end."""
    file, graph = _load(data, path), model.graphs[role]
    inputs = {value.name for value in graph.inputs}
    places = {name: FileTensor(name, type, inner=False) if name in inputs else _named(name, type) for name, type in graph.types().items()}
    return _cut(file, file.graph, role, places, defined_values(model)[role], path)


def cut_sequence(data: bytes, path: Path, model: IntegerModel) -> Iterator[Layers]:
    """The layers of the step in a file of a whole sequence, which lies in its Scan, and of the head behind it."""
    file = _load(data, path)
    scans = [node for node in file.graph.node if node.op_type == "Scan"]
    bodies = [attribute.g for node in scans for attribute in node.attribute if attribute.name == "body"]
    step, head, defined = model.graphs["step"], model.graphs["head"], defined_values(model)
    if len(bodies) != 1 or len(scans[0].output) < len(step.state_inputs):
        raise _missing(path, "one loop over time")
    inputs = {value.name for value in step.inputs}
    body = {name: _outer(f"step/{name}", type) if name in inputs else _named(name, type, "step/") for name, type in step.types().items()}
    yield _cut(file, bodies[0], "step", body, defined["step"], path)
    last = {value.name: name for value, name in zip(step.state_inputs, scans[0].output, strict=False)}
    behind = {name: _outer(last[name], type) if name in last else _named(name, type) for name, type in head.types().items()}
    yield _cut(file, file.graph, "head", behind, defined["head"], path)


def _load(data: bytes, path: Path) -> ModelProto:
    try:
        file: ModelProto = import_optional("onnx").load_model_from_string(data)
    except Exception as error:  # protobuf's errors have no base class that every version exports
        raise InputError(f"{path} is no ONNX file ({str(error).splitlines()[0]}): write it again with `rescomp export`") from error
    return file


def _named(name: str, type: TensorType, prefix: str = "") -> FileTensor:
    return FileTensor(f"{prefix}{name}/{'int8' if type.format.dtype == 'int8' else 'int32'}", type)


@dataclass(frozen=True)
class _Outer(FileTensor):
    """At the border of a Scan: of the dtype that layers read, but channels last."""

    @property
    def in_front(self) -> bool:
        return False


def _outer(name: str, type: TensorType) -> FileTensor:
    return _Outer(name, type)


def _cut(file: ModelProto, graph: GraphProto, role: str, places: Mapping[str, FileTensor], defined: Sequence[str], path: Path) -> Layers:
    onnx = import_optional("onnx")
    cut = {place.name for place in places.values()}
    nodes = [_renamed(node, cut) for node in graph.node]
    wanted = [places[name].name + COMPUTED for name in defined]
    kept = list(_needed(nodes, wanted))
    made, read = {name for node in kept for name in node.output}, {name for node in kept for name in node.input}
    for name in wanted:
        if name not in made:
            raise _missing(path, f"the value {name.removesuffix(COMPUTED)}")
    reads = {name: place for name, place in places.items() if place.name in read}
    if not reads:
        raise _missing(path, "a layer that reads a value")
    tensors = [(place.name, place) for place in reads.values()], [(places[name].name + COMPUTED, places[name]) for name in defined]
    inputs, outputs = (
        [onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(p.dtype), ["batch", *p.shape]) for name, p in side]
        for side in tensors
    )
    initializers = [tensor for tensor in graph.initializer if tensor.name in read]
    result = onnx.ModelProto()
    result.CopyFrom(file)
    result.graph.CopyFrom(onnx.helper.make_graph(kept, role, inputs, outputs, initializers))
    return Layers(role, result.SerializeToString(), reads, {name: places[name] for name in defined})


def _renamed(node: Any, cut: Iterable[str]) -> Any:
    """A copy of the node in which a value at which the file is cut has its other name where it is made."""
    copy = type(node)()
    copy.CopyFrom(node)
    for i, name in enumerate(copy.output):
        if name in cut:
            copy.output[i] = name + COMPUTED
    return copy


def _needed(nodes: Sequence[Any], wanted: Iterable[str]) -> Iterator[Any]:
    """The nodes that the wanted values depend on, in order."""
    makers = {name: i for i, node in enumerate(nodes) for name in node.output}
    pending, found = list(wanted), set()
    while pending:
        i = makers.get(pending.pop())
        if i is not None and i not in found:
            found.add(i)
            pending += nodes[i].input
    yield from (nodes[i] for i in sorted(found))


def _missing(path: Path, what: str) -> InputError:
    return InputError(f"{path} has not {what} of this model: write it again with `rescomp export`")
