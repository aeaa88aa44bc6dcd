"""What a model decides step after step of a stream: its scores, and the class, by its graph `decide` where it has one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .decide import NO_DECISION
from .evaluate import evaluate_graph, rows_at_a_time, take_decisions, walk_sequences
from .fixed_point import IntArray
from .ir import IntegerModel

STEPS = 64
"""Whose states are held until the head reads them together."""


def stream_decisions(model: IntegerModel, x: IntArray, lengths: IntArray, tell: Callable[[int], None] = lambda _steps: None) -> IntArray:
    """The decision after every step of every stream: int64 [streams, longest]; past a stream's end NO_DECISION.

    x: int [streams, longest, *input shape]; lengths: int [streams], each >= 1. The state is zero before the first step and then runs on.
    Without `decide` it is the class of the largest score, the first of equals. tell: told how many of the longest stream's steps are done.
    """
    decisions = np.full(x.shape[:2], NO_DECISION, np.int64)
    size = rows_at_a_time(model.graphs["step"])
    for begin in range(0, len(x), size):
        rows = slice(begin, begin + size)
        longest = int(lengths[rows].max())
        scores = np.zeros((len(lengths[rows]), longest, *model.output.type.shape), model.output.type.format.numpy_dtype)
        for first, part in _stream_scores(model, x[rows], lengths[rows]):
            scores[:, first : first + part.shape[1]] = part
            tell(first + part.shape[1])
        decisions[rows, :longest] = take_decisions(model, scores) if model.decides else scores.argmax(axis=2)
    decisions[np.arange(x.shape[1])[None, :] >= lengths[:, None]] = NO_DECISION
    return decisions


def _stream_scores(model: IntegerModel, x: IntArray, lengths: IntArray) -> Iterator[tuple[int, IntArray]]:
    """(the first step, scores int64 [streams, steps, *shape]) of some steps after another; past a stream's end they mean nothing."""
    step, head = model.graphs["step"], model.graphs["head"]
    longest = int(lengths.max())
    states = {value.name: np.zeros((len(x), min(STEPS, longest), *value.type.shape), np.int64) for value in head.inputs}
    for t, (running, values) in enumerate(walk_sequences(model, x, lengths)):
        for name, kept in states.items():
            kept[running, t % STEPS] = values[step.state[name]]
        if t % STEPS == STEPS - 1 or t == longest - 1:
            count = t % STEPS + 1
            flat = {name: kept[:, :count].reshape(-1, *kept.shape[2:]) for name, kept in states.items()}
            scores = evaluate_graph(head, flat)[model.output.name]
            yield t - count + 1, scores.reshape(len(x), count, *scores.shape[1:])
