"""Keywords from PCM: nine spoken words, nets of 1 to 16 KB behind an integer front-end. Writes docs/keywords.md and keywords.json.

    export RESCOMP_BENCHMARK_DATA=FOLDER                              (holds gsc_v1_9words.npz; or --data-folder FOLDER)
    python benchmarks/keywords.py --work DIRECTORY                    validation: speakers of the training part, a quarter held out
    python benchmarks/keywords.py --work DIRECTORY --final            all of them, five seeds, and the test part; writes the page

Finished models under --work are not made again. The test part is read with --final only.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from keywords_page import clustered_error, page
from page_options import page_parser
from verified_models import counts_of, finish

from rescomp import stages
from rescomp.data.clips import ArrayClips
from rescomp.data.split import Split
from rescomp.errors import BudgetError
from rescomp.export.c import constant_bytes
from rescomp.frontend.asked import asked_front_end
from rescomp.frontend.clips import recordings
from rescomp.frontend.lowering import frames_of
from rescomp.frontend.real import real_features
from rescomp.graph.ir import IntegerModel
from rescomp.model_directory import RECIPE, ModelDirectory, write_atomically
from rescomp.recipe import Recipe, load_recipe, parse_recipe
from rescomp.stages.artefacts import read_model
from rescomp.stages.features import load_readings
from rescomp.stages.readings import Reader
from rescomp.stages.right_answers import right_answers

OUTPUT, RAW = Path(__file__).parent.parent / "docs" / "keywords.md", Path(__file__).with_suffix(".json")
SEEDS = range(5)
RATE = 16000
FOLDS = 4
"""Parts of the training speakers."""
HELD_OUT = (0, 1)
"""Those that are held out in turn."""
FINAL = "final"
FRONT_END = ("frontend.kind=log_mel", f"frontend.sample_rate={RATE}")
VERIFIED = 40
"""Clips that every witness runs, of each model."""
BASE = (
    "train.batch_size=64",
    "train.input_noise=0.4",
    "train.validation_fraction=0",
    "quantize.epochs=40",
    "quantize.learning_rate=0.01",
    f"quantize.vectors={VERIFIED}",
)
CELLS = (*BASE, "train.loop=compiled", "model.kind=fastgrnn", "train.time_shift=4", "train.epochs=60")
LAYERS = (
    *BASE,
    "train.learning_rate=0.003",
    "quantize.learning_rate=0.003",
    "train.time_shift=6",
    "train.epochs=60",
    "model.kernel_size=5",
)
VARIANTS: Mapping[str, tuple[str, Sequence[str]]] = {
    "FastGRNN int4": (
        "int4",
        (*CELLS, "model.hidden_size=68", "compress.0.scale=power_of_two", "train.batch_size=32", "quantize.learning_rate=0.005"),
    ),
    "ResNet ternary": ("ternary", (*LAYERS, "model.kind=resnet1d", "model.widths=[32,40,64]", "train.dropout=0.2")),
    "DS-CNN ternary": ("ternary", (*LAYERS, "model.kind=dscnn1d", "model.widths=[64]", "train.dropout=0.1")),
}
COUNTED = ("cortex-m0", "cortex-m4", "cortex-m55")
"""Cores on which a second of sound is counted."""
GATE = (*CELLS, "model.hidden_size=64")
"""The net that is trained on integer features and on real ones, float, everything else equal."""
Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Answers:
    """What one trained model answers to the clips that it is judged by.

    right: of each clip. bytes: of const data, by kind; frontend_bytes: those among them that only the front-end reads.
    """

    variant: str
    split: str
    seed: int
    float_: float
    integer: float
    right: list[bool]
    speakers: list[str]
    bytes: dict[str, int]
    frontend_bytes: int
    ram: int
    compared: int
    differing: int


@dataclass(frozen=True)
class Pair:
    """The gate: float accuracies of one net on integer features and on real ones."""

    split: str
    seed: int
    integer: float
    real: float


def convert(source: Path, work: Path) -> None:
    """The pack as archives of PCM: of all clips, and of the training part alone with one part of its speakers as the test split."""
    work.mkdir(parents=True, exist_ok=True)
    if all(data_file(work, split).exists() for split in (FINAL, *HELD_OUT)):
        return
    with np.load(source / "gsc_v1_9words.npz") as pack:
        found = {key: pack[key] for key in pack.files}
    for split in ("train", "test"):
        found[f"x_{split}"] = found["ulaw_table"][found[f"x_{split}_u8"]]
    classes = {"classes": found["classes"], "sample_rate": np.array(RATE)}
    train, test = (part(found, split, slice(None)) for split in ("train", "test"))
    np.savez(data_file(work, FINAL), **classes, **named(train, "train"), **named(test, "test"))
    member = speaker_parts(train["group"])
    for fold in HELD_OUT:
        sides = {
            side: {key: array[rows] for key, array in train.items()} for side, rows in (("train", member != fold), ("test", member == fold))
        }
        np.savez(data_file(work, fold), **classes, **named(sides["train"], "train"), **named(sides["test"], "test"))


def part(found: Arrays, split: str, rows: slice) -> Arrays:
    return {
        "x": found[f"x_{split}"][rows],
        "y": found[f"y_{split}"][rows].astype(np.int64),
        "group": found[f"speaker_{split}"][rows],
    }


def named(arrays: Arrays, split: str) -> Arrays:
    return {f"{key}_{split}": array for key, array in arrays.items()}


def speaker_parts(speakers: npt.NDArray[np.str_]) -> npt.NDArray[np.int64]:
    """The part of the speakers that each clip is in, int64 [clips]: drawn once for all."""
    known, number = np.unique(speakers, return_inverse=True)
    return (np.random.default_rng(5).permutation(len(known)) % FOLDS)[number]


def data_file(work: Path, split: str | int) -> Path:
    return work / (f"words_{split}.npz" if split == FINAL else f"words_part{split}.npz")


def recipe_of(settings: Sequence[str], weights: str | None, source: Path, seed: int, front_end: Sequence[str] = FRONT_END) -> Recipe:
    own = ("model.name=words", f"data.source={source}", f"train.seed={seed}")
    return load_recipe(overrides=[*settings, *front_end, *own], weights=weights)


def answers(name: str, split: str | int, seed: int, work: Path) -> Answers:
    """Of a model that is trained and verified where it is not finished."""
    path = work / f"{name.replace(' ', '-')}-{split}-{seed}"
    weights, settings = VARIANTS[name]
    finish(recipe_of(settings, weights, data_file(work, split), seed), path)
    directory = ModelDirectory.open(path)
    model, accuracy, inspection = read_model(directory), directory.manifest().accuracy, stages.inspect(path)
    with np.load(data_file(work, split)) as data:
        speakers = data["group_test"]
    right = answered_right(directory, model)
    assert np.mean(right) == accuracy.integer
    ram = inspection.state + inspection.scratch
    return Answers(
        name,
        str(split),
        seed,
        accuracy.float_,
        accuracy.integer,
        right.tolist(),
        speakers.tolist(),
        dict(inspection.bytes),
        frontend_bytes(model),
        ram,
        *counts_of(path),
    )


def frontend_bytes(model: IntegerModel) -> int:
    """Of const data, what the model has more than without its front-end."""
    rest = {role: graph for role, graph in model.graphs.items() if role != "frontend"}
    return constant_bytes(model)["model"] - constant_bytes(replace(model, graphs=rest, hop=0, sampling=None))["model"]


def answered_right(directory: ModelDirectory, model: IntegerModel) -> npt.NDArray[np.bool_]:
    """Of each test clip, by numpy."""
    _, dataset = load_readings(parse_recipe(directory.read(RECIPE), RECIPE))
    reader = Reader.of(directory.manifest(), model)
    return right_answers(model, reader.steps(replace(dataset.test, x=reader.integers(dataset.test.x)[0])))


def pair(split: int, seed: int, work: Path) -> Pair:
    """The gate's net, trained on both kinds of features."""
    real, accuracies = real_file(work, split), []
    for kind, source, front_end in (("integer", data_file(work, split), FRONT_END), ("real", real, ())):
        path = work / f"gate-{kind}-{split}-{seed}"
        if not (path / "float.safetensors").exists():
            stages.train_model(recipe_of(GATE, None, source, seed, front_end), path, force=path.exists())
        accuracies.append(ModelDirectory.open(path).manifest().accuracy.float_)
    return Pair(str(split), seed, *accuracies)


