"""Proofs that a mutant is none: the compilers make the same program of it, or never reach it; range analysis finds the same file."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from mutant_exhaustion import bias_alike, scales_alike, windows_alike
from mutant_layers import layers_alike, tflite_layer_alike
from mutations import Mutant
from mutations_tflite import is_stride_of_one_step
from onnx_ranges import same_by_ranges

from rescomp.graph.ir import IntegerModel
from rescomp.model_directory import C_FOLDER, ModelDirectory
from rescomp.stages.artefacts import read_model
from rescomp.targets.cores import CORES

SEEN_BY_USERS = frozenset({"macro", "class name", "metadata"})
"""Changes of what other programs read, and no code of ours."""
CONSTANTS = frozenset({"weight", "bias", "constant"})
"""Operators of TFLite files that change a number inside a layer."""
SECONDS = 120
WHOLE: Sequence[str] = ("-O3", "-flto", "-fwhole-program")
"""All files of an export as one program."""
HOST: Sequence[Sequence[str]] = (("gcc", "-std=c99", "-O2"), ("clang", "-std=c99", "-O3"))
"""Compilers whose object code is compared."""
UNIT: Sequence[str] = ("gcc", "-std=c99", "-O3")
INLINED = "-Dinline=inline __attribute__((always_inline))"
"""And every kernel a part of its callers."""
REACHED = "rescomp_mutant_is_reached"
"""A function that no program has: where its call is left after optimization, linking fails."""


class Equivalence:
    """Compares mutated copies of model directories with the ones in `work`."""

    def __init__(self, work: Path) -> None:
        self.work = work

    def proof(self, mutant: Mutant, copy: Path) -> str:
        """Why the mutant computes the same, or nothing."""
        folder = mutant.file.partition("/")[0]
        original, mutated = self.work / mutant.model, copy
        if mutant.operator in SEEN_BY_USERS:
            return ""
        if folder.startswith(C_FOLDER):
            return _proof_of_code(original / folder, mutated / folder, mutant, _model(original))
        if folder.endswith(".onnx"):
            files = ((directory / folder).read_bytes() for directory in (original, mutated))
            return "range analysis" if same_by_ranges(*files, _model(original)) else ""
        if is_stride_of_one_step((original / folder).read_bytes(), mutant):
            return "a stride that is never taken"
        return _proof_of_tensor(mutant, mutated, _model(original)) if mutant.operator in CONSTANTS else ""


def _proof_of_tensor(mutant: Mutant, directory: Path, model: IntegerModel) -> str:
    """Of another number in a constant of model.tflite."""
    tensor, _, place = mutant.site.partition(" ")[2].rstrip("]").rpartition("[")
    if tflite_layer_alike(tensor, directory, model):
        return "exhaustion of every integer of its layer"
    before, after = (int.from_bytes(bytes.fromhex(each), "little", signed=True) for each in (mutant.before, mutant.after))
    alike = mutant.operator == "bias" and bias_alike(model, tensor.partition("/")[0], int(place), before, after)
    return "exhaustion of every sum of its row" if alike else ""


@cache
def _model(directory: Path) -> IntegerModel:
    return read_model(ModelDirectory.open(directory))


def _proof_of_code(original: Path, mutated: Path, mutant: Mutant, model: IntegerModel) -> str:
    core = CORES.get(original.name[len(C_FOLDER) + 1 :])
    own = ((core.family.compiler, f"-std={core.family.standard}", *core.flags, "-O2"),) if core else HOST
    strip = f"{core.family.prefix if core else ''}strip"
    for compiler in own:
        if _objects(original, compiler, strip) == _objects_of(mutated, compiler, strip):
            return f"equal object code ({compiler[0]} {compiler[-1]})"
    if original.name != C_FOLDER or not mutant.file.endswith((".c", ".h")):
        return ""
    for inlined in (False, True):
        if _is_same(_program(original, inlined), _program_of(mutated, inlined)):
            return f"equal program ({' '.join(WHOLE)})"
    if _is_same(_unit(original), _unit_of(mutated)):
        return f"equal object code ({' '.join(UNIT)}, one translation unit)"
    name = mutant.file.partition("/")[2]
    if mutant.file.endswith("rescomp_math.h") and scales_alike(original / name, mutated / name, model):
        return "exhaustion of every row's sums"
    if name.endswith("rescomp_window.h") and windows_alike(original, mutated, f"{model.name}.c"):
        return "exhaustion of every window"
    if name.endswith(".h") and not name.endswith("_body.h") and layers_alike(_changed_kernels(original, mutated), mutated.parent, model):
        return "exhaustion of every integer of its layers"
    return "never reached in the whole program" if _is_unreached(original, mutant) else ""


def _is_same(one: str | None, other: str | None) -> bool:
    """Whether both were made, and are equal."""
    return one is not None and one == other


@cache
def _objects(folder: Path, compiler: Sequence[str], strip: str) -> Sequence[str]:
    return _objects_of(folder, compiler, strip)


@cache
def _program(folder: Path, inlined: bool) -> str | None:
    return _program_of(folder, inlined)


@cache
def _unit(folder: Path) -> str | None:
    return _unit_of(folder)


def _changed_kernels(original: Path, mutated: Path) -> set[str]:
    """Names of the sources of which gcc makes other object code."""
    compiler = HOST[0]
    changed = set(_objects(original, compiler, "strip")) ^ set(_objects_of(mutated, compiler, "strip"))
    return {Path(line.partition(" ")[0]).stem for line in changed}


@contextmanager
def _copied(folder: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as work:
        shutil.copytree(folder, Path(work) / "c")
        yield Path(work)


def _objects_of(folder: Path, compiler: Sequence[str], strip: str) -> Sequence[str]:
    """SHA-256 of every source's stripped object file, sorted by name."""
    with _copied(folder) as work:
        found = []
        for source in sorted(path for path in work.rglob("*") if path.suffix in {".c", ".S"}):
            target = source.with_suffix(".o")
            relative = [str(path.relative_to(work)) for path in (target, source)]
            _run([*compiler, "-w", "-c", "-o", *relative], work)
            _run([strip, "-d", "-R", ".comment", str(target)], work)
            found.append(f"{relative[1]} {hashlib.sha256(target.read_bytes()).hexdigest()}")
        return found


