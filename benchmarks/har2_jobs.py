"""The jobs of har2.py: what each trains and how, how large it comes out, and the data that it reads."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from untrained import untrained

from rescomp.export.c import constant_bytes
from rescomp.graph.ir import IntegerModel
from rescomp.models import build
from rescomp.recipe import Recipe, load_recipe, to_toml

CHANNELS, READINGS = 9, 128
SPREAD = (0.020, 0.022, 0.023, 0.073, 0.067, 0.053, 0.19, 0.26, 0.28)
"""About the channels' spread: sizes depend on it, because unequal factors of the normalisation are stored one by one."""
SEEDS = 3
TASKS: Mapping[str, tuple[str, ...]] = {
    "har2": ("other", "sitting, laying or walking upstairs"),
    "har6": ("walking", "walking upstairs", "walking downstairs", "sitting", "standing", "laying"),
}
"""Class names. The pack's labels are those of har6, in this order."""
FINAL = "final"
VALIDATIONS = tuple(f"validation-s{seed}" for seed in range(SEEDS))
"""Each seed holds out another third of the training subjects: together they are a cross-validation."""
_MERGED = frozenset(("sitting", "laying", "walking upstairs"))
Arrays = dict[str, npt.NDArray[np.generic]]

ALONE = ("train.carry=0", "train.loss_share=0")
"""Recordings one by one from a state of zeros, as all nets were trained before streams."""
BASE = (
    "model.readings=1",
    "train.batch_size=100",
    "train.validation_fraction=0",
    "train.learning_rate=0.01",
    "train.label_smoothing=0.1",
    "train.input_noise=0.1",
    "train.rotation=0.1",
    "train.loop=compiled",
    *ALONE,
    "model.normalization=robust",
    "quantize.learning_rate=0.005",
)
INT8, INT8_SHIFTS = '{kind="quantize"}', '{kind="quantize",scale="power_of_two"}'
INT4 = '{kind="quantize",bits=4,scale="power_of_two"}'
TERNARY, TERNARY_ROWS = '{kind="ternary",scale="power_of_two",per="tensor"}', '{kind="ternary",scale="power_of_two"}'
LINEAR, DISTILL = '{kind="piecewise_linear"}', '{kind="distill"}'
SPARSE = '{kind="sparse",density_w=0.2,density_u=0.3}'
PAPER_SHAPE: Mapping[str, object] = {"hidden_size": 80, "rank_w": 5, "rank_u": 40}


@dataclass(frozen=True)
class Job:
    """A configuration to be trained with one seed.

    model: keys of [model]. compress: its entries. budget: bytes of const data that it must not exceed. float_sparse: the float net is
    also made sparse, without any quantization. settings: further keys from the command line.
    """

    task: str
    group: str
    variant: str
    seed: int
    model: tuple[tuple[str, object], ...]
    compress: tuple[str, ...]
    budget: int | None = None
    epochs: tuple[int, int] = (30, 40)
    float_sparse: bool = False
    settings: tuple[str, ...] = ()

    @property
    def configuration(self) -> str:
        """Name without the seed."""
        return f"{self.task}/{self.group}/{self.variant}"

    @property
    def name(self) -> str:
        """What --jobs selects."""
        return f"{self.configuration}/s{self.seed}"

    def recipe(self, source: str = "unused.npz") -> Recipe:
        """The recipe of all stages, reading `source`."""
        model = [f"model.{key}={value}" for key, value in (("name", self.task), *self.model)]
        epochs = [f"train.epochs={self.epochs[0]}", f"quantize.epochs={self.epochs[1]}"]
        chosen = [f"data.source={source}", f"train.seed={self.seed}", f"compress=[{','.join(self.compress)}]"]
        return load_recipe(None, [*BASE, *model, *epochs, *chosen, *self.settings])

    def key(self) -> str:
        """Tells apart jobs of one name that differ in anything but where the data lie."""
        return _short_digest(to_toml(self.recipe()))

    def float_key(self) -> str:
        """Equal for jobs that may share a float net."""
        recipe = self.recipe()
        return _short_digest(f"{self.task} {recipe.model.model_dump_json()} {recipe.train.model_dump_json()}".encode())


@dataclass(frozen=True)
class Size:
    """bytes: by kind, as in the generated C of an untrained model. float_bytes: see `float_bytes`."""

    bytes: Mapping[str, int]
    float_bytes: int


def size(job: Job) -> Size:
    """What the job's models will take; with sparse storage the places that training finds may change it by a few bytes."""
    return Size(constant_bytes(untrained_model(job)), float_bytes(job))


