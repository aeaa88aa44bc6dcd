"""How often something happens: events in an exposure, and the bound that the rate stays below."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np

CONFIDENCE = 0.95
Unit = Literal["hour", "minute", "1000 readings"]
_SECONDS = {"hour": 3600, "minute": 60}
_SAID = {
    "hour": ("an hour", "hour", "hours"),
    "minute": ("a minute", "minute", "minutes"),
    "1000 readings": ("per 1000 readings", "thousand readings", "thousand readings"),
}
"""How a rate in a unit, and an exposure of one and of several, are told."""


@dataclass(frozen=True, kw_only=True)
class Clock:
    """How steps lie in time. readings_a_step: of a recording's first step; stride: how many readings later each other step ends than the
    one before it. settle: readings after a change from which decisions are held to be settled, as many as the net was trained on. rate:
    readings a second, None where nobody knows. copies: how often each reading is met, on average: by windows that overlap, by several
    orders of the same recordings.
    """

    readings_a_step: int = 1
    stride: int = 1
    settle: int = 0
    rate: float | None = None
    copies: Fraction = Fraction(1)

    def count(self, events: int, readings: int, unit: Literal["hour", "minute"]) -> Rate:
        """Events in so many readings, by the hour or minute, or by thousands of readings where the rate is unknown; copies count once."""
        once, exposure = events / self.copies, float(readings / self.copies)
        if self.rate is None:
            return Rate(once, exposure / 1000, "1000 readings")
        return Rate(once, exposure / self.rate / _SECONDS[unit], unit)

    def as_json(self) -> dict[str, Any]:
        """By name."""
        return {**vars(self), "copies": plain(self.copies)}


@dataclass(frozen=True)
class Rate:
    """Events of a Poisson process in an exposure (hours, minutes, thousands of readings), which is more than 0.

    events: a mean where the same time was counted several times, for instance in several orders.
    """

    events: Fraction
    exposure: float
    unit: Unit

    @property
    def value(self) -> float:
        """Events in one unit."""
        return float(self.events) / self.exposure

    @property
    def bound(self) -> float:
        """The rate above which so few events would be seen in one of twenty cases: with no event 3 / exposure (the rule of three).

        It is m / exposure with P(N <= events) = 0.05 for a Poisson variable N of mean m (Garwood 1936, one-sided); a mean of events is
        rounded up.
        """
        return poisson_bound(math.ceil(self.events)) / self.exposure

    @property
    def each(self) -> str:
        """Its unit in words."""
        return _SAID[self.unit][0]

    @property
    def exposed(self) -> str:
        """The unit of several exposures in words."""
        return _SAID[self.unit][2]

    def as_json(self) -> dict[str, Any]:
        """Events, exposure, unit, rate and bound."""
        return {"events": plain(self.events), "exposure": self.exposure, "unit": self.unit, "rate": self.value, "bound_95": self.bound}

    def __str__(self) -> str:
        each, one, several = _SAID[self.unit]
        exposure = f"{self.exposure:.3g}"
        seen = f"{_counted(self.events)} in {exposure} {one if exposure == '1' else several}"
        if not self.events:
            return f"< {self.bound:.3g} {each} ({seen})"
        return f"{self.value:.3g} {each} ({seen}, 95 % bound {self.bound:.3g})"


def plain(number: Fraction) -> int | float:
    """As JSON has it: whole where it is."""
    return number.numerator if number.denominator == 1 else float(number)


def _counted(events: Fraction) -> str:
    """Three digits at least, so that few events are not none, and one decimal at least where they are a mean."""
    if events.denominator == 1:
        return f"{events.numerator:,}"
    decimals = max(1, 2 - math.floor(math.log10(events)))
    return f"{float(events):,.{decimals}f}".rstrip("0").rstrip(".")


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
