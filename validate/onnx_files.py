"""ONNX files that somebody else may have written: bounded in their parts, and nothing of them lies in another file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..documents import MOST_DEPTH
from ..errors import InputError
from ..export.file_metadata import fields, onnx_metadata
from ..export.optional_package import import_optional
from .variants import read_artefact

if TYPE_CHECKING:
    from onnx import AttributeProto, TensorProto


MOST_ONNX_PARTS = 1 << 20
"""Fields and packed numbers of a file, those in each other included: one takes up to 200 bytes of memory, and may take two of the file."""


def read_onnx(path: Path) -> bytes:
    """An ONNX file whose tensors hold their data themselves. Raises InputError: onnxruntime would follow a path that one names."""
    data = read_artefact(path)
    onnx = import_optional("onnx")
    try:
        _check_parts(data, onnx.ModelProto.DESCRIPTOR)
        model = onnx.ModelProto.FromString(data)
    except Exception as error:  # protobuf's DecodeError, whose module depends on its version
        raise _damaged(path, str(error)) from error
    for tensor in _tensors(model):
        if tensor.data_location or tensor.external_data:
            raise _damaged(path, f"the data of {tensor.name!r} would lie in another file")
    return data


def _damaged(path: Path, cause: str) -> InputError:
    return InputError(f"{path} is no ONNX file of rescomp ({cause}): write it again with `rescomp export`")


def metadata_of(data: bytes, path: Path) -> dict[str, str]:
    """What an ONNX file says about itself. Raises InputError."""
    try:
        return onnx_metadata(data)
    except ValueError as error:
        raise _damaged(path, f"{error}") from error


def _check_parts(data: bytes, message: Any) -> None:
    """Raise ValueError for more parts than MOST_ONNX_PARTS, before any of them is allocated. message: what the file is (a Descriptor)."""
    count, waiting = 0, [(memoryview(data), message, 0)]
    while waiting:
        part, message, depth = waiting.pop()
        if depth > MOST_DEPTH:
            raise ValueError(f"it is nested more than {MOST_DEPTH} deep")
        for number, content in fields(part):
            field = message.fields_by_number.get(number)
            inner = field and field.message_type
            if inner:
                waiting.append((content, inner, depth + 1))
            numbers = len(content) if field and field.type not in (field.TYPE_STRING, field.TYPE_BYTES, field.TYPE_MESSAGE) else 0
            count += 1 + numbers
            if count > MOST_ONNX_PARTS:
                raise ValueError(f"it has more than {MOST_ONNX_PARTS:,} parts")


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
