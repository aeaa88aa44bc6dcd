"""The values of all layers about a step at which a witness differs, as numpy has them: what each layer is then asked for by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..graph.evaluate import Trajectory, evaluate_graph, scores_of_every_step, split_state, walk_decisions
from ..graph.fixed_point import IntArray
from ..graph.ir import Graph, IntegerModel
from .compare import Mismatch
from .witness import Forced, Job

REPLAYED_STEPS = 64
"""Replayed."""
BOARD_STEPS = 8
"""Where each layer of each step is asked for over a line."""


@dataclass(frozen=True, eq=False)
class Replay:
    """forced: for each graph every value, int [steps, *shape], inputs included. first: the step of the first of them; None: no steps."""

    forced: Forced
    sequence: int
    first: int | None

    def inputs(self, graph: Graph, role: str) -> dict[str, IntArray]:
        """What the graph reads."""
        return {value.name: self.forced[role][value.name] for value in graph.inputs}


def replay(job: Job, reference: Trajectory, mismatch: Mismatch, most: int = REPLAYED_STEPS) -> Replay:
    """Up to `most` steps of the sequence of `mismatch`, in whose middle its step lies where there are so many; or its one sample."""
    model, row = job.model, mismatch.sequence
    if not model.is_recurrent:
        return Replay({"whole": _values(model, "whole", {model.input.name: job.x[row : row + 1]})}, row, None)
    length = int(job.lengths[row])
    at = length - 1 if mismatch.step is None else mismatch.step
    begin = max(0, min(at - most // 2, length - most))
    end = min(length, begin + most)
    after = reference.states[row, begin:end]
    before = np.concatenate([_state_before(job, reference, row, begin), after[:-1]])
    forced = {"step": _values(model, "step", {**split_state(model, before), model.input.name: job.x[row, begin:end]})}
    forced["head"] = _values(model, "head", split_state(model, after))
    if model.decides:
        decided = _decided(model, reference.states[row : row + 1, :end], begin) if mismatch.kind == "decision" else {}
        (read,) = model.graphs["decide"].data_inputs
        zeros = {value.name: np.zeros((end - begin, *value.type.shape), np.int64) for value in model.graphs["decide"].state_inputs}
        forced["decide"] = _values(model, "decide", {**zeros, read.name: forced["head"][model.output.name], **decided})
    return Replay(forced, row, begin)


def _state_before(job: Job, reference: Trajectory, row: int, step: int) -> IntArray:
    """One row as Trajectory.states has them."""
    if step:
        return reference.states[row, step - 1 : step]
    if job.initial is None:
        return np.zeros((1, reference.states.shape[2]), reference.states.dtype)
    return job.initial[row : row + 1]


def _values(model: IntegerModel, role: str, inputs: dict[str, IntArray]) -> dict[str, IntArray]:
    graph = model.graphs[role]
    return evaluate_graph(graph, {value.name: inputs[value.name] for value in graph.inputs})


def _decided(model: IntegerModel, states: IntArray, begin: int) -> dict[str, IntArray]:
    """The states of `decide` before each step from `begin` on, [steps, *shape], for the states [1, steps, entries] from the first on."""
    decide, scores = model.graphs["decide"], scores_of_every_step(model, states)
    before: dict[str, list[IntArray]] = {v.name: [np.zeros((1, *v.type.shape), np.int64)] for v in decide.state_inputs}
    for values in walk_decisions(model, scores[:, :-1]):
        for name, following in decide.state.items():
            before[name].append(values[following])
    return {name: np.concatenate(arrays[begin:]) for name, arrays in before.items()}
