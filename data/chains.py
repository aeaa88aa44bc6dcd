"""Which sequence of a split goes on where another one ended."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .split import Int64Array, Split

REACH = 2
"""Fewer of its own lengths than this lie between a sequence and the one that follows it."""


def predecessors(split: Split) -> Int64Array:
    """For each sequence the one that it follows in its continuous recording, or -1: int64 [sequences]. Each is followed once at most.

    That is the one which ended where it begins: windows that overlap, at a stride that divides them, make window / stride chains side by
    side, and each walks through all readings. Where none ended there, behind a change of the label or at another stride, each chain goes
    on in the order in which they ended: a sequence follows the first to end of those that nothing follows yet and that it is in reach of.
    In reach is what ended fewer than twice its own length ago, if fewer readings than it has lie between them in no sequence, which are
    those at the end of a label's readings that fill no window. So no chain ends where a label does: the readings that windows of two
    labels cannot share are lost to all chains alike, less than two windows of them at a change.
    """
    before = np.full(len(split), -1, np.int64)
    if split.spans is None:
        return before
    spans = [(int(begin), int(end)) for begin, end in split.spans]
    in_time = sorted(range(len(spans)), key=lambda place: spans[place])
    lost = _lost([spans[place] for place in in_time])
    free: list[_Followed] = []  # in the order of their ends
    for place, lost_before in zip(in_time, lost, strict=True):
        begin, end = spans[place]
        chosen = bisect_left(free, begin, key=lambda one: one.end)
        if chosen == len(free) or free[chosen].end > begin:  # none ended there
            free = [one for one in free if one.reaches(begin, lost_before)]
            chosen = 0
        if chosen < len(free) and free[chosen].end <= begin:
            before[place] = free.pop(chosen).place
        insort(free, _Followed(end, place, end - begin, lost_before))
    return before


class _Followed(NamedTuple):
    """A sequence that nothing follows yet. lost: readings before it that lie in no sequence."""

    end: int
    place: int
    length: int
    lost: int

    def reaches(self, begin: int, lost: int) -> bool:
        """Whether one that begins at `begin`, with so many lost before it, may follow."""
        return begin - self.end < REACH * self.length and lost - self.lost < self.length


def _lost(spans: Sequence[tuple[int, int]]) -> list[int]:
    """Readings before each of `spans`, which are in order, that no other before it holds."""
    lost, total, covered = [], 0, 0
    for begin, end in spans:
        total += max(0, begin - covered)
        covered = max(covered, end)
        lost.append(total)
    return lost


def chains(split: Split) -> list[Int64Array]:
    """The sequences of every continuous recording in order, each in one chain; those that follow nothing begin one."""
    before = predecessors(split)
    after = np.full(len(split), -1, np.int64)
    after[before[before >= 0]] = np.flatnonzero(before >= 0)
    found = []
    for first in np.flatnonzero(before < 0):
        chain = [int(first)]
        while after[chain[-1]] >= 0:
            chain.append(int(after[chain[-1]]))
        found.append(np.array(chain, np.int64))
    return found
