"""Who is told what a stage does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..printing import TerminalListener
from ..stages.listener import Listener, Silent


@contextmanager
def listening(quiet: bool) -> Iterator[Listener]:
    """Nobody, or stderr."""
    if quiet:
        yield Silent()
        return
    with TerminalListener() as listener:
        yield listener
