"""The training loop: one for every net and stage, deterministic, resumable after any epoch."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor

from ..data.split import Split
from ..data.splits import normalization
from ..errors import InputError
from ..models import CountedSteps, Net, mean_cross_entropy
from .augment import Augmentation
from .balance import balanced_order, weights_of
from .batches import Batch
from .carried import Carried
from .checkpoint import CheckpointFile, TrainingState
from .device import device_of
from .evaluate import Judgement, Validation
from .metrics import EpochReport, Metrics
from .refused import check_schedule
from .schedule import Schedule

OnStep = Callable[[int, int], None]
OnEpoch = Callable[[EpochReport], None]
Loss = Callable[[Tensor, Tensor, Tensor, Tensor, CountedSteps | None], Tensor]
Describe = Callable[[], str | None]
Anew = Callable[[int], Split]
"""The training data as they are in an epoch, which counts from 1: other values of the same sequences."""


class DivergedError(InputError):
    """The loss, a gradient or a weight is no longer a finite number; the last checkpoint is from before that."""


def fit(
    net: torch.nn.Module,
    train: Split,
    schedule: Schedule,
    *,
    validation: Split | None = None,
    loss: Loss | None = None,
    on_step: OnStep | None = None,
    spread: Tensor | None = None,
    center: Tensor | None = None,
    report: OnEpoch | None = None,
    describe: Describe | None = None,
    checkpoint: CheckpointFile | None = None,
    metrics: Metrics | None = None,
    resume: bool = False,
    identity: Mapping[str, Any] | None = None,
    anew: Anew | None = None,
) -> tuple[EpochReport, ...]:
    """Train `net` in place; returns the reports of the epochs that this call ran.

    net(x float32 [batch, time, channels], lengths int64 [batch]) gives scores [batch, classes]. loss(scores, x, lengths, y, counted)
    gives a scalar (counted: the steps that the scores are of, where they are not one of each sequence); None: cross entropy with the
    schedule's label smoothing. Adam, gradients clipped, the schedule's learning rate.
    on_step(done, total) is called with 0 (or where a resumed run goes on) and after every optimizer step, before any evaluation;
    calling it twice with the same numbers must be the same as once. spread: float [channels], the unit of the schedule's input noise
    (None: the standard deviation of `train`). center: float [channels], what moves in where samples are moved (None: 0).
    report sees each epoch after it is on disk; describe says, for it, where the constraints' schedules are. metrics: gets a line an
    epoch, of those before a resumed run too. The checkpoint is written at the start and after every epoch, so an interruption keeps
    the last complete epoch; with resume it is read instead, and the weights become bit for bit those of a run never interrupted,
    given the same threads. identity: what else a resumed run must have in common (JSON). anew: gives the data of an epoch in the place of
    `train`. Everything random comes from schedule.seed; torch's global generator is left as it was.

    With schedule.patience the net ends with the weights of the epoch of the best validation figure (schedule.select; of equals the lowest
    loss, once the constraints are settled), on_step(total, total) is called for them, and training stops when it has not improved for so
    long. Figure and loss are Judgement's. Raises DivergedError, and InputError when a file cannot be written, the checkpoint is missing,
    damaged or another run's, and for what check_schedule refuses.
    """
    if resume and checkpoint is None:
        raise ValueError("resume needs a checkpoint")
    check_schedule(net, train, validation, schedule)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(schedule.seed)
        known = {**_identity(net, train, validation, schedule), **(identity or {})} if checkpoint else {}
        run = _Run(net, train, schedule, loss, on_step, _augmentation(train, schedule, spread, center), known)
        metrics = Metrics() if metrics is None else metrics
        watching = Validation.of(validation, in_a_row=schedule.carry > 0) if validation else None
        done = run.start(checkpoint, metrics, resume)
        clock = _Clock(schedule.epochs)
        reports = []
        for epoch in takewhile(lambda epoch: not run.is_over(epoch - 1), range(done + 1, schedule.epochs + 1)):
            mean, correct = run.epoch(epoch, anew)
            judged = watching.judge(net) if watching else None
            text, left = describe() if describe else None, clock.seconds_left(epoch)
            reports.append(run.report(epoch, mean, correct, judged, left, text))
            run.store(reports[-1], checkpoint, metrics)
            if report:
                report(reports[-1])
        run.end()
    return tuple(reports)


@dataclass
class _Clock:
    """The time left, from the epochs that this call ran."""

    epochs: int
    ran: int = 0

    def __post_init__(self) -> None:
        self.began = time.monotonic()

    def seconds_left(self, epoch: int) -> float:
        self.ran += 1
        return (time.monotonic() - self.began) / self.ran * (self.epochs - epoch)


class _Run:
    """One call of `fit`: net, optimizer, generator, data, and the number of steps done."""

    def __init__(
        self,
        net: torch.nn.Module,
        train: Split,
        schedule: Schedule,
        loss: Loss | None,
        on_step: OnStep | None,
        augment: Augmentation,
        identity: dict[str, Any],
    ) -> None:
        self.net, self.schedule, self.on_step, self.identity = net, schedule, on_step, identity
        self.loss = loss or self._cross_entropy
        self.data = Batch.whole(train)
        self.augment = augment
        self.optimizer = _optimizer(net, schedule)
        self.device = device_of(net)
        self.weights = weights_of(train, schedule, self.device)
        self.generator = torch.Generator().manual_seed(schedule.seed)
        self.carried = Carried.of(net, train, schedule)
        self.state = TrainingState(net, self.optimizer, self.generator, carried=self.carried)
        self.steps_an_epoch = math.ceil(len(train) / schedule.batch_size)
        self.total = self.steps_an_epoch * schedule.epochs
        self.step = 0

    def start(self, checkpoint: CheckpointFile | None, metrics: Metrics, resume: bool) -> int:
        """Bring net, metrics and checkpoint to where this run begins; returns the epochs already done."""
        done = checkpoint.load(self.state, self.identity, metrics) if checkpoint and resume else 0
        if checkpoint and done > self.schedule.epochs:
            raise InputError(f"{checkpoint.path} counts {done} epochs of {self.schedule.epochs}: it is damaged, train anew")
        if checkpoint and not resume:
            checkpoint.save(self.state, 0, self.identity, metrics)
        self.step = done * self.steps_an_epoch
        self._announce()
        return done

    def epoch(self, epoch: int, anew: Anew | None) -> tuple[float, float]:
        """(mean loss, accuracy) of one pass over the data, made anew where they are, in a new order."""
        if anew:
            self.data = Batch.whole(anew(epoch))
        self.net.train()
        loss_sum, correct = 0.0, 0
        for rows, batch in self._batches():
            loss, scores = self._update(rows, batch, epoch)
            loss_sum += loss * len(batch)
            correct += int((scores.argmax(dim=1) == batch.y).sum())
        if not all(bool(value.isfinite().all()) for value in self.net.parameters()):
            raise self._diverged("a weight", epoch)
        return loss_sum / len(self.data), correct / len(self.data)

    def watch(self, epoch: int, judged: Judgement | None) -> int | None:
        """Remember an epoch if it is the best so far, once the constraints are settled; returns the best one's number."""
        if self.schedule.patience is None or judged is None:
            return None
        if self.step >= self.schedule.settled * self.total:
            self.state.best.see(epoch, judged.watched(self.schedule.select), judged.loss, self.net)
        return self.state.best.epoch or None

    def is_over(self, epoch: int) -> bool:
        """Whether to stop after `epoch`, since none has been better for as long as the schedule's patience."""
        return self.schedule.patience is not None and self.state.best.is_over(epoch, self.schedule.patience)

    def end(self) -> None:
        """Go back to the best epoch's weights, and bring the constraints to the end of their schedules."""
        if self.schedule.patience is not None:
            self.state.best.restore(self.net)
            self.step = self.total
            self._announce()

    def report(self, epoch: int, mean: float, correct: float, judged: Judgement | None, left: float, text: str | None) -> EpochReport:
        """What is told of a finished epoch, which is watched first. left: seconds; text: where the constraints' schedules are."""
        best, rate = self.watch(epoch, judged), self.schedule.rate(self.step - 1, self.total)
        known = self.schedule.stage, epoch, self.schedule.epochs
        report = EpochReport(*known, mean, correct, None, rate, left, best, text)
        return report if judged is None else replace(report, **judged.told)

    def store(self, report: EpochReport, checkpoint: CheckpointFile | None, metrics: Metrics) -> None:
        """Put a finished epoch on disk."""
        metrics.append(report)
        if checkpoint:
            checkpoint.save(self.state, report.epoch, self.identity, metrics)

    def _batches(self) -> Iterator[tuple[Tensor, Batch]]:
        """Which sequences they are, int64 [batch], and the batches."""
        order = self._order()
        for start in range(0, len(order), self.schedule.batch_size):
            rows = order[start : start + self.schedule.batch_size]
            yield rows, self.augment(self.data.take(rows), self.generator).to(self.device)

    def _order(self) -> Tensor:
        """Of an epoch's sequences, int64 [sequences]."""
        order = self.carried.order(len(self.data), self.generator)
        return balanced_order(self.data.y, self.generator) if self.schedule.balance == "batches" else order

    def _update(self, rows: Tensor, batch: Batch, epoch: int) -> tuple[float, Tensor]:
        """(loss, scores) of one optimizer step."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.rate(self.step, self.total)
        self.optimizer.zero_grad()
        scores, counted = self._answer(rows, batch)
        loss = self.loss(scores, batch.x, batch.lengths, batch.y, counted)
        if not math.isfinite(loss.item()):
            raise self._diverged("the loss", epoch)
        torch.autograd.backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.schedule.gradient_clip or math.inf)
        if not bool(norm.isfinite()):
            raise self._diverged("the gradient", epoch)
        self.optimizer.step()
        self.step += 1
        self._announce()
        return loss.item(), scores.detach() if counted is None else scores.detach()[counted.last]

    def _answer(self, rows: Tensor, batch: Batch) -> tuple[Tensor, CountedSteps | None]:
        """The scores that the loss counts, and which steps they are of (None: the last one of each sequence)."""
        if not isinstance(self.net, Net) or not (self.schedule.carry or self.schedule.loss_share):
            return self.net(batch.x, batch.lengths), None
        counted = CountedSteps.of(batch.lengths, self.schedule.loss_share)
        begin = self.carried.begin(rows, self.generator, self.device)
        scores, ends = self.net.answer(batch.x, batch.lengths, counted, begin)
        self.carried.keep(ends, rows)
        return scores, counted if self.schedule.loss_share else None

    def _cross_entropy(self, scores: Tensor, x: Tensor, lengths: Tensor, y: Tensor, counted: CountedSteps | None) -> Tensor:  # noqa: ARG002
        return mean_cross_entropy(scores, y, self.schedule.label_smoothing, counted, self.weights)

    def _announce(self) -> None:
        if self.on_step and self.total:
            self.on_step(self.step, self.total)

    def _diverged(self, what: str, epoch: int) -> DivergedError:
        stage, rate = self.schedule.stage, self.schedule.learning_rate
        return DivergedError(
            f"training diverged, {what} is not finite in epoch {epoch} of {stage!r}: lower {stage}.learning_rate (now {rate:g})"
        )


def _augmentation(train: Split, schedule: Schedule, spread: Tensor | None, center: Tensor | None) -> Augmentation:
    if spread is None:
        spread = torch.from_numpy(normalization(train)[1]).float()
    moving = (schedule.time_shift, schedule.crop, schedule.flip)
    return Augmentation(spread, schedule.input_noise, schedule.rotation, *moving, center)


def _optimizer(net: torch.nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    """AdamW (Adam when weight_decay is 0), or momentum; only matrices decay, neither biases nor scalars."""
    matrices = [value for value in net.parameters() if value.dim() >= 2]
    others = [value for value in net.parameters() if value.dim() < 2]
    groups: list[dict[str, Any]] = [{"params": matrices, "weight_decay": schedule.weight_decay}, {"params": others, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    if schedule.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=schedule.learning_rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, lr=schedule.learning_rate)


def _identity(net: torch.nn.Module, train: Split, validation: Split | None, schedule: Schedule) -> dict[str, Any]:
    """What a resumed run must have in common with the one that it continues."""
    return {
        **dataclasses.asdict(schedule),
        "net": type(net).__name__,
        "data": train.digest(),
        "places of the data": train.places_digest() if schedule.carry else None,
        "validation data": validation.digest() if validation else None,
        "threads": torch.get_num_threads(),
    }
