"""Progress on stderr: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import shutil
import sys
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from ..text_files import escaped

if TYPE_CHECKING:
    from ..train.metrics import EpochReport
    from ..validate.witness import Progress


BAR_WIDTH, BAR_COLUMNS = 16, 48
"""Characters of the progress bar itself, and of its line without the text at the end."""
PLAIN_LINES = 10
"""Epoch lines a training prints where there is no terminal."""


class TerminalListener(AbstractContextManager["TerminalListener"]):
    """A live progress bar where stderr is a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._bar: Any = None
        self._open_line = False
        self._tenths = 0

    def stage(self, title: str) -> None:
        """One line a stage."""
        self._close()
        click.echo(f"{escaped(title)} ...", err=True)

    def epoch(self, report: EpochReport) -> None:
        """Move the bar, or print about ten lines a training."""
        text = escaped(describe_epoch(report))
        if not self._live:
            every = max(1, report.epochs // PLAIN_LINES)
            if report.epoch % every == 0 or report.epoch == report.epochs:
                click.echo(f"  epoch {report.epoch}/{report.epochs}  {text}", err=True)
            return
        if self._bar is None:
            show = lambda item: item or ""  # noqa: E731
            self._bar = click.progressbar(length=report.epochs, file=sys.stderr, item_show_func=show, width=BAR_WIDTH, label="  epochs")
            self._bar.__enter__()
        self._bar.update(report.epoch - self._bar.pos, _fit(text, shutil.get_terminal_size().columns - BAR_COLUMNS))
        if report.epoch == report.epochs:
            self._close()

    def progress(self, progress: Progress) -> None:
        """Write the line anew, or about ten lines in all."""
        text = f"  {escaped(describe_progress(progress))}"
        tenths = 10 * progress.done // max(1, progress.total)
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            click.echo(f"\r{_fit(text, width).ljust(width)}", err=True, nl=progress.done == progress.total)
            self._open_line = progress.done < progress.total
        elif tenths != self._tenths or progress.done == progress.total:
            click.echo(text, err=True)
        self._tenths = tenths

    def warning(self, text: str) -> None:
        """One line that stands out."""
        self._close()
        click.echo(f"warning: {escaped(text)}", err=True)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None
        if self._open_line:
            click.echo(err=True)
            self._open_line = False

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self._close()

    def __enter__(self) -> Self:
        return self


def _fit(text: str, columns: int) -> str:
    """As many fields of `text`, from the left, as `columns` hold."""
    while len(text) > columns:
        text = text.rpartition("  ")[0]
        if not text:
            break
    return text


def describe_epoch(report: EpochReport) -> str:
    """loss, accuracies, learning rate and constraints of one epoch, and the time left."""
    parts = [f"loss {report.loss:.3f}", f"train {report.accuracy:.1%}"]
    if report.validation_accuracy is not None:
        best = f" (best: epoch {report.best_epoch})" if report.best_epoch is not None else ""
        row = "" if report.streamed_accuracy is None else f", in a row {report.streamed_accuracy:.1%}"
        balanced = "" if report.validation is None else f", balanced {report.validation.balanced_accuracy:.1%}"
        parts.append(f"validation {report.validation_accuracy:.1%}{balanced}{row}{best}")
    parts.append(f"rate {report.learning_rate:.1e}")
    parts += [report.schedule] if report.schedule else []
    return "  ".join([*parts, f"{_duration(report.seconds_left)} left"])


def describe_progress(progress: Progress) -> str:
    """How far, how fast, what else, and the time left."""
    rate = progress.done / progress.seconds if progress.seconds else 0.0
    left = (progress.total - progress.done) / rate if rate else 0.0
    parts = [f"{progress.done}/{progress.total} {progress.unit}", f"{rate:.1f}/s", progress.note]
    parts.append(f"{_duration(left)} left" if progress.done < progress.total else _duration(progress.seconds))
    return "  ".join(filter(None, parts))


def _duration(seconds: float) -> str:
    """In the two largest units: 45 s, 3 m 05 s, 2 h 10 m."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} m {whole % 60:02} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02} m"
