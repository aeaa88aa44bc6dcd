"""Mutants of TFLite files, made in place: quantization, constants, options, operators and their inputs, metadata."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import tflite
from mutations import Mutant, StaleError

OTHER_CODES = {"ADD": "SUB", "SUB": "ADD", "MUL": "ADD", "DIV": "MUL", "MAXIMUM": "MINIMUM", "MINIMUM": "MAXIMUM"}
COMMUTATIVE = frozenset({"ADD", "MUL", "MAXIMUM", "MINIMUM"})
DTYPES = {"INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8"}
CODES = {number: name for name, number in vars(tflite.BuiltinOperator).items() if isinstance(number, int)}
TYPES = {number: name for name, number in vars(tflite.TensorType).items() if isinstance(number, int)}
FIELDS = range(4, 40, 2)
"""Places in the table of a table's fields."""


class Patch(NamedTuple):
    """Bytes of the file and what they become."""

    operator: str
    site: str
    offset: int
    before: bytes
    after: bytes


def tflite_mutants(model: str, file: str, data: bytes) -> Iterator[Mutant]:
    """Every mutant of one TFLite file."""
    for patch in patches(data):
        yield Mutant(model, file, patch.operator, patch.site, patch.offset, patch.before.hex(), patch.after.hex())


def apply_to_tflite(data: bytes, mutant: Mutant) -> bytes:
    """The file with the change. Raises StaleError where the site is gone or holds something else by now."""
    for patch in patches(data):
        if patch.site == mutant.site and patch.before.hex() == mutant.before:
            after = bytes.fromhex(mutant.after)
            return data[: patch.offset] + after + data[patch.offset + len(after) :]
    raise StaleError(mutant.site)


def patches(data: bytes) -> Iterator[Patch]:
    root = tflite.Model.GetRootAs(data)
    graph = root.Subgraphs(0)
    tensors = [graph.Tensors(i) for i in range(graph.TensorsLength())]
    names = [tensor.Name().decode() for tensor in tensors]
    for tensor, name in zip(tensors, names, strict=True):
        yield from _quantization(tensor, name)
    yield from _constants(root, graph, tensors, names)
    yield from _operators(root, graph, names)
    yield from _metadata(root)


def _quantization(tensor: Any, name: str) -> Iterator[Patch]:
    by = tensor.Quantization()
    if by is None:
        return
    for i in range(by.ScaleLength()):
        offset = by._tab.Vector(by._tab.Offset(8)) + 4 * i
        for factor in (2.0, 0.5, 1 + 2**-7):
            before, after = struct.pack("<f", by.Scale(i)), struct.pack("<f", by.Scale(i) * factor)
            yield Patch("scale", f"scale {name}[{i}]", offset, before, after)
    for i in range(by.ZeroPointLength()):
        offset = by._tab.Vector(by._tab.Offset(10)) + 8 * i
        for step in (1, -1):
            before, after = struct.pack("<q", by.ZeroPoint(i)), struct.pack("<q", by.ZeroPoint(i) + step)
            yield Patch("zero point", f"zero {name}[{i}]", offset, before, after)


def _constants(root: Any, graph: Any, tensors: list[Any], names: list[str]) -> Iterator[Patch]:
    biases = {operator.Inputs(2) for operator in _all(graph, "Operators") if operator.InputsLength() == 3}
    for index, (tensor, name) in enumerate(zip(tensors, names, strict=True)):
        buffer, dtype = root.Buffers(tensor.Buffer()), DTYPES.get(TYPES[tensor.Type()])
        if buffer.DataLength() == 0 or dtype is None:
            continue
        values, start = buffer.DataAsNumpy().view(dtype), buffer._tab.Vector(buffer._tab.Offset(4))
        operator = "bias" if index in biases else "weight" if values.itemsize == 1 else "constant"
        for i, value in enumerate(values):
            for after in (value + 1, value - 1, value ^ 4):
                changed = np.array(after).astype(dtype)
                yield Patch(operator, f"constant {name}[{i}]", start + values.itemsize * i, value.tobytes(), changed.tobytes())


