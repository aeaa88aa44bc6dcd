"""Classes of different numbers of sequences: what they weigh, how often they are drawn, and by what the best epoch is chosen."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, kl_div, log_softmax

from rescomp.compress import DistillationLoss
from rescomp.data import Split
from rescomp.data.confusion import Confusion
from rescomp.errors import InputError
from rescomp.models import CountedSteps, build, mean_cross_entropy
from rescomp.recipe import Distill, ModelSection
from rescomp.train import CheckpointFile, Metrics, Schedule, fit
from rescomp.train.balance import balanced_order, class_weights
from rescomp.train.checkpoint import read_tensors, write_tensors
from rescomp.train.evaluate import Judgement, Validation

COUNTS = (30, 6, 2)
Y = np.repeat([0, 1, 3], COUNTS)


def test_weights_make_every_class_count_alike_and_a_recording_once_in_the_mean() -> None:
    weights = class_weights(Y, 5)
    assert weights.tolist() == torch.tensor([38 / 90, 38 / 18, 1, 38 / 6, 1]).tolist()
    assert weights[torch.from_numpy(Y)].mean().item() == pytest.approx(1, abs=1e-6)


def test_balanced_batches_hold_each_class_once_in_as_many_draws_as_there_are_classes() -> None:
    y = torch.from_numpy(Y)
    order = balanced_order(y, torch.Generator().manual_seed(0))
    assert len(order) == 38
    rounds = y[order][:36].view(12, 3)
    assert (rounds.sort(dim=1).values == torch.tensor([0, 1, 3])).all()
    assert len(rounds.unique(dim=0)) > 1
    drawn = torch.bincount(order, minlength=38)
    assert drawn[:30].max() == 1
    assert set(drawn[30:36].tolist()) <= {2, 3}
    assert set(drawn[36:].tolist()) <= {6, 7}
    assert not torch.equal(order, balanced_order(y, torch.Generator().manual_seed(1)))


@pytest.mark.parametrize("share", [None, 0.5])
def test_a_weighted_loss_is_the_mean_of_weighted_losses(share: float | None) -> None:
    generator = torch.Generator().manual_seed(0)
    lengths, y, weights = torch.tensor([4, 2, 3]), torch.tensor([0, 1, 1]), torch.tensor([0.5, 1.5])
    counted = None if share is None else CountedSteps.of(lengths, share)
    of = torch.arange(3) if counted is None else counted.sequence
    scores = torch.randn(len(of), 2, generator=generator)
    each = cross_entropy(scores, y[of], label_smoothing=0.1, reduction="none") * weights[y[of]]
    expected = torch.stack([each[of == row].mean() for row in range(3)]).mean()
    torch.testing.assert_close(mean_cross_entropy(scores, y, 0.1, counted, weights), expected)

    torch.manual_seed(0)
    teacher, x = build(ModelSection(hidden_size=4), 3, 2), torch.randn(3, 4, 3, generator=generator)
    loss = DistillationLoss([teacher], Distill(temperature=2.0, share=0.25), 0.1, weights)
    with torch.no_grad():
        wanted = teacher.eval()(x, lengths) if counted is None else teacher.eval().answer(x, lengths, counted)[0]
    apart = kl_div(log_softmax(scores / 2, 1), log_softmax(wanted / 2, 1), reduction="none", log_target=True).sum(dim=1) * weights[y[of]]
    distance = torch.stack([apart[of == row].mean() for row in range(3)]).mean()
    torch.testing.assert_close(loss(scores, x, lengths, y, counted), 0.75 * expected + 0.25 * 4 * distance)


@pytest.fixture
def unbalanced() -> Split:
    """Two classes, 5 of 100 in the second, whose means lie near each other."""
    rng = np.random.default_rng(0)
    y = (np.arange(100) >= 95).astype(np.int64)
    x = rng.normal(size=(100, 4, 3)).astype(np.float32)
    x[:, :, 1] += y[:, None]
    return Split(x, y, np.full(100, 4))


def test_what_is_unbalanced_is_learnt_by_weights_and_by_batches_alone(make_net: Any, unbalanced: Split, schedule: Schedule) -> None:
    recall = {}
    for balance in ("none", "weights", "batches"):
        net = make_net()
        fit(net, unbalanced, dataclasses.replace(schedule, balance=balance))
        recall[balance] = Validation.of(unbalanced, in_a_row=False).judge(net).alone.recall
    assert recall["none"][1] == 0
    assert min(*recall["weights"], *recall["batches"]) > 0.6


@pytest.mark.parametrize("select", ["accuracy", "balanced_accuracy", "macro_f1", "loss"])
def test_the_best_epoch_is_that_of_the_figure_that_is_named(
    make_net: Any, unbalanced: Split, validation: Split, schedule: Schedule, select: Any
) -> None:
    chosen = dataclasses.replace(schedule, epochs=8, patience=8, select=select, balance="weights")
    net, judged = make_net(), []
    watch = Validation.of(validation, in_a_row=False)
    reports = fit(net, unbalanced, chosen, validation=validation, report=lambda _: judged.append(watch.judge(net)))
    figures = [-each.loss if select == "loss" else getattr(each.alone, select) for each in judged]
    best = max(range(8), key=lambda place: (figures[place], -judged[place].loss))
    assert reports[-1].best_epoch == best + 1
    assert [report.validation.balanced_accuracy for report in reports] == [each.alone.balanced_accuracy for each in judged]
    assert json.loads(json.dumps(reports[0].stored()))["validation"]["macro_f1"] == judged[0].alone.macro_f1


def recurrent() -> Any:
    torch.manual_seed(0)
    return build(ModelSection(hidden_size=4), 3, 2)


def test_the_streamed_figure_is_that_of_recordings_in_a_row_alone(validation: Split) -> None:
    y = np.array([0, 0, 1])
    judged = Judgement(Confusion.of(y, y, 2), Confusion.of(y, np.array([0, 1, 1]), 2), 0.25)
    assert judged.streamed is not None
    for figure in ("accuracy", "balanced_accuracy", "macro_f1"):
        streamed: Any = f"streamed_{figure}"
        assert judged.watched(streamed) == getattr(judged.streamed, figure) < 1
        assert judged.watched(figure) == (1 + getattr(judged.streamed, figure)) / 2
    assert judged.watched("loss") == -0.25
    assert Validation.of(validation, in_a_row=False).judge(recurrent()).streamed is None
    assert Validation.of(validation, in_a_row=True).judge(recurrent()).told.keys() >= {"streamed_accuracy", "streamed"}


def test_what_no_training_has_is_refused(unbalanced: Split, validation: Split, schedule: Schedule) -> None:
    alone = dataclasses.replace(schedule, patience=2, select="streamed_accuracy")
    with pytest.raises(InputError, match=r"train\.select = 'streamed_accuracy' is for nets whose states are carried .* choose 'accuracy'"):
        fit(recurrent(), unbalanced, alone, validation=validation)
    spans = np.stack([np.arange(100) * 4, np.arange(100) * 4 + 4], axis=1)
    walked = dataclasses.replace(unbalanced, spans=spans)
    with pytest.raises(InputError, match=r"train\.balance = 'batches' draws recordings one by one, .* set it to 'weights'"):
        fit(recurrent(), walked, dataclasses.replace(schedule, carry=0.5, balance="batches"))


def test_a_checkpoint_from_before_there_was_a_choice_goes_on(
    make_net: Any, train_split: Split, validation: Split, schedule: Schedule, tmp_path: Path
) -> None:
    patient = dataclasses.replace(schedule, patience=4)
    whole, resumed, path = make_net(), make_net(), tmp_path / "checkpoint"
    fit(whole, train_split, patient, validation=validation)

    def interrupt(report: Any) -> None:
        if report.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(make_net(), train_split, patient, validation=validation, checkpoint=CheckpointFile(path), report=interrupt)
    tensors, metadata = read_tensors(path)
    del metadata["identity"]["select"], metadata["identity"]["balance"], metadata["schema"]
    write_tensors(path, tensors, metadata)
    fit(resumed, train_split, patient, validation=validation, checkpoint=CheckpointFile(path), metrics=Metrics(), resume=True)
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True))
    other = dataclasses.replace(patient, balance="weights")
    with pytest.raises(InputError, match="was made with balance = none, this run has weights"):
        fit(make_net(), train_split, other, validation=validation, checkpoint=CheckpointFile(path), resume=True)
