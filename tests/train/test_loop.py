from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rescomp.data import Split
from rescomp.errors import InputError
from rescomp.store import Disk, injected
from rescomp.train import CheckpointFile, DivergedError, EpochReport, Metrics, Schedule, accuracy, fit, save_net


def weights(net: torch.nn.Module) -> dict[str, bytes]:
    return {name: value.detach().numpy().tobytes() for name, value in net.state_dict().items()}


class Interruption:
    """Ctrl-C in the middle of an epoch."""

    def __init__(self, at_step: int) -> None:
        self.at_step = at_step

    def __call__(self, step: int, total: int) -> None:
        if step == self.at_step:
            raise KeyboardInterrupt


def test_it_learns(make_net: Any, train_split: Split, validation: Split, schedule: Schedule) -> None:
    net = make_net()
    reports = fit(net, train_split, dataclasses.replace(schedule, epochs=30), validation=validation)
    assert reports[-1].loss < reports[0].loss
    assert reports[-1].validation_accuracy == accuracy(net, validation) > 0.9
    assert [report.epoch for report in reports] == list(range(1, 31))
    assert all(report.epochs == 30 and report.stage == "train" for report in reports)


def test_the_same_seed_gives_the_same_bits(make_net: Any, train_split: Split, schedule: Schedule) -> None:
    nets = [make_net() for _ in range(3)]
    fit(nets[0], train_split, schedule)
    torch.rand(5)
    fit(nets[1], train_split, schedule)
    fit(nets[2], train_split, dataclasses.replace(schedule, seed=4))
    assert weights(nets[0]) == weights(nets[1]) != weights(nets[2])


def test_the_global_generator_is_left_alone(make_net: Any, train_split: Split, schedule: Schedule) -> None:
    before = torch.get_rng_state()
    fit(make_net(), train_split, schedule)
    assert torch.equal(before, torch.get_rng_state())


def test_steps_are_announced_from_none_to_all(make_net: Any, train_split: Split, schedule: Schedule) -> None:
    steps: list[tuple[int, int]] = []
    fit(make_net(), train_split, schedule, on_step=lambda step, total: steps.append((step, total)))
    assert steps == [(step, 30) for step in range(31)]


