"""The values of all layers about a step at which a witness differs, as numpy has them: what each layer is then asked for by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..graph.evaluate import Trajectory, evaluate_graph, split_state
from ..graph.fixed_point import IntArray
from ..graph.ir import Graph, IntegerModel
from ..graph.sound import Pcm, frontend_inputs
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
    if job.sound is not None and mismatch.kind == "feature":
        return _replay_frames(job, job.sound, mismatch, most)
    if not model.is_recurrent:
        return Replay({"whole": _values(model, "whole", {model.input.name: job.x[row : row + 1]})}, row, None)
    length = int(job.lengths[row])
    at = length - 1 if mismatch.step is None else mismatch.step
    begin = max(0, min(at - most // 2, length - most))
    end = min(length, begin + most)
    initial = None if job.initial is None else job.initial[row]
    before = _rows_before(reference.states[row], initial, begin, end)
    forced = {"step": _values(model, "step", {**split_state(model, before), model.input.name: job.x[row, begin:end]})}
    forced["head"] = _values(model, "head", split_state(model, reference.states[row, begin:end]))
    if reference.decide_states is not None:
        (read,) = model.graphs["decide"].data_inputs
        kept = split_state(model, _rows_before(reference.decide_states[row], None, begin, end), "decide")
        forced["decide"] = _values(model, "decide", {**kept, read.name: forced["head"][model.output.name]})
    return Replay(forced, row, begin)


def _replay_frames(job: Job, sound: Pcm, mismatch: Mismatch, most: int) -> Replay:
    """The same of the front-end's layers: up to `most` frames of the recording."""
    model, row = job.model, mismatch.sequence
    inputs = frontend_inputs(model, sound.recording(row), None if job.initial is None else job.initial[row])
    begin = max(0, min((mismatch.step or 0) - most // 2, len(inputs[model.samples.name]) - most))
    values = _values(model, "frontend", {name: array[begin : begin + most] for name, array in inputs.items()})
    return Replay({"frontend": values}, row, begin)


def _rows_before(after: IntArray, initial: IntArray | None, begin: int, end: int) -> IntArray:
    """The states before the steps `begin` to `end`, of rows after each step. initial: before the first one (None: zeros)."""
    if begin:
        return after[begin - 1 : end - 1]
    first = np.zeros_like(after[:1]) if initial is None else initial[None]
    return np.concatenate([first, after[: end - 1]])


def _values(model: IntegerModel, role: str, inputs: dict[str, IntArray]) -> dict[str, IntArray]:
    graph = model.graphs[role]
    return evaluate_graph(graph, {value.name: inputs[value.name] for value in graph.inputs})
