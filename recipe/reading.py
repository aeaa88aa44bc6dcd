"""Recipes from TOML, with what a command line asks for on top; and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..documents import MOST_DOCUMENT_BYTES, parse_toml
from ..errors import InputError
from ..store import read_file
from .constraints import with_density, with_storage
from .document import Recipe, default_compress
from .messages import explain
from .older_names import OLDER_NAMES, by_todays_names, older_names_in, tell_older_names, todays_keys_of
from .overrides import apply_override, set_entry
from .unread import refuse_unread


def load_recipe(
    path: Path | None = None,
    overrides: Iterable[str] = (),
    *,
    weights: str | None = None,
    density: float | None = None,
    keys: Mapping[str, Any] | None = None,
    note: Callable[[str], None] | None = None,
) -> Recipe:
    """The recipe of a TOML file (None: all defaults), with `overrides` (`section.key=value`, as on the command line) on top.

    keys: values by `section.key`, of options that stand for one key.

    weights: `ternary`, `int8` or `int4` exchanges the storage of all matrices in `compress` and keeps its scale form and place.
    density: sets that of every matrix in the sparse constraint, or puts one before the storage. `overrides` come after all of these.
    note: is told of keys under the names that they had earlier. Raises InputError naming file, key and nearest neighbour.
    """
    document = {} if path is None else _read_toml(path)
    origin = str(path or "the recipe")
    for key, value in (keys or {}).items():
        set_entry(document, key.split("."), value, f"{key}={value}")
    asked = list(overrides)
    tell_older_names(document, asked, note or (lambda _: None))
    recipe = _validate(document, asked, weights, density, origin)
    refuse_unread(recipe, origin, {*todays_keys_of(asked), *(keys or {})})
    return recipe


def revise(recipe: Recipe, overrides: Iterable[str] = (), *, weights: str | None = None, density: float | None = None) -> Recipe:
    """The same on top of a recipe; what it leaves unset stays unset."""
    return _validate(_given(recipe), overrides, weights, density, "the recipe")


def _given(recipe: Recipe) -> dict[str, Any]:
    """The document of what somebody has set: what is not there may follow the data still."""
    document = recipe.model_dump(mode="json", exclude_unset=True)
    lists = (document.get("compress", ()), recipe.compress), (document.get("model", {}).get("stages") or (), recipe.model.stages or ())
    for entry, made in (pair for entries in lists for pair in zip(*entries, strict=False)):
        entry["kind"] = made.kind
    return document


def parse_recipe(data: bytes, origin: str) -> Recipe:
    """The recipe in TOML bytes. Raises InputError naming `origin`."""
    return _validate(_parse_toml(data, origin), (), None, None, origin)


def older_names(data: bytes, origin: str) -> dict[str, str]:
    """The keys in TOML bytes that stand there by the name that they had earlier, with today's name. Raises InputError naming `origin`."""
    return {older: OLDER_NAMES[older] for older in older_names_in(_parse_toml(data, origin))}


def _validate(document: dict[str, Any], overrides: Iterable[str], weights: str | None, density: float | None, origin: str) -> Recipe:
    overrides = list(overrides)
    by_todays_names(document, overrides, origin)
    if weights is not None:
        document["compress"] = with_storage(document.get("compress", default_compress()), weights)
    if density is not None:
        document["compress"] = with_density(document.get("compress", default_compress()), density)
    for override in overrides:
        apply_override(document, override)
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        raise InputError(f"{origin}: {explain(error, Recipe)}") from error


def to_toml(recipe: Recipe) -> bytes:
    """The recipe as TOML, defaults spelled out; keys that are unset are left out."""
    import tomli_w

    return tomli_w.dumps(recipe.model_dump(mode="json", exclude_none=True)).encode()


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return _parse_toml(read_file(path, MOST_DOCUMENT_BYTES), str(path))
    except OSError as error:
        raise InputError(f"cannot read the recipe {path}: {error.strerror}") from error


def _parse_toml(data: bytes, origin: str) -> dict[str, Any]:
    try:
        return parse_toml(data)
    except ValueError as error:
        raise InputError(f"{origin} is not valid TOML: {error}") from error
