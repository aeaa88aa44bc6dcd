"""Five-fold cross-validation on the training split: how the recipe's defaults were chosen. The test split is never read.

    python benchmarks/cross_validate.py [--data japanese_vowels] [--weights ternary,int8] [--set train.input_noise=0.3 ...]

Prints the accuracy of the float net and of each integer model on the held-out folds, for the recipe's defaults with the overrides.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np

from rescomp import stages
from rescomp.data.dataset import Dataset, load_dataset
from rescomp.recipe import load_recipe

FOLDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="japanese_vowels")
    parser.add_argument("--weights", default="ternary,int8")
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    arguments = parser.parse_args()
    formats = arguments.weights.split(",")
    results: dict[str, list[float]] = {name: [] for name in ("float", *formats)}
    with tempfile.TemporaryDirectory() as folder:
        dataset = load_dataset(arguments.data)
        for fold in range(FOLDS):
            data = Path(folder) / f"fold_{fold}.npz"
            np.savez(data, **hold_out(dataset, fold))
            trained = Path(folder) / f"model_{fold}"
            recipe = load_recipe(None, [*arguments.overrides, f"data.source={data}", f"train.seed={fold}"])
            results["float"].append(stages.train(recipe, trained))
            for name in formats:
                path = Path(shutil.copytree(trained, Path(folder) / f"{name}_{fold}"))
                results[name].append(stages.quantize(path, weights=name))
    for name, accuracies in results.items():
        print(f"{name:8} {np.mean(accuracies):.2%}   folds {', '.join(f'{value:.1%}' for value in accuracies)}")


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
