"""What becomes of a mutant: verify runs on it in a child process, and what it says is put in words."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import select
import shutil
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from mutant_equivalence import Equivalence
from mutant_references import DifferenceError, keep_references
from mutations import Mutant
from mutations_assembly import INSTRUCTION
from mutations_c import apply_to_text
from mutations_onnx import apply_to_onnx
from mutations_tflite import apply_to_tflite

from rescomp import stages
from rescomp.errors import DeviceError, ParityError, RescompError
from rescomp.model_directory import C_FOLDER, ONNX_SEQUENCE, SUMS, TFLITE
from rescomp.store.locks import LOCK
from rescomp.targets.cores import CORES
from rescomp.validate import c_program, host_c
from rescomp.validate.c_program import tool_version
from rescomp.validate.emulation import tool_versions

SECONDS = 240
"""What verify may take."""
PROGRAM_SECONDS, EMULATOR_SECONDS = 20, 60
"""What a program of its may take that runs for ever; each takes a tenth of it where it ends."""
SETS: Mapping[str, str] = {"test": "test", "stress": "stress", "layers": "layers", "stream": "stream", "header": "use", "files": "use"}
"""What differed, by the name of the evidence's set, the first in order counts: `use` is all that a header offers beside step and scores."""
CHEAPEST: Mapping[str, str] = {"onnxruntime": "onnxruntime:step", "tflite": "tflite:default"}
VARIANTS = host_c.VARIANTS
TRAPS: Mapping[str, str] = {"cortex-m": "udf #0", "riscv32": "unimp", "atmega": "jmp 0"}
"""What ends a program, by the beginning of a core's name."""
NOT_RUN = "in code that no vector runs"
FEW = 30
"""Sequences of the test set that are tried first: most mutants fall there, and the whole examination follows where they do not."""


class Outcome(NamedTuple):
    """fate: killed, alive, equivalent, fault (verify itself broke). by: the set of vectors, the build, the run, the refusal, or the
    proof. said: verify's first words."""

    fate: str
    by: str
    said: str


class Runner:
    """Runs verify on mutants of the models in `work`, one after the other, each in a fork of this process."""

    def __init__(self, work: Path) -> None:
        self.work, self.equivalence = work, Equivalence(work)
        self._begun: set[tuple[str, str, bool]] = set()
        keep_references()

    def outcome(self, mutant: Mutant) -> Outcome:
        """Its fate. Raises StaleError."""
        copy = self._copy(mutant, mutant)
        found = self._found(mutant, copy, few=True)
        if found.fate == "alive":
            found = self._found(mutant, copy, few=False)
        if found.fate != "alive":
            return found
        proof = self.equivalence.proof(mutant, copy)
        if proof:
            return Outcome("equivalent", proof, "")
        return Outcome("alive", NOT_RUN, "") if mutant.file.endswith((".S", ".h")) and self._is_never_run(mutant) else found

    def _copy(self, mutant: Mutant, planted: Mutant) -> Path:
        """The mutant's model with another change in its file. Raises StaleError."""
        source, copy = self.work / mutant.model, self.work / f".mutant-{os.getpid()}"
        data = apply_mutant((source / mutant.file).read_bytes(), planted)
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(source, copy, copy_function=os.link, ignore=lambda *_: [LOCK])
        plant(copy, mutant.file, data)
        return copy

    def _is_never_run(self, mutant: Mutant) -> bool:
        """Whether a trap before a mutated instruction of assembly ends no program: no proof, for other vectors might run it."""
        trap = next((text for name, text in TRAPS.items() if mutant.file.startswith(f"{C_FOLDER}-{name}")), "")
        if not trap or not INSTRUCTION.fullmatch(mutant.before):
            return False
        trapped = replace(mutant, after=f"    {trap}\n{mutant.before}")
        return self._found(mutant, self._copy(mutant, trapped), few=False).fate == "alive"

    def _found(self, mutant: Mutant, copy: Path, *, few: bool) -> Outcome:
        """What verify finds, on a few sequences or on everything. What a fork finds computed and compiled costs it nothing: so the same is
        asked of the model itself first, in this process.
        """
        witness = witness_of(mutant)
        if (mutant.model, witness, few) not in self._begun:
            self._begun.add((mutant.model, witness, few))
            right = verified(self.work / mutant.model, witness, few=few)
            if right.fate != "alive":
                raise RuntimeError(f"{mutant.model} itself does not pass ({witness}): {right.said}")
        return _in_fork(copy, witness, few=few)


