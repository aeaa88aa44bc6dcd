"""States handed from batch to batch, and losses over the last steps: what a net that runs on without a reset is trained with."""

from __future__ import annotations

import copy
import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from rescomp.compress import calibrate, constrain
from rescomp.data import Split
from rescomp.data.rows import row_orders
from rescomp.errors import InputError
from rescomp.models import CountedSteps, RecurrentNet, build
from rescomp.recipe import LowRank, ModelSection, Quantize
from rescomp.train import CheckpointFile, EpochReport, Metrics, Schedule, accuracy, fit
from rescomp.train.batches import Batch
from rescomp.train.checkpoint import read_tensors, write_tensors


def net_of(kind: str = "fastgrnn", layers: int = 1, *, quantized: bool = False, blocks: int | None = None) -> RecurrentNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        readout: dict[str, Any] = {"readout": "last_mean", "readout_steps": blocks} if blocks else {}
        net = build(ModelSection(kind=kind, hidden_size=4, layers=layers, **readout), 3, 2)
    if quantized:
        net = constrain(net, [LowRank(rank_u=2), Quantize(bits=4)])
        calibrate(net, torch.randn(9, 6, 3, generator=torch.Generator().manual_seed(1)), torch.full((9,), 6), 10)
    return net


@pytest.fixture
def streaming(schedule: Schedule) -> Schedule:
    return dataclasses.replace(schedule, epochs=3, carry=0.75, loss_share=0.5)


class Watched(RecurrentNet):
    """Remembers the states in which batches began and ended."""

    def answer(self, x: Any, lengths: Any, counted: Any, begin: Any = None) -> Any:
        scores, ends = super().answer(x, lengths, counted, begin)
        if self.training:
            own = torch.stack([self.states(x, lengths, begin)["h"][i, length - 1] for i, length in enumerate(lengths)])
            torch.testing.assert_close(ends["h"], own, rtol=0, atol=0)
            self.__dict__.setdefault("seen", []).append((begin and begin["h"], ends["h"]))
        return scores, ends


def watched_training(split: Split, schedule: Schedule) -> list[tuple[Any, torch.Tensor]]:
    net = net_of()
    net.__class__ = Watched
    fit(net, split, schedule)
    seen: list[tuple[Any, torch.Tensor]] = net.__dict__["seen"]
    return seen


def test_rows_begin_where_rows_of_the_batch_before_ended_each_at_its_own_last_step(train_split: Split, streaming: Schedule) -> None:
    """46 sequences of 1 to 6 steps in batches of 10 and one of 6, over epochs: permuted where as many, drawn where not."""
    seen = watched_training(train_split, dataclasses.replace(streaming, carry=1.0))
    assert [len(ends) for _, ends in seen] == [10, 10, 10, 10, 6] * 3
    assert seen[0][0] is None
    drawn = []
    for (_, before), (begin, ends) in itertools.pairwise(seen):
        places = [int((before == row).all(dim=1).nonzero()[0]) for row in begin]
        if len(before) == len(ends):
            assert sorted(places) == list(range(10)) != places
        else:
            drawn.append((len(before), len(ends), len(set(places))))
    assert [sizes[:2] for sizes in drawn] == [(10, 6), (6, 10)] * 2 + [(10, 6)]
    assert any(different < wanted for _, wanted, different in drawn[::2])


def test_blocks_run_on_through_what_is_carried(train_split: Split, streaming: Schedule) -> None:
    """A row goes on with the sum and the count of the row that it begins in, past the ends of blocks of four steps."""
    net, seen = net_of(blocks=4), []
    answer = net.answer

    def watched(x: Any, lengths: Any, counted: Any, begin: Any = None) -> Any:
        scores, ends = answer(x, lengths, counted, begin)
        if net.training:
            seen.append((begin, lengths, ends))
        return scores, ends

    net.answer = watched  # type: ignore[method-assign]
    fit(net, train_split, dataclasses.replace(streaming, carry=1.0))
    for before, lengths, ends in seen[1:]:
        count = before["readout_count"][:, 0]
        assert torch.equal(ends["readout_count"][:, 0], (count + lengths - 1) % 4 + 1)
    assert len({int(count) for before, *_ in seen[1:] for count in before["readout_count"]}) == 4


def test_others_begin_with_zeros(train_split: Split, streaming: Schedule) -> None:
    begun = torch.cat([begin for begin, _ in watched_training(train_split, dataclasses.replace(streaming, epochs=20))[1:]])
    carried = begun.any(dim=1).double().mean()
    assert abs(float(carried) - 0.75) < 4 * (0.75 * 0.25 / len(begun)) ** 0.5


def test_the_last_steps_of_each_sequence_are_counted_half_up_and_one_at_least() -> None:
    counted = CountedSteps.of(torch.tensor([1, 2, 5, 7]), 0.5)
    assert counted.count.tolist() == [1, 1, 3, 4]
    assert list(zip(counted.sequence.tolist(), counted.step.tolist(), strict=True)) == [
        (0, 0), (1, 1), (2, 2), (2, 3), (2, 4), (3, 3), (3, 4), (3, 5), (3, 6),
    ]  # fmt: skip
    assert counted.last.tolist() == [0, 1, 4, 8]
    assert CountedSteps.of(torch.tensor([3, 4]), 0.0).step.tolist() == [2, 3]
    assert CountedSteps.of(torch.tensor([2, 1]), 1.0).step.tolist() == [0, 1, 0]