def real_file(work: Path, split: int) -> Path:
    """An archive of the same clips' features in real numbers."""
    path = work / f"real_part{split}.npz"
    if path.exists():
        return path
    front_end = asked_front_end({"kind": "log_mel", "sample_rate": RATE}, RATE, 1)
    with np.load(data_file(work, split)) as data:
        arrays: Arrays = {key: data[key] for key in data.files if key not in ("x_train", "x_test", "sample_rate")}
        for side in ("train", "test"):
            clips = data[f"x_{side}"][..., None]
            read = Split(clips, data[f"y_{side}"], np.full(len(clips), clips.shape[1]))
            samples = recordings(ArrayClips(read, RATE), front_end, None)
            arrays[f"x_{side}"] = np.stack([real_features(frames_of(each, front_end), front_end) for each in samples]).astype(np.float32)
    np.savez(path, **arrays)
    return path


def costs(name: str, work: Path) -> dict[str, dict[str, int]]:
    """Of the first seed's model, by core; a core whose emulated part has too little RAM is left out."""
    found = {}
    for name_of_core in COUNTED:
        try:
            (core,) = stages.profile(work / f"{name.replace(' ', '-')}-{FINAL}-0", (name_of_core,)).cores
        except BudgetError as error:
            print(error, flush=True)
            continue
        assert core.sound is not None
        found[core.core] = {"second": core.sound.second, "flash": core.flash.total, "ram": core.sound.bytes, "stack": core.stack}
    return found


