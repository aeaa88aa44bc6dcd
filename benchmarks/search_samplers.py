"""`rescomp search` against random draws, and formats searched with the net against one format. Writes docs/search_results.md.

    pip install --target AEON --no-deps aeon                          (its bundled small sets)
    python benchmarks/search_samplers.py --work DIRECTORY --aeon AEON/aeon/datasets/data

Finished searches under --work are not made again, and one that was interrupted goes on. What every trial came to is kept in
search_samplers.json beside this file: the page is made of that alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median

import numpy as np
import optuna
from har2_table import Record
from page_options import page_parser
from results_log import append_result, read_results, versions_line
from search_predictor import rank_correlations

from rescomp import stages
from rescomp.data.dataset import load_dataset
from rescomp.data.split import Split
from rescomp.model_directory import ModelDirectory, write_atomically
from rescomp.printing import TerminalListener
from rescomp.recipe import load_recipe
from rescomp.search.study import STOPPED, TRAINED
from rescomp.search.worker import OUTCOME
from rescomp.stages.artefacts import read_model
from rescomp.stages.candidates import CANDIDATES_FOLDER
from rescomp.stages.readings import Reader
from rescomp.stages.right_answers import accuracy_of

RAW = Path(__file__).with_suffix(".json")
OUTPUT = Path(__file__).parent.parent / "docs" / "search_results.md"
NAME = "JapaneseVowels"
TRIALS, SEEDS = 16, 3
ASKED = ("search.const=1KB", "search.finalists=0", "search.rungs=[1.0]", "train.epochs=20", "quantize.epochs=10")
"""One rung, at the end of the float training: so few are stopped, which have no figure on the test set."""
INT8 = ('compress=[{kind = "quantize", scale = "power_of_two"}]',)


@dataclass(frozen=True)
class Arm:
    """A way to search. settings: --set of it, beside ASKED."""

    name: str
    sampler: str
    settings: Sequence[str] = ()


ARMS = (Arm("TPE, formats and net", "tpe"), Arm("random, formats and net", "random"), Arm("TPE, net alone in int8", "tpe", INT8))


def main() -> None:
    parser = page_parser(__doc__)
    parser.add_argument("--page-only", action="store_true", help="write the page from the kept figures, and search no more")
    parser.add_argument("--aeon", type=Path, required=True, help="aeon's folder of bundled data sets")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    source = ",".join(str(options.aeon / NAME / f"{NAME}_{part}.ts") for part in ("TRAIN", "TEST"))
    for seed in range(0 if options.page_only else SEEDS):
        for arm in ARMS:
            if not any((done["arm"], done["seed"]) == (arm.name, seed) for done in read_results(options.work)):
                append_result(options.work, _searched(arm, seed, source, options.work / f"{ARMS.index(arm)}-{seed}"))
    results = read_results(options.work)
    write_atomically(RAW, f"{json.dumps(results, indent=1, sort_keys=True)}\n".encode())
    text = page(results)
    print(text)
    write_atomically(OUTPUT, text.encode())


def _searched(arm: Arm, seed: int, source: str, path: Path) -> Record:
    """Search, and answer the test set by every candidate; seconds: of the search, where it was not interrupted."""
    began = time.monotonic()
    more = (f"search.trials={TRIALS}", f"search.sampler={arm.sampler}", f"search.seed={seed}", f"train.seed={seed}")
    recipe = load_recipe(None, [f"data.source={source}", *ASKED, *more, *arm.settings])
    with TerminalListener() as listener:
        found = stages.search_recipes(recipe, path, listener=listener)
    seconds = round(time.monotonic() - began)
    study = optuna.load_study(study_name=found.study, storage=f"sqlite:///{path}/study.db")
    trained = [each.user_attrs | {"number": each.number} for each in study.get_trials() if each.user_attrs.get(OUTCOME) == TRAINED]
    test = load_dataset(source).test
    trials = [
        {
            "trial": each["number"],
            "chosen": each["chosen"],
            "priced": each["priced"]["const"],
            "const": each["trained"]["costs"]["const"],
            "validation": each["trained"]["metric"],
            "test": _on_test(path / CANDIDATES_FOLDER / each["digest"], test),
        }
        for each in trained
    ]
    return {"arm": arm.name, "seed": seed, "seconds": seconds, "outcomes": dict(found.outcomes), "trials": trials}


def _on_test(path: Path, test: Split) -> float:
    directory = ModelDirectory.open(path)
    model = read_model(directory)
    reader = Reader.of(directory.manifest(), model)
    read = reader.read(test)
    return accuracy_of(model, reader.steps(replace(read, x=reader.integers(read.x)[0])))


def chosen(trials: Sequence[Record]) -> Record:
    """What a user would take: the best on validation, of equals the smallest, then the first."""
    best: Record = min(trials, key=lambda each: (-each["validation"], each["const"], each["trial"]))
    return best


def page(results: Sequence[Record]) -> str:
    rows = []
    for arm in ARMS[: len({each["arm"] for each in results})]:
        done = [each["trials"] for each in results if each["arm"] == arm.name]
        best = [chosen(trials) for trials in done]
        every = [each["test"] for trials in done for each in trials]
        taken = " ".join(f"{each['test']:.1%}" for each in best)
        figures = (
            str(len(best)),
            f"{len(every)} + {sum(each['outcomes'].get(STOPPED, 0) for each in results if each['arm'] == arm.name)}",
            f"{mean(each['validation'] for each in best):.1%}",
            f"{mean(each['test'] for each in best):.1%}",
            taken,
            f"{mean(each['const'] for each in best):,.0f}",
            f"{mean(every):.1%}",
            f"{median(every):.1%}",
            f"{mean(each['seconds'] for each in results if each['arm'] == arm.name):.0f}",
        )
        rows.append(f"| {arm.name} | {' | '.join(figures)} |")
    first = [each["trials"][0] for each in results if each["arm"] == ARMS[0].name and each["trials"][0]["trial"] == 0]
    fit = " ".join(f"{each['test']:.1%}" for each in first)
    rows.append(f"| the rule of `--fit`, one training | {len(first)} | | | {mean(each['test'] for each in first):.1%} | {fit} | "
                f"{mean(each['const'] for each in first):,.0f} | | | |")  # fmt: skip
    table = "\n".join(rows)
    pairs = [each for result in results for each in result["trials"]]
    held = [f"{label} {np.mean(values):.2f}" for label, values in rank_correlations(results).items()]
    return PAGE.format(
        rows=table, trials=TRIALS, seeds=SEEDS, asked=" ".join(f"--set {each}" for each in ASKED), count=len(pairs),
        predictor=", ".join(held), versions=f"{versions_line()}, optuna {optuna.__version__}",
    )  # fmt: skip


PAGE = """# What a search finds

