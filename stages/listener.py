"""Who is told what a stage is doing, while it does it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..train.metrics import EpochReport
    from ..validate.witness import Progress


class Listener(Protocol):
    """Told of stages and epochs; the CLI prints them, tests record them."""

    def stage(self, title: str) -> None:
        """A stage or a part of it begins."""
        ...

    def epoch(self, report: EpochReport) -> None:
        """An epoch has ended."""
        ...

    def progress(self, progress: Progress) -> None:
        """A part of a stage goes on."""
        ...

    def warning(self, text: str) -> None:
        """Something that a user should look at; the stage goes on."""
        ...


def tell(sentences: Iterable[str], listener: Listener) -> tuple[str, ...]:
    """Tell each as a warning; returns them."""
    told = tuple(sentences)
    for sentence in told:
        listener.warning(sentence)
    return told


class Silent:
    """Prints nothing."""

    def stage(self, title: str) -> None:
        """Ignore it."""

    def epoch(self, report: EpochReport) -> None:
        """Ignore it."""

    def progress(self, progress: Progress) -> None:
        """Ignore it."""

    def warning(self, text: str) -> None:
        """Ignore it."""
