from __future__ import annotations

import json
from pathlib import Path

import pytest

from rescomp.errors import InputError
from rescomp.train import EpochReport, MetricsFile


def report(epoch: int, stage: str = "train", seconds_left: float = 1.0) -> EpochReport:
    return EpochReport(stage, epoch, 3, 0.5 / epoch, 0.75, None, 0.01, seconds_left)


@pytest.fixture
def metrics(tmp_path: Path) -> MetricsFile:
    return MetricsFile(tmp_path / "metrics.jsonl")


def write(metrics: MetricsFile, *reports: EpochReport) -> None:
    for item in reports:
        metrics.append(item)


def epochs(metrics: MetricsFile) -> list[tuple[str, int]]:
    return [(line["stage"], line["epoch"]) for line in map(json.loads, metrics.path.read_text().splitlines())]


def test_a_line_an_epoch_without_times(metrics: MetricsFile) -> None:
    metrics.start("train")
    write(metrics, report(1), report(2))
    assert json.loads(metrics.path.read_text().splitlines()[0]) == {
        "stage": "train",
        "epoch": 1,
        "epochs": 3,
        "loss": 0.5,
        "accuracy": 0.75,
        "validation_accuracy": None,
        "learning_rate": 0.01,
    }


def test_a_new_run_starts_empty(metrics: MetricsFile) -> None:
    write(metrics, report(1), report(2))
    metrics.start("train")
    assert metrics.path.read_text() == ""


def test_a_resumed_run_keeps_its_epochs(metrics: MetricsFile) -> None:
    write(metrics, report(1), report(2), report(3))
    metrics.start("train", 2)
    assert epochs(metrics) == [("train", 1), ("train", 2)]


def test_other_stages_stay(metrics: MetricsFile) -> None:
    write(metrics, report(1), report(2), report(1, "quantize"), report(2, "quantize"))
    metrics.start("quantize", 1)
    assert epochs(metrics) == [("train", 1), ("train", 2), ("quantize", 1)]


def test_a_torn_last_line_is_dropped(metrics: MetricsFile) -> None:
    write(metrics, report(1))
    with metrics.path.open("a") as file:
        file.write('{"stage": "tra')
    metrics.start("train", 1)
    assert epochs(metrics) == [("train", 1)]


def test_lost_epochs(metrics: MetricsFile) -> None:
    write(metrics, report(1))
    with pytest.raises(InputError, match=r"metrics\.jsonl holds 1 of the 2 epochs of 'train' that are done: restore it or train anew"):
        metrics.start("train", 2)


@pytest.mark.parametrize("line", ["not json", "[]", "{}"])
def test_a_damaged_line(metrics: MetricsFile, line: str) -> None:
    write(metrics, report(1))
    with metrics.path.open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(InputError, match=r"metrics\.jsonl, line 2 is damaged: remove the file or train anew"):
        metrics.start("train", 1)


def test_an_unreadable_file(metrics: MetricsFile) -> None:
    metrics.path.mkdir()
    with pytest.raises(InputError, match=r"cannot read .*metrics\.jsonl \(.*directory"):
        metrics.start("train")


def test_an_unwritable_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write .*metrics\.jsonl \(No such file or directory\): free space"):
        MetricsFile(tmp_path / "no" / "metrics.jsonl").append(report(1))