Written by `python benchmarks/search_samplers.py --work DIRECTORY --aeon FOLDER`; do not edit by hand. Raw figures, every trial with what
was chosen in it: `benchmarks/search_samplers.json`.

JapaneseVowels (270 recordings for training, a fifth of them for validation; 370 for the test, read before by other pages), nets of at most
1 KB of const data; {trials} candidates a search, seed by seed of search and training ({seeds} are asked for). Each search is

    rescomp search {asked}

so that a candidate takes seconds: short trainings, which favour nets that learn fast. Of each search the candidate
that is best on validation is taken (of equals the smallest); its accuracy on the test set is that of the integer model of this training.
**The yardstick is the mean of all that were drawn at random**, as "NAS evaluation is frustratingly hard" (Yang et al. 2020) asks.

| search | searches | trained + stopped | taken: validation | test | each seed | const bytes | test, mean of all trained | median | s |
|---|---:|---:|---:|---:|---|---:|---:|---:|---:|
{rows}

Stopped: behind the float training, where two others were better in accuracy and bytes. They have no figure here, so that the means are of
the others alone. The first candidate of every search is what `--fit` would choose; the next seven are drawn at random, and of these TPE
learns. Where a line has fewer than {seeds} searches the measurement was ended before; the same command goes on. With one or two searches a
line, differences of a few points say nothing of the samplers. Seconds are of wall time on a machine that others used too.

## A predictor from finished trials

SimQ-NAS orders untried candidates by a predictor that is lightly trained on those that were tried. Here: ridge regression of the validation
accuracy on the choices (one column a value, and the bytes), on the {count} trials above; each search is left out in turn and its candidates
are ordered by what the others teach. Spearman's rank correlation with the validation accuracy, mean over the searches: {predictor}.
Searches of one seed begin with the same candidates, so that the predictor has seen some of those that it orders: its figure is too high.

Versions: {versions}.
"""

if __name__ == "__main__":
    main()