def _operators(root: Any, graph: Any, names: list[str]) -> Iterator[Patch]:
    codes = [CODES[code.BuiltinCode()] for code in _all(root, "OperatorCodes")]
    for operator in _all(graph, "Operators"):
        code, output = codes[operator.OpcodeIndex()], names[operator.Outputs(0)]
        yield from _inputs(operator, code, output)
        yield from _options(operator, output)
        other, place = OTHER_CODES.get(code), operator._tab.Offset(4)
        if other in codes and place:
            before, after = struct.pack("<I", operator.OpcodeIndex()), struct.pack("<I", codes.index(other))
            yield Patch("operator type", f"code {output}", operator._tab.Pos + place, before, after)


def _inputs(operator: Any, code: str, output: str) -> Iterator[Patch]:
    start = operator._tab.Vector(operator._tab.Offset(6))
    indices = [operator.Inputs(i) for i in range(operator.InputsLength())]
    for i, (first, second) in enumerate(pairwise(indices)):
        if first != second and code not in COMMUTATIVE:
            yield Patch(
                "swapped inputs",
                f"inputs {output}[{i}]",
                start + 4 * i,
                struct.pack("<2i", first, second),
                struct.pack("<2i", second, first),
            )
    for i, index in enumerate(indices):
        if index > 0:
            yield Patch("another input", f"input {output}[{i}]", start + 4 * i, struct.pack("<i", index), struct.pack("<i", index - 1))


def _options(operator: Any, output: str) -> Iterator[Patch]:
    """Fields that are stored; those of the schema's default are not."""
    table = operator.BuiltinOptions()
    if table is None:
        return
    vtable = table.Pos - struct.unpack_from("<i", table.Bytes, table.Pos)[0]
    size = struct.unpack_from("<H", table.Bytes, vtable)[0]
    for field in (field for field in FIELDS if field < size):
        place = struct.unpack_from("<H", table.Bytes, vtable + field)[0]
        if place:
            at = table.Pos + place
            value = table.Bytes[at]
            for after in (value + 1, value ^ 1, 0):
                if after != value:
                    yield Patch("option", f"option {output}.{(field - 4) // 2}", at, bytes([value]), bytes([after % 256]))


def _metadata(root: Any) -> Iterator[Patch]:
    for entry in _all(root, "Metadata"):
        buffer = root.Buffers(entry.Buffer())
        start, last = buffer._tab.Vector(buffer._tab.Offset(4)), buffer.DataLength() - 1
        before = bytes([buffer.Data(last)])
        yield Patch("metadata", f"metadata {entry.Name().decode()}", start + last, before, b"0" if before != b"0" else b"1")


def _all(table: Any, field: str) -> Iterator[Any]:
    return map(getattr(table, field), range(getattr(table, f"{field}Length")()))


STRIDES = {"1": 2, "2": 1}
"""Of convolutions, by field of their options: the axis of the output along which it steps."""


def is_stride_of_one_step(data: bytes, mutant: Mutant) -> bool:
    """Whether a mutant changes the stride of a convolution along an axis on which its output has one entry."""
    output, _, field = mutant.site.removeprefix("option ").rpartition(".")
    if mutant.operator != "option" or field not in STRIDES or mutant.after == "00":
        return False
    root = tflite.Model.GetRootAs(data)
    graph = root.Subgraphs(0)
    codes = [CODES[code.BuiltinCode()] for code in _all(root, "OperatorCodes")]
    for operator in _all(graph, "Operators"):
        tensor = graph.Tensors(operator.Outputs(0))
        if tensor.Name().decode() == output and codes[operator.OpcodeIndex()] in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            return int(tensor.Shape(STRIDES[field])) == 1
    return False
