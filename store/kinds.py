"""What may lie in a folder of rescomp's: files and folders of its own. A link to a file is read and replaced, never written through."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..errors import InputError


def refuse_strange(folder: Path) -> None:
    """Raise InputError for what is neither file nor folder, which might never be read to its end, and for a link to a folder."""
    for place, folders, files in os.walk(folder):
        for name in folders:
            if (path := Path(place, name)).is_symlink():
                raise no_folder(path)
        for name in files:
            refuse_endless(Path(place, name))


def refuse_endless(path: Path) -> None:
    """Raise InputError for a pipe, a socket or a device, or a link to one."""
    try:
        mode = path.stat().st_mode
    except OSError:  # nothing, or a link to nothing
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise InputError(f"{path} is a pipe, a socket or a device, and rescomp keeps files and folders alone: move it away")


def no_folder(path: Path) -> InputError:
    """What to tell of something that has a folder's name and is none."""
    what = "a link" if path.is_symlink() else "a file"
    return InputError(f"{path} is {what}, and rescomp writes into folders of its own alone: move it away")