def test_batches_are_cut_to_their_longest(train_split: Split, schedule: Schedule) -> None:
    class Watching(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bias = torch.nn.Parameter(torch.zeros(2))

        def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
            assert x.dtype == torch.float32
            assert x.shape[1] == lengths.max()
            return self.bias.expand(len(x), 2)

    fit(Watching(), train_split, dataclasses.replace(schedule, batch_size=2, epochs=1))


def test_integer_recordings_train(make_net: Any, train_split: Split, schedule: Schedule) -> None:
    integers = dataclasses.replace(train_split, x=np.rint(train_split.x * 100).astype(np.int32))
    fit(make_net(), integers, schedule)


def test_input_noise_is_relative_to_each_channel(train_split: Split, schedule: Schedule) -> None:
    """Its spread in each channel is input_noise times the channel's own."""
    seen: list[torch.Tensor] = []

    class Recording(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bias = torch.nn.Parameter(torch.zeros(2))

        def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
            seen.append(x)
            return self.bias.expand(len(x), 2)

    scale = np.array([1, 10, 100], np.float32)
    count = 400
    x = (np.where(np.arange(count) % 2, 1, -1)[:, None, None] * scale).astype(np.float32)
    split = Split(x, np.arange(count) % 2, np.ones(count, np.int64))
    fit(Recording(), split, dataclasses.replace(schedule, epochs=1, batch_size=count, input_noise=0.1))
    noise = seen[0].abs() - torch.from_numpy(scale)
    np.testing.assert_allclose(noise.std(dim=(0, 1)).numpy() / scale, 0.1, rtol=0.15)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("at_step", [5, 13, 29])
def test_resume_equals_an_uninterrupted_run(
    make_net: Any, train_split: Split, validation: Split, schedule: Schedule, tmp_path: Path, at_step: int, optimizer: str
) -> None:
    schedule = dataclasses.replace(schedule, optimizer=optimizer, time_shift=1)
    files = [(CheckpointFile(tmp_path / f"{name}.safetensors"), Metrics()) for name in ("whole", "cut")]
    after_the_cut = Metrics()
    whole, cut, resumed = make_net(), make_net(), make_net()
    fit(whole, train_split, schedule, validation=validation, checkpoint=files[0][0], metrics=files[0][1])
    with pytest.raises(KeyboardInterrupt):
        fit(cut, train_split, schedule, validation=validation, checkpoint=files[1][0], metrics=files[1][1], on_step=Interruption(at_step))
    with torch.no_grad():
        for parameter in resumed.parameters():
            parameter.fill_(9)
    steps: list[int] = []
    reports = fit(
        resumed,
        train_split,
        schedule,
        validation=validation,
        checkpoint=files[1][0],
        metrics=after_the_cut,
        resume=True,
        on_step=lambda step, total: steps.append(step),
    )
    done = (at_step - 1) // 5
    assert steps == list(range(done * 5, 31))
    assert [report.epoch for report in reports] == list(range(done + 1, 7))
    assert weights(whole) == weights(resumed)
    assert files[0][0].path.read_bytes() == files[1][0].path.read_bytes()
    assert len(files[1][1].lines) == done
    assert files[0][1].lines == after_the_cut.lines


def test_descent_is_nesterovs(make_net: Any, train_split: Split, schedule: Schedule) -> None:
    """One step of momentum 0.9 from rest moves by 1.9 gradients."""
    schedule = dataclasses.replace(
        schedule,
        optimizer="sgd",
        epochs=1,
        batch_size=99,
        weight_decay=0.0,
        input_noise=0.0,
        gradient_clip=1e9,
        warmup=0.0,
        label_smoothing=0.0,
    )
    net, stepped = make_net(), make_net()
    for each in (net, stepped):
        each.dropout.p = 0.0
    fit(stepped, train_split, schedule)
    x, lengths, y = (torch.from_numpy(array) for array in (train_split.x, train_split.lengths, train_split.y))
    torch.nn.functional.cross_entropy(net(x, lengths), y).backward()
    moved = net.scores.weight - 1.9 * schedule.learning_rate * net.scores.weight.grad
    torch.testing.assert_close(stepped.scores.weight, moved)


def test_another_optimizer_is_not_resumed(make_net: Any, train_split: Split, schedule: Schedule, tmp_path: Path) -> None:
    checkpoint = CheckpointFile(tmp_path / "c.safetensors")
    fit(make_net(), train_split, schedule, checkpoint=checkpoint)
    with pytest.raises(InputError, match="was made with optimizer = adam, this run has sgd"):
        fit(make_net(), train_split, dataclasses.replace(schedule, optimizer="sgd"), checkpoint=checkpoint, resume=True)


def test_interrupted_before_the_first_epoch(make_net: Any, train_split: Split, schedule: Schedule, tmp_path: Path) -> None:
    checkpoint = CheckpointFile(tmp_path / "c.safetensors")
    whole, resumed = make_net(), make_net()
    fit(whole, train_split, schedule)
    with pytest.raises(KeyboardInterrupt):
        fit(make_net(), train_split, schedule, checkpoint=checkpoint, on_step=Interruption(2))
    fit(resumed, train_split, schedule, checkpoint=checkpoint, resume=True)
    assert weights(whole) == weights(resumed)


def test_resuming_a_finished_run_gives_its_weights(make_net: Any, train_split: Split, schedule: Schedule, tmp_path: Path) -> None:
    checkpoint = CheckpointFile(tmp_path / "c.safetensors")
    whole, resumed = make_net(), make_net()
    fit(whole, train_split, schedule, checkpoint=checkpoint)
    assert fit(resumed, train_split, schedule, checkpoint=checkpoint, resume=True) == ()
    assert weights(whole) == weights(resumed)


def test_a_report_comes_after_the_files(make_net: Any, train_split: Split, schedule: Schedule, tmp_path: Path) -> None:
    """Ctrl-C while an epoch is being displayed loses nothing."""
    checkpoint, metrics = CheckpointFile(tmp_path / "c.safetensors"), Metrics()

    def report(epoch: EpochReport) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(make_net(), train_split, schedule, checkpoint=checkpoint, metrics=metrics, report=report)
    assert len(metrics.lines) == 2
    assert [r.epoch for r in fit(make_net(), train_split, schedule, checkpoint=checkpoint, metrics=metrics, resume=True)] == [3, 4, 5, 6]


def test_files_do_not_change_the_training(make_net: Any, train_split: Split, validation: Split, schedule: Schedule, tmp_path: Path) -> None:
    plain, stored = make_net(), make_net()
    fit(plain, train_split, schedule)
    fit(stored, train_split, schedule, validation=validation, checkpoint=CheckpointFile(tmp_path / "c"), metrics=Metrics())
    assert weights(plain) == weights(stored)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 9}, r"c\.safetensors was made with epochs = 6, this run has 9: resume with the same recipe and data, or train anew$"),
        ({"learning_rate": 0.5}, r"was made with learning_rate = 0\.02, this run has 0\.5"),
        ({"seed": 4}, r"was made with seed = 3, this run has 4"),
        ({"stage": "quantize"}, r"was made with stage = train, this run has quantize"),
    ],
)
def test_another_recipe_is_not_resumed(
    make_net: Any, train_split: Split, schedule: Schedule, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    checkpoint = CheckpointFile(tmp_path / "c.safetensors")
    fit(make_net(), train_split, schedule, checkpoint=checkpoint)
    with pytest.raises(InputError, match=message):
        fit(make_net(), train_split, dataclasses.replace(schedule, **change), checkpoint=checkpoint, resume=True)


def test_other_data_threads_or_validation_are_not_resumed(
    make_net: Any, train_split: Split, validation: Split, schedule: Schedule, tmp_path: Path
) -> None:
    checkpoint = CheckpointFile(tmp_path / "c.safetensors")
    fit(make_net(), train_split, schedule, checkpoint=checkpoint)
    with pytest.raises(InputError, match="was made with data = "):
        fit(make_net(), validation, schedule, checkpoint=checkpoint, resume=True)
    with pytest.raises(InputError, match="was made with validation data = None"):
        fit(make_net(), train_split, schedule, validation=validation, checkpoint=checkpoint, resume=True)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 1)
        with pytest.raises(InputError, match=f"was made with threads = {threads}, this run has {threads + 1}"):
            fit(make_net(), train_split, schedule, checkpoint=checkpoint, resume=True)
    finally:
        torch.set_num_threads(threads)


