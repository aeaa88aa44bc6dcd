"""What systems and editors leave in folders: no reader takes it for data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_LEFT_BEHIND = frozenset(
    ("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "__pycache__", "$recycle.bin", "system volume information", "@eadir")
)
"""Names in lower case, of Windows, macOS, Python and network drives, that begin with no dot."""


def is_hidden(name: str) -> bool:
    """Whether a path's last part is hidden (.DS_Store, ._cat.png, .ipynb_checkpoints), a system's own, or an office program's lock."""
    last = PurePosixPath(name).name
    return last.startswith((".", "~$")) or last.lower() in _LEFT_BEHIND


def visible(folder: Path) -> list[Path]:
    """The entries of a folder that are not hidden, by name."""
    return sorted(entry for entry in folder.iterdir() if not is_hidden(entry.name))


def visible_below(folder: Path, depth: int | None = None) -> Iterator[Path]:
    """The files in a folder and in its folders, hidden ones and those in hidden folders left out.

    depth: how far down. None: all the way, but into no linked folder, which might lead back.
    """
    for entry in visible(folder):
        if not entry.is_dir():
            yield entry
        elif depth is None and not entry.is_symlink():
            yield from visible_below(entry)
        elif depth is not None and depth > 0:
            yield from visible_below(entry, depth - 1)
