"""The model directory: every hand-over between stages is a file in it, sealed by SHA256SUMS; what a stage writes is there as one step."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from .documents import MOST_DOCUMENT_BYTES
from .errors import InputError
from .manifest import Manifest, parse_manifest
from .store import (
    LOCK,
    MOST_BYTES,
    changing,
    commit,
    disk,
    holding,
    read_file,
    reading,
    recover,
    refuse_held,
    refuse_in_the_way,
    refuse_strange,
)
from .store import write_atomically as write_atomically
from .text_files import is_shown

MANIFEST, RECIPE, METRICS = "manifest.json", "recipe.toml", "metrics.jsonl"
NET = "net.json"
"""The parts of the net, from which later stages make it again."""
CELLS_FILE = "cells.json"
"""The same of a user's own net of cells, in directories of earlier versions."""
FLOAT_NET, QUANTIZED_NET, CHECKPOINT = "float.safetensors", "quantized.safetensors", "checkpoint.safetensors"
START = "start.safetensors"
"""The float net of another model directory that the training began with."""
GRAPH, WEIGHTS, VECTORS = "graph.json", "weights.npz", "vectors/test.npz"
ONNX_STEP, ONNX_SEQUENCE, ONNX_DECIDE = "model.onnx", "model_sequence.onnx", "model_decide.onnx"
ONNX_FRONTEND, TFLITE_FRONTEND = "model_frontend.onnx", "model_frontend.tflite"
TFLITE, C_FOLDER = "model.tflite", "c"
FIRMWARE_FOLDER = "firmware"
"""Of what flash builds: a folder a board."""
REPORT, SUMS = "report.json", "SHA256SUMS"
GIT_ATTRIBUTES, NO_TEXT = ".gitattributes", b"* -text\n"
"""By which git leaves line ends as they are, in a directory whose digests are those of bytes."""