def untrained_model(job: Job) -> IntegerModel:
    """The job's integer model of fresh weights."""
    recipe = job.recipe()
    steps = (READINGS - recipe.model.readings) // (recipe.model.stride or recipe.model.readings) + 1
    return untrained(recipe, job.task, SPREAD, TASKS[job.task], steps)


def float_bytes(job: Job) -> int:
    """Of the float net as the paper counts: 4 a parameter, and 4 more for the index of an entry of a sparse matrix."""
    recipe = job.recipe()
    net = build(recipe.model, CHANNELS, len(TASKS[job.task]))
    total = 4 * sum(value.numel() for value in net.parameters())
    sparse = next((entry for entry in recipe.compress if entry.kind == "sparse"), None) if job.float_sparse else None
    if sparse is None:
        return total
    for cell in net.cells:
        for projection, density in ((cell.input, sparse.density_w), (cell.recurrent, sparse.density_u)):
            for matrix in projection.matrices():
                total += 8 * max(1, round((density or sparse.density) * matrix.numel())) - 4 * matrix.numel()
    return total


def all_jobs() -> list[Job]:
    """In the order in which they run: the first seed of everything, then the others."""
    jobs = [*_ablation("har2"), *_cells(), *_storage(), *_frontier("har2"), *_ablation("har6"), *_frontier("har6")]
    return sorted(jobs, key=lambda job: job.seed)


_READINGS: Mapping[str, object] = {"readings": 4}


def _ablation(task: str) -> Iterator[Job]:
    low_rank, full = tuple(PAPER_SHAPE.items()), (("hidden_size", PAPER_SHAPE["hidden_size"]),)
    yield Job(task, "ablation", "none", 0, full, (INT8,))
    yield Job(task, "ablation", "l", 0, low_rank, (INT8,))
    yield Job(task, "ablation", "ls", 0, low_rank, (SPARSE, INT8), float_sparse=True)
    yield Job(task, "ablation", "lsq", 0, low_rank, (SPARSE, INT8_SHIFTS, LINEAR))
    yield Job(task, "ablation", "l-ternary", 0, low_rank, (TERNARY, LINEAR))
    yield Job(task, "ablation", "ternary", 0, full, (TERNARY, LINEAR))


def _cells() -> Iterator[Job]:
    """Four cells at equal bytes."""
    for kind, hidden in (("fastgrnn", 42), ("fastrnn", 43), ("gru", 22), ("lstm", 18)):
        yield Job("har2", "cells-3k", f"{kind}-int8", 0, (("kind", kind), ("hidden_size", hidden)), (INT8,), 3072)
    for kind, hidden in (("fastgrnn", 32), ("fastrnn", 34), ("gru", 16), ("lstm", 14)):
        yield Job("har2", "cells-1k", f"{kind}-int4", 0, (("kind", kind), ("hidden_size", hidden)), (INT4, LINEAR), 1024)


def _storage() -> Iterator[Job]:
    """Storages at equal bytes, FastGRNN."""
    formats = {"int8": INT8_SHIFTS, "int4": INT4, "ternary-row": TERNARY_ROWS, "ternary-tensor": TERNARY}
    for budget, hidden in ((1024, (15, 25, 44, 48)), (512, (8, 13, 24, 24))):
        for (name, entry), units in zip(formats.items(), hidden, strict=True):
            yield Job("har2", f"storage-{budget}", name, 0, (("hidden_size", units), *_READINGS.items()), (entry, LINEAR), budget)


