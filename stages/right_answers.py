"""How many recordings an integer model answers right."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..data.split import Int64Array, Split
from ..graph.evaluate import evaluate
from ..graph.ir import IntegerModel
from .golden_vectors import answers

STATE_ENTRIES_EVALUATED = 1 << 26
"""Of the states of the recordings that are evaluated together."""


def accuracy_of(model: IntegerModel, recordings: Split, initial: Int64Array | None = None) -> float:
    """Fraction of recordings that are answered right; see right_answers."""
    return int(right_answers(model, recordings, initial).sum()) / len(recordings)


def right_answers(model: IntegerModel, recordings: Split, initial: Int64Array | None = None) -> npt.NDArray[np.bool_]:
    """Of which recordings, as the model reads them, the largest score is their class's: bool [recordings].

    initial: states, as of graph.evaluate.
    """
    entries = sum(value.type.size for value in model.graphs["step"].state_inputs) if model.is_recurrent else 1
    size = max(1, STATE_ENTRIES_EVALUATED // (recordings.x.shape[1] * max(1, entries)))
    right = np.zeros(len(recordings), np.bool_)
    for begin in range(0, len(recordings), size):
        rows = slice(begin, begin + size)
        first = None if initial is None else initial[rows]
        trajectory = evaluate(model, np.asarray(recordings.x[rows], np.int64), recordings.lengths[rows], first)
        right[rows] = answers(trajectory.scores) == recordings.y[rows]
    return right
