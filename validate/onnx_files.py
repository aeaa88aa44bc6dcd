"""ONNX files that somebody else may have written: nothing of them lies in another file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..export.optional_package import import_optional
from .variants import read_artefact

if TYPE_CHECKING:
    from onnx import AttributeProto, TensorProto


def read_onnx(path: Path) -> bytes:
    """An ONNX file whose tensors hold their data themselves. Raises InputError: onnxruntime would follow a path that one names."""
    data = read_artefact(path)
    onnx = import_optional("onnx")
    try:
        model = onnx.ModelProto.FromString(data)
    except Exception as error:  # protobuf's DecodeError, whose module depends on its version
        raise _damaged(path, str(error)) from error
    for tensor in _tensors(model):
        if tensor.data_location or tensor.external_data:
            raise _damaged(path, f"the data of {tensor.name!r} would lie in another file")
    return data


def _damaged(path: Path, cause: str) -> InputError:
    return InputError(f"{path} is no ONNX file of rescomp ({cause}): write it again with `rescomp export`")


def _tensors(model: Any) -> Iterator[TensorProto]:
    """Every tensor of the graph, of the graphs inside its nodes, and of its functions."""
    waiting: list[Any] = [model.graph, *model.functions]
    waiting += [part for info in model.training_info for part in (info.initialization, info.algorithm)]
    while waiting:
        part = waiting.pop()
        yield from getattr(part, "initializer", ())
        yield from (half for sparse in getattr(part, "sparse_initializer", ()) for half in (sparse.values, sparse.indices))
        attributes = [attribute for node in part.node for attribute in node.attribute]
        for attribute in (*attributes, *getattr(part, "attribute_proto", ())):
            yield from _own_tensors(attribute)
            waiting += [attribute.g, *attribute.graphs] if attribute.HasField("g") else attribute.graphs


def _own_tensors(attribute: AttributeProto) -> Iterator[TensorProto]:
    yield from (attribute.t, *attribute.tensors)
    for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
        yield from (sparse.values, sparse.indices)
