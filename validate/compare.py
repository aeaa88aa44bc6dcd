"""Comparing a witness with the reference, value by value, and naming the first that differs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..errors import ParityError
from ..graph.decide import DECISION
from ..graph.evaluate import Trajectory, evaluate_forced
from ..graph.events import BoolArray
from ..graph.fixed_point import IntArray
from ..graph.ir import Graph, IntegerModel
from .witness import Forced, Job, LayerAnswer


@dataclass(frozen=True)
class Mismatch:
    """One value that differs. step is None for scores at the end of a sequence.

    sequence: or the sample, where a layer was run by itself.
    """

    sequence: int
    step: int | None
    tensor: str
    channel: int
    expected: int
    got: int
    of: str = "sequence"
    kind: Literal["state", "score", "decision"] = "state"

    def __str__(self) -> str:
        step = "" if self.step is None else f"step {self.step}, "
        return f"{self.of} {self.sequence}, {step}{self.tensor}[{self.channel}]: expected {self.expected}, got {self.got}"


@dataclass(frozen=True)
class Comparison:
    """How many values were compared, how many differ, and the first that does (by sequence, then step, then channel)."""

    compared: int
    mismatches: int
    first: Mismatch | None


def expected_count(job: Job, *, decisions: bool = True) -> int:
    """What a full comparison covers: steps x (state entries, and the decision) + sequences, or steps for every score, x scores.

    decisions: whether the witness takes them, where the model does.
    """
    scores = (int(job.lengths.sum()) if job.every_score else len(job.x)) * job.model.output.type.size
    if not job.model.is_recurrent:
        return scores
    width = sum(value.type.size for value in job.model.graphs["step"].state_inputs) + (job.model.decides and decisions)
    return int(job.lengths.sum()) * width + scores


def compare(job: Job, reference: Trajectory, answer: Trajectory) -> Comparison:
    """Every state and decision of every valid step, and every score. Raises ParityError when the answer has not all of them.

    Decisions are left out where the witness takes none.
    """
    if reference.states.shape != answer.states.shape or reference.scores.shape != answer.scores.shape:
        raise ParityError(
            f"the answer has states {answer.states.shape} and scores {answer.scores.shape}, "
            f"the reference {reference.states.shape} and {reference.scores.shape}"
        )
    valid = np.arange(reference.states.shape[1]) < job.lengths[:, None]
    states = (reference.states != answer.states) & valid[..., None]
    scores = reference.scores != answer.scores
    decided, decisions = 0, np.zeros(valid.shape, np.bool_)
    if reference.decisions is not None and answer.decisions is not None:
        decided, decisions = int(valid.sum()), (reference.decisions != answer.decisions) & valid
    compared = int(valid.sum()) * reference.states.shape[2] + decided + scores.size
    expected = expected_count(job, decisions=answer.decisions is not None)
    if compared != expected:
        raise ParityError(f"{compared} values were compared instead of {expected}")
    differing = int(states.sum() + decisions.sum() + scores.sum())
    return Comparison(compared, differing, _first(job, reference, answer, states, scores) or _first_decision(reference, answer, decisions))


def _first(job: Job, reference: Trajectory, answer: Trajectory, states: IntArray, scores: IntArray) -> Mismatch | None:
    found = []
    if states.any():
        sequence, step, channel = (int(i) for i in np.argwhere(states)[0])
        tensor, entry = state_entry(job.model, channel)
        values = int(reference.states[sequence, step, channel]), int(answer.states[sequence, step, channel])
        found.append(Mismatch(sequence, step, tensor, entry, *values))
    if scores.any():
        place = np.argwhere(scores)[0]
        values = int(reference.scores[tuple(place)]), int(answer.scores[tuple(place)])
        before = 2 if job.every_score else 1
        channel = int(np.ravel_multi_index(place[before:], reference.scores.shape[before:]))
        at = int(place[1]) if job.every_score else None
        found.append(Mismatch(int(place[0]), at, job.model.output.name, channel, *values, kind="score"))
    longest = reference.states.shape[1]
    return min(found, key=lambda each: (each.sequence, longest if each.step is None else each.step), default=None)


def _first_decision(reference: Trajectory, answer: Trajectory, differs: BoolArray) -> Mismatch | None:
    """Where neither a state nor a score differs, which says more."""
    if not differs.any() or reference.decisions is None or answer.decisions is None:
        return None
    sequence, step = (int(i) for i in np.argwhere(differs)[0])
    values = int(reference.decisions[sequence, step]), int(answer.decisions[sequence, step])
    return Mismatch(sequence, step, DECISION, 0, *values, kind="decision")


def state_entry(model: IntegerModel, channel: int) -> tuple[str, int]:
    """The state that an entry of Trajectory.states belongs to, and its place there."""
    for value in model.graphs["step"].state_inputs:
        if channel < value.type.size:
            return value.name, channel
        channel -= value.type.size
    raise IndexError(channel)


class LayerReference:
    """What layers must make of the values forced on them: computed once a graph."""

    def __init__(self, forced: Forced) -> None:
        self.forced = forced
        self._computed: list[tuple[Graph, dict[str, IntArray]]] = []

    def of(self, role: str, graph: Graph) -> dict[str, IntArray]:
        """Every value that a node of `graph`, which stands for the model's graph `role`, makes."""
        found = next((values for known, values in self._computed if known is graph), None)
        if found is None:
            found = evaluate_forced(graph, self.forced[role])
            self._computed.append((graph, found))
        return found

    def delivered(self, role: str, graph: Graph) -> dict[str, IntArray]:
        """What the call leaves in its caller's buffers: the next states by the state's name, or the outputs."""
        after = {**self.of(role, graph), **self.forced[role]}
        outputs = {} if role == "step" else {name: name for name in graph.outputs}
        return {name: after[following] for name, following in {**graph.state, **outputs}.items()}


def compare_layers(reference: LayerReference, answer: LayerAnswer) -> Comparison:
    """Every value of every layer on every sample, and what was delivered. Raises ParityError when the answer has not all of them."""
    compared, differing, found = 0, 0, None
    for role, graph in answer.graphs.items():
        pairs = [(reference.of(role, graph), answer.values[role])]
        pairs += [(reference.delivered(role, graph), answer.delivered[role])] if answer.delivered else []
        for expected, got in pairs:
            if {name: array.shape for name, array in expected.items()} != {name: array.shape for name, array in got.items()}:
                raise ParityError(f"the answer has the layers {sorted(got)} of {role}, the reference {sorted(expected)}")
            for name, ours in expected.items():
                differs = ours != got[name]
                compared, differing = compared + ours.size, differing + int(differs.sum())
                found = found or _first_sample(name, ours, got[name])
    return Comparison(compared, differing, found)


def _first_sample(name: str, ours: IntArray, theirs: IntArray) -> Mismatch | None:
    rows, others = ours.reshape(len(ours), -1), theirs.reshape(len(ours), -1)
    places = np.argwhere(rows != others)
    if not len(places):
        return None
    sample, channel = (int(i) for i in places[0])
    return Mismatch(sample, None, name, channel, int(rows[sample, channel]), int(others[sample, channel]), "sample")
