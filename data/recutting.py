"""Sequences of a training cut again in every epoch: from another place of their continuous recordings, and at another speed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .split import Int64Array, Split, ValueArray

_UNIT = 1 << 53
"""Steps of a drawn number between 0 and 1."""


@dataclass(frozen=True, eq=False)
class Recutting:
    """split: the sequences as they were cut. readings: [readings, channels] of all, stretch behind stretch. begins, lows, highs: int64
    [sequences], where each begins there, and between which the stretch of one class lies that it is of.
    """

    split: Split
    readings: ValueArray
    begins: Int64Array
    lows: Int64Array
    highs: Int64Array

    @classmethod
    def of(cls, split: Split) -> Recutting:
        """Stretches are what sequences of one class hold together that overlap or touch, as their spans tell; without spans each is alone.

        A stretch holds readings of the split alone, so that none of another part of the data comes in.
        """
        if split.spans is None or not np.array_equal(split.spans[:, 1] - split.spans[:, 0], split.lengths):
            begins = np.cumsum(split.lengths) - split.lengths
            return cls(split, split.steps, begins, begins, begins + split.lengths)
        return cls(split, *_stretches(split, split.spans))

    @property
    def moves(self) -> bool:
        """Whether any sequence has readings of its stretch beside it."""
        return bool((self.highs - self.lows > self.split.lengths).any())

    def drawn(self, most: int, warp: float, seed: int, epoch: int) -> Split:
        """The split as it is in an epoch: each sequence up to `most` readings earlier or later, 1 +- `warp` times as fast about its middle.

        Beyond a stretch stands its last reading. Between readings lies the straight line, of integers rounded half up.
        """
        raw = np.random.PCG64([seed, epoch]).random_raw(2 * len(self.split)) >> np.uint64(11)
        moved, speed = (raw / _UNIT).reshape(2, -1)
        earliest = np.maximum(-most, self.lows - self.begins)
        latest = np.minimum(most, self.highs - self.split.lengths - self.begins)
        starts = self.begins + earliest + np.floor(moved * (latest - earliest + 1)).astype(np.int64)
        middle = (self.split.lengths[:, None] - 1) / 2
        time = np.arange(self.split.x.shape[1])[None, :]
        places = starts[:, None] + (middle + (1 + warp * (2 * speed[:, None] - 1)) * (time - middle) if warp else time)
        valid = self.split.valid
        x = np.zeros_like(self.split.x)
        lows, highs = (np.broadcast_to(ends[:, None], valid.shape)[valid] for ends in (self.lows, self.highs))
        x[valid] = self._read(np.clip(places[valid], lows, highs - 1), highs)
        return replace(self.split, x=x)

    def _read(self, places: npt.NDArray[np.float64] | Int64Array, highs: Int64Array) -> ValueArray:
        """The readings at `places`, between those before and behind each."""
        before = np.floor(places).astype(np.int64)
        share = (places - before)[:, None]
        if not share.any():
            whole: ValueArray = self.readings[before]
            return whole
        between = self.readings[before] * (1 - share) + self.readings[np.minimum(before + 1, highs - 1)] * share
        found: ValueArray = (np.floor(between + 0.5) if self.split.is_integer else between).astype(self.readings.dtype)
        return found


def _stretches(split: Split, spans: Int64Array) -> tuple[ValueArray, Int64Array, Int64Array, Int64Array]:
    """(readings, begins, lows, highs) of sequences whose places are known."""
    order = np.lexsort((spans[:, 0], split.y))
    parts: list[npt.NDArray[Any]] = []
    begins, lows, highs = (np.zeros(len(split), np.int64) for _ in range(3))
    end, total, first, label, members = -1, 0, 0, -1, list[int]()
    for place in order:
        begin, stop = (int(entry) for entry in spans[place])
        if split.y[place] != label or begin > end:
            highs[members] = total
            first, members, label, end = total, [], int(split.y[place]), begin
        begins[place], lows[place] = total - (end - begin), first
        members.append(int(place))
        if stop > end:
            parts.append(split.x[place, end - begin : stop - begin])
            total, end = total + stop - end, stop
    highs[members] = total
    readings: ValueArray = np.concatenate(parts)
    return readings, begins, lows, highs
