"""The recipe that validation chose within 1 KB, on the test set of HAR-2, five seeds. Writes docs/recipes_tested.md.

    export RESCOMP_BENCHMARK_DATA=FOLDER                             (holds uci_har.npz; or --data-folder FOLDER)
    python benchmarks/recipes_tested.py --work FOLDER

Chosen on the folds of recipes.py alone, which docs/recipes.md shows. Trained on all training subjects; what is finished is not made again.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import numpy as np
from har2_jobs import FINAL, convert, data_file
from keywords_page import clustered_error
from net_stages import Progress, fine_tune, train_float
from page_options import page_parser
from recipes import TASK, VARIANTS, recipe_of
from results_log import versions_line

from rescomp import stages
from rescomp.model_directory import ModelDirectory, write_atomically
from rescomp.stages.artefacts import read_model, read_vectors
from rescomp.stages.golden_vectors import answers

RAW, OUTPUT = Path(__file__).with_suffix(".json"), Path(__file__).parent.parent / "docs" / "recipes_tested.md"
CHOSEN = ("W and classifier int4, U ternary, gains", "int4, gains")
"""The best one within 1,024 bytes, and the best one of a single format."""
SEEDS = range(5)


def tested(name: str, seed: int, work: Path, subjects: np.ndarray) -> dict[str, object]:
    """Trained where it is not, and asked the test set."""
    recipe, size = recipe_of(VARIANTS[name], data_file(work, TASK, FINAL), seed), VARIANTS[name].hidden_size
    float_place, place = work / f"final-float{size}.s{seed}", work / f"final{CHOSEN.index(name)}.s{seed}"
    train_float(recipe, float_place)
    fine_tune(recipe, float_place, place, Progress(place))
    directory = ModelDirectory.open(place)
    model, manifest = read_model(directory), directory.manifest()
    vectors = read_vectors(directory, model)
    right = (answers(vectors.scores) == vectors.labels).tolist()
    assert sum(right) / len(right) == manifest.accuracy.integer
    return {
        "recipe": name,
        "seed": seed,
        "float": manifest.accuracy.float_,
        "integer": manifest.accuracy.integer,
        "error": clustered_error(right, [str(each) for each in subjects]),
        "bytes": stages.inspect(place).bytes["model"],
    }


def main() -> None:
    options = page_parser(__doc__).parse_args()
    convert(options.data_folder, options.work)
    subjects = np.load(options.data_folder / "uci_har.npz")["subject_test"]
    found = [tested(name, seed, options.work, subjects) for name in CHOSEN for seed in SEEDS]
    RAW.write_text(json.dumps({"versions": versions_line(), "records": found}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    rows = []
    for name in CHOSEN:
        own = [each for each in found if each["recipe"] == name]
        each = " ".join(f"{run['integer']:.2%}" for run in own)
        middle, error = statistics.median(run["integer"] for run in own), statistics.mean(run["error"] for run in own)
        floats = statistics.median(run["float"] for run in own)
        rows.append(f"| {name} | {max(run['bytes'] for run in own):,} | {floats:.2%} | {middle:.2%} | {each} | {error:.2%} |")
    write_atomically(OUTPUT, PAGE.format(rows="\n".join(rows), versions=versions_line()).encode())


PAGE = """# The chosen recipe on the test set

Written by `python benchmarks/recipes_tested.py`; do not edit by hand. Raw figures: `benchmarks/recipes_tested.json`.

HAR-2 within 1 KB of const data: the recipe that was best on the folds of [recipes.md](recipes.md), and the best one of a single format,
trained on all training subjects, five seeds. The test recordings (nine other people) were read before, by other nets ([har2.md](har2.md)),
and by these once. The error is the standard error of one accuracy, recordings clustered by person, its mean over the seeds.

| recipe | const bytes | float, median | integer, median | each seed | error |
|---|---|---|---|---|---|
{rows}

The goal was a median of 96.0 %. What bounds it is the people: folds of training subjects differ by up to four points, most errors are
sitting taken for standing, and the float net is past the goal by less than a standard error, if at all.

Made with {versions}.
"""

if __name__ == "__main__":
    main()
