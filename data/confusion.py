"""Which classes recordings are, and which they are answered as: what accuracy, balanced accuracy, macro F1 and recall are counted from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from .split import Int64Array


@dataclass(frozen=True, eq=False)
class Confusion:
    """counts: int64 [classes, classes], recordings of the class of a row that are answered as the class of a column; not all zero."""

    counts: Int64Array

    @classmethod
    def of(cls, labels: npt.NDArray[np.integer[Any]], answers: npt.NDArray[np.integer[Any]], classes: int) -> Self:
        """labels, answers: [recordings], each 0..classes-1."""
        places = labels.astype(np.int64) * classes + answers
        return cls(np.bincount(places, minlength=classes * classes).reshape(classes, classes))

    @property
    def recordings(self) -> Int64Array:
        """Of each class: int64 [classes]."""
        counts: Int64Array = self.counts.sum(axis=1)
        return counts

    @property
    def accuracy(self) -> float:
        """Right recordings / recordings."""
        return int(np.trace(self.counts)) / int(self.counts.sum())

    @property
    def recall(self) -> tuple[float | None, ...]:
        """Of each class its right recordings / its recordings; None where there is none."""
        right = np.diag(self.counts).tolist()
        return tuple(hits / all_ if all_ else None for hits, all_ in zip(right, self.recordings.tolist(), strict=True))

    @property
    def worst(self) -> tuple[int, int, int] | None:
        """(class, the one that it is taken for most often, how often); None where every answer is right."""
        wrong = self.counts - np.diag(np.diag(self.counts))
        of, taken_for = (int(place) for place in np.unravel_index(int(wrong.argmax()), wrong.shape))
        return (of, taken_for, int(wrong[of, taken_for])) if wrong.any() else None

    @property
    def balanced_accuracy(self) -> float:
        """The mean recall of the classes that there are recordings of."""
        known = [each for each in self.recall if each is not None]
        return sum(known) / len(known)

    @property
    def macro_f1(self) -> float:
        """The mean F1, 2 right / (recordings of a class + recordings answered as it), of the classes where that is not 0 / 0."""
        either = (self.recordings + self.counts.sum(axis=0)).tolist()
        found = [2 * hits / all_ for hits, all_ in zip(np.diag(self.counts).tolist(), either, strict=True) if all_]
        return float(sum(found)) / len(found)