def test_nothing_to_resume(make_net: Any, train_split: Split, schedule: Schedule, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no .*c\.safetensors: train first"):
        fit(make_net(), train_split, schedule, checkpoint=CheckpointFile(tmp_path / "c.safetensors"), resume=True)
    with pytest.raises(ValueError, match="resume needs a checkpoint"):
        fit(make_net(), train_split, schedule, resume=True)


class Exploding(torch.nn.Module):
    """Turns to NaN in the loss, the gradient or the weight after some training steps."""

    def __init__(self, what: str, after: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3, 2))
        self.what, self.after, self.calls = what, after, 0

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        self.calls += self.training
        scores = x.sum(dim=1) @ self.weight
        if self.calls <= self.after:
            return scores
        if self.what == "the loss":
            return scores * math.nan
        if self.what == "a weight":
            self.weight.data.fill_(math.inf)
            return torch.zeros(len(x), 2, requires_grad=True)
        # sqrt has an infinite slope at 0.
        return scores + torch.sqrt(self.weight.sum() * 0)


@pytest.mark.parametrize("what", ["the loss", "the gradient", "a weight"])
def test_divergence(train_split: Split, schedule: Schedule, tmp_path: Path, what: str) -> None:
    checkpoint = CheckpointFile(tmp_path / "c.safetensors")
    seen: list[int] = []
    message = rf"^training diverged, {what} is not finite in epoch 3 of 'train': lower train\.learning_rate \(now 0\.02\)$"
    with pytest.raises(DivergedError, match=message) as caught:
        fit(Exploding(what, 10), train_split, schedule, checkpoint=checkpoint, report=lambda report: seen.append(report.epoch))
    assert isinstance(caught.value, InputError)
    assert seen == [1, 2]
    resumed = Exploding(what, 99)
    assert [report.epoch for report in fit(resumed, train_split, schedule, checkpoint=checkpoint, resume=True)] == [3, 4, 5, 6]


