"""Which files of a model directory a witness reads, and whether they are what they were."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from ..graph.ir import IntegerModel
from ..model_directory import C_FOLDER, ONNX_DECIDE, ONNX_SEQUENCE, ONNX_STEP, PLAN, QUANTIZED_NET, RECIPE, STACK, TFLITE, ModelDirectory
from ..validate.emulated_core import EmulatedCore
from ..validate.registry import load_witness, parse_witnesses
from .exports import check_exports

_PROSE: Sequence[str] = ("README.md", "LICENSE")
"""Files of a C export that no compiler reads."""


def files_read(directory: ModelDirectory, model: IntegerModel, witness: str, firmware: str | None = None) -> dict[str, str]:
    """SHA-256 by name of what the witness `name[:argument]` reads of the model directory now. firmware: what a board was flashed with.

    Raises InputError when a file is missing, was changed after it was written, was not written by rescomp, or is of another graph.
    """
    names = _names_read(directory, model, witness)
    if firmware is not None and witness.startswith("serial:"):
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
    folder = c_folder(witness, directory.path)
    if folder is not None:
        present = [name for name in directory.files(folder) if PurePosixPath(name).name not in _PROSE]
        return sorted({f"{folder}/{model.name}.c", *present})
    onnx = (ONNX_STEP, *((ONNX_SEQUENCE,) if model.is_recurrent else ()), *((ONNX_DECIDE,) if model.decides else ()))
    net = (QUANTIZED_NET, *(part for part in (RECIPE, PLAN, STACK) if directory.has(part)))
    name, _, _ = witness.partition(":")
    return {"onnxruntime": onnx, "tflite": (TFLITE,), "tflite-micro": (TFLITE,), "torch": net}.get(name, ())


def c_folder(witness: str, path: Path) -> str | None:
    """Name of the folder in the model directory at `path` whose C a witness `name[:argument]` compiles; None for one that compiles none."""
    ((name, argument),) = parse_witnesses(witness)
    if name not in ("c", "qemu", "simavr"):
        return None
    one = load_witness(name)
    return one.folder(argument, path) if isinstance(one, EmulatedCore) else C_FOLDER
