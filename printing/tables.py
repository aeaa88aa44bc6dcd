"""Tables on stdout, as wide as the terminal there is, and how their entries are written."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from itertools import zip_longest

from ..text_files import escaped

_GAP = "  "


def table(header: Sequence[str], rows: Iterable[Sequence[object]], width: int | None = None) -> str:
    """Columns aligned by their widest entry; columns of numbers to the right; whatever would steer a terminal as escapes.

    width: of the terminal (None: stdout's, and no limit where it is none). Where the columns do not fit, entries of text are continued on
    further lines; where that is not enough, each row becomes lines of its own, one an entry. No word is cut: a command can be copied.
    """
    text = [list(header), *([str(entry) for entry in row] for row in rows)]
    text = [[escaped(entry).replace("\n", r"\n") for entry in row] for row in text]
    numeric = [all(_is_number(row[i]) for row in text[1:]) for i in range(len(header))]
    width = _terminal_width() if width is None else width
    widths = _widths(text, numeric, width)
    if widths is None:
        assert width is not None
        return _as_lists(text, width)
    lines = [_line(row, widths, numeric) for row in text]
    return "\n".join([lines[0], _GAP.join("-" * each for each in widths), *lines[1:]])


def _terminal_width() -> int | None:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _widths(text: Sequence[Sequence[str]], numeric: Sequence[bool], width: int | None) -> list[int] | None:
    """Of each column; None where no choice fits."""
    columns = list(zip(*text, strict=True))
    widths = [max(map(len, column)) for column in columns]
    left = 0 if width is None else sum(widths) + len(_GAP) * (len(widths) - 1) - width
    words = [max(len(word) for entry in column for word in entry.split() or [""]) for column in columns]
    while left > 0:
        wider = [i for i in range(len(widths)) if not numeric[i] and widths[i] > words[i]]
        if not wider:
            return None
        widths[max(wider, key=lambda i: widths[i])] -= 1
        left -= 1
    return widths


def _line(row: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    """A row, on several lines where an entry is longer than its column."""
    cells = [_wrapped(entry, width) if len(entry) > width else [entry] for entry, width in zip(row, widths, strict=True)]
    return "\n".join(
        _GAP.join(
            part.rjust(width) if right else part.ljust(width) for part, width, right in zip(parts, widths, numeric, strict=True)
        ).rstrip()
        for parts in zip_longest(*cells, fillvalue="")
    )


def _as_lists(text: Sequence[Sequence[str]], width: int) -> str:
    """A block a row, with each entry behind its column's name, or below it where it is not short."""
    blocks = []
    for row in text[1:]:
        named = [f"{name}: {entry}" if name else entry for name, entry in zip(text[0], row, strict=True) if entry]
        blocks.append("\n".join(line for entry in named for line in _wrapped(entry, width, _GAP)))
    return "\n\n".join(blocks)


def _wrapped(entry: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(entry, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False) or [""]


def _is_number(text: str) -> bool:
    return text in ("", "-") or text.removeprefix("+").removeprefix("-").replace(",", "").replace(".", "").removesuffix("%").isdigit()


def percent(share: float | None) -> str:
    """A share, and a dash for one that is not known."""
    return "-" if share is None else f"{share:.2%}"


def count_or_nothing(count: int | None) -> str:
    """A count, and nothing for one that there is not."""
    return "" if count is None else f"{count:,}"
