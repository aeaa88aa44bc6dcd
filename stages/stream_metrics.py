"""What a stream's decisions are worth: numbers from a decision a step and a label a step, as docs/evaluate.md tells them.

Notation: a stream has steps t = 0 .. T-1 with label y_t and decision d_t: a class, or below 0 for none, which is never right. A segment
is a longest run of equal labels; a change is a segment that does not begin its stream, and t_c is its first step. A step begins `stride`
readings after the one before it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..data.split import valid_steps

Integers = npt.NDArray[np.integer[Any]]
Mask = npt.NDArray[np.bool_]
RUN = 8
"""Right decisions one after another by which a change counts as reached."""
CONFIDENCE = 0.95
Unit = Literal["hour", "minute", "1000 readings"]
_SECONDS = {"hour": 3600, "minute": 60}
_SAID = {
    "hour": ("an hour", "{:.3g} hours"),
    "minute": ("a minute", "{:.3g} minutes"),
    "1000 readings": ("per 1000 readings", "{:.3g} thousand readings"),
}
"""How a rate in a unit, and an exposure, are told."""


@dataclass(frozen=True)
class Clock:
    """How steps lie in time. stride: readings from one step's start to the next one's. settle: readings after a change from which
    decisions are held to be settled, as many as the net was trained on. rate: readings a second, None where nobody knows.
    """

    stride: int = 1
    settle: int = 0
    rate: float | None = None

    @property
    def settle_steps(self) -> int:
        """The fewest steps that take `settle` readings."""
        return -(-self.settle // self.stride)

    def exposure(self, steps: int, unit: Literal["hour", "minute"]) -> tuple[float, Unit]:
        """So many steps in hours or minutes, or in thousands of readings where the rate is unknown."""
        readings = steps * self.stride
        return (readings / 1000, "1000 readings") if self.rate is None else (readings / self.rate / _SECONDS[unit], unit)


@dataclass(frozen=True)
class Rate:
    """Events of a Poisson process in an exposure (hours, minutes, thousands of readings), which is more than 0."""

    events: int
    exposure: float
    unit: Unit

    @property
    def value(self) -> float:
        """Events in one unit."""
        return self.events / self.exposure

    @property
    def bound(self) -> float:
        """The rate above which so few events would be seen in one of twenty cases: with no event 3 / exposure (the rule of three).

        It is m / exposure with P(N <= events) = 0.05 for a Poisson variable N of mean m (Garwood 1936, one-sided).
        """
        return poisson_bound(self.events) / self.exposure

    def as_json(self) -> dict[str, Any]:
        """Events, exposure, unit, rate and bound."""
        return {"events": self.events, "exposure": self.exposure, "unit": self.unit, "rate": self.value, "bound_95": self.bound}

    def __str__(self) -> str:
        each, time = _SAID[self.unit]
        seen = f"{self.events:,} in {time.format(self.exposure)}"
        if not self.events:
            return f"< {self.bound:.3g} {each} ({seen})"
        return f"{self.value:.3g} {each} ({seen}, 95 % bound {self.bound:.3g})"


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
    flips: changes of the decision between neighbouring settled steps of one segment, a minute or per 1000 readings of settled time; None
    where there is none.
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
class WakeWords:
    """Decisions where one class is the background, and the others are words to be accepted.

    An onset is a step with d_t a word and d_(t-1) another decision. A word (a segment of another label than the background) is accepted
    when some step from its first one to `settle` readings past its last one, and before the next word, decides it.
    words, rejected: how many there are, and how many were not accepted: false rejects.
    false_accepts: onsets at steps that accept no word, in all hours that were listened to.
    latency_median, latency_p90: readings from a word's first one to the first step that accepts it, of accepted words; None without any.
    """

    words: int
    rejected: int
    false_accepts: Rate
    latency_median: int | None
    latency_p90: int | None

    def as_json(self) -> dict[str, Any]:
        """By name; the rate spelled out."""
        return {**vars(self), "false_accepts": self.false_accepts.as_json()}


@dataclass(frozen=True)
class _Segment:
    """Steps begin .. end - 1 of one stream, all of one label. first: it begins its stream."""

    stream: int
    begin: int
    end: int
    label: int

    @property
    def is_change(self) -> bool:
        return self.begin > 0


def measure_streams(decisions: Integers, labels: Integers, lengths: Integers, clock: Clock, ends: Mask | None = None) -> StreamMetrics:
    """The metrics of all streams together.

    decisions, labels: int [streams, longest]; lengths: int [streams], each >= 1; what lies behind is not read. ends: bool [streams,
    longest], the last steps of the recordings that were put in a row; None for continuous streams.
    """
    valid = valid_steps(lengths, labels.shape[1])
    segments = _segments(labels, lengths)
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


def measure_wake_words(decisions: Integers, labels: Integers, lengths: Integers, clock: Clock, background: int) -> WakeWords:
    """The same streams with the class `background` for no word."""
    segments = [segment for segment in _segments(labels, lengths) if segment.label != background]
    accepting = np.zeros(labels.shape, bool)
    latencies = []
    for number, word in enumerate(segments):
        following = segments[number + 1] if number + 1 < len(segments) and segments[number + 1].stream == word.stream else None
        until = min(word.end + clock.settle_steps, int(lengths[word.stream]) if following is None else following.begin)
        steps = slice(word.begin, until)
        decided = decisions[word.stream, steps] == word.label
        accepting[word.stream, steps] = decided
        latencies.append((int(decided.argmax()) + 1) * clock.stride if decided.any() else None)
    onset = (decisions >= 0) & (decisions != background) & valid_steps(lengths, labels.shape[1])
    onset[:, 1:] &= decisions[:, 1:] != decisions[:, :-1]
    exposure, unit = clock.exposure(int(lengths.sum()), "hour")
    accepted = [latency for latency in latencies if latency is not None]
    return WakeWords(
        words=len(latencies),
        rejected=latencies.count(None),
        false_accepts=Rate(int((onset & ~accepting).sum()), exposure, unit),
        latency_median=quantile(accepted, 0.5),
        latency_p90=quantile(accepted, 0.9),
    )


def quantile(values: Sequence[int | None], share: float) -> int | None:
    """The smallest value that at least `share` of all do not exceed; None is infinity, and what there is of no values."""
    order = sorted(math.inf if value is None else value for value in values)
    found = order[math.ceil(share * len(order)) - 1] if order else math.inf
    return None if found == math.inf else int(found)


def poisson_bound(events: int) -> float:
    """The mean m with P(N <= events) = 1 - CONFIDENCE for a Poisson variable N: 3.0 for no event, 4.7 for one."""
    low, high = float(events), 2.0 * events + 10.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _poisson(events, middle) > 1 - CONFIDENCE else (low, middle)
    return high


def _poisson(events: int, mean: float) -> float:
    """P(N <= events), each term by its logarithm: exp(-mean) alone would underflow."""
    k = np.arange(events + 1)
    factorials = np.concatenate([[0.0], np.cumsum(np.log(k[1:]))])
    return float(np.exp(k * math.log(mean) - mean - factorials).sum())


def _segments(labels: Integers, lengths: Integers) -> list[_Segment]:
    found = []
    for stream, length in enumerate(map(int, lengths)):
        row = labels[stream, :length]
        cuts = [0, *(np.flatnonzero(row[1:] != row[:-1]) + 1).tolist(), length]
        found += [_Segment(stream, begin, end, int(row[begin])) for begin, end in pairwise(cuts)]
    return found


def _settled(segments: Sequence[_Segment], shape: tuple[int, ...], settle: int) -> Mask:
    mask = np.zeros(shape, bool)
    for segment in segments:
        mask[segment.stream, segment.begin + settle : segment.end] = True
    return mask


def _last_steps(segments: Sequence[_Segment], shape: tuple[int, ...]) -> Mask:
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


def _delay(starts: Mask, segment: _Segment, stride: int) -> int | None:
    """Readings until the first run of right decisions within a segment that has room for one."""
    row = starts[segment.stream, segment.begin : segment.end - RUN + 1]
    return (int(row.argmax()) + 1) * stride if row.any() else None


def _flips(decisions: Integers, labels: Integers, settled: Mask, clock: Clock) -> Rate | None:
    """Neighbours of one label are of one segment."""
    if not settled.any():
        return None
    pairs = settled[:, 1:] & settled[:, :-1] & (labels[:, 1:] == labels[:, :-1])
    exposure, unit = clock.exposure(int(settled.sum()), "minute")
    return Rate(int((pairs & (decisions[:, 1:] != decisions[:, :-1])).sum()), exposure, unit)
