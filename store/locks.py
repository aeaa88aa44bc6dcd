"""Who may change a folder, and when: one stage at a time, and nobody while files change their places.

Locks are flock's: the system drops them with the process, however it ends. Where the system or the file system has none, nothing is locked.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..text_files import without_passwords
from .disk import disk
from .regular_file import MOST_BYTES, read_file

if sys.platform != "win32":
    import fcntl

LOCK = ".lock"
"""In a model directory while a stage works on it: who that is."""

_SHOWN = 200
"""Characters of a command that a message quotes."""
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)
_kept: dict[tuple[str, Path], int] = {}
"""Descriptor (-1: no lock to be had) by what this process keeps: what it calls itself must not wait for it."""


@dataclass(frozen=True)
class Holder:
    """A process that works on a folder, as its lock file tells."""

    pid: int
    command: str

    @classmethod
    def of_this_process(cls) -> Holder:
        """With the command line as a user types it, but for passwords."""
        name = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"
        return cls(os.getpid(), " ".join([name, *map(without_passwords, sys.argv[1:])]))

    def encode(self) -> bytes:
        """Two lines: process number and command."""
        return f"{self.pid}\n{self.command}\n".encode(errors="surrogateescape")

    @classmethod
    def read(cls, path: Path) -> Holder | None:
        """None where the file does not tell."""
        try:
            pid, _, command = read_file(path, MOST_BYTES).decode(errors="replace").partition("\n")
            return cls(int(pid), command.strip())
        except (OSError, ValueError):
            return None

    def __str__(self) -> str:
        shown = "".join(character if character.isprintable() else "?" for character in self.command)
        return f"process {self.pid} ({shown if len(shown) <= _SHOWN else f'{shown[:_SHOWN]}...'})"


@contextmanager
def changing(folder: Path) -> Iterator[None]:
    """Wait until nobody reads or changes `folder`, then keep others from both. Short: for as long as files are put in their places."""
    if ("read", folder.resolve()) in _kept:
        raise RuntimeError(f"{folder} is changed while it is read")
    with _keeping("change", folder, lambda: _wait(folder, exclusive=True)):
        yield


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Keep others from changing `folder` while several of its files, which belong together, are read."""
    if ("change", folder.resolve()) in _kept:
        yield
        return
    with _keeping("read", folder, lambda: _wait(folder, exclusive=False)):
        yield


@contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Be the only stage that works on `folder`, for as long as it takes; others may read it meanwhile.

    Raises InputError at once, with its process number and command, while another process holds it.
    """
    with _keeping("hold", folder, lambda: _claim(folder), lambda: _release(folder)):
        yield


def refuse_held(folder: Path) -> None:
    """Raise what `holding` would raise now, and write nothing: to be called before work, where the folder can be held only after it."""
    if folder.is_dir():
        with changing(folder):
            _refuse_claimed(folder)


def _refuse_claimed(folder: Path) -> None:
    if ("hold", folder.resolve()) not in _kept and is_claimed(folder):
        who = Holder.read(folder / LOCK) or "another process"
        raise InputError(f"{folder} is in use by {who}: wait until that has ended, or choose another directory")


def is_claimed(folder: Path) -> bool:
    """Whether a living process holds `folder`. To be called while `changing(folder)`."""
    if ("hold", folder.resolve()) in _kept:
        return True
    descriptor = _open(folder / LOCK)
    if descriptor is None:
        return False
    try:
        return not _try(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _keeping(what: str, folder: Path, take: Callable[[], int], give: Callable[[], None] | None = None) -> Iterator[None]:
    """Take a lock that this process has not, and give it back; one that it has serves again."""
    key = (what, folder.resolve())
    if key in _kept:
        yield
        return
    _kept[key] = take()
    try:
        yield
    finally:
        try:
            if give is not None:
                give()
        finally:
            descriptor = _kept.pop(key)
            if descriptor >= 0:
                os.close(descriptor)


def _wait(folder: Path, *, exclusive: bool) -> int:
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        if exclusive and not isinstance(error, PermissionError):
            raise
        return -1
    if sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        except OSError:
            pass
        except BaseException:  # Ctrl-C: a lock that nobody knows of would keep this process itself from tidying up
            os.close(descriptor)
            raise
    return descriptor


def _claim(folder: Path) -> int:
    path = folder / LOCK
    with changing(folder):
        _refuse_claimed(folder)
        try:
            with contextlib.suppress(FileNotFoundError):
                disk().unlink(path)
            disk().write(path, Holder.of_this_process().encode())
        except OSError as error:
            if error.errno in _READ_ONLY:  # nobody writes here, and no stage will
                return -1
            raise InputError(f"cannot write {path} ({error.strerror}): free space or choose a writable directory") from error
        descriptor = os.open(path, os.O_RDONLY)
        _try(descriptor)
        return descriptor


def _release(folder: Path) -> None:
    with contextlib.suppress(OSError), changing(folder):
        disk().unlink(folder / LOCK)


def _open(path: Path) -> int | None:
    """None where no file is, or a link, or what might never answer."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return None


def _try(descriptor: int) -> bool:
    """Lock for this process alone; whether nobody else has. Where nothing can be locked, nobody has."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _forget() -> None:
    """A forked child holds nothing: its parent's locks end with the parent."""
    for descriptor in _kept.values():
        if descriptor >= 0:
            os.close(descriptor)
    _kept.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
