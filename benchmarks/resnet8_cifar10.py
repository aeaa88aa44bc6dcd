"""MLPerf Tiny's ResNet-8 on CIFAR-10: float, int8, six-bit and ternary weights, int16 and int8 activations. Writes docs/resnet8.md.

    export RESCOMP_BENCHMARK_DATA=FOLDER            (holds cifar10_jpeg.npz and its load.py; or --data-folder FOLDER)
    python benchmarks/resnet8_cifar10.py --work DIRECTORY [--epochs 60] [--quantize-epochs 20] [--threads 2]
    python benchmarks/resnet8_cifar10.py --work DIRECTORY --table

The float net is trained once; each variant is fine-tuned from it, for its share of --quantize-epochs.
Whatever is finished under --work is not made again, and an interrupted training goes on from its checkpoint, so that the same command
may be given until the table is whole.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from page_options import DATA_VARIABLE, page_parser
from results_log import versions_line
from verified_models import counts_of

from rescomp import stages
from rescomp.manifest import Manifest
from rescomp.model_directory import CHECKPOINT, FLOAT_NET, REPORT, ModelDirectory, write_atomically
from rescomp.recipe import Recipe, load_recipe
from rescomp.stages.inspection import Inspection
from rescomp.train.metrics import EpochReport

OUTPUT = Path(__file__).parent.parent / "docs" / "resnet8.md"
VECTORS = 200
BASE = (
    "model.kind=resnet2d",
    "model.name=resnet8",
    "train.optimizer=sgd",
    "train.learning_rate=0.1",
    "train.batch_size=64",
    "train.weight_decay=2e-4",
    "train.label_smoothing=0.0",
    "train.input_noise=0.0",
    "train.crop=2",
    "train.flip=true",
    f"quantize.vectors={VECTORS}",
)


@dataclass(frozen=True)
class Variant:
    """What the float net is fine-tuned to. share: of --quantize-epochs."""

    compress: str
    share: float
    goal: str = ""

    def overrides(self, epochs: int) -> Sequence[str]:
        """Keys of the recipe: all are taught by the float net."""
        compress = f'compress=[{self.compress}, {{kind="distill"}}]'
        return compress, f"quantize.epochs={self.epochs(epochs)}", "quantize.learning_rate=0.05"

    def epochs(self, epochs: int) -> int:
        return round(self.share * epochs)


INT8 = '{kind="quantize", bits=8}'
INT6_BESIDE_INT8 = '{kind="quantize", bits=6, scale="power_of_two", activations="int8"}'
VARIANTS: Mapping[str, Variant] = {
    "int8 weights, int16 activations": Variant(INT8, 1.0, "85 %"),
    "int8 weights, int16 activations, not fine-tuned": Variant(INT8, 0.0),
    "6-bit weights, int8 activations": Variant(INT6_BESIDE_INT8, 0.25),
    "6-bit weights, int8 activations, not fine-tuned": Variant(INT6_BESIDE_INT8, 0.0),
    "ternary weights, int16 activations": Variant('{kind="ternary"}', 1.0),
    "ternary weights, int16 activations, dense ends": Variant(
        '{kind="ternary", arenas=false, first_and_last="dense"}', 3.0, "83 %, 16 KB of const data"
    ),
    "ternary weights, int8 activations, dense ends": Variant(
        '{kind="ternary", arenas=false, first_and_last="dense", scale="power_of_two", activations="int8"}', 0.5
    ),
}


class Progress:
    """Prints an epoch a line."""

    def stage(self, title: str) -> None:
        print(title, flush=True)

    def epoch(self, report: EpochReport) -> None:
        text = f"{report.stage} {report.epoch}/{report.epochs} loss {report.loss:.4f} training {report.accuracy:.2%}"
        print(f"{text} {report.schedule or ''} {report.seconds_left / 60:.0f} min left", flush=True)

    def progress(self, progress: object) -> None:
        pass

    def warning(self, text: str) -> None:
        print(f"warning: {text}", flush=True)


def main() -> None:
    options = parse()
    options.work.mkdir(parents=True, exist_ok=True)
    if not options.table:
        recipe = the_recipe(options)
        train(recipe, options.work / "float")
        for name in VARIANTS:
            make_variant(name, options)
    write_atomically(options.output, table(options).encode())
    print(f"wrote {options.output}")


def parse() -> argparse.Namespace:
    parser = page_parser(__doc__)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--quantize-epochs", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="only write the table of what is finished")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    return parser.parse_args()


def the_recipe(options: argparse.Namespace) -> Recipe:
    """The float training's, with the data converted once."""
    data = options.work / "cifar10.npz"
    if not data.exists():
        write_data(options.data_folder, data)
    numbers = (f"train.epochs={options.epochs}", f"train.threads={options.threads}", f"quantize.epochs={options.quantize_epochs}")
    return load_recipe(overrides=[f"data.source={data}", *BASE, *numbers], weights="int8")


