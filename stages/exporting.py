"""export: the integer model as ONNX, TFLite and C."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..errors import InputError, nearest
from ..graph.ir import IntegerModel
from ..model_directory import C_FOLDER, ONNX_SEQUENCE, ONNX_STEP, REPORT, TFLITE, ModelDirectory
from .artefacts import read_model
from .listener import Listener, Silent

FORMATS: Sequence[str] = ("onnx", "tflite", "c")


def export(path: Path, formats: Sequence[str] = FORMATS, *, listener: Listener | None = None) -> list[str]:
    """Write the exports of the model in directory `path`; returns the names of the files written, sorted.

    Only writes: nothing is trained, run or compared. Raises InputError for an unknown format or a damaged directory,
    MissingToolError when a format's package is not installed.
    """
    listener = listener or Silent()
    if not formats:
        raise InputError(f"no export format is named: choose among {', '.join(FORMATS)}")
    for name in formats:
        if name not in FORMATS:
            known = ", ".join(FORMATS)
            raise InputError(f"there is no export format {name!r}; the nearest one is {nearest(name, FORMATS)!r} (of {known})")
    directory = ModelDirectory.open(path)
    model = read_model(directory)
    written: list[str] = []
    for name in dict.fromkeys(formats):
        listener.stage(f"export {name}")
        files = _EXPORTERS[name](model)
        directory.remove(*_OWNED[name], REPORT)
        directory.write(files)
        written += files
    return sorted(written)


def _onnx(model: IntegerModel) -> Mapping[str, bytes]:
    from ..export.onnx import export_onnx

    return export_onnx(model)


def _tflite(model: IntegerModel) -> Mapping[str, bytes]:
    from ..export.tflite import export_tflite

    return export_tflite(model)


def _c(model: IntegerModel) -> Mapping[str, bytes]:
    from ..export.c import export_c

    return {f"{C_FOLDER}/{name}": data for name, data in export_c(model).items()}


_EXPORTERS: Mapping[str, Callable[[IntegerModel], Mapping[str, bytes]]] = {"onnx": _onnx, "tflite": _tflite, "c": _c}
_OWNED: Mapping[str, Sequence[str]] = {"onnx": (ONNX_STEP, ONNX_SEQUENCE), "tflite": (TFLITE,), "c": (C_FOLDER,)}
EXPORTED: Sequence[str] = tuple(name for names in _OWNED.values() for name in names)
"""Everything that export may write."""
