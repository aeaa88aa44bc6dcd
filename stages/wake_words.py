"""What a stream's decisions are worth where one class is the background and the others are words to be heard, as docs/evaluate.md tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..data.split import equal_runs
from .rates import Clock, Rate
from .stream_metrics import Integers, Mask, Segment, quantile, segments_of


@dataclass(frozen=True)
class WakeWords:
    """Decisions where one class is the background, and the others are words to be accepted.

    A call is a longest run of steps that decide one and the same word. A word (a segment of another label than the background) is accepted
    when a call for it begins at one of its own steps, or up to `settle` readings past its last one and before the next word; what was
    called before the word began, and goes on, accepts nothing. A call's steps that lie neither there nor in an accepted word are false:
    they count one false accept, and one more whenever they have gone on for another `settle` readings.
    words, rejected: how many there are, and how many were not accepted: false rejects.
    false_accepts: in all hours that were listened to.
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


def measure_wake_words(decisions: Integers, labels: Integers, lengths: Integers, clock: Clock, background: int) -> WakeWords:
    """Of all streams together, with the class `background` for no word.

    decisions, labels: int [streams, longest]; lengths: int [streams], each >= 1; what lies behind is not read.
    """
    calls = [segment for segment in segments_of(decisions, lengths) if segment.label >= 0 and segment.label != background]
    begins = np.zeros(labels.shape, bool)
    for call in calls:
        begins[call.stream, call.begin] = True
    answering = np.zeros(labels.shape, bool)
    latencies = []
    for word, until in _words(segments_of(labels, lengths), lengths, clock.settle_steps, background):
        heard = _heard(decisions[word.stream, word.begin : until] == word.label, begins[word.stream, word.begin : until])
        answering[word.stream, word.begin : until] = heard
        latencies.append((int(heard.argmax()) + 1) * clock.stride if heard.any() else None)
    false = sum(_count(~answering[call.stream, call.begin : call.end], clock.settle_steps) for call in calls)
    accepted = [latency for latency in latencies if latency is not None]
    return WakeWords(
        words=len(latencies),
        rejected=latencies.count(None),
        false_accepts=clock.count(false, int(lengths.sum()), "hour"),
        latency_median=quantile(accepted, 0.5),
        latency_p90=quantile(accepted, 0.9),
    )


def _words(segments: Sequence[Segment], lengths: Integers, settle: int, background: int) -> list[tuple[Segment, int]]:
    """Each word, and the step before which a call for it may begin."""
    words = [segment for segment in segments if segment.label != background]
    following = [later.begin if later.stream == word.stream else None for word, later in pairwise(words)] + [None] * bool(words)
    ends = (int(lengths[word.stream]) if begin is None else begin for word, begin in zip(words, following, strict=True))
    return [(word, min(word.end + settle, end)) for word, end in zip(words, ends, strict=True)]


def _heard(decided: Mask, begins: Mask) -> Mask:
    """Which steps decide the word by a call that began among them. decided, begins: bool [steps]."""
    calls = np.cumsum(begins & decided)
    return decided & (calls > 0)


def _count(false: Mask, settle: int) -> int:
    """False accepts of one call: of each run of false steps one for every `settle` steps begun. false: bool [steps]."""
    return sum(-(-(end - begin) // settle) if settle else 1 for begin, end in equal_runs(false) if false[begin])
