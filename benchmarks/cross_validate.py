"""Five-fold cross-validation on the training split: how the recipe's defaults were chosen. The test split is never read.

    python benchmarks/cross_validate.py [--data japanese_vowels] [--weights ternary,int8] [--seeds 1] [--set train.input_noise=0.3 ...]

Prints the accuracy of the float net and of each integer model on the held-out folds, for the recipe's defaults with the overrides; of
integer models with a state also at the ends of recordings in a row (docs/evaluate.md). +-: standard error over folds and seeds.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np

from rescomp import stages
from rescomp.data.dataset import Dataset, load_dataset
from rescomp.model_directory import ModelDirectory
from rescomp.recipe import load_recipe
from rescomp.stages.artefacts import read_model

FOLDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="japanese_vowels")
    parser.add_argument("--weights", default="ternary,int8")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    arguments = parser.parse_args()
    formats = arguments.weights.split(",")
    results: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        dataset = load_dataset(arguments.data)
        for number in range(FOLDS * arguments.seeds):
            data = Path(folder) / f"fold_{number}.npz"
            np.savez(data, **hold_out(dataset, number % FOLDS))
            trained = Path(folder) / f"model_{number}"
            recipe = load_recipe(None, [*arguments.overrides, f"data.source={data}", f"train.seed={number}"])
            results.setdefault("float", []).append(stages.train_model(recipe, trained))
            for name in formats:
                path = Path(shutil.copytree(trained, Path(folder) / f"{name}_{number}"))
                results.setdefault(name, []).append(stages.quantize(path, weights=name))
                if read_model(ModelDirectory.open(path)).is_recurrent:
                    streamed = stages.evaluate(path, stream=True).streamed
                    assert streamed is not None
                    results.setdefault(f"{name} in a row", []).append(streamed.metrics.ends)
    for name, accuracies in results.items():
        error = np.std(accuracies, ddof=1) / len(accuracies) ** 0.5
        print(f"{name:20} {np.mean(accuracies):.2%} +- {error:.2%}   folds {', '.join(f'{value:.1%}' for value in accuracies)}")


def hold_out(dataset: Dataset, fold: int) -> dict[str, np.ndarray]:
    """The training split as a data set of its own, every FOLDS-th sequence of each class held out for testing."""
    split = dataset.train
    place = np.zeros(len(split), int)
    for label in range(len(dataset.classes)):
        members = np.flatnonzero(split.y == label)
        place[members] = np.arange(len(members)) % FOLDS
    parts = {"train": split.take(np.flatnonzero(place != fold)), "test": split.take(np.flatnonzero(place == fold))}
    arrays = {f"{array}_{name}": getattr(part, array) for name, part in parts.items() for array in ("x", "y", "lengths")}
    return {**arrays, "classes": np.array(dataset.classes)}


if __name__ == "__main__":
    main()
