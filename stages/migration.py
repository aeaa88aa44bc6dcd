"""migrate: the files of an earlier version's model directory as this one writes them, their meaning and what was compared as it was."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..model_directory import NET, QUANTIZED_NET, RECIPE, REPORT, ModelDirectory, to_json
from ..models import Blueprint
from ..models.kept import described_by
from ..recipe import older_names, parse_recipe, to_toml
from ..train.checkpoint import encode_net, read_tensors
from ..validate.torch_net import load_quantized
from .artefacts import check_whole, read_model
from .evidence import Evidence
from .kept_nets import kept_net
from .listener import Listener, Silent
from .report import read_report

MIGRATION_SCHEMA = 1


@dataclass(frozen=True)
class Change:
    """A file that is written anew or for the first time, a file in whose place it stands, and what is different."""

    file: str
    what: str
    data: bytes
    instead_of: str | None = None


@dataclass(frozen=True)
class Migration:
    """What was changed in the model directory at `path`: nothing where all of it is as this version writes it."""

    path: Path
    changes: tuple[Change, ...]

    def as_json(self) -> dict[str, Any]:
        """The document that --json prints."""
        changes = [{"file": each.file, "instead_of": each.instead_of, "what": each.what} for each in self.changes]
        return {"schema": MIGRATION_SCHEMA, "directory": str(self.path), "changes": changes}


def migrate(path: Path, *, listener: Listener | None = None) -> Migration:
    """Write the files of an earlier version in the model directory `path` as this version does, in one step; all others stay.

    The graph, its golden vectors and what is exported keep their bytes, and evidence of the torch net, which reads the files that are
    written, stays evidence. Raises InputError, nothing changed, for a directory that is damaged, that lacks a
    file or whose files contradict each other, and for one of a version or contract that this one does not know.
    """
    listener = listener or Silent()
    directory = ModelDirectory.open(path)
    with directory.held():
        check_whole(directory)
        listener.stage("compare with what this version writes")
        changes = tuple(change for step in REWRITES if (change := step(directory)) is not None)
        if changes:
            files = {change.file: change.data for change in changes}
            gone = [change.instead_of for change in changes if change.instead_of]
            directory.write({**files, **_report(directory, files, gone)}, removed=gone)
    return Migration(path, changes)


def _recipe(directory: ModelDirectory) -> Change | None:
    origin = str(directory.path / RECIPE)
    data = directory.read(RECIPE)
    older = older_names(data, origin)
    if not older:
        return None
    return Change(RECIPE, ", ".join(f"{key} is {name}" for key, name in older.items()), to_toml(parse_recipe(data, origin)))


def _net(directory: ModelDirectory) -> Change | None:
    """The parts of the net. Of a version that wrote none for nets of its own cells they are the recipe's."""
    recipe = parse_recipe(directory.read(RECIPE), str(directory.path / RECIPE))
    now = Blueprint.of(kept_net(directory, recipe)).to_json()
    described = described_by(directory)
    if described is None:
        return Change(NET, "the parts of the net, which the recipe alone told", now)
    if described != NET:
        return Change(NET, "one file for the parts of every net", now, instead_of=described)
    return Change(NET, "one schema for the parts of every net", now) if now != directory.read(NET) else None


def _formats(directory: ModelDirectory) -> Change | None:
    """The fine-tuned net, whose formats stand by name."""
    if not directory.has(QUANTIZED_NET):
        return None
    before = directory.read(QUANTIZED_NET)
    _, metadata = read_tensors(directory.path / QUANTIZED_NET)
    now = encode_net(load_quantized(directory), metadata)
    return Change(QUANTIZED_NET, "formats stand by name", now) if now != before else None


REWRITES: Sequence[Callable[[ModelDirectory], Change | None]] = (_recipe, _net, _formats)
"""Each compares a file with what this version writes, and reads the directory as it was."""


def _report(directory: ModelDirectory, files: Mapping[str, bytes], gone: Sequence[str]) -> dict[str, bytes]:
    """report.json with the digests of the files to be written, in evidence that holds now; nothing where there is none to keep."""
    if not directory.has(REPORT):
        return {}
    model = read_model(directory)
    try:
        report = read_report(directory, model)
    except InputError:  # another model's, or an earlier version's, which says so itself
        return {}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}

    def renewed(entry: Evidence) -> Evidence:
        if QUANTIZED_NET not in entry.files or entry.changed_files(directory, model):
            return entry
        kept = {name: digest for name, digest in entry.files.items() if name not in gone}
        return entry.model_copy(update={"files": {**kept, **digests}})

    now = report.model_copy(update={"evidence": tuple(renewed(entry) for entry in report.evidence)})
    return {REPORT: to_json(now.as_json())} if now != report else {}
