"""What a policy makes of the readings of many streams, before any state is stepped: policy.StreamWalk's counters, side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .fixed_point import IntArray
from .ir import IntegerModel, StreamPolicy

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class PolicyPlan:
    """Of each step of each stream, arrays [streams, steps]; of each stream `states`.

    advances: whether its states go on, and reading: with the reading of which step (that of another one is held). begins: whether
    everything begins anew. fresh: which state begins anew before they go on, -1 for none. answers: which one answers after it.
    unread: whether nothing was read since everything began anew.
    """

    states: int
    advances: BoolArray
    reading: IntArray
    begins: BoolArray
    fresh: IntArray
    answers: IntArray
    unread: BoolArray


def plan(model: IntegerModel, x: IntArray, lengths: IntArray) -> PolicyPlan:
    """For x int [streams, steps, *input shape] and lengths int [streams]; past a stream's end nothing happens."""
    policy = model.policy or StreamPolicy()
    counters, (count, steps), columns = _Counters(policy, len(x)), x.shape[:2], []
    format = model.input.type.format
    for t in range(steps):
        at_an_end = ((x[:, t] == format.low) | (x[:, t] == format.high)).reshape(count, -1).any(axis=1) if policy.rail else None
        columns.append(counters.step(t, lengths > t, at_an_end))
    stacked = (np.stack(each, axis=1) for each in zip(*columns, strict=True))
    return PolicyPlan(policy.states, *stacked)


class _Counters:
    def __init__(self, policy: StreamPolicy, count: int) -> None:
        self.policy = policy
        self.lost, self.railed, self.phase, self.last = (np.full(count, value) for value in (policy.gap + 1, 0, 0, 0))

    def step(self, t: int, running: BoolArray, at_an_end: BoolArray | None) -> tuple[npt.NDArray[np.generic], ...]:
        """The columns of a Plan for step t."""
        gap, half = self.policy.gap, self.policy.half_window
        lost = running & self._count_rails(at_an_end)
        read, held, begins = running & ~lost, lost & (self.lost < gap), lost & (self.lost == gap)
        self.last[read], self.lost[read], self.phase[begins] = t, 0, 0
        self.lost += held | begins
        advances, fresh = read | held, np.full(len(running), -1)
        if half:
            anew = advances & (self.phase % half == 0)
            fresh[anew] = self.phase[anew] // half % 2
            self.phase[advances] = (self.phase[advances] + 1) % (2 * half)
        answers = ((self.phase - 1) % (2 * half) < half).astype(np.int64) if half else np.zeros(len(running), np.int64)
        return advances, self.last.copy(), begins, fresh, answers, self.lost > gap

    def _count_rails(self, at_an_end: BoolArray | None) -> BoolArray:
        """Which readings count as lost."""
        if at_an_end is not None:
            self.railed = np.where(at_an_end, np.minimum(self.railed + 1, self.policy.rail + 1), 0)
        return self.railed > self.policy.rail
