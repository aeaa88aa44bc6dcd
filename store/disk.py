"""The only functions that change files which rescomp keeps: one for each operation, so that a test can stop before, in or after any."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class Disk:
    """The file system. Every method raises OSError as the system does; none follows a link in the last part of its path."""

    def write(self, path: Path, data: bytes, mode: int = 0o666) -> None:
        """Make a new file that holds `data`; whatever has that name already, a link too, is an error."""
        with os.fdopen(os.open(path, _NEW, mode), "wb") as file:
            file.write(data)

    def sync(self, path: Path) -> None:
        """Wait until a file, or the names in a folder, would survive a loss of power."""
        if os.name == "nt":
            return
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name in the same file system; a file of that name, or a link, is replaced."""
        source.replace(target)

    def unlink(self, path: Path) -> None:
        """Remove a file, or a link itself."""
        path.unlink()

    def mkdir(self, path: Path) -> None:
        """Make a folder."""
        path.mkdir()

    def rmdir(self, path: Path) -> None:
        """Remove an empty folder."""
        path.rmdir()


def is_folder(path: Path) -> bool:
    """Whether a folder is there, and no link to one."""
    return path.is_dir() and not path.is_symlink()


_current = [Disk()]


def disk() -> Disk:
    """The disk in use."""
    return _current[-1]


@contextmanager
def injected(other: Disk) -> Iterator[None]:
    """Use another disk meanwhile, in this process."""
    _current.append(other)
    try:
        yield
    finally:
        _current.remove(other)
