"""What a stream's decisions are worth: numbers from a decision a step and a label a step, as docs/evaluate.md tells them.

Notation: a stream has steps t = 0 .. T-1 with label y_t and decision d_t: a class, or below 0 for none, which is never right. r_t readings
of the stream have been read with a step's last one. A segment is a longest run of equal labels; a change is a segment that does not begin
its stream, t_c is its first step, and b_c readings come before the first one of its label: the splice (LabelledSteps.begins).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.split import Int64Array, valid_steps
from ..errors import counted
from ..rates import Clock, Rate
from .labelled_steps import Integers, LabelledSteps, Mask, Segment

RUN = 8
"""Right decisions one after another by which a change counts as reached."""


@dataclass(frozen=True)
class StreamMetrics:
    """Of some streams together.

    streams, steps, changes: how many there are.
    streamed: right steps / all steps.
    settled: the same over steps whose first reading comes `settle` readings after the segment's first one, or more, as r_t less those of
    the step tells; None where there is none.
    tail: the same over the last tenth of each stream, t >= T - ceil(T / 10), which shows a drift.
    ends: right last steps of recordings / recordings; of continuous streams, of segments.
    judged: changes whose segment has room for a run of RUN steps; those alone have a delay.
    delay_median, delay_p90: readings r_t - b_c, t being the first step of the first RUN right decisions one after another that lie in the
    segment: how many had been read since the splice, the last one of that step among them. The smallest that half (90 %) of the judged
    changes do not exceed; missed ones are infinite, and None stands for infinity, or for no judged change.
    miss: judged changes without such a run / judged changes; None where there is none.
    flips: changes of the decision between neighbouring settled steps of one segment, a minute or per 1000 readings of the time between
    such neighbours; None where there are none.
    """

    streams: int
    steps: int
    changes: int
    streamed: float
    settled: float | None
    tail: float
    ends: float
    judged: int
    delay_median: int | None
    delay_p90: int | None
    miss: float | None
    flips: Rate | None

    @property
    def missed(self) -> str:
        """The share of judged changes that are missed, in words; "" where there are none. What is not 0 does not read as 0."""
        if self.miss is None:
            return ""
        share = f"{self.miss:.1%}" if not self.miss or self.miss >= 0.0005 else f"{100 * self.miss:.1g}%"
        return f"{share} of {counted(self.judged, 'change')}"

    def as_json(self) -> dict[str, Any]:
        """By name; the rate spelled out."""
        return {**vars(self), "flips": None if self.flips is None else self.flips.as_json()}


def measure_streams(decisions: Integers, steps: LabelledSteps, clock: Clock) -> StreamMetrics:
    """The metrics of all streams together. decisions: int [streams, longest]."""
    valid, segments = steps.valid, steps.segments
    readings, begins = steps.readings(clock), steps.begins(clock)
    right = (decisions == steps.labels) & valid
    settled = _settled(segments, readings - clock.readings_a_step - clock.settle, begins)
    tail = valid & ~valid_steps(steps.lengths - -(-steps.lengths // 10), valid.shape[1])
    last = _last_steps(segments, valid.shape) if steps.ends is None else steps.ends & valid
    judged = [segment for segment in segments if segment.is_change and segment.end - segment.begin >= RUN]
    starts = _run_starts(right)
    delays = [_delay(starts, readings, segment, begins) for segment in judged]
    return StreamMetrics(
        streams=len(steps.lengths),
        steps=int(valid.sum()),
        changes=sum(segment.is_change for segment in segments),
        streamed=float(right[valid].mean()),
        settled=float(right[settled].mean()) if settled.any() else None,
        tail=float(right[tail].mean()),
        ends=float(right[last].mean()),
        judged=len(judged),
        delay_median=quantile(delays, 0.5),
        delay_p90=quantile(delays, 0.9),
        miss=delays.count(None) / len(delays) if delays else None,
        flips=_flips(decisions, steps.labels, settled, readings, clock),
    )


def quantile(values: Sequence[int | None], share: float) -> int | None:
    """The smallest value that at least `share` of all do not exceed; None is infinity, and what there is of no values."""
    order = sorted(math.inf if value is None else value for value in values)
    found = order[math.ceil(share * len(order)) - 1] if order else math.inf
    return None if found == math.inf else int(found)


def _settled(segments: Sequence[Segment], until: Int64Array, begins: Int64Array) -> Mask:
    """until: up to how many readings a segment may begin for a step of it to be settled."""
    mask = np.zeros(until.shape, bool)
    for segment in segments:
        own = segment.stream, slice(segment.begin, segment.end)
        mask[own] = until[own] >= begins[segment.stream, segment.begin]
    return mask


def _last_steps(segments: Sequence[Segment], shape: tuple[int, ...]) -> Mask:
    mask = np.zeros(shape, bool)
    for segment in segments:
        mask[segment.stream, segment.end - 1] = True
    return mask


def _run_starts(right: Mask) -> Mask:
    """Where RUN right decisions one after another begin: bool [streams, steps]; the last ones never."""
    total = np.cumsum(np.pad(right, ((0, 0), (1, 0))), axis=1)
    starts = np.zeros(right.shape, bool)
    starts[:, : max(0, right.shape[1] - RUN + 1)] = total[:, RUN:] - total[:, :-RUN] == RUN
    return starts


def _delay(starts: Mask, readings: Int64Array, segment: Segment, begins: Int64Array) -> int | None:
    """Readings until the first run of right decisions within a segment that has room for one."""
    row = starts[segment.stream, segment.begin : segment.end - RUN + 1]
    first = segment.begin + int(row.argmax())
    return int(readings[segment.stream, first] - begins[segment.stream, segment.begin]) if row.any() else None


def _flips(decisions: Integers, labels: Integers, settled: Mask, readings: Int64Array, clock: Clock) -> Rate | None:
    """Neighbours of one label are of one segment."""
    pairs = settled[:, 1:] & settled[:, :-1] & (labels[:, 1:] == labels[:, :-1])
    if not pairs.any():
        return None
    changed, between = decisions[:, 1:] != decisions[:, :-1], np.diff(readings, axis=1)
    return clock.count(int((pairs & changed).sum()), int(between[pairs].sum()), "minute")
