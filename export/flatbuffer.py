"""Writing FlatBuffers tables of the TFLite schema by field names, with the vectors that they hold."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NewType

import numpy as np

from ..graph.ops.base import Array
from .optional_package import import_optional

Offset = NewType("Offset", int)
"""Where something already written lies in the file."""
BUFFER_ALIGNMENT = 16
_LENGTH_BYTES = 4
"""Before the first entry of a vector."""
FILE_IDENTIFIER = b"TFL3"
MOST_FLATBUFFER_PARTS = 1 << 22
"""Tables of a file, and numbers and characters in their vectors but those of weights."""


class FlatbufferWriter:
    """A flatbuffers.Builder with the functions of the PyPI package `tflite`. Children are written before their parents."""

    def __init__(self) -> None:
        self._builder = import_optional("flatbuffers").Builder(1 << 12)
        self._schema = import_optional("tflite")

    def enum(self, kind: str, name: str) -> int:
        """The number of an enumerator of the schema, such as ("TensorType", "INT16")."""
        return int(getattr(getattr(self._schema, kind), name))

    def table(self, kind: str, **fields: int | bool | Offset) -> Offset:
        """A table of the schema; `fields` are scalars or offsets, named as the schema names them (snake case)."""
        getattr(self._schema, f"{kind}Start")(self._builder)
        for name, value in fields.items():
            camel = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
            getattr(self._schema, f"{kind}Add{camel}")(self._builder, value)
        return Offset(getattr(self._schema, f"{kind}End")(self._builder))

    def string(self, text: str) -> Offset:
        """A string."""
        return Offset(self._builder.CreateString(text))

    def numbers(self, values: Sequence[int] | Array, dtype: str = "int32") -> Offset:
        """A vector of numbers."""
        return Offset(self._builder.CreateNumpyVector(np.asarray(values, np.dtype(dtype))))

    def data(self, data: bytes) -> Offset:
        """A vector of bytes at a multiple of 16 (the Python builder ignores the schema's force_align, interpreters rely on it)."""
        self._builder.Prep(BUFFER_ALIGNMENT, len(data))
        return Offset(self._builder.CreateByteVector(data))

    def tables(self, offsets: Sequence[Offset]) -> Offset:
        """A vector of tables."""
        self._builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self._builder.PrependUOffsetTRelative(offset)
        return Offset(self._builder.EndVector())

    def named(self, kind: str, entries: Mapping[str, int], field: str) -> Offset:
        """A vector of tables that pair a name with a number (TensorMap, Metadata)."""
        return self.tables([self.table(kind, name=self.string(name), **{field: number}) for name, number in entries.items()])

    def finish(self, root: Offset) -> bytes:
        """The whole file."""
        self._builder.Finish(root, FILE_IDENTIFIER)
        return bytes(self._builder.Output())


class ExtendedFlatbuffer(FlatbufferWriter):
    """Writes new tables in front of a file whose own ones stay, byte for byte, and may be pointed to."""

    def __init__(self, file: bytes) -> None:
        super().__init__()
        padded = file + bytes(-len(file) % BUFFER_ALIGNMENT)
        self._start = self.data(padded) - _LENGTH_BYTES

    def old(self, table: Any) -> Offset:
        """A table of the file, read through the PyPI package `tflite`."""
        return Offset(self._start - getattr(table, "_tab", table).Pos)


def check_flatbuffer(data: bytes) -> None:
    """Raise ValueError unless every table and vector of a TFLite file lies inside it (tflite-runtime follows them unchecked).

    Vectors may lie in each other, so a small file can have any number of parts: at most MOST_FLATBUFFER_PARTS are taken.
    """
    schema = import_optional("tflite")
    if data[4:8] != FILE_IDENTIFIER:
        raise ValueError("it does not begin as a TFLite file")
    count = 0
    try:
        for parts in _walk(schema.Model.GetRootAs(data)):
            count += 1 + parts
            if count > MOST_FLATBUFFER_PARTS:
                break
    except (struct.error, IndexError, TypeError, ValueError, AttributeError) as error:
        raise ValueError("it is truncated or damaged") from error
    if count > MOST_FLATBUFFER_PARTS:
        raise ValueError(f"it has more than {MOST_FLATBUFFER_PARTS:,} parts")


def _walk(root: Any) -> Iterator[int]:
    """Read everything that an interpreter follows: of each table, how many numbers and characters it has but those of weights."""
    for buffer in entries(root, "Buffers"):
        buffer.DataAsNumpy()
        yield 0
    for code in entries(root, "OperatorCodes"):
        code.BuiltinCode()
        yield 0
    for graph in entries(root, "Subgraphs"):
        yield np.size(graph.InputsAsNumpy()) + np.size(graph.OutputsAsNumpy())
        for tensor in entries(graph, "Tensors"):
            root.Buffers(tensor.Buffer())
            by = tensor.Quantization()
            yield 0 if by is None else np.size(by.ScaleAsNumpy()) + np.size(by.ZeroPointAsNumpy())
            yield np.size(tensor.ShapeAsNumpy()) + len(tensor.Name() or b"")
        for operator in entries(graph, "Operators"):
            operator.BuiltinOptions()
            yield np.size(operator.InputsAsNumpy()) + np.size(operator.OutputsAsNumpy())


def entries(table: Any, field: str) -> Iterator[Any]:
    """The tables in a vector of a table of the schema, such as Tensors of a SubGraph."""
    return map(getattr(table, field), range(getattr(table, f"{field}Length")()))
