"""Steps of streams side by side with their labels, and where in the stream's readings each of them lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.split import Int64Array, equal_runs, valid_steps
from ..data.streams import Streams
from ..rates import Clock

Integers = npt.NDArray[np.integer[Any]]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Segment:
    """Steps begin .. end - 1 of one stream, all of one label."""

    stream: int
    begin: int
    end: int
    label: int

    @property
    def is_change(self) -> bool:
        """Whether it does not begin its stream."""
        return self.begin > 0


@dataclass(frozen=True, eq=False)
class LabelledSteps:
    """labels: int [streams, longest]; lengths: int [streams], each >= 1; what lies behind is not read. ends, ages: see Streams."""

    labels: Integers
    lengths: Integers
    ends: Mask | None = None
    ages: Integers | None = None

    @classmethod
    def of(cls, streams: Streams) -> LabelledSteps:
        """Without what is read at the steps."""
        return cls(streams.y, streams.lengths, streams.ends, streams.ages)

    @property
    def valid(self) -> Mask:
        """Which steps belong to a stream: bool [streams, longest]."""
        return valid_steps(self.lengths, self.labels.shape[1])

    @property
    def segments(self) -> list[Segment]:
        """Longest runs of one label."""
        return segments_of(self.labels, self.lengths)

    def readings(self, clock: Clock) -> Int64Array:
        """How many readings of its stream have been read with each step's last one: int64 [streams, longest].

        The first step of each recording reads clock.readings_a_step, each later one ends clock.stride after the one before it.
        """
        first = np.zeros(self.labels.shape, bool)
        first[:, 0] = True
        if self.ends is not None:
            first[:, 1:] = self.ends[:, :-1]
        found: Int64Array = np.where(first, clock.readings_a_step, clock.stride).cumsum(axis=1, dtype=np.int64)
        return found

    def begins(self, clock: Clock) -> Int64Array:
        """Of each step that is the first of a label: how many readings of its stream come before that label: int64 [streams, longest]."""
        readings = self.readings(clock)
        if self.ages is None:
            return np.pad(readings, ((0, 0), (1, 0)))[:, :-1]
        return readings - self.ages

    def take(self, rows: Integers) -> LabelledSteps:
        """The streams at `rows`, in that order."""
        ends, ages = None if self.ends is None else self.ends[rows], None if self.ages is None else self.ages[rows]
        return LabelledSteps(self.labels[rows], self.lengths[rows], ends, ages)


def segments_of(labels: Integers, lengths: Integers) -> list[Segment]:
    """Longest runs of one label of all streams, one behind the other, as they come in time."""
    found = []
    for stream, length in enumerate(map(int, lengths)):
        row = labels[stream, :length]
        found += [Segment(stream, begin, end, int(row[begin])) for begin, end in equal_runs(row)]
    return found


def joined(parts: Sequence[LabelledSteps]) -> LabelledSteps:
    """All of them, filled up to one length."""
    longest = max(part.labels.shape[1] for part in parts)

    def one(arrays: Sequence[Integers | Mask | None]) -> Any:
        return None if arrays[0] is None else filled_up([array for array in arrays if array is not None], longest)

    lengths = np.concatenate([part.lengths for part in parts])
    return LabelledSteps(
        one([part.labels for part in parts]), lengths, one([part.ends for part in parts]), one([part.ages for part in parts])
    )


def filled_up(arrays: Sequence[npt.NDArray[Any]], longest: int) -> npt.NDArray[Any]:
    """[streams, longest] of arrays [streams, steps] of fewer steps, zero behind them."""
    return np.concatenate([np.pad(array, ((0, 0), (0, longest - array.shape[1]))) for array in arrays])
