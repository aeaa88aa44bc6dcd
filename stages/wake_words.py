"""What a stream's decisions are worth where some classes are the background and the others words to be heard: see docs/evaluate.md."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..data.split import Int64Array, equal_runs
from ..errors import InputError, counted, nearest
from ..rates import Clock, Rate
from .labelled_steps import Integers, LabelledSteps, Mask, Segment, segments_of
from .stream_metrics import quantile

WORD_FIGURES: Mapping[str, str] = {
    "false_accepts": "false accepts an hour",
    "false_accepts_bound": "false accepts an hour, 95 % bound",
    "rejected": "words rejected",
    "latency_median": "latency of words in readings, median",
    "latency_p90": "latency of words in readings, 90 %",
}
"""That limits may bound, as a person would call them."""


@dataclass(frozen=True)
class WakeWords:
    """Decisions where some classes are the background, and the others are words to be accepted.

    A call is a longest run of steps that decide one and the same word. A word (a segment of another label than these) is accepted
    when a call for it begins at one of its own steps, or at one whose last reading is at most `settle` past the word's last one, before the
    next word; what was called before the word began, and goes on, accepts nothing. A call's steps that lie neither there nor in an accepted
    word are false: they count one false accept, and one more whenever they have gone on for another `settle` readings.
    words, rejected: how many there are, and how many were not accepted: false rejects.
    false_accepts: in all hours that were listened to.
    latency_median, latency_p90: readings from a word's first one to the last one of the first step that accepts it, both among them, of
    accepted words; None without any.
    """

    words: int
    rejected: int
    false_accepts: Rate
    latency_median: int | None
    latency_p90: int | None

    def figure(self, name: str) -> float:
        """One of WORD_FIGURES; a latency is infinite where no word is heard, the share rejected where there is no word."""
        if name.startswith("latency"):
            found: int | None = getattr(self, name)
            return math.inf if found is None else found
        if name == "rejected":
            return self.rejected / self.words if self.words else math.inf
        return self.false_accepts.bound if name == "false_accepts_bound" else self.false_accepts.value

    def as_json(self) -> dict[str, Any]:
        """By name; the rate spelled out."""
        return {**vars(self), "false_accepts": self.false_accepts.as_json()}

    def __str__(self) -> str:
        found = self.latency_median
        latency = "" if found is None else f", latency {counted(found, 'reading')} (90 %: {self.latency_p90:,})"
        return f"{self.rejected:,} of {self.words:,} rejected{latency}; false accepts {self.false_accepts}"


def class_number(name: str, classes: Sequence[str], whose: str) -> int:
    """Of a class by its name. whose: "the model has". Raises InputError where there is no such class."""
    if name not in classes:
        near = f"the nearest one is {nearest(name, classes)!r} (of {', '.join(classes)})" if classes else "it names none"
        raise InputError(f"{whose} no class {name!r}; {near}")
    return classes.index(name)


def measure_wake_words(decisions: Integers, steps: LabelledSteps, clock: Clock, background: Collection[int]) -> WakeWords:
    """Of all streams together, with the classes `background` for no word. decisions: int [streams, longest]."""
    calls = [segment for segment in segments_of(decisions, steps.lengths) if segment.label >= 0 and segment.label not in background]
    readings, word_begins = steps.readings(clock), steps.begins(clock)
    begins = np.zeros(decisions.shape, bool)
    for call in calls:
        begins[call.stream, call.begin] = True
    answering = np.zeros(decisions.shape, bool)
    latencies = []
    for word, until in words_of(steps, clock, background):
        heard = _heard(decisions[word.stream, word.begin : until] == word.label, begins[word.stream, word.begin : until])
        answering[word.stream, word.begin : until] = heard
        read = int(readings[word.stream, word.begin + int(heard.argmax())] - word_begins[word.stream, word.begin])
        latencies.append(read if heard.any() else None)
    took = np.diff(readings, axis=1, prepend=0)
    false = 0
    for call in calls:
        own = call.stream, slice(call.begin, call.end)
        false += _count(~answering[own], took[own], clock.settle)
    accepted = [latency for latency in latencies if latency is not None]
    return WakeWords(
        words=len(latencies),
        rejected=latencies.count(None),
        false_accepts=clock.count(false, int(took[steps.valid].sum()), "hour"),
        latency_median=quantile(accepted, 0.5),
        latency_p90=quantile(accepted, 0.9),
    )


def words_of(steps: LabelledSteps, clock: Clock, background: Collection[int]) -> list[tuple[Segment, int]]:
    """Each word, and the step before which a call for it may begin."""
    readings, begins = steps.readings(clock), steps.begins(clock)
    words = [segment for segment in steps.segments if segment.label not in background]
    following = [later.begin if later.stream == word.stream else None for word, later in pairwise(words)] + [None] * bool(words)
    found = []
    for word, begin in zip(words, following, strict=True):
        own, length = readings[word.stream], int(steps.lengths[word.stream])
        last = int(begins[word.stream, word.end] if word.end < length else own[length - 1])
        late = int(np.searchsorted(own[:length], last + clock.settle, side="right"))
        found.append((word, min(max(word.end, late), length if begin is None else begin)))
    return found


def _heard(decided: Mask, begins: Mask) -> Mask:
    """Which steps decide the word by a call that began among them. decided, begins: bool [steps]."""
    calls = np.cumsum(begins & decided)
    return decided & (calls > 0)


def _count(false: Mask, took: Int64Array, settle: int) -> int:
    """False accepts of one call: of each run of false steps one for every `settle` readings begun. false: bool, took: readings [steps]."""
    runs = [int(took[begin:end].sum()) for begin, end in equal_runs(false) if false[begin]]
    return sum(-(-readings // settle) if settle else 1 for readings in runs)