def versions() -> dict[str, str]:
    """Of what runs the mutants."""
    packages = {name: importlib.metadata.version(name) for name in ("numpy", "onnx", "onnxruntime", _tflite_runtime())}
    compilers = ", ".join(tool_version(name) for name in ("gcc", "clang"))
    cores = "; ".join(sorted({tool_versions(core) for core in CORES.values()}))
    return {"machine": platform.machine(), "python": platform.python_version(), **packages, "host": compilers, "cores": cores}


def _tflite_runtime() -> str:
    return next(name for name in ("ai-edge-litert", "tflite-runtime") if importlib.util.find_spec(name.replace("-", "_")))


def apply_mutant(data: bytes, mutant: Mutant) -> bytes:
    """The mutated file. Raises StaleError where it no longer has what the mutant changes."""
    if mutant.file.endswith(".onnx"):
        return apply_to_onnx(data, mutant)
    if mutant.file == TFLITE:
        return apply_to_tflite(data, mutant)
    return apply_to_text(data.decode(), mutant).encode()


def plant(directory: Path, name: str, data: bytes) -> None:
    """Put other bytes in a model directory's file, and set SHA256SUMS right."""
    (directory / name).unlink()
    (directory / name).write_bytes(data)
    lines = (directory / SUMS).read_text().splitlines()
    digest = hashlib.sha256(data).hexdigest()
    fixed = [f"{digest}  {name}" if line.endswith(f"  {name}") else line for line in lines]
    (directory / SUMS).unlink()
    (directory / SUMS).write_text("\n".join(fixed) + "\n")


def witness_of(mutant: Mutant) -> str:
    """The one that reads the mutated file, for --against."""
    folder = mutant.file.partition("/")[0]
    if folder == TFLITE:
        return "tflite"
    if folder == C_FOLDER:
        return "c"
    if folder.startswith(f"{C_FOLDER}-"):
        core = CORES[folder[len(C_FOLDER) + 1 :]]
        return f"{core.family.witness}:{core.name}"
    return "onnxruntime:sequence" if folder == ONNX_SEQUENCE else "onnxruntime"


def _in_fork(directory: Path, witness: str, *, few: bool) -> Outcome:
    """Verify in a child process, which ends with all that it started when it takes too long."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.close(reading)
        os.write(writing, json.dumps(verified(directory, witness, few=few)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        ready, _, _ = select.select([pipe], [], [], SECONDS)
        if not ready:
            os.killpg(child, signal.SIGKILL)
        text = pipe.read() if ready else b""
    _, status = os.waitpid(child, 0)
    if not text:
        return Outcome(
            "fault", "", "no end" if not ready else f"ended by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "no answer"
        )
    return Outcome(*json.loads(text))


def verified(directory: Path, witness: str, *, few: bool) -> Outcome:
    """What verify says, without proofs. few: a few sequences of the test set alone, by the variant that is done first."""
    c_program.RUN_SECONDS = EMULATOR_SECONDS if ":" in witness else PROGRAM_SECONDS
    host_c.VARIANTS = VARIANTS[: 1 if few else None]
    try:
        if few:
            stages.verify(directory, _cheapest(directory, witness), stress="off", samples=FEW, compare_files=False)
        else:
            stages.verify(directory, witness, compare_files=False)
    except DifferenceError as found:
        return Outcome("killed", SETS[found.evidence.set], str(found))
    except RescompError as error:
        return Outcome("killed", _way(error), str(error).replace(str(directory), "MODEL"))
    except BaseException as error:  # a traceback for the user
        return Outcome("fault", type(error).__name__, str(error))
    return Outcome("alive", "", "")


def _cheapest(directory: Path, witness: str) -> str:
    """The variant of a witness that is done first."""
    if witness == "onnxruntime" and not (directory / ONNX_SEQUENCE).exists():
        return "onnxruntime:whole"
    return CHEAPEST.get(witness, witness)


def _way(error: RescompError) -> str:
    if "refuses the C" in str(error):
        return "build"
    return "run" if isinstance(error, ParityError | DeviceError) else "refusal"
