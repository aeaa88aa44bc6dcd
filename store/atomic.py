"""One file, replaced as a whole."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ..errors import InputError
from .disk import disk, is_folder
from .locks import changing

_PARTIAL = ".partial"


def write_error(path: Path, error: OSError) -> InputError:
    """What to tell a user whose system refused to write `path`."""
    cause = error.strerror or error
    return InputError(f"cannot write {path} ({cause}): free space or choose a writable directory; an earlier file is intact")


def refuse_target(path: Path) -> None:
    """Raise InputError where the user named something else than a file to be written, before the work that its content takes.

    A link is not replaced, since another file was meant, and not followed, since somebody else may have put it there.
    """
    if path.is_symlink():
        raise InputError(f"{path} is a link, which rescomp neither follows nor replaces: name the file itself")
    if os.path.lexists(path) and not path.is_file():
        raise InputError(f"{path} is no plain file: name one, or a new one")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent} is no folder: make it, or name another file than {path}")


def write_atomically(path: Path, data: bytes, mode: int = 0o666, *, durable: bool = True) -> None:
    """Write `data` to a neighbour `.<name>.partial`, then rename it: a failure, a kill or a loss of power leaves the old file or the new.

    What an earlier kill left under the neighbour's name is removed, also a link, which is never written through. durable: wait until the
    new file would survive a loss of power; without it that may take both. Raises InputError with path and cause when the system refuses.
    """
    temporary = path.with_name(f".{path.name}{_PARTIAL}")
    try:
        with changing(path.parent):
            try:
                _clear(temporary)
                disk().write(temporary, data, mode)
                if durable:
                    disk().sync(temporary)
                disk().rename(temporary, path)
                if durable:
                    disk().sync(path.parent)
            except OSError:
                with contextlib.suppress(OSError):
                    _clear(temporary)
                raise
    except OSError as error:
        raise write_error(path, error) from error


def partials(folder: Path) -> list[Path]:
    """What kills left of files that were being replaced in `folder`, if nobody is changing it now."""
    return sorted(path for path in folder.iterdir() if path.name.startswith(".") and path.name.endswith(_PARTIAL) and not is_folder(path))


def clear_partials(folder: Path) -> None:
    """Remove them. To be called while `changing(folder)`."""
    for path in partials(folder):
        disk().unlink(path)


def _clear(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        disk().unlink(path)