def told(found: Sequence[Answers]) -> str:
    last = found[-1]
    accuracies = " ".join(f"{each.integer:.2%}" for each in found)
    middle, error = statistics.median(each.integer for each in found), clustered_error(last.right, last.speakers)
    real = statistics.median(each.float_ for each in found)
    return f"{last.variant}: float {real:.2%}, integer {accuracies}, median {middle:.2%} +- {error:.2%}, {last.bytes}, {last.ram} RAM"


def main() -> None:
    parser = page_parser(__doc__)
    parser.add_argument("--variants", default=";".join(VARIANTS))
    parser.add_argument("--gate", action="store_true", help="train the gate's pairs, on held-out speakers")
    parser.add_argument("--final", action="store_true")
    parser.add_argument("--table", action="store_true", help="write the page from keywords.json")
    options = parser.parse_args()
    raw = json.loads(RAW.read_text()) if RAW.exists() else {}
    if not options.table:
        convert(options.data_folder, options.work)
        if options.gate:
            raw["gate"] = [asdict(pair(fold, seed, options.work)) for fold in HELD_OUT for seed in range(3)]
        names = [name for name in options.variants.split(";") if name]
        runs = [(FINAL, seed) for seed in SEEDS] if options.final else [(fold, 0) for fold in HELD_OUT]
        for name in names:
            found = [answers(name, split, seed, options.work) for split, seed in runs]
            print(told(found), flush=True)
            raw.setdefault("final" if options.final else "validation", {})[name] = [asdict(each) for each in found]
            if options.final:
                raw.setdefault("costs", {})[name] = costs(name, options.work)
        write_atomically(RAW, (json.dumps(raw, indent=None, sort_keys=True) + "\n").encode())
    if options.final or options.table:
        write_atomically(OUTPUT, page(raw).encode())


if __name__ == "__main__":
    main()
