"""Tables on stdout, and how their entries are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns aligned by their widest entry; columns of numbers to the right."""
    text = [list(header), *([str(entry) for entry in row] for row in rows)]
    widths = [max(len(row[i]) for row in text) for i in range(len(header))]
    numeric = [all(_is_number(row[i]) for row in text[1:]) for i in range(len(header))]
    lines = [
        "  ".join(entry.rjust(width) if right else entry.ljust(width) for entry, width, right in zip(row, widths, numeric, strict=True))
        for row in text
    ]
    return "\n".join(line.rstrip() for line in [lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _is_number(text: str) -> bool:
    return text in ("", "-") or text.removeprefix("+").removeprefix("-").replace(",", "").replace(".", "").removesuffix("%").isdigit()


def percent(share: float | None) -> str:
    """A share, and a dash for one that is not known."""
    return "-" if share is None else f"{share:.2%}"


def count_or_nothing(count: int | None) -> str:
    """A count, and nothing for one that there is not."""
    return "" if count is None else f"{count:,}"
