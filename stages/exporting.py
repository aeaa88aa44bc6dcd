"""export: the integer model as ONNX, TFLite and C, and the C as libraries of several ecosystems."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

from ..errors import InputError, nearest
from ..export.c_limits import check_counts
from ..export.packages import ECOSYSTEMS, About, choose_recording, export_package, package_folder
from ..graph.ir import IntegerModel
from ..model_directory import C_FOLDER, REPORT, ModelDirectory
from ..targets.cores import find_core
from ..targets.kernel_choice import PREFERENCES, Preference, Target
from .artefacts import read_model, read_vectors
from .exports import OWNED
from .listener import Listener, Silent
from .report import read_report

FORMATS: Sequence[str] = ("onnx", "tflite", "c")
"""What is written unless something else is asked for."""
ALL_FORMATS: Sequence[str] = (*FORMATS, *ECOSYSTEMS)


def export_model(
    path: Path,
    formats: Sequence[str] | None = None,
    *,
    cores: Sequence[str] = (),
    prefer: str = "speed",
    about: About | None = None,
    listener: Listener | None = None,
) -> list[str]:
    """Write the exports of the model in directory `path`; returns the names of the files written, sorted.

    formats: of ALL_FORMATS; None for FORMATS, or for nothing but the cores' C where cores are named. cores: each gets a folder c-<core>/
    with the core's own kernels and layouts, chosen for `prefer` (speed or size), beside the plain C that runs anywhere. about: what
    packages (arduino, platformio, zephyr, esp-idf) say of themselves. What is not named is not touched.
    Only writes: nothing is trained, run or compared. Raises InputError for an unknown format, core or preference or a damaged
    directory, MissingToolError when a format's package is not installed.
    """
    listener = listener or Silent()
    if formats is None:
        formats = () if cores else FORMATS
    elif not formats:
        raise InputError(f"no export format is named: choose among {', '.join(ALL_FORMATS)}")
    for name in formats:
        if name not in ALL_FORMATS:
            known = ", ".join(ALL_FORMATS)
            raise InputError(f"there is no export format {name!r}; the nearest one is {nearest(name, ALL_FORMATS)!r} (of {known})")
    targets = parse_targets(cores, prefer)
    directory = ModelDirectory.open(path)
    with directory.held():
        model = read_model(directory)
        for target in targets:
            check_counts(model, target.core)
        files: dict[str, bytes] = {}
        replaced: list[str] = []
        for name in dict.fromkeys(formats):
            listener.stage(f"export {name}")
            if name in ECOSYSTEMS:
                files |= _package(directory, model, name, about or About())
                replaced.append(package_folder(name))
            else:
                files |= _EXPORTERS[name](model)
                replaced += OWNED[name]
        for target in targets:
            listener.stage(f"export c for {target.core.name}")
            files |= _c(model, target)
            replaced.append(target.core.export_folder)
        directory.write(files, removed=replaced)
    return sorted(files)


def parse_targets(cores: Sequence[str], prefer: str) -> list[Target]:
    """A target a core, in the order named. Raises InputError for a name that nothing has."""
    if prefer not in PREFERENCES:
        raise InputError(f"nothing can be preferred but {' or '.join(PREFERENCES)}, not {prefer!r}")
    return [Target(find_core(name), cast(Preference, prefer)) for name in dict.fromkeys(cores)]


def _onnx(model: IntegerModel) -> Mapping[str, bytes]:
    from ..export.onnx import export_onnx

    return export_onnx(model)


def _tflite(model: IntegerModel) -> Mapping[str, bytes]:
    from ..export.tflite import export_tflite

    return export_tflite(model)


def _c(model: IntegerModel, target: Target | None = None) -> Mapping[str, bytes]:
    from ..export.c import export_c

    folder = target.core.export_folder if target else C_FOLDER
    return {f"{folder}/{name}": data for name, data in export_c(model, target).items()}


def _package(directory: ModelDirectory, model: IntegerModel, format: str, about: About) -> Mapping[str, bytes]:
    if directory.has(REPORT):
        read_report(directory, model)
    vectors = read_vectors(directory, model)
    recording = choose_recording(model, vectors.x, vectors.lengths, vectors.scores)
    return {f"{package_folder(format)}/{name}": data for name, data in export_package(format, model, recording, about).items()}


_EXPORTERS: Mapping[str, Callable[[IntegerModel], Mapping[str, bytes]]] = {"onnx": _onnx, "tflite": _tflite, "c": _c}
