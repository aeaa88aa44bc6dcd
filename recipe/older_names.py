"""Keys by the names that they had earlier, which are read still."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import InputError

OLDER_NAMES: Mapping[str, str] = {"model.window": "model.readings"}
"""Keys by the names that they had earlier, by which they are read still."""


def tell_older_names(document: Mapping[str, Any], overrides: Iterable[str], note: Callable[[str], None]) -> None:
    """Tell `note` of every key that is asked for by the name that it had earlier."""
    for older in sorted(_keys_of(overrides).intersection(OLDER_NAMES).union(older_names_in(document))):
        note(f"{older} is called {OLDER_NAMES[older]} now: use that name")


def older_names_in(document: Mapping[str, Any]) -> list[str]:
    """Of OLDER_NAMES those that stand in the document."""
    return [older for older in OLDER_NAMES if _stands_in(document, older)]


def _stands_in(document: Mapping[str, Any], name: str) -> bool:
    section, key = name.split(".")
    return isinstance(document.get(section), dict) and key in document[section]


def _keys_of(overrides: Iterable[str]) -> set[str]:
    return {override.partition("=")[0].strip() for override in overrides}


def todays_keys_of(overrides: Iterable[str]) -> set[str]:
    """The keys that overrides set, by the names that they have now."""
    return {OLDER_NAMES.get(key, key) for key in _keys_of(overrides)}


def by_todays_names(document: dict[str, Any], overrides: Iterable[str], origin: str) -> None:
    """Rename what stands in the document. Raises InputError where it and the overrides together use both names of a key."""
    asked = _keys_of(overrides)
    for older, name in OLDER_NAMES.items():
        if all(each in asked or _stands_in(document, each) for each in (older, name)):
            raise InputError(f"{origin}: {older} is the name that {name} had earlier, and both are there: leave {older} out")
    for older in older_names_in(document):
        section, key = older.split(".")
        document[section][OLDER_NAMES[older].split(".")[1]] = document[section].pop(key)