class ModelDirectory:
    """A directory made by `rescomp train` or `rescomp run`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, files: Mapping[str, bytes] | None = None, *, force: bool = False) -> ModelDirectory:
        """A new model directory that holds `files`. One that holds anything is replaced, as one step, only with `force`, and only if all
        of it is rescomp's.
        """
        directory = cls.make(path, force=force)
        directory.begin(files or {}, force=force)
        return directory

    @classmethod
    def make(cls, path: Path, *, force: bool = False, going_on: str = "") -> ModelDirectory:
        """The folder of one to be begun. going_on: the command that goes on with another. Raises InputError when `begin` would."""
        if os.path.lexists(path) and not path.is_dir():
            what = "a file" if path.exists() else "a link to nothing"
            raise InputError(f"{path} is {what}: choose another directory with -o")
        refuse_held(path)
        directory = cls(path)
        missing = [folder for folder in (path, *path.parents) if not folder.is_dir()]
        try:
            for folder in reversed(missing):
                with contextlib.suppress(FileExistsError):
                    disk().mkdir(folder)
                disk().sync(folder.parent)
        except OSError as error:
            raise InputError(f"cannot make {path}: {error.strerror}; choose another directory with -o") from error
        directory._replaceable(force=force, going_on=going_on)
        return directory

    def begin(self, files: Mapping[str, bytes], *, force: bool = False) -> None:
        """Replace what is in it by `files`, as one step."""
        old = self._replaceable(force=force)
        if files or old:
            commit(self.path, {**files, SUMS: _listing(files)} if files else {}, old)

    def _replaceable(self, *, force: bool, going_on: str = "") -> list[str]:
        """Names of what lies in it. Raises InputError when that must stay."""
        recover(self.path, MANIFEST)
        old = sorted(path.name for path in self.path.iterdir() if path.name != LOCK)
        if old and not force:
            how = f"go on with the model in it with `{going_on}`, " if going_on and self.has(MANIFEST) and self.has(RECIPE) else ""
            raise InputError(f"{self.path} is not empty: {how}choose another directory with -o, or replace it with --force")
        if old:
            self._check_all_ours()
        return old

    def _check_all_ours(self) -> None:
        """Raise InputError when anything in it is not rescomp's."""
        if not (self.path / MANIFEST).is_file() or not (self.path / SUMS).is_file():
            raise InputError(f"{self.path} holds files but no {MANIFEST} and {SUMS}, so rescomp did not make it: choose another directory")
        refuse_strange(self.path)
        self.manifest()
        files = {path.relative_to(self.path).as_posix() for path in self.path.rglob("*") if not path.is_dir()}
        foreign = sorted(name for name in files - set(self._sums()) - {*_UNLISTED, LOCK} if not name.endswith(".partial"))
        if foreign:
            raise InputError(
                f"{self.path} holds {foreign[0]}, which rescomp did not write: move it away, or choose another directory with -o"
            )

    @classmethod
    def open(cls, path: Path) -> ModelDirectory:
        """An existing model directory with a manifest of a schema that this rescomp reads; a step that a kill cut off is taken first."""
        directory = cls(path)
        if not path.is_dir():
            raise InputError(f"{path} is not a directory: make a model directory with `rescomp train -o {path}`")
        recover(path, MANIFEST)
        for name in (MANIFEST, SUMS):
            if not (path / name).is_file():
                refuse_held(path)  # by one that is just being begun
                raise InputError(f"{path} has no {name}: it is no model directory of rescomp, or lost a part; make it again")
        refuse_strange(path)
        directory.manifest()
        return directory

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """While a stage works on it: other stages are told so, by process number and command (InputError). May be nested.

        Raises InputError, too, for what is in the way of a file that a stage writes.
        """
        with holding(self.path):
            refuse_in_the_way(self.path, _WRITTEN)
            yield

    def unchanging(self) -> AbstractContextManager[None]:
        """While files that belong together are read: nobody changes them in between. Nothing may be written meanwhile."""
        return reading(self.path)

    def manifest(self) -> Manifest:
        """manifest.json, checked for its schema and for the type of every value."""
        return parse_manifest(self.read(MANIFEST), str(self.path / MANIFEST))

    def update_manifest(self, **entries: Any) -> None:
        """Set top-level entries of manifest.json; None removes one."""
        self.write(self.revised_manifest(**entries))

    def revised_manifest(self, **entries: Any) -> dict[str, bytes]:
        """manifest.json with top-level entries set (None removes one), to be written with what it speaks of."""
        current = self.manifest().as_json() if (self.path / MANIFEST).is_file() else {}
        return new_manifest(**{**current, **entries})

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        return (self.path / name).is_file()

    def expects(self, name: str) -> bool:
        """Whether a file is there, or was and is listed in SHA256SUMS: `read` refuses what is lost."""
        return self.has(name) or name in self._sums()

    def read(self, name: str) -> bytes:
        """A file's bytes, checked against SHA256SUMS where it is listed. Raises InputError."""
        with reading(self.path):
            return self._read(name)

    def _read(self, name: str) -> bytes:
        path = self.path / name
        try:
            data = read_file(path, MOST_BYTES)
        except FileNotFoundError as error:
            if name in _BEGUN_WITH and self.has(MANIFEST):
                raise InputError(f"{self.path} lost its {name}, which its training began with: train the model again") from error
            raise InputError(f"{self.path} has no {name}: run `{self._maker(name)}` first") from error
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}") from error
        listed = self._sums().get(name)
        if listed is None and name not in _UNLISTED:
            raise InputError(f"{path} is not listed in {SUMS}, so rescomp did not finish writing it: make it again")
        if listed not in (None, hashlib.sha256(data).hexdigest()):
            if listed == hashlib.sha256(data.replace(b"\r", b"")).hexdigest():
                raise InputError(
                    f"{path} has other line ends than it was written with (git's autocrlf does that): keep {GIT_ATTRIBUTES} with the line "
                    f"`{NO_TEXT.decode().strip()}` in {self.path}, delete the files there and check them out again"
                )
            raise InputError(f"{path} was changed after it was written (its SHA-256 is not the one in {SUMS}): make the model again")
        return data

    def check(self, names: Iterable[str]) -> None:
        """Raise InputError unless every file is there, listed and unchanged."""
        for name in names:
            self.read(name)

    def files(self, folder: str) -> list[str]:
        """Names of all files under a folder, sorted, listed or not. Raises InputError for one that a terminal would not show as it is."""
        present = {file.relative_to(self.path).as_posix() for file in (self.path / folder).rglob("*") if file.is_file()}
        names = sorted(present.union(name for name in self._sums() if name.startswith(f"{folder}/")))
        for name in names:
            if not is_shown(name):
                raise InputError(f"{self.path} holds {name!r}, whose name is no text of one line: remove it, rescomp did not write it")
        return names

    def write(self, files: Mapping[str, bytes], removed: Iterable[str] = ()) -> None:
        """Write files by name, remove other files and whole folders, and list what there is then in SHA256SUMS: as one step."""
        gone = list(removed)
        with changing(self.path):
            recover(self.path, MANIFEST)
            sums = self._sums().items()
            kept = {name: digest for name, digest in sums if not any(name == entry or name.startswith(f"{entry}/") for entry in gone)}
            commit(self.path, {**files, SUMS: _listing(files, kept)}, gone)

    def remove(self, *names: str) -> None:
        """Delete files or whole folders, and their lines in SHA256SUMS."""
        self.write({}, removed=names)

    def _maker(self, name: str) -> str:
        """The command that makes a file."""
        stage = _MAKER.get(name, "export")
        if stage == "train":
            return f"rescomp train {'--resume ' if self.has(MANIFEST) else ''}-o {self.path}"
        return f"rescomp {stage} {self.path}"

    def _sums(self) -> dict[str, str]:
        path = self.path / SUMS
        if not path.is_file():
            return {}
        try:
            lines = read_file(path, MOST_DOCUMENT_BYTES).decode(errors="replace").splitlines()
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}") from error
        return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def refuse_in_a_model(path: Path) -> None:
    """Raise InputError for a file to be written that would lie in a model directory, which only stages write to."""
    for folder in path.resolve().parents:
        if (folder / MANIFEST).is_file() and (folder / SUMS).is_file():
            raise InputError(f"{path} would lie in the model directory {folder}: name a file outside it")


