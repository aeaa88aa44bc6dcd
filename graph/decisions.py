"""What a model decides step after step of a stream: its scores, and the class, by its graph `decide` where it has one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .decide import AVERAGE, NO_DECISION, Decision, rules_of, with_decision
from .evaluate import evaluate_graph, rows_at_a_time, take_decisions, walk_decisions
from .fixed_point import IntArray
from .ir import IntegerModel
from .ops.decide import FIRST, MEMORY
from .policy_plan import BoolArray, PolicyPlan, plan

STEPS_HELD = 64
"""Whose states are held until the head reads them together."""


def tell_nobody(steps: int) -> None:
    """What a walk tells of its steps unless somebody wants to know."""


@dataclass(frozen=True, eq=False)
class StreamScores:
    """After every step of every stream: scores int [streams, longest, *shape]; unread: whether nothing was read since
    everything began anew, bool [streams, longest]. Past a stream's end they mean nothing.
    """

    scores: IntArray
    unread: BoolArray

    def decisions(self, model: IntegerModel) -> IntArray:
        """By the graph `decide`, or the class of the largest score, the first of equals: int [streams, longest]."""
        decisions: IntArray = take_decisions(model, self.scores, self.unread) if model.decides else self.scores.argmax(axis=2)
        return decisions


def stream_decisions(model: IntegerModel, x: IntArray, lengths: IntArray, tell: Callable[[int], None] = tell_nobody) -> IntArray:
    """The decision after every step of every stream: int64 [streams, longest]; past a stream's end NO_DECISION. See stream_scores."""
    decisions = stream_scores(model, x, lengths, tell).decisions(model).astype(np.int64)
    decisions[np.arange(x.shape[1])[None, :] >= lengths[:, None]] = NO_DECISION
    return decisions


def stream_scores(model: IntegerModel, x: IntArray, lengths: IntArray, tell: Callable[[int], None] = tell_nobody) -> StreamScores:
    """What a device's <model>_stream gives: the state is zero before the first step and then runs on, as the model's policy says.

    x: int [streams, longest, *input shape]; lengths: int [streams], each >= 1. tell: told how many of the longest stream's steps are done.
    """
    scores = np.zeros((*x.shape[:2], *model.output.type.shape), model.output.type.format.numpy_dtype)
    unread = np.zeros(x.shape[:2], np.bool_)
    size = max(1, rows_at_a_time(model.graphs["step"]) // 2)
    for start in range(0, len(x), size):
        rows = slice(start, start + size)
        longest = int(lengths[rows].max())
        way = plan(model, x[rows, :longest], lengths[rows])
        unread[rows, :longest] = way.unread
        for first, part in _scores(model, x[rows], way):
            scores[rows, first : first + part.shape[1]] = part
            tell(first + part.shape[1])
    return StreamScores(scores, unread)


def smoothed_scores(model: IntegerModel, smoothing: int, scores: IntArray, unread: BoolArray | None = None) -> IntArray:
    """The averages that a decision of that smoothing reads after every step, int32 [streams, longest, classes]; see take_decisions."""
    smoothed = with_decision(model, Decision(smoothing))
    following = smoothed.graphs["decide"].state[AVERAGE]
    averages = np.zeros(scores.shape, np.int32)
    for t, values in enumerate(walk_decisions(smoothed, scores, unread)):
        averages[:, t] = values[following]
    return averages


def decisions_aside(decisions: Sequence[Decision], averages: IntArray, unread: BoolArray | None = None) -> IntArray:
    """What each of some decisions of one smoothing takes after every step, int16 [decisions, streams, longest]: as take_decisions.

    averages: of that smoothing, as smoothed_scores gives them.
    """
    streams, longest, classes = averages.shape
    rules = rules_of(decisions, classes, streams)
    memory: IntArray = np.zeros((len(decisions) * streams, MEMORY), np.int64)
    found = np.zeros((longest, len(memory)), np.int16)
    for t in range(longest):
        memory = rules.step(np.tile(averages[:, t], (len(decisions), 1)), memory).memory
        found[t] = memory[:, 0] - FIRST
        if unread is not None:
            lost = np.tile(unread[:, t], len(decisions))
            memory[lost], found[t, lost] = 0, NO_DECISION
    return np.ascontiguousarray(found.T).reshape(len(decisions), streams, longest)


def _scores(model: IntegerModel, x: IntArray, way: PolicyPlan) -> Iterator[tuple[int, IntArray]]:
    """(the first step, scores int64 [streams, steps, *shape]) of some steps after another."""
    head, (count, longest) = model.graphs["head"], way.advances.shape
    kept = {value.name: np.zeros((count, min(STEPS_HELD, longest), *value.type.shape), np.int64) for value in head.inputs}
    for t, states in enumerate(_walk(model, x, way)):
        for name, array in kept.items():
            array[:, t % STEPS_HELD] = states[name][way.answers[:, t], np.arange(count)]
        if t % STEPS_HELD == STEPS_HELD - 1 or t == longest - 1:
            steps = t % STEPS_HELD + 1
            flat = {name: array[:, :steps].reshape(-1, *array.shape[2:]) for name, array in kept.items()}
            scores = evaluate_graph(head, flat)[model.output.name]
            yield t - steps + 1, scores.reshape(count, steps, *scores.shape[1:])


def _walk(model: IntegerModel, x: IntArray, way: PolicyPlan) -> Iterator[Mapping[str, IntArray]]:
    """After each step every state by name, int64 [states, streams, *shape], the same arrays each time."""
    step = model.graphs["step"]
    states = {value.name: np.zeros((way.states, len(x), *value.type.shape), np.int64) for value in step.state_inputs}
    for t in range(way.advances.shape[1]):
        rows, anew = np.flatnonzero(way.advances[:, t]), np.flatnonzero(way.fresh[:, t] >= 0)
        for array in states.values():
            array[:, way.begins[:, t]] = 0
            array[way.fresh[anew, t], anew] = 0
        if len(rows):
            readings = np.concatenate([x[rows, way.reading[rows, t]]] * way.states)
            before = {name: array[:, rows].reshape(-1, *array.shape[2:]) for name, array in states.items()}
            values = evaluate_graph(step, {model.input.name: readings, **before})
            for name, array in states.items():
                array[:, rows] = values[step.state[name]].reshape(way.states, len(rows), *array.shape[2:])
        yield states