def test_the_loss_is_the_mean_over_the_counted_steps_of_each_then_over_all(train_split: Split, streaming: Schedule) -> None:
    net, batch = net_of(), Batch.whole(train_split)
    fresh = net_of()
    whole = dataclasses.replace(streaming, epochs=1, batch_size=len(batch), input_noise=0.0, loss_share=0.4)
    (report,) = fit(net, train_split, whole)
    states = fresh.states(batch.x, batch.lengths)["h"].detach()
    losses = []
    for h, length, y in zip(states, batch.lengths, batch.y, strict=True):
        last = fresh.scores(h[:length][-max(1, int(0.4 * length + 0.5)) :])
        losses.append(cross_entropy(last, y.expand(len(last)), label_smoothing=0.1))
    assert report.loss == pytest.approx(torch.stack(losses).mean().item(), rel=1e-5)
    assert report.accuracy == accuracy(fresh, train_split)


@pytest.mark.parametrize(
    ("kind", "layers", "quantized", "blocks"), [("lstm", 2, False, None), ("fastgrnn", 1, True, None), ("gru", 1, True, 4)]
)
def test_resume_equals_an_uninterrupted_run(
    train_split: Split, streaming: Schedule, tmp_path: Path, kind: str, layers: int, quantized: bool, blocks: int | None
) -> None:
    def interrupt(step: int, total: int) -> None:
        if step == 8:
            raise KeyboardInterrupt

    nets = [net_of(kind, layers, quantized=quantized, blocks=blocks) for _ in range(3)]
    files = [CheckpointFile(tmp_path / name) for name in ("whole", "cut")]
    fit(nets[0], train_split, streaming, checkpoint=files[0])
    with pytest.raises(KeyboardInterrupt):
        fit(nets[1], train_split, streaming, checkpoint=files[1], on_step=interrupt)
    fit(nets[2], train_split, streaming, checkpoint=files[1], metrics=Metrics(), resume=True)
    assert files[0].path.read_bytes() == files[1].path.read_bytes()
    for name, size in nets[0].state_sizes.items():
        assert read_tensors(files[0].path)[0][f"carried.{name}"].shape == (6, size)


@torch.no_grad()
def right_in_a_row(net: RecurrentNet, split: Split) -> float:
    """Each lane as one long sequence, judged where a sequence of the split ends."""
    right = 0
    for lane in np.array_split(row_orders(split.y, 1)[0], 16):
        x = torch.cat([torch.from_numpy(split.x[i, : split.lengths[i]]) for i in lane]).expand(len(lane), -1, -1)
        right += int((net(x, torch.from_numpy(split.lengths[lane].cumsum())).argmax(dim=1) == torch.from_numpy(split.y[lane])).sum())
    return right / len(split)


def test_validation_and_early_stopping_judge_sequences_in_a_row_too(train_split: Split, validation: Split, streaming: Schedule) -> None:
    net, judged, nets = net_of("lstm"), [], []

    def report(report: EpochReport) -> None:
        net.eval()
        assert report.streamed_accuracy == right_in_a_row(net, validation)
        assert report.validation_accuracy == accuracy(net, validation)
        judged.append(report.validation_accuracy + report.streamed_accuracy)
        nets.append(copy.deepcopy(net.state_dict()))

    reports = fit(net, train_split, dataclasses.replace(streaming, epochs=6, patience=6), validation=validation, report=report)
    best = reports[-1].best_epoch
    assert best is not None
    assert judged[best - 1] == max(judged)
    assert all(torch.equal(value, nets[best - 1][name]) for name, value in net.state_dict().items())
    assert any(report.streamed_accuracy != report.validation_accuracy for report in reports)
    alone = fit(net_of(), train_split, dataclasses.replace(streaming, carry=0.0), validation=validation)
    assert {report.streamed_accuracy for report in alone} == {None}


@pytest.mark.parametrize(
    "states",
    [{"h": torch.zeros(6, 5)}, {"h": torch.zeros(11, 4)}, {"h": torch.zeros(0, 4)}, {"c": torch.zeros(6, 4)}, {"h": torch.zeros(4)},
     {"h": torch.zeros(6, 4).double()}, {"h": torch.full((6, 4), torch.nan)}, {"h": torch.zeros(6, 4), "c": torch.zeros(6, 4)}],
)  # fmt: skip
def test_states_of_another_training_are_refused(train_split: Split, streaming: Schedule, tmp_path: Path, states: Any) -> None:
    file = CheckpointFile(tmp_path / "c")
    fit(net_of(), train_split, streaming, checkpoint=file)
    tensors, metadata = read_tensors(file.path)
    others = {name: value for name, value in tensors.items() if not name.startswith("carried.")}
    write_tensors(file.path, {**others, **{f"carried.{name}": value for name, value in states.items()}}, metadata)
    with pytest.raises(InputError, match=r"holds carried states that are not of this training: use the recipe it was made with, or train"):
        fit(net_of(), train_split, streaming, checkpoint=file, resume=True)


@pytest.mark.parametrize("key", ["carry", "loss_share"])
def test_a_net_without_state_has_none_to_carry(make_net: Any, train_split: Split, schedule: Schedule, key: str) -> None:
    with pytest.raises(InputError, match=rf"^train\.{key} is for recurrent cells: leave it out for a net without state$"):
        fit(make_net(), train_split, dataclasses.replace(schedule, **{key: 0.5}))
