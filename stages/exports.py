"""The exports that a model directory holds: what is whose, and whether each says that it is of the directory's model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..export.packages import ECOSYSTEMS, package_folder
from ..export.provenance import check_provenance
from ..graph.ir import IntegerModel
from ..graph.serialize import digest
from ..model_directory import (
    C_FOLDER,
    FIRMWARE_FOLDER,
    ONNX_DECIDE,
    ONNX_FRONTEND,
    ONNX_SEQUENCE,
    ONNX_STEP,
    TFLITE,
    TFLITE_FRONTEND,
    ModelDirectory,
)
from ..targets.cores import CORES

OWNED: Mapping[str, Sequence[str]] = {
    "onnx": (ONNX_STEP, ONNX_SEQUENCE, ONNX_DECIDE, ONNX_FRONTEND),
    "tflite": (TFLITE, TFLITE_FRONTEND),
    "c": (C_FOLDER,),
}
"""Files and folders by the format that they are of."""
EXPORTED: Sequence[str] = (
    *(name for names in OWNED.values() for name in names),
    *(core.export_folder for core in CORES.values()),
    *(package_folder(name) for name in ECOSYSTEMS),
    FIRMWARE_FOLDER,
)
"""Everything that export may write, and what flash makes of it."""


def exports_at_hand(directory: ModelDirectory) -> dict[str, list[str]]:
    """Names of the files there are, by the place among EXPORTED that they are of; places without any are left out."""
    found = {place: [place] if directory.has(place) else directory.files(place) for place in EXPORTED}
    return {place: names for place, names in found.items() if names}


def check_exports(directory: ModelDirectory, model: IntegerModel, names: Iterable[str] | None = None) -> None:
    """Raise InputError for an export that says that it is of another graph. names: of files; None for all that are there."""
    if names is None:
        names = [name for files in exports_at_hand(directory).values() for name in files]
    ours = digest(model)
    for name in names:
        check_provenance(model.name, ours, name, directory.read(name), str(directory.path / name))
