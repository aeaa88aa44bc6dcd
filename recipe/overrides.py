"""`--set`: one key of a recipe's document, by its dotted name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..documents import parse_toml
from ..errors import InputError
from .constraints import CONSTRAINTS
from .document import Recipe, default_compress
from .older_names import OLDER_NAMES

MAY_BE_MISSING = tuple(name for name, field in Recipe.model_fields.items() if field.default is None)
"""Sections that `section=true` asks for as they are by default, and `section=false` for none."""


def apply_override(document: dict[str, Any], override: str) -> None:
    """Set one dotted key; numbers address entries of a list (compress.0.scale=power_of_two)."""
    key, equals, text = override.partition("=")
    parts = OLDER_NAMES.get(key.strip(), key.strip()).split(".")
    if not equals or not all(parts) or (len(parts) < 2 and parts not in (["compress"], *([name] for name in MAY_BE_MISSING))):
        raise InputError(f"--set takes section.key=value, not {override!r}")
    if len(parts) == 1 and parts[0] in MAY_BE_MISSING:
        _switch(document, parts[0], text.strip())
        return
    if parts[0] in MAY_BE_MISSING and document.get(parts[0]) is None:
        document[parts[0]] = {}
    if parts[0] == "compress" and len(parts) > 1:
        document.setdefault("compress", default_compress())
    target = set_entry(document, parts, _parse_value(text.strip()), override)
    if parts[0] == "compress" and parts[-1] == "kind" and target["kind"] in CONSTRAINTS:
        known = CONSTRAINTS[target["kind"]].model_fields
        for name in [name for name in target if name not in known]:
            del target[name]


def _switch(document: dict[str, Any], name: str, text: str) -> None:
    """`decide=true` for an empty section where there is none, `decide=false` for none."""
    if text not in ("true", "false"):
        raise InputError(f"--set {name}={text}: {name} is a section; {name}=true asks for it as it is by default, {name}=false for none")
    document[name] = (document.get(name) or {}) if text == "true" else None


def set_entry(document: dict[str, Any], parts: Sequence[str], value: Any, asked: str) -> Any:
    """Set the entry at a path; returns what holds it."""
    target: Any = document
    try:
        for part in parts[:-1]:
            target = target[_place(part)] if isinstance(target, list | tuple) else target.setdefault(part, {})
        target[parts[-1]] = value
    except (ValueError, IndexError, TypeError, AttributeError) as error:
        raise InputError(f"--set {asked!r}: there is no such entry in the recipe") from error
    return target


def _place(part: str) -> int:
    """Of an entry of a list, from 0 on. Raises ValueError."""
    if re.fullmatch("[0-9]+", part) is None:
        raise ValueError(part)
    return int(part)


def _parse_value(text: str) -> Any:
    """A TOML value; what is none is taken as a string, so that quotes can be left out on a command line."""
    try:
        return parse_toml(f"value = {text}")["value"]
    except ValueError:
        return text