_CUT = {**_READINGS, "rank_w": 8}
_FRONTIER: Mapping[int, Mapping[str, tuple[tuple[int, int], Mapping[str, object], tuple[str, ...]]]] = {
    512: {
        "int4": ((20, 18), {}, (INT4, LINEAR)),
        "int4-window2": ((17, 16), {"readings": 2}, (INT4, LINEAR)),
        "int4-window4": ((13, 12), _READINGS, (INT4, LINEAR)),
        "int4-window4-rank-w8": ((15, 13), _CUT, (INT4, LINEAR)),
        "ternary-window4": ((24, 24), _READINGS, (TERNARY, LINEAR)),
    },
    1024: {
        "int4": ((32, 30), {}, (INT4, LINEAR)),
        "int4-window2": ((30, 28), {"readings": 2}, (INT4, LINEAR)),
        "int4-window4": ((25, 23), _READINGS, (INT4, LINEAR)),
        "int4-window4-rank-w8": ((30, 28), _CUT, (INT4, LINEAR)),
        "int4-window4-rank-w8-distilled": ((30, 28), _CUT, (INT4, LINEAR, DISTILL)),
        "int8-window4": ((15, 14), _READINGS, (INT8_SHIFTS, LINEAR)),
        "ternary-window4": ((48, 48), _READINGS, (TERNARY, LINEAR)),
    },
    1536: {
        "int4-window4": ((34, 32), _READINGS, (INT4, LINEAR)),
        "int4-window4-rank-w8": ((40, 39), _CUT, (INT4, LINEAR)),
        "int8-window4": ((22, 20), _READINGS, (INT8_SHIFTS, LINEAR)),
        "ternary-window4": ((64, 64), _READINGS, (TERNARY, LINEAR)),
    },
    3072: {
        "int4-window4": ((56, 54), _READINGS, (INT4, LINEAR)),
        "int4-window4-rank-w8": ((64, 62), _CUT, (INT4, LINEAR)),
        "int8-window4": ((37, 35), _READINGS, (INT8_SHIFTS, LINEAR)),
        "ternary-window4": ((104, 104), _READINGS, (TERNARY, LINEAR)),
    },
}
"""budget -> variant -> (hidden sizes for har2 and har6, further keys of [model], compress)."""


def _frontier(task: str) -> Iterator[Job]:
    place = list(TASKS).index(task)
    for budget, variants in _FRONTIER.items():
        for variant, (hidden, model, entries) in variants.items():
            keys = (("hidden_size", hidden[place]), *model.items())
            for seed in range(SEEDS):
                yield Job(task, f"frontier-{budget}", variant, seed, keys, entries, budget)


def convert(folder: Path, work: Path) -> None:
    """Write each split's file into `work` where missing. The test arrays of a validation split are training subjects held out."""
    wanted = {(task, split): data_file(work, task, split) for task in TASKS for split in (FINAL, *VALIDATIONS)}
    if all(path.is_file() for path in wanted.values()):
        return
    pack = decode(folder / "uci_har.npz")
    for (task, split), path in wanted.items():
        arrays = final_arrays(pack) if split == FINAL else validation_arrays(pack, VALIDATIONS.index(split))
        save_task(path, {**arrays, **{f"y_{side}": _labels(arrays[f"y_{side}"], task) for side in ("train", "test")}}, task)


def data_file(work: Path, task: str, split: str) -> Path:
    """Where the task's data lie. split: FINAL or one of VALIDATIONS."""
    return work / "data" / f"{task}-{split}.npz"


def decode(path: Path) -> Arrays:
    """The pack with float32 readings in g and rad/s, and its label order checked."""
    with np.load(path, allow_pickle=False) as archive:
        pack = {name: archive[name] for name in archive.files}
    found = tuple(str(name).lower().replace("_", " ") for name in pack["classes"])
    if found != TASKS["har6"]:
        raise SystemExit(f"{path}: the classes are {found}, not {TASKS['har6']}")
    return {**pack, **{f"x_{side}": pack[f"x_{side}"].astype(np.float32) * pack["scale"] for side in ("train", "test")}}


def final_arrays(pack: Arrays) -> Arrays:
    """The official split."""
    return {**{name: pack[name] for name in ("x_train", "y_train", "x_test", "y_test")}, "group_train": pack["subject_train"]}


def validation_arrays(pack: Arrays, seed: int) -> Arrays:
    """Training subjects alone, every third of them held out, the same for both tasks."""
    subjects = pack["subject_train"].astype(np.int64)
    apart = np.isin(subjects, np.unique(subjects)[seed::SEEDS])
    parts = {"train": ~apart, "test": apart}
    chosen: Arrays = {f"{array}_{side}": pack[f"{array}_train"][where] for side, where in parts.items() for array in ("x", "y")}
    return {**chosen, "group_train": subjects[~apart]}


def _labels(y: npt.NDArray[np.generic], task: str) -> npt.NDArray[np.int64]:
    """The pack's labels as the task's."""
    if task == "har6":
        return y.astype(np.int64)
    return np.isin(y, [label for label, name in enumerate(TASKS["har6"]) if name in _MERGED]).astype(np.int64)


def save_task(path: Path, arrays: Arrays, task: str) -> None:
    """Write arrays and the task's classes as a .npz that rescomp reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.stem}.{os.getpid()}.partial.npz")
    np.savez(partial, **arrays, classes=np.array(TASKS[task]))
    partial.replace(path)


def _short_digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:8]
