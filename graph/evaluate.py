"""Running the integer graph in numpy: the definition that every other witness is compared with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from .decide import NO_DECISION
from .fixed_point import IntArray
from .ir import Graph, IntegerModel

ENTRIES_EVALUATED = 1 << 25
"""Of values evaluated at a time."""
SAMPLES = 64
"""Samples of a net without state evaluated at a time: every patch of every window is held in memory."""


def evaluate_graph(graph: Graph, inputs: Mapping[str, IntArray]) -> dict[str, IntArray]:
    """Every value of `graph` by name, int64 [batch, *shape], for inputs [batch, *shape] within their formats."""
    values = _checked_inputs(graph, inputs)
    for node in graph.nodes:
        results = node.op.evaluate(*(values[name] for name in node.inputs))
        values.update(zip(node.outputs, results, strict=True))
    return values


def evaluate_forced(graph: Graph, forced: Mapping[str, IntArray]) -> dict[str, IntArray]:
    """What every node makes of the `forced` values of its inputs, by name: int64 [batch, *shape].

    forced: int [batch, *shape] within the formats, for every input of the graph and for any values that nodes define. Such a value is
    computed, which is what is returned, and then replaced before anything reads it: each node is run on inputs of its own.
    """
    values, computed = _checked_inputs(graph, forced), {}
    for node in graph.nodes:
        results = node.op.evaluate(*(values[name] for name in node.inputs))
        for name, result in zip(node.outputs, results, strict=True):
            computed[name] = result
            values[name] = np.asarray(forced[name]).astype(np.int64) if name in forced else result
    return computed


def _checked_inputs(graph: Graph, inputs: Mapping[str, IntArray]) -> dict[str, IntArray]:
    """The inputs of `graph` as int64. Raises InputError for a wrong shape or an integer outside the format."""
    values: dict[str, IntArray] = {}
    for value in graph.inputs:
        array = np.asarray(inputs[value.name])
        if array.shape[1:] != value.type.shape:
            raise InputError(f"input {value.name!r} must have shape [batch, {value.type.shape}], not {array.shape}")
        low, high = value.type.format.low, value.type.format.high
        if array.size and (array.min() < low or array.max() > high):
            raise InputError(f"input {value.name!r} holds integers outside its format {value.type.format}")
        values[value.name] = array.astype(np.int64)
    return values


@dataclass(frozen=True, eq=False)
class Trajectory:
    """What a witness answers for a batch of sequences.

    states: of the model's state_dtype [sequences, longest, state entries], all state inputs of the step side by side; rows past a
    sequence's length are zero. scores: int [sequences, classes]. A net without state has states of width 0. decisions: int16
    [sequences, longest], decide_states: int32 [sequences, longest, entries], the state inputs of the graph `decide` side by side, both
    likewise zero past the end; None: the model takes no decisions, or the witness leaves them out. features: where sequences are samples
    (graph/sound.py), what the front-end made of them, int [sequences, longest, *input shape], or [samples, *input shape]; None: of numpy,
    and where there are none.
    """

    states: IntArray
    scores: IntArray
    decisions: IntArray | None = None
    decide_states: IntArray | None = None
    features: IntArray | None = None

    def take(self, rows: IntArray) -> Trajectory:
        """Of some of the sequences."""
        others = (None if array is None else array[rows] for array in (self.decisions, self.decide_states, self.features))
        return Trajectory(self.states[rows], self.scores[rows], *others)

    def first_steps(self, steps: int) -> Trajectory:
        """Of a trajectory with every score."""
        decided = (None if array is None else array[:, :steps] for array in (self.decisions, self.decide_states))
        return Trajectory(self.states[:, :steps], self.scores[:, :steps], *decided)


def cut_frames(samples: IntArray, span: int, hop: int) -> IntArray:
    """The whole frames [frames, span, channels] of a recording [samples, channels], each `hop` samples after the one before."""
    starts = np.arange(max(0, (len(samples) - span) // hop + 1)) * hop
    frames: IntArray = samples[starts[:, None] + np.arange(span)]
    return frames


def initial_state(model: IntegerModel, batch: int, rows: IntArray | None = None) -> dict[str, IntArray]:
    """Every state input before the first step, int64 [batch, *shape]: zeros, or `rows`, int [batch, state entries]."""
    if rows is not None:
        return {name: array.astype(np.int64) for name, array in split_state(model, rows).items()}
    return {value.name: np.zeros((batch, *value.type.shape), np.int64) for value in model.graphs["step"].state_inputs}


def walk_sequences(
    model: IntegerModel, x: IntArray, lengths: IntArray, initial: IntArray | None = None
) -> Iterator[tuple[IntArray, dict[str, IntArray]]]:
    """For each time step: the indices of the sequences still running, and every value of the step graph for them.

    x: int [sequences, longest, *input shape]; lengths: int [sequences], each >= 1; initial: the states before the first step as in
    `initial_state`. A sequence that has ended keeps its state.
    """
    step = model.graphs["step"]
    state = initial_state(model, len(x), initial)
    for t in range(int(lengths.max(initial=0))):
        running = np.flatnonzero(lengths > t)
        values = evaluate_graph(step, {model.input.name: x[running, t], **{name: h[running] for name, h in state.items()}})
        yield running, values
        for name, following in step.state.items():
            state[name][running] = values[following]


def evaluate(model: IntegerModel, x: IntArray, lengths: IntArray | None = None, initial: IntArray | None = None) -> Trajectory:
    """All hidden states and the scores of a batch.

    Recurrent: x int [sequences, longest, *input shape], lengths int [sequences] (None: all of full length), initial int
    [sequences, state entries], each within its format: the states before the first step, rows as Trajectory.states (None: zeros).
    Otherwise: x int [samples, *input shape].
    """
    if not model.is_recurrent:
        size = min(SAMPLES, rows_at_a_time(model.graphs["whole"]))
        parts = np.split(x, range(size, len(x), size))
        scores = [evaluate_graph(model.graphs["whole"], {model.input.name: part})[model.output.name] for part in parts]
        return Trajectory(np.zeros((len(x), 0, 0), np.int16), np.concatenate(scores))
    if lengths is None:
        lengths = np.full(len(x), x.shape[1])
    step = model.graphs["step"]
    sizes = {value.name: value.type.size for value in step.state_inputs}
    states = np.zeros((len(x), x.shape[1], sum(sizes.values())), model.state_dtype)
    size = rows_at_a_time(step)
    for begin in range(0, len(x), size):
        rows = slice(begin, begin + size)
        walk = walk_sequences(model, x[rows], lengths[rows], None if initial is None else initial[rows])
        for t, (running, values) in enumerate(walk):
            states[begin + running, t] = np.concatenate([values[step.state[name]].reshape(len(running), -1) for name in sizes], axis=1)
    return Trajectory(states, _scores(model, states, lengths), *(_decided(model, states, lengths) if model.decides else ()))


def walk_decisions(model: IntegerModel, scores: IntArray, unread: npt.NDArray[np.bool_] | None = None) -> Iterator[dict[str, IntArray]]:
    """After every step all values of the graph `decide`, for scores int [streams, steps, classes] from the beginning of each stream.

    unread: bool [streams, steps], where there is nothing to decide on: nothing is remembered of those steps, nor of what was before.
    """
    decide = model.graphs["decide"]
    (read,) = decide.data_inputs
    state: dict[str, IntArray] = {v.name: np.zeros((len(scores), *v.type.shape), np.int64) for v in decide.state_inputs}
    for t in range(scores.shape[1]):
        values = evaluate_graph(decide, {read.name: scores[:, t], **state})
        yield values
        state = {name: values[following] for name, following in decide.state.items()}
        if unread is not None:
            state = {name: np.where(unread[:, t].reshape(-1, *[1] * (array.ndim - 1)), 0, array) for name, array in state.items()}


def take_decisions(model: IntegerModel, scores: IntArray, unread: npt.NDArray[np.bool_] | None = None) -> IntArray:
    """The decision after every step, int16 [streams, steps], for the same; NO_DECISION where it is unread."""
    (name,) = model.graphs["decide"].outputs
    decisions = np.zeros(scores.shape[:2], np.int16)
    for t, values in enumerate(walk_decisions(model, scores, unread)):
        decisions[:, t] = values[name][:, 0]
    if unread is not None:
        decisions[unread] = NO_DECISION
    return decisions


def follow_decisions(model: IntegerModel, scores: IntArray) -> tuple[IntArray, IntArray]:
    """(the decision after every step, int16 [streams, steps]; its states, int32 [streams, steps, entries], as Trajectory.decide_states)."""
    decide = model.graphs["decide"]
    (name,), followings = decide.outputs, [decide.state[value.name] for value in model.states("decide")]
    decisions = np.zeros(scores.shape[:2], np.int16)
    states = np.zeros((*scores.shape[:2], sum(value.type.size for value in model.states("decide"))), np.int32)
    for t, values in enumerate(walk_decisions(model, scores)):
        decisions[:, t] = values[name][:, 0]
        states[:, t] = np.concatenate([values[following].reshape(len(scores), -1) for following in followings], axis=1)
    return decisions, states


def scores_of_every_step(model: IntegerModel, states: IntArray) -> IntArray:
    """What the head makes of the states after each step: int64 [sequences, steps, *shape], for rows as Trajectory.states."""
    head, (count, steps, width) = model.graphs["head"], states.shape
    parts = split_state(model, states.reshape(count * steps, width))
    scores = evaluate_graph(head, {value.name: parts[value.name] for value in head.inputs})[model.output.name]
    shaped: IntArray = scores.reshape(count, steps, *scores.shape[1:])
    return shaped


def _decided(model: IntegerModel, states: IntArray, lengths: IntArray) -> tuple[IntArray, IntArray]:
    """See follow_decisions."""
    size = max(1, rows_at_a_time(model.graphs["head"]) // max(1, states.shape[1]))
    parts = [follow_decisions(model, scores_of_every_step(model, states[i : i + size])) for i in range(0, max(1, len(states)), size)]
    decisions, decide_states = (np.concatenate(part) for part in zip(*parts, strict=True))
    ended = np.arange(states.shape[1]) >= lengths[:, None]
    decisions[ended], decide_states[ended] = 0, 0
    return decisions, decide_states


def rows_at_a_time(graph: Graph, most: int = ENTRIES_EVALUATED) -> int:
    """How many samples or sequences are evaluated together, so that their values and the patches of a window are `most` entries."""
    types = graph.types()
    patches = max((node.op.patch_entries(*(types[name] for name in node.inputs)) for node in graph.nodes), default=0)
    entries = sum(type.size for type in types.values()) + patches
    return max(1, most // entries)


def _scores(model: IntegerModel, states: IntArray, lengths: IntArray) -> IntArray:
    last = split_state(model, states[np.arange(len(states)), lengths - 1])
    head = model.graphs["head"]
    return evaluate_graph(head, {value.name: last[value.name] for value in head.inputs})[model.output.name]


def split_state(model: IntegerModel, rows: IntArray, role: str = "step") -> dict[str, IntArray]:
    """Rows of Trajectory.states (of `decide`: of decide_states), int [batch, entries], as one array [batch, *shape] a state input."""
    values = model.states(role)
    ends = np.cumsum([value.type.size for value in values])
    return {value.name: part.reshape(-1, *value.type.shape) for value, part in zip(values, np.split(rows, ends[:-1], axis=1), strict=True)}