def _listing(files: Mapping[str, bytes], others: Mapping[str, str] | None = None) -> bytes:
    """SHA256SUMS of `files`, and of others by their digests."""
    digests = {**(others or {}), **{name: hashlib.sha256(data).hexdigest() for name, data in files.items()}}
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items())).encode()


_WRITTEN: Sequence[str] = (
    *(MANIFEST, RECIPE, METRICS, f".{METRICS}.partial", NET, CELLS_FILE, START),
    *(FLOAT_NET, QUANTIZED_NET, CHECKPOINT, f".{CHECKPOINT}.partial", GRAPH, WEIGHTS, VECTORS),
    *(ONNX_STEP, ONNX_SEQUENCE, ONNX_DECIDE, ONNX_FRONTEND, TFLITE, TFLITE_FRONTEND, f"{C_FOLDER}/*", f"{FIRMWARE_FOLDER}/*"),
    *(REPORT, SUMS, GIT_ATTRIBUTES),
)
"""By stages, and what they make of it on the way; * stands for files whose names are the model's and the board's."""
_UNLISTED: Sequence[str] = (CHECKPOINT, METRICS, SUMS)
"""What changes while a net trains (metrics of an earlier rescomp too), and the list itself."""

_BEGUN_WITH: Sequence[str] = (RECIPE, START, NET, CELLS_FILE)
"""What `begin` writes, and no stage afterwards."""
_MAKER: Mapping[str, str] = {
    **dict.fromkeys((MANIFEST, *_BEGUN_WITH, FLOAT_NET), "train"),
    **dict.fromkeys((GRAPH, WEIGHTS, VECTORS, QUANTIZED_NET), "quantize"),
}


def new_manifest(**entries: Any) -> dict[str, bytes]:
    """manifest.json with these top-level entries, but those that are None."""
    return {MANIFEST: to_json(Manifest.of({key: value for key, value in entries.items() if value is not None}).as_json())}


def to_json(document: Any) -> bytes:
    """Canonical JSON: sorted keys, one space of indent, a final newline. NaN is refused."""
    return (json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()
