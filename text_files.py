"""Text that users give: UTF-8 with or without a byte order mark, and numbers in ASCII digits, in every file and option alike."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping

DECIMAL = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
"""A number as readings are written, a regular expression. float() alone also takes 1_000, other scripts' digits, nan and inf."""
_DECIMAL, _WHOLE = re.compile(DECIMAL), re.compile(r"[0-9]{1,18}")
_BYTES, _UNITS = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]{1,12})?)\s*(B|KB)\s*"), {"B": 1, "KB": 1024}
_PASSWORD = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s:/@]*):.*@|([?&][A-Za-z_]*password=)[^&]*", re.DOTALL)
"""Of a URL, as far as it may go: up to the last @, and in its query."""
_MARKS: Mapping[bytes, str] = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
"""Byte order marks of other encodings; UTF-32's begins as UTF-16's does, so it is looked for first."""


_UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Unicode's control characters (Cc), halves of pairs (Cs), and separators of lines and paragraphs (Zl, Zp); and what turns the direction
of what stands behind it, so that a line shows another text than it holds.
"""


def is_shown(text: str) -> bool:
    """Whether a terminal shows every character, rather than doing what it says."""
    return _UNSHOWN.search(text) is None


def escaped(text: str) -> str:
    """A text of whatever origin, as a terminal may show it: what is_shown refuses becomes an escape of Python's, but for line ends."""
    return _UNSHOWN.sub(lambda found: found[0] if found[0] == "\n" else ascii(found[0])[1:-1], text)


_MARKDOWN = re.compile(r"[\\`*\[\]<>|~&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def markdown(text: str) -> str:
    """A text of whatever origin on one line of Markdown, where it means itself: no markup, no end of a cell, no control character."""
    return _MARKDOWN.sub(lambda found: f"\\{found[0]}", escaped(text).replace("\n", " "))


class TextError(ValueError):
    """Why bytes are no text. line: where, from 1."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


def decode_text(data: bytes) -> str:
    """The text of a file, less a byte order mark. Raises TextError for anything but UTF-8."""
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            raise TextError(f"it is {encoding} text: save it in UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TextError(f"byte {error.start} is not UTF-8 text: save it in UTF-8", _line(data, error.start)) from error
    if "\0" in text:
        raise TextError("a NUL character, so it is binary or UTF-16: save it as text in UTF-8", _line(data, data.index(b"\0")))
    return text


def decimal(text: str) -> float | None:
    """The number that `text` writes in ASCII digits, perhaps infinite for want of range; None where it writes none."""
    return float(text) if _DECIMAL.fullmatch(text) else None


def whole_number(text: str) -> int | None:
    """The same for a whole number without a sign."""
    return int(text) if _WHOLE.fullmatch(text) else None


def byte_count(text: str) -> int | None:
    """Bytes as `2KB`, `1.5 KB` or `512B`, KB being 1024 of them; None where it says none."""
    found = _BYTES.fullmatch(text)
    return int(float(found[1]) * _UNITS[found[2]]) if found else None


def without_passwords(text: str) -> str:
    """One argument of a command line with `***` for a password in it, where it is a URL."""
    return _PASSWORD.sub(lambda found: f"{found[1]}:***@" if found[1] is not None else f"{found[2]}***", text)


def _line(data: bytes, position: int) -> int:
    """Number of the line that holds a byte, from 1; lines end as Windows, Unix or old Macs end them."""
    return len(re.findall(rb"\r\n?|\n", data[:position])) + 1
