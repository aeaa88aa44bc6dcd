"""The decision of a recipe in a model's integers, and the search for one on validation recordings put in a row."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..data.rows import ORDERS, in_a_row, row_orders
from ..data.split import Split
from ..data.streams import Streams
from ..errors import InputError, counted
from ..graph.decide import Decision, with_decision
from ..graph.decisions import decisions_aside, smoothed_scores, stream_scores
from ..graph.evaluate import take_decisions
from ..graph.fixed_point import IntArray
from ..graph.formats import Format, TensorType
from ..graph.ir import IntegerModel, StreamPolicy
from ..graph.ops.decide import MOST_MARGIN
from ..models import Net
from ..rates import Clock
from ..recipe import DecideSection, Recipe, StreamSection
from .labelled_steps import LabelledSteps
from .listener import Listener
from .stream_metrics import StreamMetrics, measure_streams

DEFAULTS = DecideSection(smoothing=2, margin=0.0, hold=1)
"""Where nothing is set and nothing is searched: about a mean of seven scores."""
WIDEST = Format(0)
"""Of the scores of recurrent nets, for the largest that there are: calibration gives them fraction bits from 0 on."""
MISSED = 0.1
"""Share of changes missed, or of words rejected, that a user hears of."""
SMOOTHINGS, MARGINS, HOLDS = (0, 1, 2, 3, 4, 5), (0.0, 0.5, 1.0, 2.0, 4.0), (1, 4)
"""What a search goes through."""
_ROW_STEPS = 512
"""Of a row: many short ones side by side take numpy less time than a few long ones."""


class NoDecisionError(InputError):
    """No decision can be made of what this net gives: another net, or another recipe, may have one."""


def refuse_without_steps(recipe: Recipe, net: Net) -> None:
    """Raise InputError for a decision or a policy of streams of a net that takes no steps, where only the net itself tells."""
    if (recipe.decide or recipe.stream) and not net.cells and not recipe.model.streaming:
        raise InputError(f"{recipe.model.kind} takes no steps, so that [decide] and [stream] have no meaning: leave them out")


def check_early(section: DecideSection, classes: int, net: Net) -> None:
    """Raise InputError for what no scores of the net could hold, whatever it learns: known before it is trained."""
    check_thresholds(section, classes)
    if net.cells:
        decide_by(section, TensorType((classes,), WIDEST))


def check_thresholds(section: DecideSection, classes: int) -> None:
    """Raise InputError for thresholds that are neither one nor as many as there are classes."""
    count = len(section.thresholds or ())
    if count > 1 and count != classes:
        raise InputError(f"decide.thresholds has {count} numbers for {classes} classes: give one for all, or one a class in their order")


def policy_by(section: StreamSection | None) -> StreamPolicy | None:
    """The section in steps."""
    return None if section is None else StreamPolicy(section.gap, section.rail, (section.window or 0) // 2)


def decide_by(section: DecideSection, scores: TensorType) -> Decision:
    """The section in the integers of a model's scores, the defaults where nothing is set.

    Raises InputError for thresholds of another number than the classes, one that no score reaches, and a margin wider than from the lowest
    score to the highest.
    """
    section = replace_unset(section, DEFAULTS)
    assert section.smoothing is not None
    assert section.margin is not None
    assert section.hold is not None
    format, (classes,) = scores.format, scores.shape
    check_thresholds(section, classes)
    thresholds = [_integer("thresholds", value, format, format.low, format.high) for value in section.thresholds or ()]
    each = tuple(np.broadcast_to(thresholds, classes).tolist()) if thresholds else ()
    margin = _integer("margin", section.margin, format, 0, widest_margin(format))
    return Decision(section.smoothing, margin, section.hold, section.refractory, each)


def largest_decision(section: DecideSection, classes: int) -> Decision:
    """The one that takes the most memory among those that may be chosen, for the largest scores that there are."""
    chosen = {"thresholds": (0.0,)} if "thresholds" in section.searched else {}
    return decide_by(section.model_copy(update=chosen), TensorType((classes,), WIDEST))


def widest_margin(format: Format) -> int:
    """The largest margin between scores of that format."""
    return min(format.high - format.low, MOST_MARGIN)


def _integer(key: str, value: float, format: Format, low: int, high: int) -> int:
    """floor(value 2^f + 1/2), within low .. high."""
    unit = 2.0**format.fraction_bits
    if not low - 0.5 <= value * unit < high + 0.5:
        raise NoDecisionError(
            f"decide.{key} of {value:g} is beyond what the scores of this model reach ({format}): give a number from {low / unit:.8g} to "
            f"{high / unit:.8g}"
        )
    return math.floor(value * unit + 0.5)


def replace_unset(section: DecideSection, by: DecideSection) -> DecideSection:
    """The section with what is unset of smoothing, margin and hold as in another."""
    return section.model_copy(update={key: getattr(by, key) for key in section.searched})


@dataclass(frozen=True, eq=False)
class Stream:
    """Validation recordings, continuous or in a row: the model's scores int [streams, longest, classes] at these steps.

    unread: bool [streams, longest], where by the model's policy there is nothing to decide on; None: nowhere. copies: see Clock.
    """

    scores: IntArray
    steps: LabelledSteps
    unread: npt.NDArray[np.bool_] | None = None
    copies: int = 1

    @classmethod
    def of(cls, model: IntegerModel, recordings: Split) -> Stream:
        """Of recordings as the model reads them, in seeded orders; the state runs on from one to the next, as the model's policy says."""
        return replace(cls.continuous(model, in_a_row(recordings, row_orders(recordings.y), _ROW_STEPS)), copies=ORDERS)

    @classmethod
    def continuous(cls, model: IntegerModel, streams: Streams) -> Stream:
        """Of continuous recordings as the model reads them."""
        walked = stream_scores(model, np.asarray(streams.x, np.int16), streams.lengths)
        return cls(walked.scores, LabelledSteps.of(streams), walked.unread)

    def decisions(self, model: IntegerModel, decision: Decision) -> IntArray:
        """The decision after every step, int16 [streams, longest]."""
        return take_decisions(with_decision(model, decision), self.scores, self.unread)

    def averages(self, model: IntegerModel, smoothing: int) -> IntArray:
        """The smoothed scores after every step, int32 [streams, longest, classes]."""
        return smoothed_scores(model, smoothing, self.scores, self.unread)

    def clock(self, clock: Clock) -> Clock:
        """Of these streams, for the clock of their recordings."""
        return replace(clock, copies=clock.copies * self.copies)

    def measure(self, model: IntegerModel, decision: Decision, clock: Clock) -> StreamMetrics:
        """What the decisions are worth."""
        return measure_streams(self.decisions(model, decision), self.steps, self.clock(clock))


