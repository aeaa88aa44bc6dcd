"""Errors planted one by one in exported files: which of them verify finds. Writes the tables of docs/proof.md.

    python benchmarks/mutants.py --work DIRECTORY                 the committed list (mutants.json): C, ONNX, TFLite; then the assembly
    python benchmarks/mutants.py --work DIRECTORY --seed 7        another list, drawn from these models by the same rule
    python benchmarks/mutants.py --work DIRECTORY --draw          write the list of a seed, run nothing
    python benchmarks/mutants.py --work DIRECTORY --sensed        the C of a front-end and an alignment alone (mutants_sensed.json)

Five small models are made in DIRECTORY where they are missing: trained for an epoch each, for what counts here is their arithmetic. A
mutant is one change of one exported file; SHA256SUMS is set right, as an error of rescomp's own would leave it. verify then runs, as a
user runs it, with the one witness that reads the file. Killed: it reports a difference or refuses the file in a sentence. Nothing else
counts, a crash least of all. The comparison of the files with a fresh export is off, which would find every one of them.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from mutant_models import MODELS, SENSED, make_model
from mutant_runs import Outcome, Runner, versions
from mutant_tables import by_operator, kind_of
from mutations import Mutant, StaleError, draw
from mutations_assembly import assembly_mutants
from mutations_c import c_mutants
from mutations_onnx import onnx_mutants
from mutations_tflite import tflite_mutants

from rescomp.model_directory import C_FOLDER, ONNX_SEQUENCE, ONNX_STEP, TFLITE, write_atomically

LIST = Path(__file__).with_name("mutants.json")
SENSED_LIST = LIST.with_name("mutants_sensed.json")
SENSED_FUNCTIONS = re.compile(
    r"(?m)^\w[\w ]* \*?\w+_(?:frontend|listen|hear|push|answer|set_alignment|add_calibration|calibrate)\([^;]*\)\n\{\n(?s:.*?)^\}\n"
)
"""Of <model>.c, that stand before or beside its step."""
SENSED_KERNELS = re.compile(r"rescomp_(?:alignment|leading_bit|spectrum_\w+)\.h|(?:align|spectrum)_int16\.c|(?:band_sum|log2)_int32\.c")
"""Files that they call."""
PER_SENSED = 40
"""Mutants of the functions, and of the kernels, of each model."""
SEED = 14
PER_MODEL: Mapping[str, int] = {"C": 48, "ONNX": 26, "TFLite": 22}
"""Mutants of each kind of file of each model."""
NAMED_BY = ("model", "file", "operator", "site", "after")
"""What tells a mutant from all others."""
PER_CORE = 20
CORES = ("cortex-m0", "cortex-m4", "cortex-m55", "riscv32imc", "atmega2560")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--draw", action="store_true")
    parser.add_argument("--only", default="", help="mutants whose model, file or operator holds this text")
    parser.add_argument("--sensed", action="store_true")
    parser.add_argument("--assembly", choices=("yes", "no", "only"), default="no")
    options = parser.parse_args()
    models, list_file, draw_list = (SENSED, SENSED_LIST, drawn_sensed) if options.sensed else (MODELS, LIST, drawn)
    for name in models:
        make_model(options.work, name, CORES)
    drawing = options.draw or options.seed is not None
    mutants = draw_list(options.work, SEED if options.seed is None else options.seed) if drawing else listed(list_file)
    if options.draw:
        write_list(options.work / list_file.name if options.seed is not None else list_file, mutants)
        return
    wanted = [
        mutant
        for mutant in spread(mutants)
        if _wanted(mutant, options.assembly) and options.only in f"{mutant.model} {mutant.file} {mutant.operator}"
    ]
    name = f"results-{'sensed-' if options.sensed else ''}{options.seed or SEED}"
    results = count(wanted, Runner(options.work), Results(options.work / f"{name}.jsonl"))
    write_results(options.work / f"{name}.json", results)
    print(by_operator([result.as_json() for result in results]))


def is_assembly(mutant: Mutant) -> bool:
    """Whether it is one of a named core's."""
    return mutant.file.startswith(f"{C_FOLDER}-")


def _wanted(mutant: Mutant, assembly: str) -> bool:
    return assembly == "yes" or is_assembly(mutant) == (assembly == "only")


def spread(mutants: Sequence[Mutant]) -> list[Mutant]:
    """The same, each model's and each kind of file's in turn: whatever part of them runs, it is of all alike."""
    groups: dict[tuple[str, str], list[Mutant]] = {}
    for mutant in mutants:
        groups.setdefault((mutant.model, kind_of(mutant.file)), []).append(mutant)
    return [mutant for turn in zip_longest(*groups.values()) for mutant in turn if mutant is not None]


def drawn(work: Path, seed: int) -> list[Mutant]:
    """The list of a seed: of every model so many a kind of file, and of every core so many of all models' assembly."""
    found: list[Mutant] = []
    for name in MODELS:
        found += draw(_of_c(work, name), PER_MODEL["C"], seed)
        found += draw(_of_onnx(work, name), PER_MODEL["ONNX"], seed)
        data = (work / name / TFLITE).read_bytes()
        found += draw(tflite_mutants(name, TFLITE, data), PER_MODEL["TFLite"], seed)
    for core in CORES:
        found += draw([mutant for name in MODELS for mutant in _of_assembly(work, name, core)], PER_CORE, seed)
    return found