def write_data(folder: Path, path: Path) -> None:
    """The official training and test sets as uint8 [samples, 32, 32, 3]."""
    spec = importlib.util.spec_from_file_location("load", folder / "load.py")
    if spec is None or spec.loader is None or not (folder / "cifar10_jpeg.npz").exists():
        sys.exit(f"{folder} holds no load.py and cifar10_jpeg.npz: set {DATA_VARIABLE} or --data-folder")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pack = module.load("cifar10_jpeg")
    labels = {f"y_{split}": pack[f"y_{split}"].astype(np.int64) for split in ("train", "test")}
    temporary = path.with_name("cifar10.partial.npz")
    np.savez(temporary, x_train=pack["x_train"], x_test=pack["x_test"], **labels)
    temporary.replace(path)


def train(recipe: Recipe, path: Path) -> None:
    if (path / FLOAT_NET).exists():
        return
    resumed = (path / CHECKPOINT).exists()
    stages.train_model(None if resumed else recipe, path, force=True, listener=Progress())


def make_variant(name: str, options: argparse.Namespace) -> None:
    path = folder(name, options)
    if (path / REPORT).exists():
        return
    print(f"== {name}", flush=True)
    if not path.exists():
        shutil.copytree(options.work / "float", path)
    resumed = (path / CHECKPOINT).exists()
    overrides = () if resumed else VARIANTS[name].overrides(options.quantize_epochs)
    stages.quantize(path, overrides=overrides, resume=resumed, listener=Progress())
    stages.export_model(path, listener=Progress())
    stages.verify(path, listener=Progress())


def folder(name: str, options: argparse.Namespace) -> Path:
    return Path(options.work / name.replace(", ", "-").replace(" ", "_"))


def table(options: argparse.Namespace) -> str:
    """docs/resnet8.md from the finished directories."""
    manifest = ModelDirectory.open(options.work / "float").manifest()
    rows, compared, differing = [], 0, 0
    for name in VARIANTS:
        path = folder(name, options)
        if not (path / REPORT).exists():
            continue
        of_one = counts_of(path)
        compared, differing = compared + of_one[0], differing + of_one[1]
        rows.append(row(name, options.quantize_epochs, ModelDirectory.open(path).manifest(), stages.inspect(path)))
    epochs = f"--epochs {options.epochs} --quantize-epochs {options.quantize_epochs}"
    return PAGE.format(
        epochs=options.epochs,
        float=f"{manifest.accuracy.float_:.2%}",
        rows="\n".join(rows),
        compared=f"{compared:,}",
        differing=differing,
        vectors=VECTORS,
        versions=versions_line(),
        command=f"python benchmarks/resnet8_cifar10.py --work DIRECTORY {epochs}",
    )


def row(name: str, epochs: int, manifest: Manifest, model: Inspection) -> str:
    variant, size = VARIANTS[name], model.bytes
    products = sum(layer.multiply_accumulates for layer in model.layers)
    cells = (
        name,
        str(variant.epochs(epochs)),
        f"{manifest.accuracy.integer:.2%}",
        f"{size['weights']:,}",
        f"{size['model']:,}",
        f"{model.state + model.scratch:,}",
        f"{products / 1e6:.2f} M",
        variant.goal,
    )
    return f"| {' | '.join(cells)} |"


PAGE = """# ResNet-8 on CIFAR-10

MLPerf Tiny's image classification: its net (78 k weights), the official training and test sets of CIFAR-10 as JPEG copies. The float net
has {float} on the test set after {epochs} epochs. MLPerf Tiny asks 85 %; its reference model has 86.5 % in a file of 98,496 bytes
(Banbury et al. 2021). Each row is fine-tuned from it for its number of epochs, and taught by it (distillation). Dense ends: the first and
the last layer keep integers of eight bits, of six beside int8 activations; there ternary weights were trained without Arenas.

| weights and activations | epochs | test accuracy | bytes of weights | const bytes | RAM bytes | multiply-accumulates | goal |
|---|---|---|---|---|---|---|---|
{rows}

Accuracies are those of the integer model in numpy on all 10,000 test images. Every witness ran the first {vectors} of them: {compared}
values compared, {differing} differ. Const bytes: weights with their padding, scales and biases. RAM: the state struct of the generated
C, which holds every intermediate map at its largest; the input image is the caller's.

The ternary row without dense ends was the first attempt. No Arenas, dense ends and three times as many epochs were chosen from its
training log, after its test accuracy had been seen, and tried once. Every figure is of one seed; the trainings were interrupted and went
on from their checkpoints, some in an earlier revision of the trainer, so that the command below gives figures like these, not the same.

Made by `{command}` with {versions}.
"""

if __name__ == "__main__":
    main()
