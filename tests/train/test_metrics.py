from __future__ import annotations

import json

import pytest

from rescomp.errors import InputError
from rescomp.train import EpochReport, Metrics, metrics_file


def report(epoch: int, stage: str = "train", seconds_left: float = 1.0) -> EpochReport:
    return EpochReport(stage, epoch, 3, 0.5 / epoch, 0.75, None, 0.01, seconds_left)


def test_a_line_an_epoch_without_times() -> None:
    metrics = Metrics()
    for epoch in (1, 2):
        metrics.append(report(epoch))
    assert len(metrics.lines) == 2
    assert json.loads(metrics.lines[0]) == {
        "stage": "train",
        "epoch": 1,
        "epochs": 3,
        "loss": 0.5,
        "accuracy": 0.75,
        "validation_accuracy": None,
        "learning_rate": 0.01,
    }


def lines(*stages: str) -> bytes:
    return "".join(f'{{"stage": "{stage}"}}\n' for stage in stages).encode()


def test_a_stage_replaces_its_own_lines_and_keeps_those_of_others() -> None:
    metrics = Metrics(['{"stage": "quantize", "epoch": 1}'])
    file = metrics_file(lines("train", "train", "quantize", "quantize"), "quantize", metrics)
    assert file == lines("train", "train") + b'{"stage": "quantize", "epoch": 1}\n'
    assert metrics_file(file, "quantize", Metrics()) == lines("train", "train")


@pytest.mark.parametrize("line", [b"not json", b"[]", b"{}", b"\xff"])
def test_a_damaged_line(line: bytes) -> None:
    with pytest.raises(InputError, match=r"metrics\.jsonl, line 2 is damaged: remove the file or train anew"):
        metrics_file(lines("train") + line + b"\n", "quantize", Metrics())
