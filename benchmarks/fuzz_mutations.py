"""Structure-aware mutations of bytes, JSON, TOML and tables of text; of other files see fuzz_archives.py and fuzz_networks.py."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import tomli_w

Rng = np.random.Generator
Mutation = Callable[[Rng, bytes], bytes]

NUMBERS = (0, 1, -1, 2, 3, 7, 127, 128, 255, 256, 32767, 32768, -32768, 65535, 1 << 20, 1 << 31, 1 << 32, 10**12, 10**30, 1.5, -0.0, 1e308)
STRINGS = ("", "x", "*/", "a\nb", "\0", "é", "../../x", "/etc/passwd", "x" * 300, "\ud800", "1", "true", "%s", "NaN", "float64", "step")
CELLS = (
    "",
    "nan",
    "inf",
    "-inf",
    "1e999",
    "1_000",
    "٣",
    "x",
    "0x10",
    '"',
    '"a,b"',
    "1e5",
    "-",
    "9" * 400,
    "\0",
    ";",
    "\t",
    "\ufeff1",
    "1,2",
)
WORDS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 100, 1000, 1 << 20)


def pick(rng: Rng, items: Any) -> Any:
    return items[int(rng.integers(len(items)))]


def any_value(rng: Rng) -> Any:
    """Something that may stand in a document."""
    kind = int(rng.integers(8))
    if kind < 3:
        return pick(rng, NUMBERS)
    if kind < 5:
        return pick(rng, STRINGS)
    return pick(rng, (None, True, False, [], {}, [[]], {"a": 1}, [1, 2, 3], [0] * 1000, ["a"], float("nan"), float("inf"), {"array": "x"}))


def mutate_bytes(rng: Rng, data: bytes) -> bytes:
    """Bits, words, pieces."""
    changed = bytearray(data)
    for _ in range(1 + int(rng.geometric(0.5))):
        size = len(changed)
        at, length = int(rng.integers(size + 1)), int(min(rng.geometric(0.05), size + 1))
        kind = int(rng.integers(7))
        if kind == 0 and size:
            changed[at % size] ^= 1 << int(rng.integers(8))
        elif kind == 1 and size:
            changed[at % size] = int(rng.integers(256))
        elif kind == 2:
            changed[at : at + 4] = struct.pack("<I", pick(rng, WORDS))
        elif kind == 3:
            del changed[at : at + length]
        elif kind == 4:
            changed[at:at] = changed[int(rng.integers(size + 1)) :][:length]
        elif kind == 5:
            changed[at:at] = rng.bytes(length)
        elif rng.random() < 0.3:
            del changed[at:]
    return bytes(changed)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The keys that lead to everything in a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: list[tuple[Any, ...]] = []
    for key, item in items:
        found.append((*path, key))
        found += places(item, (*path, key))
    return found


def walk(rng: Rng, value: Any) -> tuple[Any, ...]:
    """The keys that lead to one of them: long lists are no likelier than what stands beside them."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = pick(rng, keys)
    inner = value[key]
    return (key, *walk(rng, inner)) if isinstance(inner, dict | list) and inner and rng.random() < 0.8 else (key,)


def mutate_document(rng: Rng, document: Any) -> Any:
    """One to four changes of a parsed document."""
    for _ in range(int(rng.geometric(0.6))):
        found = places(document)
        if not found:
            return any_value(rng)
        *path, key = pick(rng, found) if rng.random() < 0.5 else walk(rng, document)
        target = document
        for step in path:
            target = target[step]
        _change(rng, document, target, key)
    return document


def _change(rng: Rng, document: Any, target: Any, key: Any) -> None:
    kind = int(rng.integers(8))
    if kind == 0:
        del target[key]
    elif kind == 1 and isinstance(target, dict):
        target[pick(rng, STRINGS)] = target.pop(key)
    elif kind == 2 and isinstance(target, list):
        target.insert(key, target[key])
    elif kind == 3 and type(target[key]) is int:
        target[key] += pick(rng, (1, -1, 2, 100, -100))
    elif kind == 4 and type(target[key]) in (int, float):
        target[key] *= pick(rng, (2, -1, 10, 1000, 0))
    elif kind == 5:
        others = places(document)
        *path, other = pick(rng, others)
        source = document
        for step in path:
            source = source[step]
        target[key] = json.loads(json.dumps(source[other]))
    else:
        target[key] = any_value(rng)


def mutate_json(rng: Rng, data: bytes) -> bytes:
    kind = rng.random()
    if kind < 0.1:
        return mutate_bytes(rng, data)
    if kind < 0.13:
        return b"[" * int(rng.integers(1, 5000)) + data
    if kind < 0.16:
        return data.replace(b"{", b'{"schema": 1, ', int(rng.integers(1, 3)))
    return (json.dumps(mutate_document(rng, json.loads(data)), indent=1) + "\n").encode("utf-8", "surrogatepass")


def mutate_toml(rng: Rng, data: bytes) -> bytes:
    import tomllib

    kind = rng.random()
    if kind < 0.15:
        return mutate_text(rng, data)
    if kind < 0.2:
        return data + f"\nz = {'[' * 3000}".encode()
    try:
        return tomli_w.dumps(mutate_document(rng, tomllib.loads(data.decode()))).encode()
    except (TypeError, UnicodeEncodeError, AttributeError, ValueError):
        return mutate_text(rng, data)


def mutate_text(rng: Rng, data: bytes) -> bytes:
    """Lines and cells."""
    if rng.random() < 0.1:
        return mutate_bytes(rng, data)
    lines = data.decode("utf-8", "replace").split("\n")
    if rng.random() < 0.02:
        at = int(rng.integers(len(lines)))
        lines[at] += pick(rng, ("1,", "9", ":", "x")) * pick(rng, (1 << 16, 4 << 20))
    for _ in range(int(rng.geometric(0.6))):
        at = int(rng.integers(len(lines)))
        separator = ":" if ":" in lines[at] and rng.random() < 0.3 else ","
        cells = lines[at].split(separator)
        kind = int(rng.integers(8))
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines.insert(at, lines[int(rng.integers(len(lines)))])
        elif kind == 2:
            cells[int(rng.integers(len(cells)))] = pick(rng, CELLS)
            lines[at] = separator.join(cells)
        elif kind == 3:
            cells.insert(int(rng.integers(len(cells) + 1)), pick(rng, CELLS))
            lines[at] = separator.join(cells)
        elif kind == 4:
            del cells[int(rng.integers(len(cells)))]
            lines[at] = separator.join(cells)
        elif kind == 5:
            lines[at] += pick(rng, STRINGS + CELLS)
        elif kind == 6:
            lines[at:at] = [lines[at]] * int(rng.integers(2, 200))
        else:
            lines = lines[: at + 1]
        lines = lines or [""]
    ending = pick(rng, ("\n", "\n", "\n", "\r\n", "\r"))
    return ending.join(lines).encode("utf-8", "surrogatepass")
