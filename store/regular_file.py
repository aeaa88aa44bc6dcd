"""Reading a file that somebody else may have put there: it is a regular one, of a size that fits into memory."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

MOST_BYTES = 512 << 20
"""Of a file of a model directory: the checkpoint of the largest net takes half of it."""


def open_file(path: Path) -> BinaryIO:
    """A regular file, to be read. Raises OSError, also for what would block or never end: pipes, devices, sockets."""
    kind = path.stat().st_mode
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(kind):
        what = "a pipe" if stat.S_ISFIFO(kind) else "a socket" if stat.S_ISSOCK(kind) else "a device"
        raise OSError(errno.EINVAL, f"it is {what} and no file", str(path))
    return path.open("rb")


def read_file(path: Path, most: int | None = None) -> bytes:
    """The bytes of a regular file. most: how many it may have. Raises OSError."""
    with open_file(path) as file:
        if most is not None and os.fstat(file.fileno()).st_size > most:
            raise OSError(errno.EFBIG, f"it has more than {most:,} bytes", str(path))
        return file.read() if most is None else file.read(most)
