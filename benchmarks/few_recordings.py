"""What the defaults that follow the data are worth where recordings are few. Writes docs/few_recordings.md, and a .json beside this file.

    pip install --target AEON --no-deps aeon                          (its bundled small sets)
    python benchmarks/few_recordings.py --work DIRECTORY --aeon AEON/aeon/datasets/data

Sets on which the rules were found: three folds each, 60 recordings to train on, at most 50 to judge. Finished runs are not made again.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from har2_table import Record
from net_stages import Progress
from page_options import page_parser
from results_log import append_result, read_results, versions_line

from rescomp import stages
from rescomp.data.dataset import load_dataset
from rescomp.model_directory import RECIPE, ModelDirectory, write_atomically
from rescomp.recipe import load_recipe, parse_recipe

OUTPUT = Path(__file__).parent.parent / "docs" / "few_recordings.md"
SETS = ("GunPoint", "ArrowHead", "PickupGestureWiimoteZ")
FOLDS, DRAWN, TRAINED_ON = 3, 150, 60
VARIANTS: Mapping[str, Sequence[str]] = {
    "60 epochs, noise 0.6, one reading a step": ("train.epochs=60", "quantize.epochs=60", "train.input_noise=0.6", "model.readings=1"),
    "the same but for the readings": ("train.epochs=60", "quantize.epochs=60", "train.input_noise=0.6"),
    "the same but for the epochs": ("train.input_noise=0.6", "model.readings=1"),
    "the defaults": (),
}


def main() -> None:
    parser = page_parser(__doc__)
    parser.add_argument("--aeon", type=Path, required=True, help="aeon's folder of bundled data sets")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    done = {(record["set"], record["fold"], record["given"]) for record in read_results(options.work)}
    for name in SETS:
        for fold in range(FOLDS):
            data = options.work / f"{name}.{fold}.npz"
            np.savez(data, **_fold(options.aeon / name, fold))
            for given, settings in VARIANTS.items():
                if (name, fold, given) not in done:
                    known = {"set": name, "fold": fold, "given": given}
                    append_result(options.work, {**known, **_result(data, settings, options.work / "model")})
    records = read_results(options.work)
    Path(__file__).with_suffix(".json").write_text(json.dumps({"versions": versions_line(), "records": records}, indent=1) + "\n")
    rows = "\n".join(_row(name, given, records) for name in SETS for given in VARIANTS)
    write_atomically(options.output, PAGE.format(rows=rows, versions=versions_line()).encode())


def _fold(folder: Path, fold: int) -> Mapping[str, np.ndarray]:
    """Of DRAWN recordings of both parts together every FOLDS-th is judged, and the first TRAINED_ON of the others are trained on."""
    dataset = load_dataset(",".join(str(folder / f"{folder.name}_{part}.ts") for part in ("TRAIN", "TEST")))
    longest = max(split.x.shape[1] for split in (dataset.train, dataset.test))
    x = np.concatenate([np.pad(split.x, ((0, 0), (0, longest - split.x.shape[1]), (0, 0))) for split in (dataset.train, dataset.test)])
    y, lengths = (np.concatenate([getattr(dataset.train, key), getattr(dataset.test, key)]) for key in ("y", "lengths"))
    drawn = np.random.default_rng(0).permutation(len(y))[:DRAWN]
    rows = {"test": drawn[fold::FOLDS], "train": np.delete(drawn, slice(fold, None, FOLDS))[:TRAINED_ON]}
    parts = {f"{key}_{part}": values[of] for part, of in rows.items() for key, values in (("x", x), ("y", y), ("lengths", lengths))}
    return {**parts, "classes": np.array(dataset.classes).astype(str)}


def _result(data: Path, settings: Sequence[str], place: Path) -> Record:
    recipe = load_recipe(None, [f"data.source={data}", "train.loop=compiled", *settings])
    stages.train_model(recipe, place, force=True, listener=Progress(place))
    stages.quantize(place, listener=Progress(place))
    directory = ModelDirectory.open(place)
    found, kept = directory.manifest().accuracy, parse_recipe(directory.read(RECIPE), RECIPE)
    chosen = {"epochs": kept.train.epochs, "noise": kept.train.input_noise, "readings": kept.model.readings}
    return {"float": found.float_, "integer": found.integer, **chosen}


def _row(name: str, given: str, records: Sequence[Record]) -> str:
    own = [record for record in records if (record["set"], record["given"]) == (name, given)]
    chosen = ", ".join(f"{own[0][key]:g}" for key in ("epochs", "noise", "readings"))
    shares = [f"{statistics.mean(record[key] for record in own):.1%}" for key in ("float", "integer")]
    each = " ".join(f"{record['integer']:.0%}" for record in own)
    return f"| {name} | {given} | {chosen} | {' | '.join(shares)} | {each} |"


PAGE = """# Few recordings

Written by `python benchmarks/few_recordings.py`; do not edit by hand. Raw figures: `benchmarks/few_recordings.json`.

Sets of the UCR archive as the PyPI package aeon holds them: 60 recordings of 150 to 361 readings to train on, 2, 3 and 10 classes; a
FastGRNN of 32 units, ternary. Three folds, one seed each. On these sets the rules of [defaults.md](defaults.md) for few and for long
recordings were found, so that the last line of each is no figure of unseen data. The first line is what was the default before.

| data | training | epochs, noise, readings | float | integer | integer, each fold |
|---|---|---|---:|---:|---|
{rows}

Versions: {versions}.
"""

if __name__ == "__main__":
    main()
