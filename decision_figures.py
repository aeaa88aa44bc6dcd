"""What documents keep of decisions: how often something was seen, what was heard of words, and what a chosen decision is worth.

Figures that follow from others in the same place are held to them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction as Exact
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .rates import Rate
from .strict_documents import Count, Fraction, Positive, Stated, is_share


class RateSeen(Stated):
    """How often something was seen: events (a mean where the same time was counted several times) in an exposure, so many units.

    rate: events / exposure. bound_95: that the rate stays below in 95 of 100 cases (stages.rates).
    """

    events: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    exposure: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    unit: Literal["hour", "minute", "1000 readings"]
    rate: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    bound_95: Annotated[float, Field(gt=0, allow_inf_nan=False)]

    @property
    def exact(self) -> Rate:
        """The same, from its events and its exposure."""
        return Rate(Exact(self.events), self.exposure, self.unit)

    @model_validator(mode="after")
    def _follow_from_the_events(self) -> Self:
        if not (math.isclose(self.rate, self.exact.value) and math.isclose(self.bound_95, self.exact.bound)):
            raise ValueError("the rate, or its bound, is not that of so many events in this exposure")
        return self


class WakeWordFigures(Stated):
    """See stages.wake_words.WakeWords. background: the classes that are no word. Latencies are missing where no word was accepted."""

    background: Annotated[tuple[str, ...], Field(min_length=1)]
    words: Count
    rejected: Count
    false_accepts: RateSeen
    latency_median: Positive | None = None
    latency_p90: Positive | None = None

    @model_validator(mode="after")
    def _no_more_than_there_are(self) -> Self:
        if self.rejected > self.words:
            raise ValueError(f"{self.rejected} of {self.words} words are rejected")
        return self

    @model_validator(mode="after")
    def _latencies_are_those_of_words_that_are_heard(self) -> Self:
        told = [each for each in (self.latency_median, self.latency_p90) if each is not None]
        if len(told) != (2 if self.rejected < self.words else 0):
            raise ValueError(f"{self.rejected} of {self.words} words are rejected, and {len(told)} of two latencies are told")
        if told != sorted(told):
            raise ValueError("half of the words are heard later than 90 % of them")
        return self


class ChangeFigures(Stated):
    """See stages.stream_metrics.StreamMetrics. Delays are missing where they are infinite, the rest where nothing is judged or settled."""

    judged: Count
    delay_median: Positive | None = None
    delay_p90: Positive | None = None
    miss: Fraction | None = None
    flips: RateSeen | None = None

    @model_validator(mode="after")
    def _follow_from_the_changes(self) -> Self:
        if (self.miss is None) != (self.judged == 0) or (self.miss is not None and not is_share(self.miss, self.judged)):
            raise ValueError(f"miss is no share of {self.judged} changes")
        for delay, share in ((self.delay_median, 0.5), (self.delay_p90, 0.9)):
            reached = self.judged - round((self.miss or 0.0) * self.judged)
            if (delay is not None) != (self.judged > 0 and reached >= math.ceil(share * self.judged)):
                raise ValueError(f"{reached} of {self.judged} changes are reached, and the delays are of another count")
        told = [each for each in (self.delay_median, self.delay_p90) if each is not None]
        if told != sorted(told):
            raise ValueError("half of the changes are reached later than 90 % of them")
        return self


class ChosenDecision(Stated):
    """What decide.false_alarms chose, in units of a score, and what it is worth on the validation recordings that it was chosen on.

    of: continuous ones, or single ones in a row, so many. thresholds: one a class. wake_words: with decide.background, else changes.
    """

    of: Literal["continuous", "in a row"]
    recordings: Positive
    false_alarms: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    smoothing: Count
    margin: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    hold: Positive
    thresholds: tuple[Annotated[float, Field(allow_inf_nan=False)], ...] = ()
    wake_words: WakeWordFigures | None = None
    changes: ChangeFigures | None = None

    @model_validator(mode="after")
    def _is_worth_one_thing(self) -> Self:
        if self.wake_words is not None and self.changes is not None:
            raise ValueError("a decision is worth what it misses of words, or of changes")
        return self

    def check_classes(self, classes: Sequence[str]) -> None:
        """Raise ValueError for thresholds or a background of other classes than there are."""
        if len(self.thresholds) not in (0, len(classes)):
            raise ValueError(f"decision.thresholds are {len(self.thresholds)}, and there are {len(classes)} classes")
        if self.wake_words is not None and not set(self.wake_words.background) <= set(classes):
            raise ValueError("decision.wake_words.background names another class than there are")
