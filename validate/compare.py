"""Comparing a witness with the reference, value by value, and naming the first that differs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..errors import ParityError
from ..graph.evaluate import Trajectory, evaluate_forced
from ..graph.events import BoolArray
from ..graph.fixed_point import IntArray
from ..graph.ir import Graph, IntegerModel, Value
from .witness import Forced, Job, LayerAnswer

Kind = Literal["feature", "state", "score", "decision"]
"""What a value is; what a decision keeps is of its kind."""


@dataclass(frozen=True)
class Mismatch:
    """One value that differs. step is None for scores at the end of a sequence.

    sequence: or the sample, where a layer was run by itself. unit: what steps are called: of a front-end they are frames.
    """

    sequence: int
    step: int | None
    tensor: str
    channel: int
    expected: int
    got: int
    of: str = "sequence"
    kind: Kind = "state"
    unit: str = "step"

    def __str__(self) -> str:
        step = "" if self.step is None else f"{self.unit} {self.step}, "
        return f"{self.of} {self.sequence}, {step}{self.tensor}[{self.channel}]: expected {self.expected}, got {self.got}"


@dataclass(frozen=True)
class Comparison:
    """How many values were compared, how many differ, and the first that does (by sequence, then step, then channel)."""

    compared: int
    mismatches: int
    first: Mismatch | None


def expected_count(job: Job, *, decisions: bool = True) -> int:
    """What a full comparison covers: steps x (state entries, and the decision's with the decision) + sequences, or steps for every
    score, x scores. Where sequences are samples, also their inputs.

    decisions: whether the witness takes them, where the model does.
    """
    scores = (int(job.lengths.sum()) if job.every_score else len(job.x)) * job.model.output.type.size
    scores += int(_told_inputs(job).sum()) * job.model.input.type.size
    if not job.model.is_recurrent:
        return scores
    roles = ("step", "decide") if job.model.decides and decisions else ("step",)
    width = sum(value.type.size for role in roles for value in job.model.states(role)) + len(roles) - 1
    return int(job.lengths.sum()) * width + scores


def _told_inputs(job: Job) -> BoolArray:
    """Which inputs a witness makes of samples itself: bool [sequences, steps], one step of a net without state."""
    if not job.model.is_recurrent:
        return job.heard[:, None]
    told: BoolArray = (np.arange(job.x.shape[1]) < job.lengths[:, None]) & job.heard[:, None]
    return told


def compare(job: Job, reference: Trajectory, answer: Trajectory) -> Comparison:
    """Every feature, state and decision of every valid step, and every score. Raises ParityError when the answer has not all of them.

    Decisions, and the states that they keep, are left out where the witness takes none.
    """
    _check_shapes(reference, answer)
    valid = np.arange(reference.states.shape[1]) < job.lengths[:, None]
    parts = [_Stepped(*part, (part[2] != part[3]) & valid[..., None]) for part in _stepped(job.model, reference, answer)]
    scores, features = reference.scores != answer.scores, _features(job, answer)
    heard = 0 if features is None else int(_told_inputs(job).sum()) * features.differs.shape[2]
    compared = int(valid.sum()) * sum(part.differs.shape[2] for part in parts) + scores.size + heard
    expected = expected_count(job, decisions=answer.decisions is not None)
    if compared != expected:
        raise ParityError(f"{compared} values were compared instead of {expected}")
    parts = parts if features is None else [features, *parts]
    differing = int(sum(part.differs.sum() for part in parts) + scores.sum())
    return Comparison(compared, differing, _first(job, reference, answer, parts, scores))


def _features(job: Job, answer: Trajectory) -> _Stepped | None:
    """What a witness's own front-end made of samples; None where sequences are features. Raises ParityError where it left them out."""
    if job.sound is None:
        return None
    if answer.features is None or answer.features.shape != job.x.shape:
        raise ParityError("the answer has not the features of every sequence of samples")
    told, size = _told_inputs(job), job.model.input.type.size
    expected, got = (array.reshape(*told.shape, size) for array in (job.x, answer.features))
    return _Stepped("feature", [job.model.input], expected, got, (expected != got) & told[..., None])


@dataclass(frozen=True, eq=False)
class _Stepped:
    """Values after every step, side by side: int [sequences, longest, entries]. differs: bool, likewise."""

    kind: Kind
    values: Sequence[Value]
    expected: IntArray
    got: IntArray
    differs: BoolArray

    def first(self) -> Mismatch:
        """By sequence, then step, then entry; something differs."""
        sequence, step, entry = (int(i) for i in np.argwhere(self.differs)[0])
        tensor, channel = _entry_of(self.values, entry)
        wanted, found = (int(array[sequence, step, entry]) for array in (self.expected, self.got))
        return Mismatch(sequence, step, tensor, channel, wanted, found, kind=self.kind)


def _check_shapes(reference: Trajectory, answer: Trajectory) -> None:
    """Raise ParityError where a witness does not answer with as much as numpy, decisions aside where it takes none."""
    names = ["states", "scores", *(["decisions", "decide_states"] if answer.decisions is not None else [])]
    found, wanted = ([f"{name} {np.shape(getattr(trajectory, name))}" for name in names] for trajectory in (answer, reference))
    if found != wanted:
        raise ParityError(f"the answer has {' and '.join(found)}, the reference {' and '.join(wanted)}")


def _stepped(model: IntegerModel, reference: Trajectory, answer: Trajectory) -> Iterator[tuple[Kind, Sequence[Value], IntArray, IntArray]]:
    """What is compared after every step: its states, then what a decision keeps, then the decision."""
    yield "state", model.states("step"), reference.states, answer.states
    if reference.decide_states is not None and answer.decide_states is not None:
        yield "decision", model.states("decide"), reference.decide_states, answer.decide_states
    if reference.decisions is not None and answer.decisions is not None:
        yield "decision", [model.decision], reference.decisions[..., None], answer.decisions[..., None]


def _first(job: Job, reference: Trajectory, answer: Trajectory, parts: Sequence[_Stepped], scores: BoolArray) -> Mismatch | None:
    """A feature, a state or a score, which say more than what was decided on them; by sequence, then step."""
    longest = reference.states.shape[1]
    found = [part.first() for part in parts if part.differs.any()]
    found += [_first_score(job, reference, answer, scores)] if scores.any() else []
    first = min(found, key=lambda each: (each.kind == "decision", each.sequence, longest if each.step is None else each.step), default=None)
    return _in_frames(job.model, first) if first is not None and first.kind == "feature" else first


def _in_frames(model: IntegerModel, mismatch: Mismatch) -> Mismatch:
    """Of a step's input: the frame of the recording, and its feature."""
    frame, channel = divmod(mismatch.channel, model.features.type.size)
    frame += (mismatch.step or 0) * model.frames_an_input
    return replace(mismatch, step=frame, tensor=model.features.name, channel=channel, unit="frame")


def _first_score(job: Job, reference: Trajectory, answer: Trajectory, differs: BoolArray) -> Mismatch:
    place, before = np.argwhere(differs)[0], 2 if job.every_score else 1
    wanted, found = (int(trajectory.scores[tuple(place)]) for trajectory in (reference, answer))
    channel = int(np.ravel_multi_index(place[before:], reference.scores.shape[before:]))
    step = int(place[1]) if job.every_score else None
    return Mismatch(int(place[0]), step, job.model.output.name, channel, wanted, found, kind="score")


def _entry_of(values: Sequence[Value], entry: int) -> tuple[str, int]:
    """The value that an entry of values side by side belongs to, and its place there."""
    ends = np.cumsum([value.type.size for value in values])
    at = int(np.searchsorted(ends, entry, side="right"))
    return values[at].name, entry - int(ends[at]) + values[at].type.size


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
        replaced = {name: following for name, following in graph.state.items() if name != following}
        return {name: after[following] for name, following in {**replaced, **outputs}.items()}


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
