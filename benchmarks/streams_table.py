"""docs/streaming_results.md from the results of streams.py: means over seeds and folds, errors by bootstrap over people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from stream_jobs import FORMATS, RECIPES

Record = dict[str, Any]
Floats = npt.NDArray[np.float64]
DRAWS = 2000
PLACES = {
    "HAR-6, validation folds of people": ("har6", "fold"),
    "HAR-6, official test people": ("har6", "test"),
    "JapaneseVowels, test recordings in a row": ("japanese_vowels", "test"),
}
ABOUT = """# Streams, before and after

Written by `python benchmarks/streams.py --table` from benchmarks/streams.jsonl; do not edit by hand.

FastGRNN, H = 32. **today**: `train.carry = 0`, `train.loss_share = 0`; **carry**: 0.75 and 0.5; **carry, a quarter**: 0.75 and 0.25;
**carry alone**: 0.75 and 0; in float training and fine-tuning alike, all else equal, seeds paired. Float nets run in float, the others are
integer models in numpy.

HAR-6 takes four readings a step (settings of docs/har2.md, 30 + 30 epochs). Its streams are the pack's windows of 128 readings at 50 Hz put
together to recordings: windows overlap by half inside an activity, and at every change at least 1.5 s are missing, so changes are splices
and a delay is counted from the splice. Three folds of the training subjects, then the official test subjects. JapaneseVowels is trained
with the defaults; its recordings stand in a row in five seeded orders in which neighbours differ in speaker, judged at every step
(streamed) and at each recording's end (ends); no recording is long enough to have settled steps.

offline: recordings one by one from a state of zeros. streamed, settled, ends, delay (median, in readings), miss and changes a minute of
settled time: docs/evaluate.md. corner: offline, from states drawn anywhere in their range. Behind +- stands the standard error by
bootstrap over people (speakers are the classes of JapaneseVowels: nine), of the mean over people. A dash: fewer than half of the changes
were reached.
"""
PAIRS_HEAD = (
    "| weights | paired trainings | streamed gains | offline loses | upper 95 % bound of the loss |",
    "|---|---|---|---|---|",
)
ABOUT_DECISIONS = """## Decisions on HAR-6

Written from benchmarks/stream_decisions.json (`python benchmarks/stream_decisions.py --work DIR`). Nets of the recipe **carry**; the
decision is that of the search's candidates with the least median delay among those with at most two changes a minute of settled time on
the validation folds, all trainings together, and is then put behind the nets that the official test people judge. minutes: of settled
time, of one training's streams.
"""


def render(results: Path) -> str:
    """The page."""
    records = [json.loads(line) for line in results.read_text().splitlines()]
    parts = [ABOUT]
    for title, (task, split) in PLACES.items():
        found = [record for record in records if record["job"].startswith(f"{task}/{split}")]
        if found:
            pairs = list(_pairs(found))
            parts += [f"## {title}\n", *_figures(found), "", *([*PAIRS_HEAD, *pairs, ""] if pairs else [])]
    decisions = results.with_name("stream_decisions.json")
    if decisions.is_file():
        parts += [ABOUT_DECISIONS, *_decisions(json.loads(decisions.read_text())), ""]
    return "\n".join(parts)


def _decisions(records: Sequence[Record]) -> Iterator[str]:
    yield "| weights | streams | decided by | trainings | streamed | settled | median delay | miss | changes a minute | minutes |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for each in records:
        delay = "-" if each["delay"] is None else f"{each['delay']:.0f}"
        shares = " | ".join(f"{each[key]:.1%}" for key in ("streamed", "settled"))
        yield (
            f"| {each['weights']} | {each['streams']} | {each['decided by']} | {each['trainings']} | {shares} | {delay} | "
            f"{each['miss']:.1%} | {each['changes']:.1f} | {each['minutes']:.0f} |"
        )


def _figures(records: Sequence[Record]) -> Iterator[str]:
    yield "| weights | trained | trainings | offline | streamed | settled | ends | delay | miss | changes a minute | corner |"
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for format, recipe, chosen in _rows(records):
        people = {key: _by_person(chosen, key) for key in ("offline", "streamed", "settled", "ends")}
        shares = [_share(chosen, key, people[key]) for key in people]
        delays = [np.inf if record["delay_median"] is None else record["delay_median"] for record in chosen]
        delay = f"{np.median(delays):.0f}" if np.isfinite(np.median(delays)) else "-"
        flips = [record["flips"]["rate"] for record in chosen if record["flips"]]
        rest = [delay, _percent(chosen, "miss"), f"{np.mean(flips):.1f}" if flips else "", _percent(chosen, "corner")]
        yield f"| {format} | {recipe} | {len(chosen)} | {' | '.join((*shares, *rest))} |"


def _pairs(records: Sequence[Record]) -> Iterator[str]:
    for format in FORMATS:
        for recipe in list(RECIPES)[1:]:
            before, after = _paired(records, format, recipe)
            if before:
                gain = _by_person(after, "streamed") - _by_person(before, "streamed")
                loss = _by_person(before, "offline") - _by_person(after, "offline")
                bound = np.quantile(_bootstrap(loss), 0.95)
                yield f"| {format}, {recipe} | {len(before)} | {gain.mean():+.1%} | {loss.mean():+.2%} | {bound:+.2%} |"


def _rows(records: Sequence[Record]) -> Iterator[tuple[str, str, list[Record]]]:
    for format in FORMATS:
        for recipe in RECIPES:
            chosen = [record for record in records if record["job"].endswith(f"/{recipe}/{format}")]
            if chosen:
                yield format, recipe, chosen


def _paired(records: Sequence[Record], format: str, recipe: str) -> tuple[list[Record], list[Record]]:
    """The trainings of today's recipe and of another that have the same split and seed."""
    known = {record["job"]: record for record in records}
    names = [name for name in known if name.endswith(f"/today/{format}") and name.replace("/today/", f"/{recipe}/") in known]
    return [known[name] for name in names], [known[name.replace("/today/", f"/{recipe}/")] for name in names]


def _by_person(records: Sequence[Record], key: str) -> Floats:
    """Of each person the mean over the trainings that judged that one, in the order of their names; empty where nobody has it."""
    found: dict[str, list[float]] = {}
    for record in records:
        for person, figures in record["by_group"].items():
            if figures.get(key) is not None:
                found.setdefault(person, []).append(figures[key])
    return np.array([np.mean(found[person]) for person in sorted(found)])


def _bootstrap(values: Floats) -> Floats:
    """Means of people drawn with replacement."""
    draws = np.random.default_rng(0).integers(0, len(values), (DRAWS, len(values)))
    means: Floats = values[draws].mean(axis=1)
    return means


def _share(records: Sequence[Record], key: str, people: Floats) -> str:
    if any(record[key] is None for record in records):
        return ""
    error = f" +- {_bootstrap(people).std():.1%}" if len(people) else ""
    return _percent(records, key) + error


def _percent(records: Sequence[Record], key: str) -> str:
    values = [record[key] for record in records]
    return "" if any(value is None for value in values) else f"{np.mean(values):.1%}"
