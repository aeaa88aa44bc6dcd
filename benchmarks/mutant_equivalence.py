"""Proofs that a mutant is none: the compilers make the same program of it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from mutations import Mutant

from rescomp.export.cores import CORES
from rescomp.model_directory import C_FOLDER

SEEN_BY_USERS = frozenset({"macro", "class name"})
"""Changes of a header that no object code shows, and that a user's program does."""
SECONDS = 120
OPTIMIZED: Sequence[Sequence[str]] = (("-O2",), ("-O3",), ("-Os",))


class Equivalence:
    """Compares mutated copies of model directories with the ones in `work`."""

    def __init__(self, work: Path) -> None:
        self.work = work

    def proof(self, mutant: Mutant, copy: Path) -> str:
        """Why the mutant computes the same, or nothing."""
        folder = mutant.file.partition("/")[0]
        if not folder.startswith(C_FOLDER) or mutant.operator in SEEN_BY_USERS:
            return ""
        original, mutated = self.work / mutant.model / folder, copy / folder
        for flags in OPTIMIZED:
            if _objects(original, tuple(flags)) == _digests(mutated, flags):
                return f"equal object code ({' '.join(flags)})"
        return ""


@cache
def _objects(folder: Path, flags: tuple[str, ...]) -> Sequence[str]:
    return _digests(folder, flags)


def _digests(folder: Path, flags: Sequence[str]) -> Sequence[str]:
    """SHA-256 of every source's stripped object file, sorted by name."""
    core = CORES.get(folder.name[len(C_FOLDER) + 1 :])
    compiler = (core.family.compiler, f"-std={core.family.standard}", *core.flags) if core else ("gcc", "-std=c99")
    strip = f"{core.family.prefix if core else ''}strip"
    with tempfile.TemporaryDirectory() as work:
        copied = Path(work) / "c"
        shutil.copytree(folder, copied)
        sources = sorted(path for path in copied.rglob("*") if path.suffix in {".c", ".S"})
        found = []
        for source in sources:
            target = source.with_suffix(".o")
            relative = [str(path.relative_to(work)) for path in (target, source)]
            subprocess.run([*compiler, "-w", *flags, "-c", "-o", *relative], cwd=work, check=True, capture_output=True, timeout=SECONDS)
            subprocess.run([strip, "-d", "-R", ".comment", str(target)], check=True, timeout=SECONDS)
            found.append(f"{relative[1]} {hashlib.sha256(target.read_bytes()).hexdigest()}")
        return found
