"""What a training run tells: a report an epoch, and the same as lines of JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, Self

from ..data.confusion import Confusion
from ..documents import parse_json
from ..errors import InputError
from ..model_directory import METRICS


@dataclass(frozen=True)
class ClassMeans:
    """Figures in which every class counts alike; see Confusion."""

    balanced_accuracy: float
    macro_f1: float

    @classmethod
    def of(cls, found: Confusion) -> Self:
        """Of such answers."""
        return cls(found.balanced_accuracy, found.macro_f1)


@dataclass(frozen=True)
class EpochReport:
    """One epoch, `epoch` of `epochs`.

    loss, accuracy: means over the training batches as they were seen (accuracy as a fraction). validation_accuracy: after the
    epoch, None without a validation split. learning_rate: of the last step. seconds_left: an estimate, for display; never stored.
    best_epoch: the one that early stopping would keep, None without it. schedule: where the constraints are, None without any.
    streamed_accuracy: as validation_accuracy, of sequences in a row without a reset, None unless states are carried. validation, streamed:
    what belongs to these two accuracies.
    """

    stage: str
    epoch: int
    epochs: int
    loss: float
    accuracy: float
    validation_accuracy: float | None
    learning_rate: float
    seconds_left: float
    best_epoch: int | None = None
    schedule: str | None = None
    streamed_accuracy: float | None = None
    validation: ClassMeans | None = None
    streamed: ClassMeans | None = None

    def stored(self) -> dict[str, Any]:
        """The fields that are the same in every run of the same recipe."""
        fields = dataclasses.asdict(self)
        del fields["seconds_left"]
        return {name: value for name, value in fields.items() if value is not None or name == "validation_accuracy"}


@dataclass
class Metrics:
    """Lines of JSON, one for each epoch of a stage, with nothing in them that depends on time. They are kept in its checkpoint."""

    lines: list[str] = field(default_factory=list)

    def append(self, report: EpochReport) -> None:
        """Add one epoch."""
        self.lines.append(json.dumps(report.stored()))


def metrics_file(before: bytes, stage: str, metrics: Metrics) -> bytes:
    """metrics.jsonl once `stage` has ended: the lines of the stages before it, then its own. before: the file as it was, or nothing.

    Raises InputError when a line of it is damaged.
    """
    kept = [line for number, line in enumerate(before.decode(errors="replace").splitlines(), start=1) if _stage(number, line) != stage]
    return "".join(f"{line}\n" for line in (*kept, *metrics.lines)).encode()


def _stage(number: int, line: str) -> str:
    try:
        return str(parse_json(line)["stage"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{METRICS}, line {number} is damaged: remove the file or train anew") from error
