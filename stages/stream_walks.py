"""The integer model along streams: continuous recordings, or single ones in a row, many side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from ..data.rows import ORDERS, in_a_row, row_orders
from ..data.split import Split
from ..data.streams import Streams
from ..graph.decisions import stream_decisions
from ..graph.fixed_point import IntArray
from ..graph.ir import IntegerModel, StreamPolicy
from ..rates import Clock
from ..validate.witness import Progress
from .labelled_steps import LabelledSteps, filled_up, joined
from .listener import Listener
from .stream_metrics import StreamMetrics, measure_streams
from .wake_words import WakeWords, measure_wake_words

MOST_WALKED_ENTRIES = 1 << 26
"""Of inputs in a row at a time."""
TOLD = 8192
"""A stream of more steps than these is told how far it is."""
StreamKind = Literal["continuous", "in a row", "continuous, in a row"]
"""What streams are made of: continuous recordings; single recordings in a row; continuous ones of one class each, in a row."""
_SPREAD = ("streamed", "settled", "tail", "ends", "delay_median", "delay_p90", "miss")
"""Figures whose spread over the orders is told."""


@dataclass(frozen=True)
class Streamed:
    """Figures of streams. metrics: of continuous ones, or of all seeded orders together, whose time counts once (clock.copies).

    decided_by: the model's graph, or the largest of its scores. policy: by which they were walked, None: the state runs on. orders: how
    many seeded ones. spread: sample standard deviation over them, by figure, of those that each order has. own_order: of the recordings
    as their file has them, which may be sorted by class. wake_words: where some classes are the background. sha256: of what the model read.
    """

    of: StreamKind
    metrics: StreamMetrics
    clock: Clock
    sha256: str
    decided_by: Literal["decide", "scores"]
    policy: StreamPolicy | None
    orders: int = 0
    spread: Mapping[str, float] = field(default_factory=dict)
    own_order: StreamMetrics | None = None
    wake_words: WakeWords | None = None

    @property
    def figure(self) -> float:
        """What is to be compared with single recordings: right ends of those in a row, settled steps of continuous ones (or all)."""
        if self.of != "continuous":
            return self.metrics.ends
        return self.metrics.streamed if self.metrics.settled is None else self.metrics.settled

    def as_json(self) -> dict[str, Any]:
        """The part of the documents."""
        return {
            "of": self.of,
            "sha256": self.sha256,
            "decided_by": self.decided_by,
            "policy": None if self.policy is None else {"states": self.policy.states, **vars(self.policy)},
            "orders": self.orders,
            "clock": self.clock.as_json(),
            **self.metrics.as_json(),
            "spread": dict(self.spread),
            "own_order": None if self.own_order is None else self.own_order.as_json(),
            "wake_words": None if self.wake_words is None else self.wake_words.as_json(),
        }


@dataclass(frozen=True, eq=False)
class _Walked:
    """Decisions int [streams, longest] at these steps."""

    decisions: IntArray
    steps: LabelledSteps

    def measure(self, clock: Clock) -> StreamMetrics:
        return measure_streams(self.decisions, self.steps, clock)

    def wake_words(self, clock: Clock, background: Collection[int]) -> WakeWords | None:
        return measure_wake_words(self.decisions, self.steps, clock, background) if background else None


def stream_continuous(model: IntegerModel, streams: Streams, clock: Clock, background: Collection[int], listener: Listener) -> Streamed:
    """Of continuous recordings, as the model reads them; put in a row where each is of one class, and not all of the same."""
    if not streams.has_changes and len(np.unique(streams.y[:, 0])) > 1:
        whole = Split(streams.x, streams.y[:, 0], streams.lengths)
        return stream_recordings(model, whole, clock, background, listener, "continuous, in a row")
    walked = _Walked(_decisions(model, streams, listener), LabelledSteps.of(streams))
    words = walked.wake_words(clock, background)
    return Streamed("continuous", walked.measure(clock), clock, streams.digest(), _decided_by(model), model.policy, wake_words=words)


def stream_recordings(
    model: IntegerModel, recordings: Split, clock: Clock, background: Collection[int], listener: Listener, of: StreamKind = "in a row"
) -> Streamed:
    """Of single recordings, as the model reads them, in ORDERS seeded orders whose neighbours differ in class, and in their own."""
    orders = np.concatenate([row_orders(recordings.y), np.arange(len(recordings))[None]])
    side_by_side = max(1, MOST_WALKED_ENTRIES // recordings.x.size)
    walked: list[_Walked] = []
    for begin in range(0, len(orders), side_by_side):
        streams = in_a_row(recordings, orders[begin : begin + side_by_side])
        walked += _by_order(streams, _decisions(model, streams, listener))
    seeded, each = _together(walked[:ORDERS]), [one.measure(clock) for one in walked]
    clock = replace(clock, copies=clock.copies * ORDERS)
    known = (clock, recordings.digest(), _decided_by(model), model.policy)
    return Streamed(of, seeded.measure(clock), *known, ORDERS, _spread(each[:ORDERS]), each[ORDERS], seeded.wake_words(clock, background))


def _spread(orders: Sequence[StreamMetrics]) -> dict[str, float]:
    """Sample standard deviations over the orders."""
    found = {name: [getattr(one, name) for one in orders] for name in _SPREAD}
    found["flips"] = [None if one.flips is None else one.flips.value for one in orders]
    return {name: statistics.stdev(values) for name, values in found.items() if None not in values}


def _decided_by(model: IntegerModel) -> Literal["decide", "scores"]:
    return "decide" if model.decides else "scores"


def _decisions(model: IntegerModel, streams: Streams, listener: Listener) -> IntArray:
    start, total = time.monotonic(), streams.y.shape[1]

    def tell(done: int) -> None:
        if total > TOLD and (done % (TOLD // 8) == 0 or done == total):
            listener.progress(Progress(done, total, "steps", time.monotonic() - start))

    return stream_decisions(model, np.asarray(streams.x, np.int16), streams.lengths, tell)


def _by_order(streams: Streams, decisions: IntArray) -> list[_Walked]:
    assert streams.groups is not None
    chosen = [np.flatnonzero(streams.groups == number) for number in np.unique(streams.groups)]
    return [_Walked(decisions[rows], LabelledSteps.of(streams).take(rows)) for rows in chosen]


def _together(parts: Sequence[_Walked]) -> _Walked:
    """All of them, filled up to one length."""
    steps = joined([part.steps for part in parts])
    return _Walked(filled_up([part.decisions for part in parts], steps.labels.shape[1]), steps)