def test_a_failing_disk_keeps_the_previous_checkpoint(make_net: Any, train_split: Split, schedule: Schedule, tmp_path: Path) -> None:
    checkpoint = CheckpointFile(tmp_path / "c.safetensors")
    whole, resumed = make_net(), make_net()
    fit(whole, train_split, schedule)

    class Full(Disk):
        def write(self, path: Path, data: bytes, mode: int = 0o666) -> None:
            super().write(path, data[: len(data) // 2] if reports == [1, 2] else data, mode)
            if reports == [1, 2]:
                raise OSError(28, "No space left on device")

    reports: list[int] = []
    message = r"cannot write .*c\.safetensors \(No space left on device\): free space or choose a writable directory"
    with injected(Full()), pytest.raises(InputError, match=message):
        fit(make_net(), train_split, schedule, checkpoint=checkpoint, report=lambda report: reports.append(report.epoch))
    assert [path.name for path in tmp_path.iterdir()] == ["c.safetensors"]
    assert len(fit(resumed, train_split, schedule, checkpoint=checkpoint, resume=True)) == 4
    assert weights(whole) == weights(resumed)


def test_an_unwritable_place_is_noticed_before_training(make_net: Any, train_split: Split, schedule: Schedule, tmp_path: Path) -> None:
    checkpoint = CheckpointFile(tmp_path / "no" / "c")
    with pytest.raises(InputError, match=r"cannot write .*/no/c \(No such file or directory\)"):
        fit(make_net(), train_split, schedule, on_step=Interruption(0), checkpoint=checkpoint)


def test_no_epochs_change_nothing(make_net: Any, train_split: Split, schedule: Schedule, tmp_path: Path) -> None:
    net = make_net()
    before = weights(net)
    assert fit(net, train_split, dataclasses.replace(schedule, epochs=0), on_step=Interruption(0)) == ()
    assert weights(net) == before


def test_equal_runs_write_equal_files(make_net: Any, train_split: Split, schedule: Schedule, tmp_path: Path) -> None:
    for name in ("a", "b"):
        net = make_net()
        fit(net, train_split, schedule, checkpoint=CheckpointFile(tmp_path / f"{name}.c"))
        save_net(net, tmp_path / f"{name}.w", {"seed": 3, "threads": 2})
    for suffix in "cw":
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_seconds_left_falls_to_nothing(make_net: Any, train_split: Split, schedule: Schedule) -> None:
    reports = fit(make_net(), train_split, schedule)
    assert reports[0].seconds_left > 0
    assert reports[-1].seconds_left == 0


def test_another_identity_is_not_resumed(make_net: Any, train_split: Split, schedule: Schedule, tmp_path: Path) -> None:
    checkpoint = CheckpointFile(tmp_path / "c.safetensors")
    fit(make_net(), train_split, schedule, checkpoint=checkpoint, identity={"compress": ["ternary"]})
    with pytest.raises(InputError, match="was made with compress"):
        fit(make_net(), train_split, schedule, checkpoint=checkpoint, resume=True, identity={"compress": ["int8"]})


def test_data_made_anew_are_those_of_the_epoch_in_a_resumed_run_too(
    make_net: Any, train_split: Split, schedule: Schedule, tmp_path: Path
) -> None:
    asked: list[int] = []

    def anew(epoch: int) -> Split:
        asked.append(epoch)
        return dataclasses.replace(train_split, x=train_split.x * np.float32(epoch))

    whole, plain, resumed = make_net(), make_net(), make_net()
    fit(whole, train_split, schedule, anew=anew)
    assert asked == list(range(1, schedule.epochs + 1))
    fit(plain, train_split, schedule)
    checkpoint = CheckpointFile(tmp_path / "c.safetensors")
    with pytest.raises(KeyboardInterrupt):
        fit(make_net(), train_split, schedule, anew=anew, checkpoint=checkpoint, on_step=Interruption(25))
    fit(resumed, train_split, schedule, anew=anew, checkpoint=checkpoint, resume=True)
    assert weights(whole) == weights(resumed) != weights(plain)
