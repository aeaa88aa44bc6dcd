"""What a stream's decisions are worth: numbers from a decision a step and a label a step, as docs/evaluate.md tells them.

Notation: a stream has steps t = 0 .. T-1 with label y_t and decision d_t: a class, or below 0 for none, which is never right. A segment
is a longest run of equal labels; a change is a segment that does not begin its stream, and t_c is its first step. A step begins `stride`
readings after the one before it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.split import equal_runs, valid_steps
from .rates import Clock, Rate

Integers = npt.NDArray[np.integer[Any]]
Mask = npt.NDArray[np.bool_]
RUN = 8
"""Right decisions one after another by which a change counts as reached."""


@dataclass(frozen=True)
class StreamMetrics:
    """Of some streams together.

    streams, steps, changes: how many there are.
    streamed: right steps / all steps.
    settled: the same over steps with (t - t_s) stride >= settle, t_s being the first step of the segment; None where there is none.
    tail: the same over the last tenth of each stream, t >= T - ceil(T / 10), which shows a drift.
    ends: right last steps of recordings / recordings; of continuous streams, of segments.
    judged: changes whose segment has room for a run of RUN steps; those alone have a delay.
    delay_median, delay_p90: readings (t_r - t_c + 1) stride, t_r being the first step of the first RUN right decisions one after another
    that lie in the segment: how many of the new class had been read when they began. The smallest that half (90 %) of the judged changes
    do not exceed; missed ones are infinite, and None stands for infinity, or for no judged change.
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

    def as_json(self) -> dict[str, Any]:
        """By name; the rate spelled out."""
        return {**vars(self), "flips": None if self.flips is None else self.flips.as_json()}


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


def measure_streams(decisions: Integers, labels: Integers, lengths: Integers, clock: Clock, ends: Mask | None = None) -> StreamMetrics:
    """The metrics of all streams together.

    decisions, labels: int [streams, longest]; lengths: int [streams], each >= 1; what lies behind is not read. ends: bool [streams,
    longest], the last steps of the recordings that were put in a row; None for continuous streams.
    """
    valid = valid_steps(lengths, labels.shape[1])
    segments = segments_of(labels, lengths)
    right = (decisions == labels) & valid
    settled = _settled(segments, labels.shape, clock.settle_steps)
    tail = valid & ~valid_steps(lengths - -(-lengths // 10), labels.shape[1])
    last = _last_steps(segments, labels.shape) if ends is None else ends & valid
    judged = [segment for segment in segments if segment.is_change and segment.end - segment.begin >= RUN]
    starts = _run_starts(right)
    delays = [_delay(starts, segment, clock.stride) for segment in judged]
    return StreamMetrics(
        streams=len(lengths),
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
        flips=_flips(decisions, labels, settled, clock),
    )


def quantile(values: Sequence[int | None], share: float) -> int | None:
    """The smallest value that at least `share` of all do not exceed; None is infinity, and what there is of no values."""
    order = sorted(math.inf if value is None else value for value in values)
    found = order[math.ceil(share * len(order)) - 1] if order else math.inf
    return None if found == math.inf else int(found)


def segments_of(labels: Integers, lengths: Integers) -> list[Segment]:
    """Of all streams, one behind the other, as they come in time."""
    found = []
    for stream, length in enumerate(map(int, lengths)):
        row = labels[stream, :length]
        found += [Segment(stream, begin, end, int(row[begin])) for begin, end in equal_runs(row)]
    return found


def _settled(segments: Sequence[Segment], shape: tuple[int, ...], settle: int) -> Mask:
    mask = np.zeros(shape, bool)
    for segment in segments:
        mask[segment.stream, segment.begin + settle : segment.end] = True
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


def _delay(starts: Mask, segment: Segment, stride: int) -> int | None:
    """Readings until the first run of right decisions within a segment that has room for one."""
    row = starts[segment.stream, segment.begin : segment.end - RUN + 1]
    return (int(row.argmax()) + 1) * stride if row.any() else None


def _flips(decisions: Integers, labels: Integers, settled: Mask, clock: Clock) -> Rate | None:
    """Neighbours of one label are of one segment."""
    pairs = settled[:, 1:] & settled[:, :-1] & (labels[:, 1:] == labels[:, :-1])
    if not pairs.any():
        return None
    return clock.count(int((pairs & (decisions[:, 1:] != decisions[:, :-1])).sum()), int(pairs.sum()), "minute")
