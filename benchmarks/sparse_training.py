"""Residual nets on JapaneseVowels at about equal const bytes: narrow dense ones against wider sparse ones, int4, in pairs of seeds.

python benchmarks/sparse_training.py FOLDER          minutes; docs/nets.md has its table
"""

from __future__ import annotations

import shutil
import statistics
import sys
from pathlib import Path

from rescomp import stages
from rescomp.export.c import constant_bytes
from rescomp.model_directory import ModelDirectory
from rescomp.recipe import load_recipe
from rescomp.stages.artefacts import read_model

SEEDS = (0, 1, 2)
NETS = {
    "all": ("[12,24]", ""),
    "weights, density 0.3": ("[16,32]", "density=0.3"),
    "kernels, density 0.3": ("[18,36]", "density=0.3,granularity='kernel'"),
    "kernels, density 0.3, regrow 0.3": ("[18,36]", "density=0.3,granularity='kernel',regrow=0.3"),
    "channels, density 0.5": ("[16,32]", "density=0.5,granularity='channel'"),
}
"""Widths, and the keys of the sparse entry."""


def made(place: Path, widths: str, thin: str, seed: int) -> tuple[int, float]:
    """(const bytes, accuracy of the integer model on the test recordings)."""
    entries = [f"{{kind='sparse',{thin}}}"] * bool(thin) + ["{kind='quantize',bits=4}"]
    asked = ["data.source=japanese_vowels", "model.kind=resnet1d", f"model.widths={widths}", f"compress=[{','.join(entries)}]"]
    shutil.rmtree(place, ignore_errors=True)
    stages.train_model(load_recipe(None, [*asked, f"train.seed={seed}", "train.threads=1", "train.device=cpu"]), place)
    accuracy = stages.quantize(place)
    assert accuracy is not None
    return constant_bytes(read_model(ModelDirectory.open(place)))["model"], accuracy


def main(folder: Path) -> None:
    print("| kept are | widths | const bytes | test accuracy: mean (least to most) |\n|---|---|---|---|")
    for name, (widths, thin) in NETS.items():
        found = [made(folder / "net", widths, thin, seed) for seed in SEEDS]
        accuracies = [100 * accuracy for _, accuracy in found]
        const = round(statistics.mean(each for each, _ in found))
        shown = f"{statistics.mean(accuracies):.1f} % ({min(accuracies):.1f} to {max(accuracies):.1f})"
        print(f"| {name} | {widths[1:-1].replace(',', ', ')} | {const:,} | {shown} |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
