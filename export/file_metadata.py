"""The metadata of ONNX and TFLite files, read with neither package: only what leads to it is looked at, and nothing is trusted."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

Data = TypeVar("Data", bytes, memoryview)

PRODUCER_VERSION, METADATA_PROPS, KEY, VALUE = 3, 14, 1, 2
"""Fields of ONNX's ModelProto and StringStringEntryProto."""
BYTES = 2
"""Wire type of a field that holds bytes, after whose length they stand."""
MOST_FIELDS = 1 << 10
"""Of a file itself, and of an entry of its metadata; and entries. rescomp writes ten."""
_FIXED: Mapping[int, int] = {1: 8, 5: 4}
"""Bytes of the wire types of fixed size."""


def onnx_metadata(data: bytes) -> dict[str, str]:
    """The metadata of an ONNX file, read without ONNX. Raises ValueError for what is none."""
    entries = [dict(_few(fields(value))) for number, value in _few(fields(data)) if number == METADATA_PROPS]
    return {entry[KEY].decode(): entry[VALUE].decode() for entry in entries if {KEY, VALUE} <= set(entry)}


def onnx_producer_version(data: bytes) -> str:
    """The version that an ONNX file says wrote it, read without ONNX; nothing where it says none. Raises ValueError."""
    return dict(_few(fields(data))).get(PRODUCER_VERSION, b"").decode()


def _few(found: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    for count, field in enumerate(found):
        if count == MOST_FIELDS:
            raise ValueError(f"a message has more than {MOST_FIELDS:,} fields")
        yield field


def fields(data: Data) -> Iterator[tuple[int, Data]]:
    """Number and content of every field of a Protocol Buffers message; of a number, no content. Raises ValueError."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        kind = tag & 7
        if kind == 0:
            _, place = _varint(data, place)
            yield tag >> 3, data[:0]
            continue
        size, place = _varint(data, place) if kind == BYTES else (_FIXED.get(kind, len(data)), place)
        if place + size > len(data):
            raise ValueError("a field reaches past the end")
        yield tag >> 3, data[place : place + size] if kind == BYTES else data[:0]
        place += size


def _varint(data: bytes | memoryview, place: int) -> tuple[int, int]:
    """A number of 7 bits a byte, and the place behind it."""
    number = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            raise ValueError("it ends within a number")
        byte = data[place]
        number |= (byte & 0x7F) << shift
        place += 1
        if byte < 0x80:
            return number, place
    raise ValueError("a number has more than 64 bits")


MOST_TABLES, MOST_TEXT = 1 << 18, 1 << 16
"""Of one vector of a TFLite file, and bytes of a name or a value of its metadata: vectors may lie in each other."""
BUFFERS, METADATA = 4, 6
"""Fields of TFLite's Model; those of its Metadata and Buffer are numbered in _metadata_entry."""


def tflite_metadata(data: bytes) -> dict[str, str]:
    """The metadata of a TFLite file, read without TFLite. Raises ValueError, IndexError and struct.error for what is none."""
    root = _follow(data, 0)
    buffers, entries = (list(_tables(data, root, field)) for field in (BUFFERS, METADATA))
    if len(entries) > MOST_FIELDS:
        raise ValueError(f"it has more than {MOST_FIELDS:,} entries of metadata")
    return dict(_metadata_entry(data, entry, buffers) for entry in entries)


def _metadata_entry(data: bytes, entry: int, buffers: list[int]) -> tuple[str, str]:
    name, number = _field(data, entry, 0), _field(data, entry, 1)
    index = _unsigned(data, number) if number is not None else 0
    text = _field(data, buffers[index], 0)
    return _vector(data, name).decode(), _vector(data, text).decode()


def _tables(data: bytes, table: int, field: int) -> Iterator[int]:
    """Places of the tables in a field that is a vector of them."""
    place = _field(data, table, field)
    if place is None:
        return
    start = _follow(data, place)
    count = _unsigned(data, start)
    if count > MOST_TABLES:
        raise ValueError(f"a vector has more than {MOST_TABLES:,} tables")
    for i in range(count):
        yield _follow(data, start + 4 + 4 * i)


def _field(data: bytes, table: int, field: int) -> int | None:
    """Place of a field of a FlatBuffers table; None where it has its default."""
    (back,) = struct.unpack_from("<i", data, table)
    vtable = table - back
    if vtable < 0:
        raise ValueError("a table lies outside the file")
    (size,) = struct.unpack_from("<H", data, vtable)
    if 4 + 2 * field >= size:
        return None
    (offset,) = struct.unpack_from("<H", data, vtable + 4 + 2 * field)
    return table + offset if offset else None


def _follow(data: bytes, place: int) -> int:
    return place + _unsigned(data, place)


def _unsigned(data: bytes, place: int) -> int:
    (number,) = struct.unpack_from("<I", data, place)
    return int(number)


def _vector(data: bytes, place: int | None) -> bytes:
    """A string's or a byte vector's content."""
    if place is None:
        raise ValueError("a text is missing")
    start = _follow(data, place)
    size = _unsigned(data, start)
    if size > MOST_TEXT:
        raise ValueError(f"a text has more than {MOST_TEXT:,} bytes")
    return data[start + 4 : start + 4 + size]
