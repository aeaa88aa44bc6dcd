"""The exported files at hand beside those that this rescomp writes of the same graph: equal, byte for byte."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import zip_longest

from .. import __version__
from ..export.file_metadata import onnx_producer_version
from ..graph.ir import IntegerModel
from ..model_directory import ModelDirectory
from ..targets.cores import CORES
from ..targets.kernel_choice import PREFERENCES, Target
from ..validate.registry import find_witness
from ..validate.witness import CompilingWitness
from .exports import OWNED

SHOWN_CHARACTERS = 60
"""Characters of a line that a message quotes."""


@dataclass(frozen=True)
class FreshFiles:
    """compared: how many files; differing: a sentence for each that is another one. other: why nothing was compared, or nothing."""

    compared: int = 0
    differing: tuple[str, ...] = ()
    other: str = ""


def compare_with_fresh(directory: ModelDirectory, model: IntegerModel, witness: str) -> FreshFiles | None:
    """Compare what the witness `name[:argument]` reads with a fresh export; None for a witness that reads no export.

    Files that another version of rescomp wrote are not compared. Raises MissingToolError without the export's packages.
    """
    one, argument = find_witness(witness)
    if isinstance(one, CompilingWitness):
        return _compare_c(directory, model, one.folder(argument, directory.path))
    read = set(one.reads(directory, model, argument))
    if read & set(OWNED["onnx"]):
        from ..export.onnx import export_onnx

        return _compare(directory, export_onnx(model), _onnx_version)
    if read & set(OWNED["tflite"]):
        from ..export.tflite import export_tflite

        return _compare(directory, export_tflite(model), _tflite_version)
    return None


def _compare_c(directory: ModelDirectory, model: IntegerModel, folder: str) -> FreshFiles:
    from ..export.c import export_c

    core = next((core for core in CORES.values() if core.export_folder == folder), None)
    targets = [None] if core is None else [Target(core, prefer) for prefer in PREFERENCES]
    results = []
    for target in targets:
        fresh = {f"{folder}/{name}": data for name, data in export_c(model, target).items()}
        results.append(_compare(directory, fresh, _c_version, directory.files(folder)))
        if not results[-1].differing:
            break
    return min(results, key=lambda result: len(result.differing))


def _compare(
    directory: ModelDirectory, fresh: Mapping[str, bytes], version: Callable[[bytes], str], present: Collection[str] = ()
) -> FreshFiles:
    """version: which rescomp a file says wrote it, or nothing. present: all that lies in the folder that is compiled.

    Another version excuses an export where the model is of another one too: a stamp alone is written in a moment.
    """
    at_hand = {name: directory.read(name) for name in (fresh.keys() | set(present)) if directory.has(name)}
    versions = {written_by for data in at_hand.values() if (written_by := version(data))}
    others = sorted(versions - {__version__})
    made_by = directory.manifest().versions.rescomp
    if others and (len(versions) > 1 or made_by == __version__):
        said = f"{min(at_hand)} or a file beside it says that rescomp {' and '.join(others)} wrote it, and the model is of {made_by}"
        return FreshFiles(len(fresh), (f"{said}: export again",))
    if others:
        return FreshFiles(other=f"written by rescomp {', '.join(others)}, not compared with a fresh export")
    differing = [_difference(name, at_hand.get(name), fresh.get(name)) for name in sorted(fresh.keys() | at_hand.keys())]
    return FreshFiles(len(fresh), tuple(sentence for sentence in differing if sentence))


def _difference(name: str, found: bytes | None, fresh: bytes | None) -> str:
    """A sentence, or nothing for equal bytes."""
    if found == fresh:
        return ""
    if found is None:
        return f"{name} is missing"
    if fresh is None:
        return f"{name} is not one of the files that rescomp exports"
    differs = f"{name} is not what rescomp exports of this graph"
    try:
        lines = enumerate(zip_longest(found.decode().splitlines(), fresh.decode().splitlines(), fillvalue=None), start=1)
        number, (theirs, ours) = next((number, pair) for number, pair in lines if pair[0] != pair[1])
    except (UnicodeDecodeError, StopIteration):
        byte = next((i for i, pair in enumerate(zip(found, fresh, strict=False)) if pair[0] != pair[1]), min(len(found), len(fresh)))
        return f"{differs}: {len(found)} bytes beside {len(fresh)}, the first that differs is number {byte}"
    return f"{differs}: line {number} is {_quoted(theirs)} instead of {_quoted(ours)}"


def _quoted(line: str | None) -> str:
    if line is None:
        return "the end of the file"
    line = line.strip()
    return repr(line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}...")


def _onnx_version(data: bytes) -> str:
    try:
        return onnx_producer_version(data)
    except ValueError:
        return ""


def _tflite_version(data: bytes) -> str:
    from tflite import Model

    try:
        description = Model.GetRootAs(data).Description() or b""
    except Exception:  # whatever a damaged file makes of it
        return ""
    found = re.match(rb"rescomp (\S+) ", description)
    return found[1].decode(errors="replace") if found else ""


def _c_version(data: bytes) -> str:
    found = re.search(rb"Generated by rescomp (\S+) from an integer graph", data)
    return found[1].decode(errors="replace") if found else ""
