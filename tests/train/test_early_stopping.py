from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from rescomp.data import Split
from rescomp.errors import InputError
from rescomp.recipe import Recipe, Sparse
from rescomp.train import BestEpoch, CheckpointFile, Metrics, Schedule, accuracy, fit, quantize_schedule


def weights(net: torch.nn.Module) -> dict[str, bytes]:
    return {name: value.detach().numpy().tobytes() for name, value in net.state_dict().items()}


@pytest.fixture
def patient(schedule: Schedule) -> Schedule:
    return dataclasses.replace(schedule, epochs=40, learning_rate=0.02, patience=3)


def test_the_best_accuracy_then_the_lowest_loss_then_the_first(make_net: Any) -> None:
    best, net = BestEpoch(), make_net()
    assert not best.is_over(9, 1)
    for epoch, watched in enumerate(((0.5, 1.0), (0.7, 2.0), (0.7, 1.5), (0.7, 1.5), (0.6, 0.1)), start=1):
        best.see(epoch, *watched, net)
    assert (best.epoch, best.figure, best.loss) == (3, 0.7, 1.5)
    assert [best.is_over(epoch, 2) for epoch in (4, 5)] == [False, True]


def test_it_stops_and_keeps_the_best_weights(make_net: Any, train_split: Split, validation: Split, patient: Schedule) -> None:
    net, steps, kept = make_net(), [], {}
    reports = fit(
        net,
        train_split,
        patient,
        validation=validation,
        report=lambda report: kept.update({report.epoch: weights(net)}),
        on_step=lambda step, total: steps.append((step, total)),
    )
    scores = [report.validation_accuracy for report in reports]
    best = reports[-1].best_epoch
    assert scores[best - 1] == max(scores)
    assert 3 < len(reports) == best + 3 < patient.epochs
    assert weights(net) == kept[best] != kept[len(reports)]
    assert accuracy(net, validation) == max(scores)
    assert steps[-1] == (200, 200)


def test_patience_to_the_end_keeps_the_best_too(make_net: Any, train_split: Split, validation: Split, patient: Schedule) -> None:
    net = make_net()
    reports = fit(net, train_split, dataclasses.replace(patient, patience=50), validation=validation)
    assert len(reports) == 40
    assert accuracy(net, validation) == max(report.validation_accuracy for report in reports)


def test_unsettled_epochs_are_not_kept(make_net: Any, train_split: Split, validation: Split, patient: Schedule) -> None:
    reports = fit(make_net(), train_split, dataclasses.replace(patient, settled=0.125), validation=validation)
    assert [report.best_epoch for report in reports[:4]] == [None] * 4
    assert reports[4].best_epoch == 5


@pytest.mark.parametrize("epoch", [1, 4, 8])
def test_resume_equals_an_uninterrupted_run(
    make_net: Any, train_split: Split, validation: Split, patient: Schedule, tmp_path: Path, epoch: int
) -> None:
    def interrupt(report: Any) -> None:
        if report.epoch == epoch:
            raise KeyboardInterrupt

    files = [
        {"checkpoint": CheckpointFile(tmp_path / f"{name}.c"), "metrics": Metrics(), "validation": validation} for name in ("whole", "cut")
    ]
    whole, resumed = make_net(), make_net()
    reports = fit(whole, train_split, patient, **files[0])
    with pytest.raises(KeyboardInterrupt):
        fit(make_net(), train_split, patient, **files[1], report=interrupt)
    assert epoch + len(fit(resumed, train_split, patient, **files[1], resume=True)) == len(reports)
    assert weights(whole) == weights(resumed)
    assert (tmp_path / "whole.c").read_bytes() == (tmp_path / "cut.c").read_bytes()
    assert files[0]["metrics"].lines == files[1]["metrics"].lines
    again = make_net()
    assert fit(again, train_split, patient, **files[1], resume=True) == ()
    assert weights(whole) == weights(again)


def test_patience_needs_a_validation_part(make_net: Any, train_split: Split, patient: Schedule) -> None:
    with pytest.raises(InputError, match=r"set train\.validation_fraction"):
        fit(make_net(), train_split, patient)


def test_the_fine_tuning_is_settled_once_the_support_is_fixed() -> None:
    recipe = Recipe.model_validate({"train": {"validation_fraction": 0.2, "patience": 4}})
    assert quantize_schedule(recipe.train, recipe.quantize, [Sparse(search=0.4)]).settled == 0.4
    assert quantize_schedule(recipe.train, recipe.quantize, recipe.compress).patience == 4


def test_the_report_carries_the_constraints_schedule(make_net: Any, train_split: Split, schedule: Schedule) -> None:
    reports = fit(make_net(), train_split, dataclasses.replace(schedule, epochs=1), describe=lambda: "lambda 0.42")
    assert reports[0].schedule == reports[0].stored()["schedule"] == "lambda 0.42"


def test_another_loss(make_net: Any, train_split: Split, schedule: Schedule) -> None:
    reports = fit(make_net(), train_split, schedule, loss=lambda scores, x, lengths, y, counted: (scores * 0).sum() + 7)
    assert reports[0].loss == 7
