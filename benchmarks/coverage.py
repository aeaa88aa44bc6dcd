"""Coverage of the five models of benchmarks/mutants.py: the table of docs/proof.md.

    python benchmarks/coverage.py --work DIRECTORY

Models that are missing in DIRECTORY are trained for an epoch first; nothing is exported, for all of this is numpy.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from mutant_models import MODELS, train_model

from rescomp.model_directory import ModelDirectory
from rescomp.stages.artefacts import read_model, read_vectors
from rescomp.validate.coverage import CoverageMeter, ReachCount
from rescomp.validate.stress import Stress, stress_vectors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    work = parser.parse_args().work
    columns = "test set | with the stress set | with the layers | can be reached | in the model | places |"
    print(f"| model | steps: test, stress, layers | {columns}\n|---|---|---|---|---|---|---|---|")
    rows = [measured(work, name) for name in MODELS]
    for name, kinds in rows:
        print(f"\n**{name}**\n\n| kind | {columns}\n|---|---|---|---|---|---|---|")
        print("\n".join(kinds))


def measured(work: Path, name: str) -> tuple[str, list[str]]:
    """Prints the row of one model; returns its name and its rows by kind."""
    directory = made(work, name)
    model = read_model(directory)
    vectors = read_vectors(directory, model)
    began = time.monotonic()
    stress, meter = stress_vectors(model), CoverageMeter(model)
    test = meter.vectors(vectors.x, vectors.lengths)
    sets = [test, test | meter.vectors(stress.x, stress.lengths, stress.initial)]
    sets.append(sets[1] | meter.layers(stress.layers))
    seconds = time.monotonic() - began
    print(f"| {name} | {int(vectors.lengths.sum())}, {stress.steps}, {layer_rows(stress)} | {cells([each.total for each in sets])} |")
    counts = [each.counts() for each in sets]
    missed = f"\n\nMissed: {list(sets[2].missed())}" if list(sets[2].missed()) else ""
    kinds = [f"| {kind} | {cells([each[kind] for each in counts])} |" for kind in counts[0]]
    return f"{name} ({seconds:.1f} s)", [*kinds, missed]


def layer_rows(stress: Stress) -> str:
    """Rows forced on the layers of each graph."""
    return " + ".join(str(len(next(iter(values.values())))) for values in stress.layers.values())


def cells(counts: list[ReachCount]) -> str:
    """What each set reaches, and what there is."""
    last = counts[-1]
    return " | ".join(f"{number:,}" for number in (*(count.reached for count in counts), last.reachable, last.in_model, last.places))


def made(work: Path, name: str) -> ModelDirectory:
    """The model directory work/<name>, trained and quantized if it is missing."""
    path = work / name
    if not (path / "graph.json").exists():
        work.mkdir(parents=True, exist_ok=True)
        train_model(path, MODELS[name])
    return ModelDirectory.open(path)


if __name__ == "__main__":
    main()
