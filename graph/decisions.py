"""What a model decides step after step of a stream: its scores, and the class, by its graph `decide` where it has one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .evaluate import evaluate_graph, rows_at_a_time, walk_sequences
from .fixed_point import IntArray
from .ir import Graph, IntegerModel

STEPS = 64
"""Whose states are held until the head reads them together."""
UNKNOWN, NONE_YET = -1, -2
"""Decisions that name no class: it is none that the model knows; there is none yet."""


def stream_decisions(model: IntegerModel, x: IntArray, lengths: IntArray, tell: Callable[[int], None] = lambda _steps: None) -> IntArray:
    """The decision after every step of every stream: int64 [streams, longest]; past a stream's end NONE_YET.

    x: int [streams, longest, *input shape]; lengths: int [streams], each >= 1. The state is zero before the first step and then runs on.
    Without `decide` it is the class of the largest score, the first of equals. tell: told how many of the longest stream's steps are done.
    """
    decisions = np.full(x.shape[:2], NONE_YET, np.int64)
    size = rows_at_a_time(model.graphs["step"])
    for begin in range(0, len(x), size):
        rows = slice(begin, begin + size)
        decide = _decider(model, len(x[rows]))
        for first, scores in stream_scores(model, x[rows], lengths[rows]):
            decisions[rows, first : first + scores.shape[1]] = decide(scores)
            tell(first + scores.shape[1])
    decisions[np.arange(x.shape[1])[None, :] >= lengths[:, None]] = NONE_YET
    return decisions


def stream_scores(model: IntegerModel, x: IntArray, lengths: IntArray) -> Iterator[tuple[int, IntArray]]:
    """(the first step, scores int64 [streams, steps, classes]) of some steps after another; past a stream's end they mean nothing."""
    step, head = model.graphs["step"], model.graphs["head"]
    longest = int(lengths.max(initial=0))
    states = {value.name: np.zeros((len(x), min(STEPS, longest), *value.type.shape), np.int64) for value in head.inputs}
    for t, (running, values) in enumerate(walk_sequences(model, x, lengths)):
        for name, kept in states.items():
            kept[running, t % STEPS] = values[step.state[name]]
        if t % STEPS == STEPS - 1 or t == longest - 1:
            count = t % STEPS + 1
            flat = {name: kept[:, :count].reshape(-1, *kept.shape[2:]) for name, kept in states.items()}
            scores = evaluate_graph(head, flat)[model.output.name]
            yield t - count + 1, scores.reshape(len(x), count, -1)


def _decider(model: IntegerModel, streams: int) -> Callable[[IntArray], IntArray]:
    """From scores [streams, steps, classes] to decisions [streams, steps]; called for successive steps."""
    if "decide" not in model.graphs:
        return lambda scores: scores.argmax(axis=2)
    decide = model.graphs["decide"]
    return _Deciding(decide, streams)


class _Deciding:
    """Runs the graph `decide`, whose states go on from call to call."""

    def __init__(self, decide: Graph, streams: int) -> None:
        self.decide = decide
        self.state: dict[str, IntArray] = {value.name: np.zeros((streams, *value.type.shape), np.int64) for value in decide.state_inputs}

    def __call__(self, scores: IntArray) -> IntArray:
        (read,), (given,) = self.decide.data_inputs, self.decide.outputs
        decisions = np.zeros(scores.shape[:2], np.int64)
        for t in range(scores.shape[1]):
            values = evaluate_graph(self.decide, {read.name: scores[:, t].reshape(-1, *read.type.shape), **self.state})
            self.state = {name: values[following] for name, following in self.decide.state.items()}
            decisions[:, t] = values[given].reshape(-1)
        return decisions
