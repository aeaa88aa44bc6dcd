"""Several files of one folder, changed all together or not at all.

New files are written to STAGING first, then a journal that names every rename and removal: with it the change is made, whatever happens
next, for whoever opens the folder takes the steps that are left. Without a journal, what lies in STAGING is nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ..documents import parse_json
from ..errors import InputError
from .atomic import clear_partials, partials, write_error
from .disk import disk, is_folder
from .kinds import no_folder
from .locks import LOCK, Holder, changing, is_claimed
from .regular_file import read_file

STAGING = ".staging"
JOURNAL = "journal.json"
JOURNAL_SCHEMA = 1
"""Version of the journal."""


def commit(folder: Path, files: Mapping[str, bytes], removed: Iterable[str] = ()) -> None:
    """Write `files` by name in `folder` and remove files and whole folders of it, as one step. Nothing may read `folder` meanwhile.

    Raises InputError, with everything as it was, when the system refuses, when a name leaves the folder, or when a folder on the way is
    a link. Links at the names themselves are replaced or removed, never followed.
    """
    with changing(folder):
        _finish(folder)
        gone = sorted({name for entry in removed for name in _present(folder, entry)} - set(files))
        for name in (*files, *gone):
            _check_way(folder, name)
        for name in files:
            _check_free(folder, name)
        try:
            _stage(folder, list(files.values()), {"schema": JOURNAL_SCHEMA, "files": list(files), "removed": gone})
        except OSError as error:
            with contextlib.suppress(OSError):
                _clear_staging(folder)
            raise write_error(folder, error) from error
        _apply(folder, list(files), gone)


def recover(folder: Path, sign: str) -> None:
    """Bring `folder` to where its last step ends or began, if a process died in between; at a folder that is whole nothing is done.

    sign: the file that shows the folder to be rescomp's; without it nothing but what surely is rescomp's is removed. Raises InputError
    when the system refuses, or for a journal that no rescomp wrote.
    """
    if not any(os.path.lexists(folder / name) for name in (STAGING, LOCK)) and not partials(folder):
        return
    with changing(folder):
        _finish(folder)
        with contextlib.suppress(OSError):  # where nothing can be removed, nothing that is left does harm
            if (folder / sign).is_file():
                clear_partials(folder)
            if _is_stale_lock(folder):
                disk().unlink(folder / LOCK)


def refuse_in_the_way(folder: Path, names: Iterable[str]) -> None:
    """Raise what `commit` would raise for the names of files: to be called before the work that makes them."""
    for name in names:
        _check_way(folder, name)
        _check_free(folder, name)
    _check_ours(folder / STAGING)


def _finish(folder: Path) -> None:
    """Take the steps of a change that was decided; forget one that was not."""
    journal = _journal(folder)
    if journal is not None:
        _apply(folder, *journal)
    elif _is_ours(folder / STAGING):
        with contextlib.suppress(OSError):
            _clear_staging(folder)


def _is_stale_lock(folder: Path) -> bool:
    """Whether a process that is no more left its sign; a loss of power may have emptied it."""
    path = folder / LOCK
    ours = path.is_file() and not path.is_symlink() and (not path.stat().st_size or Holder.read(path) is not None)
    return ours and not is_claimed(folder)


def _is_ours(staging: Path) -> bool:
    return is_folder(staging) and all(
        (path.name.isdecimal() or path.name.startswith(JOURNAL)) and not is_folder(path) for path in staging.iterdir()
    )


def _check_ours(staging: Path) -> None:
    if os.path.lexists(staging) and not _is_ours(staging):
        raise InputError(f"{staging} is not rescomp's, which keeps new files in a folder of that name for a moment: move it away")


def _stage(folder: Path, contents: list[bytes], journal: Mapping[str, Any]) -> None:
    """Write new files, and the journal after them, so that they outlive a loss of power."""
    staging = folder / STAGING
    _clear_staging(folder)
    disk().mkdir(staging)
    numbered = [staging / str(number) for number in range(len(contents))]
    for path, data in zip(numbered, contents, strict=True):
        disk().write(path, data)
    written = staging / f"{JOURNAL}.new"
    disk().write(written, json.dumps(journal).encode())
    for path in (*numbered, written, staging, folder):
        disk().sync(path)
    disk().rename(written, staging / JOURNAL)
    disk().sync(staging)


def _apply(folder: Path, files: list[str], removed: list[str]) -> None:
    """Take every step of a journal that is not taken yet, and forget it."""
    try:
        for name in removed:
            if os.path.lexists(folder / name) and not is_folder(folder / name):
                disk().unlink(folder / name)
        for number, name in enumerate(files):
            if (folder / STAGING / str(number)).exists():
                _make_folders(folder, name)
                disk().rename(folder / STAGING / str(number), folder / name)
        for name in reversed(removed):
            _remove_empty(folder, name)
        for parent in sorted({parent for name in (*files, *removed) for parent in _parents(name)}):
            with contextlib.suppress(FileNotFoundError):
                disk().sync(folder / parent)
        _clear_staging(folder)
        disk().sync(folder)  # a journal that came back could only meet the files of the next step
    except OSError as error:
        raise InputError(
            f"cannot write {folder} ({error.strerror or error}): free space or make it writable; the next command goes on here"
        ) from error


def _clear_staging(folder: Path) -> None:
    """Remove STAGING, which holds new files without a journal, or a journal whose files are all in their places."""
    staging = folder / STAGING
    if not os.path.lexists(staging):
        return
    _check_ours(staging)
    for path in sorted(staging.iterdir()):
        disk().unlink(path)
    disk().rmdir(staging)


def _journal(folder: Path) -> tuple[list[str], list[str]] | None:
    """(files, removed) of a change that was decided and perhaps not finished."""
    if not is_folder(folder / STAGING):
        return None
    path = folder / STAGING / JOURNAL
    try:
        journal = parse_json(read_file(path))
        files, removed = journal["files"], journal["removed"]
        known = journal["schema"] == JOURNAL_SCHEMA and all(isinstance(name, str) for name in (*files, *removed))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise _foreign(path) from error
    if not known:
        raise _foreign(path)
    for name in (*files, *removed):
        _check_way(folder, name)
    return files, removed


def _foreign(path: Path) -> InputError:
    return InputError(f"{path} is damaged, or of another version of rescomp: use the one that wrote it, or remove {path.parent}")


def _check_way(folder: Path, name: str) -> None:
    """Refuse a name that leaves `folder`, or that is reached through a link or a file."""
    parts = name.split("/")
    if (
        "" in parts
        or ".." in parts
        or "." in parts
        or "\0" in name
        or name != PurePosixPath(name).as_posix()
        or parts[0] in (STAGING, LOCK)
    ):
        raise InputError(f"{name!r} is no name of a file in {folder}")
    for parent in _parents(name)[1:]:
        path = folder / parent
        if path.is_symlink() or (os.path.lexists(path) and not path.is_dir()):
            raise no_folder(path)


def _check_free(folder: Path, name: str) -> None:
    if is_folder(folder / name):
        raise InputError(f"{folder / name} is a folder, and rescomp writes a file of that name: move it away")


def _parents(name: str) -> list[str]:
    """Folders on the way to a file, the outermost (".") first."""
    return [parent.as_posix() for parent in reversed(PurePosixPath(name).parents)]


def _present(folder: Path, entry: str) -> Iterator[str]:
    """What is there of that name, and in it; links are named, not followed."""
    path = folder / entry
    if os.path.lexists(path):
        yield entry
    if is_folder(path):
        for child in path.iterdir():
            yield from _present(folder, f"{entry}/{child.name}")


def _make_folders(folder: Path, name: str) -> None:
    for parent in _parents(name)[1:]:
        if not is_folder(folder / parent):
            disk().mkdir(folder / parent)


def _remove_empty(folder: Path, name: str) -> None:
    """Remove the folders that a removal left empty, innermost first."""
    for entry in (name, *reversed(_parents(name)[1:])):
        if is_folder(folder / entry) and not any((folder / entry).iterdir()):
            disk().rmdir(folder / entry)