def _program_of(folder: Path, inlined: bool) -> str | None:
    """SHA-256 of the stripped program that gcc makes of all files; None where it does not link."""
    with _copied(folder) as work:
        header = next((work / "c").glob("*.h"))
        source, name = header.with_suffix(".c"), header.stem
        functions = re.findall(rf"(?m)^[a-z]\w+ ({name}_\w+)\(", header.read_text())
        if inlined:
            _flatten(source)
        entries = ", ".join(f"(void *){function}" for function in functions if function != f"{name}_tap")
        (work / "main.c").write_text(
            f'#include "{header.name}"\nvoid *volatile entries[] = {{{entries}}};\nint main(void)\n{{\n    return entries[0] != 0;\n}}\n'
        )
        sources = sorted(str(path.relative_to(work)) for path in work.rglob("*.c"))
        try:
            _run(["gcc", "-std=c99", "-w", *WHOLE, *([INLINED] * inlined), "-Ic", "-o", "program", *sources], work)
        except subprocess.CalledProcessError:
            return None
        _run(["strip", "-R", ".comment", "-R", ".note.gnu.build-id", "program"], work)
        return hashlib.sha256((work / "program").read_bytes()).hexdigest()


def _unit_of(folder: Path) -> str | None:
    """SHA-256 of the stripped object code of all files included one after the other, every call inside step, scores and run inlined."""
    with _copied(folder) as work:
        source = next((work / "c").glob("*.h")).with_suffix(".c")
        _flatten(source)
        includes = [f'#include "{path.relative_to(work / "c")}"\n' for path in sorted((work / "c" / "rescomp").glob("*.c"))]
        (work / "c" / "unit.c").write_text("".join([*includes, f'#include "{source.name}"\n']))
        try:
            _run([*UNIT, "-w", "-Ic", "-c", "-o", "unit.o", "c/unit.c"], work)
        except subprocess.CalledProcessError:
            return None
        _run(["strip", "-d", "-R", ".comment", "unit.o"], work)
        return hashlib.sha256((work / "unit.o").read_bytes()).hexdigest()


def _flatten(source: Path) -> None:
    """Have every call inside step, scores and run inlined."""
    pattern = rf"(?m)^void {source.stem}_(?:step|scores|run)\("
    source.write_text(re.sub(pattern, r"__attribute__((flatten)) \g<0>", source.read_text()))


def _is_unreached(original: Path, mutant: Mutant) -> bool:
    """Whether the program links that calls a function which nobody defines just before the mutated statement."""
    name = mutant.file.partition("/")[2]
    text = (original / name).read_text()
    number = int(mutant.site.rpartition("#")[2])
    at = -1
    for _ in range(number):
        at = text.find(mutant.before, at + 1)
    lines = text[:at].split("\n")
    while len(lines) > 1 and not lines[-2].rstrip().endswith(("{", "}", ";", "*/")) and lines[-2].strip():
        lines.pop()
    place = len("\n".join(lines))
    if not text[place:].startswith(" "):
        return False
    with _copied(original) as work:
        declared = f"void {REACHED}(void);\n{text[:place]}    {REACHED}();\n{text[place:]}"
        (work / "c" / name).write_text(declared)
        return _program_of(work / "c", True) is not None


def _run(command: Sequence[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=SECONDS)
