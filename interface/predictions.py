"""The integer model's answers to recordings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..data.check import checked_values
from ..data.raw import RawSplit
from ..data.split import Split
from ..errors import InputError, UnsupportedError, counted
from ..graph.evaluate import evaluate
from ..graph.fixed_point import IntArray
from ..printing import table
from ..stages.golden_vectors import answers
from ..stages.readings import Reader
from .shown import as_html

SHOWN_ROWS = 20
"""That a person is shown."""
_WHERE = "x"


@dataclass(frozen=True, eq=False)
class Predictions:
    """classes: names of the classes. numbers: int64 [recordings], each one's class. scores: int [recordings, classes], as the device
    gives them. limited: readings outside what 16 bits hold, which were limited to it.
    """

    classes: tuple[str, ...]
    numbers: IntArray
    scores: IntArray
    limited: int = 0

    @property
    def labels(self) -> list[str]:
        """The name of each recording's class."""
        return [self.classes[number] for number in self.numbers]

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def text(self) -> str:
        """The first of them as a table."""
        rows = [(row, label, *map(int, scores)) for row, (label, scores) in enumerate(zip(self.labels, self.scores, strict=True))]
        more = [] if len(rows) <= SHOWN_ROWS else [f"and {counted(len(rows) - SHOWN_ROWS, 'more recording')}"]
        return "\n".join([table(("recording", "class", *self.classes), rows[:SHOWN_ROWS]), *more])

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return as_html(self.text)


def predict(reader: Reader, x: object, lengths: object = None) -> Predictions:
    """Answers of a model to recordings x [recordings, time, channels], or to one [time, channels]; see Model.predict."""
    refuse_samples(reader)
    array = np.asarray(x)
    one = 2 + reader.is_image if not reader.is_image else 3
    array = array[None] if array.ndim == one and (reader.is_image or array.shape[-1] == reader.channels) else array
    known = None if lengths is None else np.atleast_1d(np.asarray(lengths))
    values, found = checked_values(RawSplit(_WHERE, "test", array, np.full(len(array), ""), known))
    if values.shape[-1] != reader.channels:
        raise InputError(f"x has {counted(values.shape[-1], 'channel')} and the model reads {reader.channels}: give the same sensors")
    integers, limited = reader.integers(values)
    read = reader.steps(Split(integers, np.zeros(len(integers), np.int64), found))
    scores = evaluate(reader.model, np.asarray(read.x, np.int16), read.lengths).scores
    scores = scores.reshape(len(scores), -1)
    return Predictions(reader.model.class_names, answers(scores), scores, limited)


def refuse_samples(reader: Reader) -> None:
    """Raise UnsupportedError for a model with a front-end: its samples are read from files alone."""
    if reader.model.reads_samples:
        raise UnsupportedError(f"{reader.model.name} reads samples through a front-end: ask it with `rescomp predict`, which reads files")
