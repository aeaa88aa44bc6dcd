"""How many recordings an integer model answers right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..data.confusion import Confusion
from ..data.rows import in_a_row, row_orders
from ..data.split import Int64Array, Split
from ..graph.decide import with_decision
from ..graph.decisions import stream_decisions
from ..graph.evaluate import evaluate
from ..graph.ir import IntegerModel
from .golden_vectors import answers

STATE_ENTRIES_EVALUATED = 1 << 26
"""Of the states of the recordings that are evaluated together."""


def accuracy_of(model: IntegerModel, recordings: Split, initial: Int64Array | None = None) -> float:
    """Fraction of recordings that are answered right; see answered."""
    return int(right_answers(model, recordings, initial).sum()) / len(recordings)


def right_answers(model: IntegerModel, recordings: Split, initial: Int64Array | None = None) -> npt.NDArray[np.bool_]:
    """Of which recordings, as the model reads them, the largest score is their class's: bool [recordings]. initial: see answered."""
    return np.asarray(answered(model, recordings, initial) == recordings.y)


def confusion_of(model: IntegerModel, recordings: Split) -> Confusion:
    """The answers to recordings, as the model reads them, by class."""
    return Confusion.of(recordings.y, answered(model, recordings), model.output.type.size)


def confusion_in_a_row(model: IntegerModel, recordings: Split) -> Confusion:
    """The same at the ends of recordings that come one behind the other, in ORDERS orders, without a reset: of a model with state.

    recordings: as subjects.row_of. The largest score answers, whatever the model decides in a stream.
    """
    plain = with_decision(replace(model, policy=None), None)
    streams = in_a_row(recordings, row_orders(recordings.y))
    assert streams.ends is not None
    found = stream_decisions(plain, np.asarray(streams.x, np.int16), streams.lengths)
    return Confusion.of(streams.y[streams.ends], found[streams.ends], model.output.type.size)


def answered(model: IntegerModel, recordings: Split, initial: Int64Array | None = None) -> Int64Array:
    """The class of the largest score of each of the recordings, as the model reads them: int64 [recordings].

    initial: states, as of graph.evaluate.
    """
    entries = sum(value.type.size for value in model.graphs["step"].state_inputs) if model.is_recurrent else 1
    size = max(1, STATE_ENTRIES_EVALUATED // (recordings.x.shape[1] * max(1, entries)))
    found = np.zeros(len(recordings), np.int64)
    for begin in range(0, len(recordings), size):
        rows = slice(begin, begin + size)
        first = None if initial is None else initial[rows]
        trajectory = evaluate(model, np.asarray(recordings.x[rows], np.int64), recordings.lengths[rows], first)
        found[rows] = answers(trajectory.scores)
    return found
