"""The jobs of streams.py: what each trains, on which recordings, and the continuous recordings that it is judged on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from har2_jobs import ALONE, BASE, SEEDS, TASKS, Arrays, decode, final_arrays, save_task, validation_arrays

from rescomp.data.dataset import Split, load_dataset
from rescomp.data.rows import in_a_row, row_orders
from rescomp.data.streams import Streams
from rescomp.recipe import Recipe, load_recipe

RECIPES: Mapping[str, tuple[str, ...]] = {
    "today": ALONE,
    "carry": ("train.carry=0.75", "train.loss_share=0.5"),
    "carry, a quarter": ("train.carry=0.75", "train.loss_share=0.25"),
    "carry alone": ("train.carry=0.75", "train.loss_share=0"),
}
FORMATS: Mapping[str, str] = {
    "float": '{kind="quantize"}',
    "int8": '{kind="quantize"}',
    "int4": '{kind="quantize",bits=4}',
    "ternary": '{kind="ternary"}',
}
HAR = (*BASE, "model.readings=4", "train.epochs=30", "quantize.epochs=30", "model.name=har6")
HOP, READINGS, RATE = 64, 128, 50.0
"""Readings from one window of the pack to the next one in an activity, of a window, a second."""


@dataclass(frozen=True)
class Job:
    """One training under one storage (float: none), and its evaluation."""

    task: str
    split: str
    recipe_name: str
    seed: int
    format: str

    @property
    def name(self) -> str:
        """What --jobs selects."""
        return f"{self.task}/{self.split}/s{self.seed}/{self.recipe_name}/{self.format}"

    @property
    def float_name(self) -> str:
        """Of the folder of its float net."""
        return f"{self.task}.{self.split}.s{self.seed}.{self.recipe_name.replace(', ', '-').replace(' ', '-')}"

    def recipe(self, source: str) -> Recipe:
        """The recipe of all stages, reading `source`."""
        base = HAR if self.task == "har6" else ("train.loop=compiled",)
        chosen = [f"data.source={source}", f"train.seed={self.seed}", f"compress=[{FORMATS[self.format]}]"]
        return load_recipe(None, [*base, *RECIPES[self.recipe_name], *chosen])


def all_jobs() -> list[Job]:
    """In the order in which they run: first what says most."""
    return list(dict.fromkeys(_in_order()))


def _in_order() -> Iterator[Job]:
    vowels, folds = [("japanese_vowels", "test")], [("har6", f"fold{fold}") for fold in range(SEEDS)]
    pair, every, others = ("today", "carry"), tuple(RECIPES), tuple(RECIPES)[2:]
    yield from _jobs(folds[:2], [0], pair, ("float", "int4"))
    yield from _jobs(vowels, [0, 1], every, ("float", "ternary"))
    yield from _jobs(folds[:2], [0], others, ("float", "int4"))
    yield from _jobs(folds[2:], [0], every, ("float", "int4"))
    yield from _jobs(vowels, [2], every, ("float", "ternary"))
    yield from _jobs(vowels, [0, 1, 2], every, ("int4",))
    yield from _jobs(folds, [0], pair, ("int8", "ternary"))
    yield from _jobs(vowels, [0, 1, 2], pair, ("int8",))
    yield from _jobs([("har6", "test")], [0, 1, 2], pair, tuple(FORMATS))
    yield from _jobs(folds, [1, 2], pair, tuple(FORMATS))
    yield from _jobs(vowels, [3, 4], every, tuple(FORMATS))


def _jobs(places: list[tuple[str, str]], seeds: list[int], recipes: tuple[str, ...], formats: tuple[str, ...]) -> Iterator[Job]:
    for seed in seeds:
        for task, split in places:
            for recipe in recipes:
                yield from (Job(task, split, recipe, seed, format) for format in formats)


def recordings(job: Job, folder: Path | None, work: Path) -> str:
    """The source that a job's recipe names, written into `work` where it is a split of the pack."""
    if job.task != "har6":
        return job.task
    path = work / "data" / f"har6-{job.split}.npz"
    if not path.is_file():
        pack = _pack(folder)
        arrays = final_arrays(pack) if job.split == "test" else validation_arrays(pack, _fold(job))
        save_task(path, {**arrays, "y_train": arrays["y_train"].astype(np.int64), "y_test": arrays["y_test"].astype(np.int64)}, "har6")
    return str(path)


def judged(job: Job, folder: Path | None) -> tuple[Split, Streams]:
    """The recordings one by one, and continuous: of har6 with their subjects as groups, of vowels in five orders."""
    if job.task != "har6":
        test = load_dataset(job.task).test
        return Split(test.x, test.y, test.lengths, test.y), in_a_row(test, row_orders(test.y))
    pack, side = _pack(folder), "test" if job.split == "test" else "train"
    subjects = pack[f"subject_{side}"].astype(np.int64)
    where = np.ones(len(subjects), bool) if side == "test" else np.isin(subjects, np.unique(subjects)[_fold(job) :: SEEDS])
    x, y = pack[f"x_{side}"][where], pack[f"y_{side}"][where].astype(np.int64)
    single = Split(x, y, np.full(len(y), READINGS, np.int64), subjects[where])
    return single, put_together(single, pack[f"exp_{side}"][where], pack[f"start_{side}"][where])


def put_together(windows: Split, recording: np.ndarray, start: np.ndarray) -> Streams:
    """Each recording's windows one behind the other, without what two of them share; where readings are missing, spliced."""
    assert windows.groups is not None
    rows, labels, groups = [], [], []
    for number in np.unique(recording):
        order = np.flatnonzero(recording == number)
        order = order[np.argsort(start[order], kind="stable")]
        follows = np.concatenate([[False], np.diff(start[order]) == HOP])
        parts = [windows.x[i, HOP if goes_on else 0 :] for i, goes_on in zip(order, follows, strict=True)]
        rows.append(np.concatenate(parts))
        labels.append(np.repeat(windows.y[order], [len(part) for part in parts]))
        groups.append(int(windows.groups[order[0]]))
    lengths = np.array([len(row) for row in rows], np.int64)
    x = np.zeros((len(rows), lengths.max(), windows.channels), np.float32)
    y = np.zeros(x.shape[:2], np.int64)
    for place, (row, label) in enumerate(zip(rows, labels, strict=True)):
        x[place, : len(row)], y[place, : len(row)] = row, label
    return Streams(x, y, lengths, np.array(groups, np.int64))


def _fold(job: Job) -> int:
    return int(job.split.removeprefix("fold"))


@cache
def _pack(folder: Path | None) -> Arrays:
    if folder is None:
        raise SystemExit("where is uci_har.npz? give --data-folder FOLDER")
    pack = decode(Path(folder) / "uci_har.npz")
    assert len(TASKS["har6"]) == len(pack["classes"])
    return pack
