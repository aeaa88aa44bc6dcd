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

from mutations import Mutant
from onnx_ranges import same_by_ranges

from rescomp.export.cores import CORES
from rescomp.graph.ir import IntegerModel
from rescomp.model_directory import C_FOLDER, ModelDirectory
from rescomp.stages.artefacts import read_model

SEEN_BY_USERS = frozenset({"macro", "class name", "metadata"})
"""Changes of what other programs read, and no code of ours."""
SECONDS = 120
OPTIMIZED: Sequence[Sequence[str]] = (("-O2",), ("-O3",), ("-Os",))
WHOLE: Sequence[str] = ("-O3", "-flto", "-fwhole-program", "-Dinline=inline __attribute__((always_inline))")
"""All files of an export as one program, in which every kernel is part of its callers."""
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
            return _proof_of_code(original / folder, mutated / folder, mutant)
        if folder.endswith(".onnx"):
            files = ((directory / folder).read_bytes() for directory in (original, mutated))
            return "range analysis" if same_by_ranges(*files, _model(original)) else ""
        return ""


@cache
def _model(directory: Path) -> IntegerModel:
    return read_model(ModelDirectory.open(directory))


def _proof_of_code(original: Path, mutated: Path, mutant: Mutant) -> str:
    for flags in OPTIMIZED:
        if _objects(original, tuple(flags)) == _objects_of(mutated, flags):
            return f"equal object code ({' '.join(flags)})"
    if original.name != C_FOLDER or not mutant.file.endswith((".c", ".h")):
        return ""
    if _program(original) == _program_of(mutated):
        return f"equal program ({' '.join(WHOLE[:3])})"
    return "never reached in the whole program" if _is_unreached(original, mutant) else ""


@cache
def _objects(folder: Path, flags: tuple[str, ...]) -> Sequence[str]:
    return _objects_of(folder, flags)


@cache
def _program(folder: Path) -> str | None:
    return _program_of(folder)


@contextmanager
def _copied(folder: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as work:
        shutil.copytree(folder, Path(work) / "c")
        yield Path(work)


def _objects_of(folder: Path, flags: Sequence[str]) -> Sequence[str]:
    """SHA-256 of every source's stripped object file, sorted by name."""
    core = CORES.get(folder.name[len(C_FOLDER) + 1 :])
    compiler = (core.family.compiler, f"-std={core.family.standard}", *core.flags) if core else ("gcc", "-std=c99")
    strip = f"{core.family.prefix if core else ''}strip"
    with _copied(folder) as work:
        found = []
        for source in sorted(path for path in work.rglob("*") if path.suffix in {".c", ".S"}):
            target = source.with_suffix(".o")
            relative = [str(path.relative_to(work)) for path in (target, source)]
            _run([*compiler, "-w", *flags, "-c", "-o", *relative], work)
            _run([strip, "-d", "-R", ".comment", str(target)], work)
            found.append(f"{relative[1]} {hashlib.sha256(target.read_bytes()).hexdigest()}")
        return found


def _program_of(folder: Path) -> str | None:
    """SHA-256 of the stripped program that gcc makes of all files; None where it does not link."""
    with _copied(folder) as work:
        header = next((work / "c").glob("*.h"))
        source, name = header.with_suffix(".c"), header.stem
        text = source.read_text()
        verbs = [verb for verb in ("init", "step", "scores", "run", "classify") if re.search(rf"(?m)^\w+ {name}_{verb}\(", text)]
        source.write_text(re.sub(rf"(?m)^void {name}_(?:step|scores|run)\(", r"__attribute__((flatten)) \g<0>", text))
        entries = ", ".join(f"(void *){name}_{verb}" for verb in verbs)
        (work / "main.c").write_text(
            f'#include "{header.name}"\nvoid *volatile entries[] = {{{entries}}};\nint main(void)\n{{\n    return entries[0] != 0;\n}}\n'
        )
        sources = sorted(str(path.relative_to(work)) for path in work.rglob("*.c"))
        try:
            _run(["gcc", "-std=c99", "-w", *WHOLE, "-Ic", "-o", "program", *sources], work)
        except subprocess.CalledProcessError:
            return None
        _run(["strip", "-R", ".comment", "-R", ".note.gnu.build-id", "program"], work)
        return hashlib.sha256((work / "program").read_bytes()).hexdigest()


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
        return _program_of(work / "c") is not None


def _run(command: Sequence[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=SECONDS)
