"""What the classifier reads of the states, compared in pairs on the training split's folds. Writes docs/readouts.md.

    python benchmarks/readouts.py --work DIRECTORY [--data japanese_vowels] [--seeds 3] [--set train.epochs=30 ...]

Each fold and seed trains one net for each readout with the recipe's defaults and the overrides, and quantizes it to int8 and to ternary
weights; a difference is that of two nets of one fold and one seed. The test split is never read. DIRECTORY remembers what is done.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from cross_validate import FOLDS, hold_out

from rescomp import stages
from rescomp.data.dataset import load_dataset
from rescomp.export.c import constant_bytes, translate
from rescomp.model_directory import ModelDirectory, write_atomically
from rescomp.recipe import load_recipe
from rescomp.stages.artefacts import read_model

OUTPUT = Path(__file__).parent.parent / "docs" / "readouts.md"
READOUTS = ("last", "last_mean", "mean", "max")
FORMATS = ("float", "int8", "ternary")
PLACES = ("alone", "in a row")
Accuracies = dict[str, float]
"""Of one net: by format and place, `int8 in a row`; and what its ternary model takes, `const` and `state`."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", default="japanese_vowels")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    record = options.work / "results.json"
    results: dict[str, Accuracies] = json.loads(record.read_text()) if record.exists() else {}
    for name, job in jobs(options.work, options.data, options.seeds, options.overrides):
        if name not in results:
            results[name] = measure(*job)
            write_atomically(record, json.dumps(results, indent=1).encode())
            print(name, results[name], flush=True)
    write_atomically(options.output, page(results, options).encode())
    print(f"wrote {options.output}")


def jobs(work: Path, source: str, seeds: int, overrides: Sequence[str]) -> Iterator[tuple[str, tuple[Path, Sequence[str]]]]:
    """(name, what to measure), the readouts of a fold and a seed one after another."""
    dataset = load_dataset(source)
    for seed in range(seeds):
        for fold in range(FOLDS):
            data = work / f"fold_{fold}.npz"
            np.savez(data, **hold_out(dataset, fold))
            for readout in READOUTS:
                keys = [*overrides, f"data.source={data}", f"train.seed={seed}", f"model.readout={readout}", "model.name=readouts"]
                yield f"{readout} {fold} {seed}", (work / "model", keys)


def measure(path: Path, keys: Sequence[str]) -> Accuracies:
    """Accuracies of one net on the fold held out, each recording alone and at its end in a row of them."""
    shutil.rmtree(path, ignore_errors=True)
    found = {"float alone": stages.train_model(load_recipe(None, keys), path)}
    for name in FORMATS[1:]:
        own = Path(shutil.copytree(path, path.with_name(name), dirs_exist_ok=False))
        found[f"{name} alone"] = stages.quantize(own, weights=name)
        streamed = stages.evaluate(own, stream=True).streamed
        assert streamed is not None
        found[f"{name} in a row"] = streamed.metrics.ends
        model = read_model(ModelDirectory.open(own))
        shutil.rmtree(own)
    return {**found, "const": constant_bytes(model)["model"], "state": translate(model).state_bytes}


def page(results: Mapping[str, Accuracies], options: argparse.Namespace) -> str:
    """docs/readouts.md."""
    columns = [key for name in FORMATS for place in PLACES if (key := f"{name} {place}") in next(iter(results.values()))]
    pairs = sorted({name.split(" ", 1)[1] for name in results})
    rows = [_row(results, readout, pairs, columns) for readout in READOUTS]
    asked = "".join(f" --set {override}" for override in options.overrides)
    command = f"python benchmarks/readouts.py --work DIRECTORY --data {options.data} --seeds {options.seeds}{asked}"
    return HEAD.format(
        command=command, pairs=len(pairs), folds=FOLDS, seeds=", ".join(f"seed {seed}" for seed in range(options.seeds))
    ) + "\n".join([*_head(columns), *rows, ""])


HEAD = """# What the classifier reads

`model.readout`: `last` (the default) reads the last cell's state after the newest step; `mean` and `max` read that state's mean and
maximum, unit by unit, over the steps so far of a block; `last_mean` reads state and mean side by side; `every` reads as `last`, but in
training the scores of all steps carry the loss, so that its model has the bytes of `last`. `model.readout_steps` is how many steps a
block has, for `mean`, `max` and `last_mean` alone (unset: the steps of the longest training recording). After a block's last step the
next one begins anew by itself, without a reset, wherever in a recording that is ([streaming.md](streaming.md)).

Measured, all but `every`: {folds} folds of the training recordings of JapaneseVowels, {seeds}, defaults but for what stands here.

    {command}

The first row is the accuracy of `last`, the others are differences to it in points, +- the standard error over {pairs} pairs of nets of
one fold and one seed. In a row: at the ends of recordings one behind the other, state and blocks running on ([evaluate.md](evaluate.md)).
const and state: bytes of the ternary model in C.

"""


def _head(columns: Sequence[str]) -> list[str]:
    titles = ["readout", *(column.removesuffix(" alone") for column in columns), "const", "state"]
    return [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]


def _row(results: Mapping[str, Accuracies], readout: str, pairs: Sequence[str], columns: Sequence[str]) -> str:
    cells = [readout]
    for column in columns:
        values = np.array([results[f"{readout} {pair}"][column] for pair in pairs])
        if readout == READOUTS[0]:
            cells.append(f"{100 * values.mean():.1f}")
        else:
            differences = 100 * (values - [results[f"{READOUTS[0]} {pair}"][column] for pair in pairs])
            cells.append(f"{differences.mean():+.1f} +- {differences.std(ddof=1) / len(differences) ** 0.5:.1f}")
    cells += [f"{results[f'{readout} {pairs[0]}'][key]:.0f}" for key in ("const", "state")]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
