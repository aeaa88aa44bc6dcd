"""The names in a graph: every one reaches generated code, so every one passes here."""

from __future__ import annotations

import re
import unicodedata

from ..errors import UnsupportedError

MOST_CHARACTERS = 127
"""Of a name."""
MOST_LABEL_BYTES = 255
"""Of a class label in UTF-8."""
IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*\Z", re.ASCII)
"""Lower case, so that two names differ in a macro's upper case too; no C keyword is excluded, since the C export renames those."""
_BREAKING = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode's control characters, halves of pairs, and separators of lines and paragraphs."""


def check_name(name: str, what: str) -> None:
    """Raise UnsupportedError, which begins with `what`, unless `name` is a lower-case C identifier of bounded length."""
    if len(name) > MOST_CHARACTERS:
        raise UnsupportedError(f"{what} {name[:40]!r}... has {len(name)} characters: a name has at most {MOST_CHARACTERS}")
    if not IDENTIFIER.match(name):
        raise UnsupportedError(f"{what} {name!r} is not a lower-case C identifier")


def label_fault(label: str) -> str:
    """Why a text cannot be a class label, to stand behind it; nothing where it can. C gets all but harmless ASCII as octal escapes."""
    if any(unicodedata.category(character) in _BREAKING for character in label):
        return "holds a control character, or one that is no Unicode text"
    if len(label.encode()) > MOST_LABEL_BYTES:
        return f"takes {len(label.encode())} bytes, and a label at most {MOST_LABEL_BYTES}"
    return ""
