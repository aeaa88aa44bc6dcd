"""The search for a decision that hears words: the fewest are rejected by it among those whose false accepts are few enough."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..data.dataset import Dataset
from ..data.split import Int64Array
from ..errors import InputError
from ..graph.decide import Decision
from ..graph.decisions import decisions_aside
from ..graph.fixed_point import IntArray
from ..graph.formats import Format, TensorType
from ..graph.ir import IntegerModel
from ..rates import Clock, poisson_bound
from ..recipe import DecideSection, Recipe
from .decision import HOLDS, MISSED, SMOOTHINGS, NoDecisionError, Stream, alarm_unit, decide_by, widest_margin
from .listener import Listener
from .net_readings import rows_of_parts
from .wake_words import WakeWords, class_number, measure_wake_words, words_of

SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75)
"""Levels that are tried: those that the best step of so many words does not reach."""


def check_background(recipe: Recipe, dataset: Dataset) -> None:
    """Raise InputError for a background that is no class, and for a validation part without any of it, or without a word."""
    if recipe.decide is None or recipe.decide.background is None:
        return
    background = background_classes(recipe.decide, dataset.classes)
    is_background = np.isin(dataset.train.y[rows_of_parts(recipe, dataset.train)[1]], background)
    for count, what in ((is_background.sum(), "the background"), ((~is_background).sum(), "a word")):
        if not count:
            raise InputError(
                f"the validation part has no recording of {what}, so that decide.false_alarms cannot be counted for decide.background = "
                f"{', '.join(recipe.decide.background)}: give more recordings, or other classes"
            )


def background_classes(section: DecideSection, classes: Sequence[str]) -> tuple[int, ...]:
    """Their numbers. Raises InputError for one that is no class."""
    return tuple(class_number(name, classes, "decide.background: the data have") for name in section.background or ())


@dataclass(frozen=True)
class _Tried:
    """A decision, and what it is worth."""

    decision: Decision
    words: WakeWords

    @property
    def hears(self) -> bool:
        return self.words.rejected < self.words.words

    @property
    def worth(self) -> tuple[float, ...]:
        """What is to be least."""
        latencies = (self.words.latency_median, self.words.latency_p90)
        return self.words.rejected, *(math.inf if each is None else each for each in latencies)


def search_wake_decision(
    section: DecideSection, model: IntegerModel, stream: Stream, clock: Clock, listener: Listener
) -> tuple[Decision, WakeWords]:
    """The decision that rejects the fewest words, then has the least latency, among those whose false accepts are few enough.

    Beside it what it is worth. Raises InputError where there is none: it says what the best one has.
    """
    assert section.false_alarms is not None
    most, background, scores = section.false_alarms, background_classes(section, model.classes), model.output.type
    search = _Search(section, model, stream, stream.clock(clock), background)
    if not words_of(stream.steps, search.clock, background):
        raise NoDecisionError(
            "no validation recording of a word is as long as a step of the net, so that none can be heard: give longer ones"
        )
    found = list(search.tried())
    chosen = min((tried for tried in found if tried.hears and search.is_quiet(tried)), key=lambda tried: tried.worth, default=None)
    if chosen is None:
        raise NoDecisionError(_none_quiet(found, most, clock, scores, background))
    listener.stage(_describe(chosen, scores, background))
    rejected = chosen.words.rejected / chosen.words.words
    if rejected > MISSED:
        listener.warning(
            f"this decision rejects {rejected:.1%} of the words of the validation recordings: allow more false accepts, or train longer"
        )
    least = poisson_bound(0) / chosen.words.false_accepts.exposure
    if least > most:
        listener.warning(
            f"the validation recordings are too few to show {most:g} false accepts {alarm_unit(clock)}: had they none at all, the 95 % "
            f"bound would be {least:.3g}; validate on more, or measure on more with `rescomp evaluate --stream --background`"
        )
    return chosen.decision, chosen.words


def _none_quiet(found: Sequence[_Tried], most: float, clock: Clock, scores: TensorType, background: Sequence[int]) -> str:
    hearing = [tried for tried in found if tried.hears]
    if not hearing:
        return "no decision that was tried hears any word of the validation recordings: train longer, or leave decide.background out"
    best = min(hearing, key=lambda tried: (tried.words.false_accepts.value, *tried.worth))
    return (
        f"no decision that was tried hears words with at most {most:g} false accepts {alarm_unit(clock)} on the validation recordings, the "
        f"best one being {_describe(best, scores, background)}: give quantize a larger decide.false_alarms, which goes on from what is "
        "trained, or train longer or for streams (train.carry)"
    )


def _describe(tried: _Tried, scores: TensorType, background: Sequence[int]) -> str:
    """What was chosen, and what it is worth on the validation recordings."""
    decision, unit = tried.decision, 2.0**scores.format.fraction_bits
    words = sorted({value for label, value in enumerate(decision.thresholds) if label not in background})
    reach = f", threshold {' to '.join(f'{value / unit:g}' for value in sorted({words[0], words[-1]}))}" if words else ""
    settings = f"smoothing {decision.smoothing}, margin {decision.margin / unit:g}, hold {decision.hold}{reach}"
    return f"{settings}: words {tried.words}"


@dataclass(frozen=True)
class _Search:
    """clock: of the streams."""

    section: DecideSection
    model: IntegerModel
    stream: Stream
    clock: Clock
    background: tuple[int, ...]

    def tried(self) -> Iterator[_Tried]:
        """Of each column the decisions up to the first that is quiet."""
        base = decide_by(self.section, self.model.output.type)
        for smoothing in SMOOTHINGS if "smoothing" in self.section.searched else (base.smoothing,):
            averages = self.stream.averages(self.model, smoothing)
            columns = list(self._columns(replace(base, smoothing=smoothing), averages))
            decisions = iter(decisions_aside([each for column in columns for each in column], averages, self.stream.unread))
            for column in columns:
                yield from self._until_quiet(zip(column, list(itertools.islice(decisions, len(column))), strict=True))

    def _until_quiet(self, column: Iterable[tuple[Decision, IntArray]]) -> Iterator[_Tried]:
        for decision, taken in column:
            yield (tried := _Tried(decision, measure_wake_words(taken, self.stream.steps, self.clock, self.background)))
            if self.is_quiet(tried):
                break

    def is_quiet(self, tried: _Tried) -> bool:
        """Whether its false accepts are few enough."""
        assert self.section.false_alarms is not None
        return tried.words.false_accepts.value <= self.section.false_alarms

    def _columns(self, base: Decision, averages: IntArray) -> Iterator[Sequence[Decision]]:
        """Decisions of one smoothing that differ in one level, from the lowest one on; the plainest first."""
        searched, format, peaks = self.section.searched, self.model.output.type.format, _Peaks.of(self, base.smoothing, averages)
        for hold in HOLDS if "hold" in searched else (base.hold,):
            plain = replace(base, hold=hold)
            yield [plain]
            if "margin" in searched:
                yield [replace(plain, margin=margin) for margin in peaks.margins(format)]
            if "thresholds" in searched:
                yield [replace(plain, thresholds=self._thresholds(level)) for level in peaks.thresholds(format)]

    def _thresholds(self, level: int) -> tuple[int, ...]:
        """That of every word; nothing is below that of the background."""
        low, classes = self.model.output.type.format.low, self.model.output.type.size
        return tuple(low if label in self.background else level for label in range(classes))


@dataclass(frozen=True, eq=False)
class _Peaks:
    """Of the smoothed scores of each word's steps, those included at which it may be called late: the largest of its class, and by how
    much most it is above all of the background. int64 [words], in order, in units of 2^-(f + smoothing).
    """

    smoothing: int
    own: Int64Array
    lead: Int64Array

    @classmethod
    def of(cls, search: _Search, smoothing: int, averages: IntArray) -> _Peaks:
        """Of the words of the streams. averages: of that smoothing."""
        background = list(search.background)
        own, lead = [], []
        for word, until in words_of(search.stream.steps, search.clock, search.background):
            rows = averages[word.stream, word.begin : until].astype(np.int64)
            own.append(rows[:, word.label].max())
            lead.append((rows[:, word.label] - rows[:, background].max(axis=1)).max())
        return cls(smoothing, np.sort(np.array(own, np.int64)), np.sort(np.array(lead, np.int64)))

    def thresholds(self, format: Format) -> list[int]:
        """Levels that are reached by all but the shares of words, from the lowest on."""
        return [max(min(level >> self.smoothing, format.high), format.low) for level in self._levels(self.own)]

    def margins(self, format: Format) -> list[int]:
        """Margins above 0 that are passed by all but the shares of words, from the narrowest on."""
        found = [min((level - 1) >> self.smoothing, widest_margin(format)) for level in self._levels(self.lead)]
        return [margin for margin in found if margin > 0]

    @staticmethod
    def _levels(peaks: Int64Array) -> list[int]:
        levels: list[int] = np.unique(peaks[[math.floor(share * len(peaks)) for share in SHARES]]).tolist()
        return levels
