"""JSON and TOML of whoever wrote it: bounded in size and depth, each key once, finite numbers only, no control characters."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable
from dataclasses import fields
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from .text_files import decode_text, is_shown

Record = TypeVar("Record")

MOST_DOCUMENT_BYTES = 8 << 20
"""Of a document: parsed, it takes up to thirty times as much memory."""
MOST_DEPTH = 64
"""Of brackets in each other: whoever walks a document walks it with few frames."""


def parse_json(data: bytes | str) -> Any:
    """The value of a JSON document. Raises ValueError, also for what Python's own parser would take: NaN, a key twice, any depth."""
    text = _text(data)
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_float=_finite, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError(f"its brackets are nested more than {MOST_DEPTH} deep") from error
    _check_depth(value)
    return value


def parse_toml(data: bytes | str) -> dict[str, Any]:
    """The tables of a TOML document. Raises ValueError."""
    text = _text(data)
    try:
        value = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError(f"its brackets are nested more than {MOST_DEPTH} deep") from error
    _check_depth(value)
    return value


def is_count(value: object, least: int = 0, most: int = (1 << 31) - 1) -> bool:
    """Whether a parsed value is a whole number within bounds; true and false are none."""
    return type(value) is int and least <= value <= most


def _text(data: bytes | str) -> str:
    if len(data) > MOST_DOCUMENT_BYTES:
        raise ValueError(f"it has {len(data):,} bytes, and a document has at most {MOST_DOCUMENT_BYTES:,}")
    return decode_text(data) if isinstance(data, bytes) else data


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:80]!r} stands in it twice")
        found[key] = value
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:80]} is too large")
    return number


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MOST_DEPTH):
        for each in level:
            _check_text(each)
        level = [item for each in level for item in _items(each)]
        if not level:
            return
    raise ValueError(f"its brackets are nested more than {MOST_DEPTH} deep")


def _check_text(value: Any) -> None:
    """Of a text, or of an object's keys. Lines may end, and columns be aligned."""
    for text in (value,) if isinstance(value, str) else value if isinstance(value, dict) else ():
        if not is_shown(text.replace("\n", "").replace("\t", "")):
            raise ValueError(f"the text {text[:80]!r} holds a control character, or one that is no Unicode text")


def _items(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def read_fields(kind: type[Record], item: Any) -> Record:
    """A dataclass from a parsed object whose keys are its fields, each of the type that is annotated. Raises ValueError."""
    hints = get_type_hints(kind)
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if not isinstance(item, dict) or set(item) != names:
        raise ValueError(f"{item!r:.80} is no {kind.__name__}, which has {', '.join(sorted(names))}")
    for name, value in item.items():
        if not fits(value, hints[name]):
            raise ValueError(f"{kind.__name__}.{name} cannot be {value!r:.80}")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in item.items()})


def fits(value: Any, hint: Any) -> bool:
    """Whether a parsed value is of an annotated type: a list stands for a tuple, a whole number also for a float."""
    origin, wanted = get_origin(hint), get_args(hint)
    if origin is Literal:
        return any(type(value) is type(known) and value == known for known in wanted)
    if origin is tuple and isinstance(value, list):
        each = [wanted[0]] * len(value) if wanted[-1] is Ellipsis else wanted
        return len(value) == len(each) and all(map(fits, value, each))
    if origin is UnionType:
        return any(fits(value, kind) for kind in wanted)
    if hint is int:
        return is_count(value, -(1 << 32), 1 << 32)
    return type(value) in (int, float) if hint is float else isinstance(hint, type) and type(value) is hint