def drawn_sensed(work: Path, seed: int) -> list[Mutant]:
    """The list of a seed of the models of SENSED: of the functions that stand before a step, and of what they call, alike."""
    found: list[Mutant] = []
    for name in SENSED:
        own, kernels = f"{C_FOLDER}/{name.replace('-', '_')}.c", [each for each in _of_c(work, name) if SENSED_KERNELS.search(each.file)]
        text = (work / name / own).read_text()
        lines = [[text.count("\n", 0, end) for end in match.span()] for match in SENSED_FUNCTIONS.finditer(text)]
        functions = [each for each in c_mutants(name, own, text) if any(begin < each.place <= end for begin, end in lines)]
        found += draw(functions, PER_SENSED, seed) + draw(kernels, PER_SENSED, seed)
    return found


def _of_c(work: Path, name: str) -> list[Mutant]:
    root = work / name
    files = sorted(path for path in (root / C_FOLDER).rglob("*") if path.suffix in {".c", ".h"})
    return [mutant for path in files for mutant in c_mutants(name, path.relative_to(root).as_posix(), path.read_text())]


def _of_onnx(work: Path, name: str) -> list[Mutant]:
    files = [file for file in (ONNX_STEP, ONNX_SEQUENCE) if (work / name / file).exists()]
    return [mutant for file in files for mutant in onnx_mutants(name, file, (work / name / file).read_bytes())]


def _of_assembly(work: Path, name: str, core: str) -> list[Mutant]:
    """Of the .S files of a core, and of the headers of macros that only they include."""
    root = work / name
    sources = sorted((root / f"{C_FOLDER}-{core}" / "rescomp").glob("*.S"))
    included = {path.parent / word.strip('"') for path in sources for word in path.read_text().split() if word.endswith('.h"')}
    return [
        mutant
        for path in (*sources, *sorted(included))
        for mutant in assembly_mutants(name, path.relative_to(root).as_posix(), path.read_text())
    ]


def listed(path: Path = LIST) -> list[Mutant]:
    """A committed list."""
    return [Mutant(**entry) for entry in json.loads(path.read_text())["mutants"]]


def write_list(path: Path, mutants: Sequence[Mutant]) -> None:
    """A line a mutant."""
    lines = ",\n".join(json.dumps(mutant.as_json()) for mutant in mutants)
    write_atomically(path, f'{{"seed": {SEED}, "mutants": [\n{lines}\n]}}\n'.encode())
    print(f"{len(mutants)} mutants in {path}")


class Result(NamedTuple):
    """A mutant and what became of it."""

    mutant: Mutant
    outcome: Outcome

    def as_json(self) -> dict[str, Any]:
        """A line of the results."""
        return {name: getattr(self.mutant, name) for name in NAMED_BY} | self.outcome._asdict()


class Results:
    """Outcomes in a file, a line a mutant, written as they come: a campaign that ends early goes on where it ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        text = path.read_text() if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        if whole != text:  # a death in the middle of a line
            path.write_text(whole)
        rows = [json.loads(line) for line in whole.splitlines()]
        self._known = {_name(row): Outcome(row["fate"], row["by"], row["said"]) for row in rows}

    def of(self, mutant: Mutant) -> Outcome | None:
        """What is known of a mutant."""
        return self._known.get(_name(mutant.as_json()))

    def add(self, result: Result, seconds: float) -> None:
        """Keep one more."""
        with self._path.open("a") as file:
            file.write(json.dumps({**result.as_json(), "seconds": round(seconds, 2)}) + "\n")


def _name(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(row[key] for key in NAMED_BY)


def count(mutants: Sequence[Mutant], runner: Runner, kept: Results) -> list[Result]:
    """The outcome of every mutant, run where it is not known; tells each one that lives."""
    results = []
    for mutant in mutants:
        outcome = kept.of(mutant)
        if outcome is None:
            begun = time.monotonic()
            outcome = _run(mutant, runner)
            kept.add(Result(mutant, outcome), time.monotonic() - begun)
        results.append(Result(mutant, outcome))
        if outcome.fate != "killed":
            where = f"{outcome.fate}: {mutant.model}/{mutant.file}, {mutant.operator} at {mutant.site}"
            print(f"{where}: {mutant.before!r} -> {mutant.after!r}: {outcome.by} {outcome.said}", flush=True)
    return results


def _run(mutant: Mutant, runner: Runner) -> Outcome:
    try:
        return runner.outcome(mutant)
    except StaleError:
        return Outcome("stale", "", "the file no longer has what this mutant changes")


def write_results(path: Path, results: Sequence[Result]) -> None:
    """The raw outcomes, a line a mutant, with the versions of what ran."""
    rows = ",\n".join(json.dumps(result.as_json()) for result in results)
    write_atomically(path, f'{{"on": {json.dumps(versions())}, "results": [\n{rows}\n]}}\n'.encode())


if __name__ == "__main__":
    main()
