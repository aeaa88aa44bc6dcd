"""The model directory: every hand-over between stages is a file in it, written whole or not at all and sealed by SHA256SUMS."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .documents import parse_json
from .errors import InputError

SCHEMA = 1
"""Version of manifest.json."""

MANIFEST, RECIPE, METRICS = "manifest.json", "recipe.toml", "metrics.jsonl"
PLAN = "net.json"
"""The steps of a net without state."""
STACK = "cells.json"
"""The cells of a user's own recurrent net."""
FLOAT_NET, QUANTIZED_NET, CHECKPOINT = "float.safetensors", "quantized.safetensors", "checkpoint.safetensors"
GRAPH, WEIGHTS, VECTORS = "graph.json", "weights.npz", "vectors/test.npz"
ONNX_STEP, ONNX_SEQUENCE, TFLITE, C_FOLDER = "model.onnx", "model_sequence.onnx", "model.tflite", "c"
FIRMWARE_FOLDER = "firmware"
"""Of what flash builds: a folder a board."""
REPORT, SUMS = "report.json", "SHA256SUMS"


def write_error(path: Path, error: OSError) -> InputError:
    """What to tell a user whose system refused to write `path`."""
    cause = error.strerror or error
    return InputError(f"cannot write {path} ({cause}): free space or choose a writable directory; an earlier file is intact")


def write_atomically(path: Path, data: bytes) -> None:
    """Write to a temporary neighbour, then rename: a failure or an interruption leaves the previous file as it was.

    Raises InputError with path and cause when the system refuses.
    """
    temporary = path.with_name(f".{path.name}.partial")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