def search_decision(
    section: DecideSection, model: IntegerModel, stream: Stream, clock: Clock, listener: Listener
) -> tuple[Decision, StreamMetrics]:
    """The decision with the least delay among those whose changes are few enough; the one with the fewest where none is.

    Beside it what it is worth.
    """
    assert section.false_alarms is not None
    scores = model.output.type
    found = list(_measured(list(_candidates(section, scores.format)), model, stream, clock))
    quiet = [pair for pair in found if _alarms(pair[1]) <= section.false_alarms]
    if quiet:
        chosen, metrics = min(quiet, key=lambda pair: _delay(pair[1]))
    else:
        chosen, metrics = min(found, key=lambda pair: (_alarms(pair[1]), _delay(pair[1])))
        listener.warning(
            f"no decision that was tried has at most {section.false_alarms:g} changes {alarm_unit(clock)} on the validation recordings: "
            "the one with the fewest is taken; train for streams (train.carry), or allow more"
        )
    listener.stage(describe(chosen, metrics))
    if metrics.miss is not None and metrics.miss > MISSED:
        listener.warning(
            f"this decision misses {metrics.miss:.1%} of the changes between the validation recordings, which last about "
            f"{2 * clock.settle} readings each: allow more false alarms, or take streams whose classes last longer"
        )
    return decide_by(chosen, scores), metrics


def _measured(
    tried: Sequence[DecideSection], model: IntegerModel, stream: Stream, clock: Clock
) -> Iterator[tuple[DecideSection, StreamMetrics]]:
    """Each with what it is worth; those of one smoothing, which stand together, are taken together."""
    for smoothing, group in itertools.groupby(tried, key=lambda section: section.smoothing):
        sections = list(group)
        averages = stream.averages(model, smoothing or 0)
        decisions = decisions_aside([decide_by(each, model.output.type) for each in sections], averages, stream.unread)
        for section, taken in zip(sections, decisions, strict=True):
            yield section, measure_streams(taken, stream.steps, stream.clock(clock))


def describe(section: DecideSection, metrics: StreamMetrics) -> str:
    """What was chosen, and what it is worth on the validation recordings."""
    median = metrics.delay_median
    delay = "never reached by half of the changes" if median is None else f"median delay {counted(median, 'reading')}"
    missed = f", {metrics.missed} missed" if metrics.missed else ""
    changes = "" if metrics.flips is None else f", changes in settled time {metrics.flips}"
    return f"{describe_settings(section)}: {delay}{missed}{changes}"


def describe_settings(section: DecideSection) -> str:
    """Smoothing, margin and hold, all of them set."""
    return f"smoothing {section.smoothing}, margin {section.margin:g}, hold {section.hold}"


def _candidates(section: DecideSection, format: Format) -> Iterator[DecideSection]:
    """The plainest first, so that it wins where several are worth the same. format: of the scores; wider margins are left out."""
    margins = tuple(margin for margin in MARGINS if margin * 2.0**format.fraction_bits <= widest_margin(format))
    known = {"smoothing": SMOOTHINGS, "margin": margins, "hold": HOLDS}
    ways = [known[key] if key in section.searched else (getattr(section, key),) for key in known]
    for values in itertools.product(*ways):
        yield section.model_copy(update=dict(zip(known, values, strict=True)))


def _alarms(metrics: StreamMetrics) -> float:
    """Changes an hour of settled time, or per 1000 readings; none where there is no settled time."""
    if metrics.flips is None:
        return 0.0
    return metrics.flips.value * (60 if metrics.flips.unit == "minute" else 1)


def alarm_unit(clock: Clock) -> str:
    """In which false alarms are counted."""
    return "per 1000 readings" if clock.rate is None else "an hour"


def _delay(metrics: StreamMetrics) -> tuple[float, float, float]:
    """What is to be least: the median, then the 90th percentile, then the share of changes that are missed."""
    ends = (math.inf if value is None else float(value) for value in (metrics.delay_median, metrics.delay_p90))
    median, late = ends
    return median, late, metrics.miss or 0.0
