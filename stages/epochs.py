"""What training and fine-tuning say of their epochs: how to go on after an interruption, and which epoch was kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .listener import Listener

if TYPE_CHECKING:
    from ..train.metrics import EpochReport


def tell_best(reports: Sequence[EpochReport], listener: Listener) -> None:
    """Say which epoch's weights early stopping kept."""
    if reports and reports[-1].best_epoch is not None:
        listener.stage(f"keep the weights of epoch {reports[-1].best_epoch} of {reports[-1].epoch}, the best on validation")


@contextmanager
def telling_how_to_resume(how: str) -> Iterator[None]:
    """Tells a KeyboardInterrupt how to go on; the outermost, which knows the user's own command, has the last word."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        interrupt.__notes__ = [f"what is done is kept; {how}"]
        raise
