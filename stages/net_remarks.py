"""What a user should know of a net that was trained, a sentence each."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ..data.confusion import Confusion
from ..data.dataset import Split
from ..errors import counted
from ..manifest import ClassFigures
from ..models import Net
from ..train.evaluate import accuracy

LEARNT_BY_HEART = 0.1
"""Accuracy lost between the recordings that a net learnt from and those that were held apart, that is told."""
ASKED = 4096
"""Training recordings that are asked, at most, evenly over all."""
LOST, LEAST_LOST = 0.01, 2
"""Accuracy, and recordings, lost between the float and the integer model that are told."""


def remarks_on_training(net: Net, train: Split, held: Split, which: str) -> Iterator[str]:
    """Whether it learnt its recordings by heart. held: what was held apart, as the net reads it; which: `validation` or `test`."""
    asked = train.take(np.arange(0, len(train), math.ceil(len(train) / ASKED)))
    known, new = accuracy(net, asked), accuracy(net, held)
    if known - new >= max(LEARNT_BY_HEART, 2 * math.sqrt(new * (1 - new) / len(held))):
        yield (
            f"{known:.1%} of the training recordings are answered right, and {new:.1%} of the {which} recordings: the net knows what it "
            "learnt from better than what is new; more recordings, more train.input_noise or train.dropout, or a smaller net may help"
        )


def remarks_on_classes(found: Confusion, figures: ClassFigures, net: str, *, balanced: bool) -> Iterator[str]:
    """A sentence on classes that are never answered right. net: `float net` or `integer model`. balanced: whether classes count alike."""
    of = dict(zip(figures.recall, (count for count in found.recordings.tolist() if count), strict=True))
    never = [name for name, recall in figures.recall.items() if recall == 0]
    if never:
        cure = "" if balanced else ": train.balance = 'weights' or 'batches' makes small classes count"
        told = ", ".join(f"{name} (of {counted(of[name], 'recording')})" for name in never[:3])
        more = f" and {len(never) - 3} more" if len(never) > 3 else ""
        yield f"the {net} never answers {told}{more} right{cure}"


def remarks_on_integers(float_: float, integer: float, recordings: int) -> Iterator[str]:
    """Where the integer model falls below the float net, both of so many test recordings."""
    if round((float_ - integer) * recordings) >= max(LEAST_LOST, LOST * recordings):
        yield (
            f"the integer model answers {integer:.2%} of the test recordings right, and the float net {float_:.2%}: train it longer "
            "(quantize.epochs), or store weights in more bits (--weights int8)"
        )
