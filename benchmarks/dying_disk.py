"""A disk that stops at an operation, and what then lies on it: for every kind of death, worked out on a photograph of its files."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from rescomp.store import Disk

MODES = ("kill", "torn", "power", "zeroed", "mixed")
"""kill: before the operation; torn: in the middle of what it writes; and losses of power, which take all that was not synced (power),
what unsynced files held (zeroed), or some of either, drawn (mixed).
"""
Files = dict[Path, bytes | None]
"""Every file's bytes, and None for every folder."""


class Dead(BaseException):
    """The process is no more: nothing that it would still do may change a file."""


@dataclass(frozen=True)
class Data:
    """Of a file; synced: whether a loss of power leaves it."""

    bytes: bytes
    synced: bool


Picture = dict[Path, Data | None]
"""As Files, with what a loss of power would take."""


@dataclass(frozen=True)
class Change:
    """To the names in `folder`, that a loss of power takes back until the folder is synced."""

    folder: Path
    names: tuple[Path, ...]
    undo: Callable[[Picture], None]


@dataclass
class DyingDisk(Disk):
    """Counts operations, and dies at number `last`; of the files under `root` it remembers what a loss of power would undo.

    last: None for a disk that never dies. witness: called before every operation, when `count` is its number already.
    """

    root: Path
    last: int | None = None
    mode: str = "kill"
    witness: Callable[[], None] | None = None
    count: int = 0
    log: list[str] = field(default_factory=list)
    pending: list[Change] = field(default_factory=list)
    unsynced: set[int] = field(default_factory=set)
    writing: tuple[Path, bytes] | None = None

    def write(self, path: Path, data: bytes, mode: int = 0o666) -> None:
        self.writing = (path, data)
        self._step(f"write {path.name}")
        self.writing = None
        super().write(path, data, mode)
        self.unsynced.add(path.stat().st_ino)
        self._undoing(lambda files: _take_away(files, path), path)

    def sync(self, path: Path) -> None:
        self._step(f"sync {path.name}")
        if path.is_dir():
            self.pending = [change for change in self.pending if change.folder != path]
        else:
            self.unsynced.discard(path.stat().st_ino)

    def rename(self, source: Path, target: Path) -> None:
        self._step(f"rename {source.name} {target.name}")
        before = self._data(target) if target.is_file() and not target.is_symlink() else None
        super().rename(source, target)

        def undo(files: Picture) -> None:
            if target in files:
                files[source] = files.pop(target)
            if before is not None:
                files[target] = before

        self._undoing(undo, target, source)

    def unlink(self, path: Path) -> None:
        if not path.exists():
            super().unlink(path)
            return
        self._step(f"unlink {path.name}")
        before = self._data(path)
        super().unlink(path)
        self._undoing(lambda files: files.update({path: before}), path)

    def mkdir(self, path: Path) -> None:
        if not path.exists():
            self._step(f"mkdir {path.name}")
        super().mkdir(path)
        self._undoing(lambda files: _take_away(files, path), path)

    def rmdir(self, path: Path) -> None:
        self._step(f"rmdir {path.name}")
        super().rmdir(path)
        self.pending = [replace(change, folder=path.parent) if change.folder == path else change for change in self.pending]
        self._undoing(lambda files: files.update({path: None}), path)

    def left(self, mode: str, seed: int) -> Files:
        """What lies under `root` after a death now. seed: of what is drawn."""
        picture, rng = self._photograph(), random.Random(seed)
        if mode == "torn" and self.writing:
            path, data = self.writing
            picture[path] = Data(data[: len(data) // 2], synced=False)
        if mode in ("power", "mixed"):
            self._undo_pending(picture, lambda: mode == "mixed" and rng.random() < 0.5)
        emptied = {
            path
            for path, entry in sorted(picture.items())
            if entry is not None and not entry.synced and (mode in ("power", "zeroed") or (mode == "mixed" and rng.random() < 0.5))
        }
        return {path: entry and (b"" if path in emptied else entry.bytes) for path, entry in picture.items()}

    def lose_power(self, seed: int) -> None:
        """Die now, outside any operation."""
        lay(self.left(self.mode, seed), self.root)

    def _undo_pending(self, picture: Picture, keeps: Callable[[], bool]) -> None:
        """The newest first; what a change that stayed builds on stays too."""
        kept: list[Path] = []
        for change in reversed(self.pending):
            later = any(name == other or name in other.parents for name in change.names for other in kept)
            if later or keeps():
                kept += change.names
            else:
                change.undo(picture)

    def _photograph(self) -> Picture:
        return {path: None if path.is_dir() else self._data(path) for path in self.root.rglob("*")}

    def _data(self, path: Path) -> Data:
        return Data(path.read_bytes(), path.stat().st_ino not in self.unsynced)

    def _undoing(self, undo: Callable[[Picture], None], *names: Path) -> None:
        self.pending.append(Change(names[0].parent, names, undo))

    def _step(self, what: str) -> None:
        """Count an operation, and die before it, or in its middle."""
        if self.last is not None and self.count >= self.last:
            raise Dead
        self.count += 1
        self.log.append(what)
        if self.witness is not None:
            self.witness()
        if self.count == self.last:
            self.die()

    def die(self) -> None:
        """At operation `last`."""
        if self.mode != "kill":
            self.lose_power(self.count)
        raise Dead


def _take_away(files: Picture, path: Path) -> None:
    for name in [name for name in files if name == path or path in name.parents]:
        del files[name]


class InterruptedDisk(DyingDisk):
    """Ctrl-C comes at operation `last`, and the process goes on to tidy up."""

    def die(self) -> None:
        self.last = None
        raise KeyboardInterrupt


def contents(place: Path) -> dict[str, bytes | None]:
    """What is there, by names relative to `place`."""
    return {path.relative_to(place).as_posix(): path.read_bytes() if path.is_file() else None for path in place.rglob("*")}


def lay(files: Mapping[Path, bytes | None], root: Path) -> None:
    """Make `root` hold just these files."""
    for path in root.iterdir() if root.is_dir() else ():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for path in _outermost_first(files):
        data = files[path]
        if data is None:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def _outermost_first(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: len(path.parts))