class ModelDirectory:
    """A directory made by `rescomp train` or `rescomp run`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, *, force: bool = False) -> ModelDirectory:
        """A new, empty model directory. One that holds anything is replaced only with `force`, and only if all of it is rescomp's."""
        if path.exists() and not path.is_dir():
            raise InputError(f"{path} is a file: choose another directory with -o")
        directory = cls(path)
        if path.is_dir() and any(path.iterdir()):
            if not force:
                raise InputError(f"{path} is not empty: choose another directory with -o, or replace it with --force")
            directory._empty()
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make {path}: {error.strerror}; choose another directory with -o") from error
        return directory

    def _empty(self) -> None:
        """Delete everything, or nothing when anything in it is not rescomp's."""
        if not (self.path / MANIFEST).is_file() or not (self.path / SUMS).is_file():
            raise InputError(f"{self.path} holds files but no {MANIFEST} and {SUMS}, so rescomp did not make it: choose another directory")
        self.manifest()
        found = [file.relative_to(self.path).as_posix() for file in self.path.rglob("*") if not file.is_dir()]
        foreign = sorted(name for name in set(found) - set(self._sums()) - set(_UNLISTED) if not name.endswith(".partial"))
        if foreign:
            raise InputError(
                f"{self.path} holds {foreign[0]}, which rescomp did not write: move it away, or choose another directory with -o"
            )
        for name in found:
            (self.path / name).unlink()
        for folder in sorted((file for file in self.path.rglob("*") if file.is_dir()), reverse=True):
            folder.rmdir()

    @classmethod
    def open(cls, path: Path) -> ModelDirectory:
        """An existing model directory with a manifest of a schema that this rescomp reads."""
        directory = cls(path)
        if not path.is_dir():
            raise InputError(f"{path} is not a directory: make a model directory with `rescomp train -o {path}`")
        for name in (MANIFEST, SUMS):
            if not (path / name).is_file():
                raise InputError(f"{path} has no {name}: it is no model directory of rescomp, or lost a part; make it again")
        directory.manifest()
        return directory

    def manifest(self) -> dict[str, Any]:
        """manifest.json, checked for its schema and for what every stage relies on."""
        path = self.path / MANIFEST
        try:
            manifest = parse_json(self.read(MANIFEST))
            schema = manifest["schema"]
            known = schema != SCHEMA or all(isinstance(_at(manifest, entry), kind) for entry, kind in _MANIFEST_ENTRIES.items())
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is damaged, or not rescomp's: train the model again") from error
        if schema != SCHEMA:
            raise InputError(f"{path} has schema {schema}, this rescomp reads {SCHEMA}: use the rescomp that wrote it")
        if not known:
            raise InputError(f"{path} is damaged, or not rescomp's: train the model again")
        return dict(manifest)

    def update_manifest(self, **entries: Any) -> None:
        """Set top-level entries of manifest.json; None removes one."""
        current = self.manifest() if (self.path / MANIFEST).is_file() else {"schema": SCHEMA}
        kept = {key: value for key, value in {**current, **entries}.items() if value is not None}
        self.write({MANIFEST: to_json(kept)})

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        return (self.path / name).is_file()

    def read(self, name: str) -> bytes:
        """A file's bytes, checked against SHA256SUMS where it is listed. Raises InputError."""
        path = self.path / name
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise InputError(f"{self.path} has no {name}: run `rescomp {_MAKER.get(name, 'export')}` first") from error
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}") from error
        listed = self._sums().get(name)
        if listed is None and name not in _UNLISTED:
            raise InputError(f"{path} is not listed in {SUMS}, so rescomp did not finish writing it: make it again")
        if listed not in (None, hashlib.sha256(data).hexdigest()):
            raise InputError(f"{path} was changed after it was written (its SHA-256 is not the one in {SUMS}): make the model again")
        return data

    def check(self, names: Iterable[str]) -> None:
        """Raise InputError unless every file is there, listed and unchanged."""
        for name in names:
            self.read(name)

    def files(self, folder: str) -> list[str]:
        """Names of all files under a folder, sorted, listed or not."""
        present = {file.relative_to(self.path).as_posix() for file in (self.path / folder).rglob("*") if file.is_file()}
        return sorted(present.union(name for name in self._sums() if name.startswith(f"{folder}/")))

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write files by name, each atomically, and list them in SHA256SUMS."""
        for name, data in files.items():
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path / name, data)
        self._list({name: hashlib.sha256(data).hexdigest() for name, data in files.items()}, removed=())

    def seal(self, *names: str) -> None:
        """List files in SHA256SUMS that were written by other means (metrics, checkpoints)."""
        self._list({name: hashlib.sha256((self.path / name).read_bytes()).hexdigest() for name in names}, removed=())

    def remove(self, *names: str) -> None:
        """Delete files or whole folders, and their lines in SHA256SUMS."""
        for name in names:
            path = self.path / name
            if path.is_dir():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
        self._list({}, removed=names)

    def _sums(self) -> dict[str, str]:
        path = self.path / SUMS
        if not path.is_file():
            return {}
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}

    def _list(self, added: Mapping[str, str], removed: Iterable[str]) -> None:
        kept = {
            name: digest
            for name, digest in self._sums().items()
            if not any(name == gone or name.startswith(f"{gone}/") for gone in removed)
        }
        lines = [f"{digest}  {name}\n" for name, digest in sorted({**kept, **added}.items())]
        write_atomically(self.path / SUMS, "".join(lines).encode())


_UNLISTED: Sequence[str] = (CHECKPOINT, METRICS, SUMS)
"""Files that change all the time while a net trains, and the list itself."""

_MANIFEST_ENTRIES: Mapping[str, type] = {
    "contract": int,
    "name": str,
    "classes": list,
    "data.sha256": str,
    "data.channels": int,
    "input.fraction_bits": int,
    "versions.rescomp": str,
}

_MAKER: Mapping[str, str] = {
    MANIFEST: "train",
    RECIPE: "train",
    FLOAT_NET: "train",
    PLAN: "train",
    STACK: "train",
    GRAPH: "quantize",
    WEIGHTS: "quantize",
    VECTORS: "quantize",
    QUANTIZED_NET: "quantize",
}


def _at(document: Any, path: str) -> Any:
    for key in path.split("."):
        document = document[key]
    return document


def to_json(document: Any) -> bytes:
    """Canonical JSON: sorted keys, one space of indent, a final newline. NaN is refused."""
    return (json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()
