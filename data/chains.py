"""Which sequence of a split goes on where another one ended."""

from __future__ import annotations

from bisect import insort

import numpy as np

from .split import IntArray, Split


def predecessors(split: Split) -> IntArray:
    """For each sequence the one that it follows in its continuous recording, or -1: int64 [sequences]. Each is followed once at most.

    That is the one which ends last of those that end no later than it begins and that nothing else follows yet, if fewer readings lie
    between them than it has: those at the end of a label's readings that fill no window.
    """
    before = np.full(len(split), -1, np.int64)
    if split.spans is None:
        return before
    spans = [(int(begin), int(end)) for begin, end in split.spans]
    ended: list[tuple[int, int]] = []  # (end, sequence), in order, of those that nothing follows yet
    for sequence in sorted(range(len(spans)), key=lambda place: spans[place]):
        begin, end = spans[sequence]
        ended = [(other, place) for other, place in ended if begin - other < other - spans[place][0]]
        free = [place for place, (other, _) in enumerate(ended) if other <= begin]
        if free:
            before[sequence] = ended.pop(free[-1])[1]
        insort(ended, (end, sequence))
    return before


def chains(split: Split) -> list[IntArray]:
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
