"""Which files of a model directory a witness reads, and whether they are what they were."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from ..graph.ir import IntegerModel
from ..model_directory import ModelDirectory
from ..validate.registry import find_witness
from .exports import check_exports


def files_read(directory: ModelDirectory, model: IntegerModel, witness: str, firmware: str | None = None) -> dict[str, str]:
    """SHA-256 by name of what the witness `name[:argument]` reads of the model directory now. firmware: what a board was flashed with.

    Raises InputError when a file is missing, was changed after it was written, was not written by rescomp, or is of another graph.
    """
    names = _names_read(directory, model, witness)
    if firmware is not None and not names:
        names = (firmware,)
    check_exports(directory, model, names)
    return {name: hashlib.sha256(directory.read(name)).hexdigest() for name in names}


def changed_files(witness: str, files: Mapping[str, str], directory: ModelDirectory, model: IntegerModel) -> list[str]:
    """Names of the files that are not what they were when they were compared: changed, gone, or new among those that the witness reads.

    files: SHA-256 by name, as files_read gave them; none for a board, of which nothing can be said.
    """
    names = {*files, *_names_read(directory, model, witness)} if files else ()
    return sorted(name for name in names if _hash_file(directory, name) != files.get(name))


def _hash_file(directory: ModelDirectory, name: str) -> str | None:
    return hashlib.sha256(directory.read(name)).hexdigest() if directory.has(name) else None


def _names_read(directory: ModelDirectory, model: IntegerModel, witness: str) -> Sequence[str]:
    one, argument = find_witness(witness)
    return one.reads(directory, model, argument)
