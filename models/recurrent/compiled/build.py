"""C compiled at need for this machine: a shared object for every set of macros, kept in the user's cache."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from ....errors import MissingToolError, RescompError, UnsupportedError
from ....store import changing, clear_partials, write_atomically

COMPILERS = ("gcc", "cc")
FLAGS: Sequence[str] = (
    *("-std=c11", "-O3", "-march=native", "-fPIC", "-pthread"),
    *("-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fno-thread-jumps"),
)
"""-ffp-contract=off: every operation rounds as it is written, whatever the processor could fuse. -fno-thread-jumps: it would make one
branch of the two halves of a clamp, which are a minimum and a maximum.
"""
LOOP_COMPILE_SECONDS = 120
_GO_ON = "set train.loop = torch to go on without"


def load(source: Path, macros: Mapping[str, str]) -> ctypes.CDLL:
    """The shared object of `source` with these macros, from the cache or compiled into it.

    Raises MissingToolError without a compiler, UnsupportedError on Windows, RescompError when it does not compile or load.
    """
    defines = tuple(f"-D{name}={value}" for name, value in macros.items())
    path = _folder() / f"{_digest(source, defines)}.so"
    if not _is_private(path):
        _compile(source, defines, path)
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise RescompError(f"{path} does not load ({error}): delete it, and it is compiled anew; or {_GO_ON}") from error


def compiler_version() -> str:
    """The compiler's name and version, as `gcc 12.2.0`. Raises what `load` raises."""
    path = _compiler()
    found = re.search(rb'#define __VERSION__ "([^"]*)"', _predefined(path))
    return f"{Path(path).name} {found[1].decode() if found else ''}".strip()


def _compiler() -> str:
    if sys.platform == "win32":
        raise UnsupportedError(f"the compiled loop needs Linux or macOS: {_GO_ON}")
    path = next(filter(None, map(shutil.which, COMPILERS)), None)
    if path is None:
        raise MissingToolError(
            f"train.loop = compiled needs {COMPILERS[0]}, which is not installed: on Debian, apt-get install gcc libc6-dev; or {_GO_ON}"
        )
    return path


@cache
def _predefined(compiler: str) -> bytes:
    """What a compiler predefines with FLAGS: its version, and every feature of this processor that it makes use of."""
    return _run([compiler, *FLAGS, "-dM", "-E", "-x", "c", os.devnull], "cannot be asked for its version")


def _digest(source: Path, defines: Sequence[str]) -> str:
    parts = [source.read_bytes(), *(word.encode() for word in (*FLAGS, *defines)), _predefined(_compiler())]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _compile(source: Path, defines: Sequence[str], path: Path) -> None:
    """Write the shared object at `path`, as a whole or not at all; what a kill left of others goes."""
    with tempfile.TemporaryDirectory(prefix="rescomp-") as folder:
        built = Path(folder) / path.name
        _run([_compiler(), *FLAGS, *defines, "-shared", "-o", str(built), str(source), "-lm"], "refuses the compiled loop")
        with changing(path.parent):
            clear_partials(path.parent)
            write_atomically(path, built.read_bytes(), mode=0o700)


def _run(command: Sequence[str], failure: str) -> bytes:
    """What a compiler's command prints. Raises RescompError saying its `failure`, with its first error."""
    name = Path(command[0]).name
    try:
        result = subprocess.run(command, capture_output=True, timeout=LOOP_COMPILE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RescompError(f"{name} did not run to its end ({error}): {_GO_ON}") from error
    if result.returncode:
        lines = result.stderr.decode(errors="replace").splitlines()
        said = next((line.strip() for line in lines if "error" in line), "it names no error")
        raise RescompError(f"{name} {failure} ({said}): a fault of rescomp or of this compiler, please report it; {_GO_ON}")
    return result.stdout


@cache
def _folder() -> Path:
    """Where shared objects are kept: the user's cache; where that cannot be written, or others could, a folder for this process alone."""
    try:
        folder = _cache() / "rescomp" / "compiled"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return Path(_process_folder().name)
    trusted = os.access(folder, os.W_OK) and _is_private(folder) and all(map(_is_stable, folder.resolve().parents))
    return folder if trusted else Path(_process_folder().name)


def _cache() -> Path:
    """As the XDG base directory specification says. Raises RuntimeError for a user without a home."""
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return named if named.is_absolute() else Path.home() / ".cache"


@cache
def _process_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="rescomp-compiled-")


def _is_private(path: Path) -> bool:
    """Whether `path` is there, no link, this user's, and closed to all others: none can have written it."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return not stat.S_ISLNK(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077


def _is_stable(folder: Path) -> bool:
    """Whether no other user can put something else in the place of what this user keeps in `folder`."""
    found = folder.stat()
    shared = bool(found.st_mode & 0o022) and not found.st_mode & stat.S_ISVTX
    return found.st_uid in (0, os.getuid()) and not shared
