"""One keyword against the rest, in words: the folds pooled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from rescomp.rates import Rate

Found = Mapping[str, Any]
LEAST = 3.0
"""False accepts an hour: no rate below is claimed."""


def pooled_rate(found: Sequence[Found]) -> Rate:
    """False accepts of all folds, in all their hours."""
    seen = [each["wake_words"]["false_accepts"] for each in found]
    events = sum((Fraction(each["events"]).limit_denominator(1000) for each in seen), Fraction(0))
    return Rate(events, sum(each["exposure"] for each in seen), "hour")


def rejects(found: Sequence[Found]) -> float:
    """The share of the keyword's clips that is not heard."""
    return sum(each["wake_words"]["rejected"] for each in found) / sum(each["wake_words"]["words"] for each in found)


def pooled_text(found: Sequence[Found]) -> str:
    """A line for a terminal."""
    first, rate = found[0], pooled_rate(found)
    own = max(each["bytes"] - each["frontend_bytes"] for each in found)
    latency = max((each["wake_words"]["latency_median"] or 0 for each in found), default=0)
    return (
        f"{first['variant']}, {first['keyword']}: {rejects(found):.1%} rejected, false accepts {rate}; {own} bytes beside the front-end's "
        f"{first['frontend_bytes']}, latency {latency} frames at most (median of a fold)"
    )


def alone_rows(alone: Mapping[str, Sequence[Found]]) -> Iterator[str]:
    """Of the page's table."""
    for found in alone.values():
        rate = pooled_rate(found)
        cells = (
            found[0]["variant"],
            found[0]["keyword"],
            f"{rejects(found):.1%}",
            f"{float(rate.events):g} in {rate.exposure:.2f} h" + (f": {rate.value:.3g} an hour" if rate.value >= LEAST else ""),
            f"{rate.bound:.3g}",
            f"{max(each['bytes'] - each['frontend_bytes'] for each in found):,}",
            f"{max(each['bytes'] for each in found):,}",
            f"{max(each['ram'] for each in found):,}",
        )
        yield f"| {' | '.join(cells)} |"


ALONE = """## One keyword against the rest

One of the nine words is the keyword; the others play `unknown`, and two of them ({strangers}) are never trained on. Noise that is drawn
plays `silence`: {silence}. Speakers of the training part in four folds: each model is trained on three, its decision chosen
on a quarter of those speakers for {asked:g} false accepts an hour, and judged on the clips of the fourth in a row, in five orders; events
and hours of the folds are pooled, and each second counts once. The 95 % bound is what an hour of such sound shows: no rate below
{least:g} an hour is claimed. Bytes of const data, the largest of a fold's: of the net with its decision and shared tables, and with the
front-end. RAM of the state and its scratch alone, without the listener's samples.

| net | keyword | rejected | false accepts | bound, an hour | bytes | with front-end | RAM bytes |
|---|---|---|---|---|---|---|---|
{rows}

One in ten rejected at most, in 1 KB, was hoped for: the net has less than 1 KB, and rejects more.

Made by `python benchmarks/keyword_alone.py --work DIRECTORY`.
"""


def alone_text(alone: Mapping[str, Sequence[Found]]) -> str:
    """The page's section."""
    first = next(iter(alone.values()))[0]
    return ALONE.format(
        strangers=" and ".join(first["strangers"]),
        silence="white to red, a clip to seven of words",
        asked=first["chosen"]["false_alarms"],
        least=LEAST,
        rows="\n".join(alone_rows(alone)),
    )
