"""What a training run tells: a report an epoch, and the same as lines of JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..documents import parse_json
from ..errors import InputError
from ..model_directory import write_atomically, write_error


@dataclass(frozen=True)
class EpochReport:
    """One epoch, `epoch` of `epochs`.

    loss, accuracy: means over the training batches as they were seen (accuracy as a fraction). validation_accuracy: after the
    epoch, None without a validation split. learning_rate: of the last step. seconds_left: an estimate, for display; never stored.
    best_epoch: the one that early stopping would keep, None without it. schedule: where the constraints are, None without any.
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

    def stored(self) -> dict[str, Any]:
        """The fields that are the same in every run of the same recipe."""
        fields = dataclasses.asdict(self)
        del fields["seconds_left"]
        return {name: value for name, value in fields.items() if value is not None or name == "validation_accuracy"}


@dataclass(frozen=True)
class MetricsFile:
    """A .jsonl file: one object an epoch, stage after stage, nothing in it that depends on time."""

    path: Path

    def start(self, stage: str, epochs: int = 0) -> None:
        """Keep the lines of other stages and the first `epochs` of `stage`; drop the rest.

        Raises InputError when fewer than `epochs` are there, when a line to keep is damaged, or when the file cannot be written.
        """
        lines = self._lines()
        own = [line for line in lines if line[1] == stage][:epochs]
        if len(own) < epochs:
            raise InputError(f"{self.path} holds {len(own)} of the {epochs} epochs of {stage!r} that are done: restore it or train anew")
        kept = [text for text, name in lines if name != stage or (text, name) in own]
        write_atomically(self.path, "".join(f"{text}\n" for text in kept).encode())

    def append(self, report: EpochReport) -> None:
        """Add one line. Raises InputError when the file cannot be written."""
        try:
            with self.path.open("a", encoding="utf-8", newline="\n") as file:
                file.write(json.dumps(report.stored()) + "\n")
        except OSError as error:
            raise write_error(self.path, error) from error

    def _lines(self) -> list[tuple[str, str]]:
        """(line, its stage) of every complete line; what an interrupted write left at the end is dropped."""
        try:
            complete = self.path.read_text(encoding="utf-8").rpartition("\n")[0]
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read {self.path} ({error}): remove it or train anew") from error
        return [(line, self._stage(number, line)) for number, line in enumerate(complete.splitlines(), start=1)]

    def _stage(self, number: int, line: str) -> str:
        try:
            return str(parse_json(line)["stage"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.path}, line {number} is damaged: remove the file or train anew") from error
