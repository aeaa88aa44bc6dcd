"""The stress set: inputs made from the graph alone, which reach what a test set hardly ever reaches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..graph.draws import Draws
from ..graph.fixed_point import IntArray
from ..graph.formats import TensorType
from ..graph.ir import Graph, IntegerModel
from ..graph.sound import Pcm, hear, inputs_in, numpy_features
from .stress_layers import layer_inputs
from .stress_patterns import held_patterns, single_entries, special_patterns
from .stress_sound import stress_sound

Mode = Literal["quick", "full"]
_TIMES: Mapping[Mode, int] = {"quick": 1, "full": 12}
"""How many times the quick set a mode takes."""
_SEED = 20240229
HELD_STEPS = 24
"""Steps for which an input is held: enough for a state with a slow gate to reach its clamp."""
MOST_HELD_STEPS = 96
LONG_SEQUENCES, SHORT_SEQUENCES = 48, 128
STRESS_WINDOWS = 64
"""Inputs of a net without state."""
MULTIPLY_ACCUMULATES = 1 << 30
"""What the quick inputs of a large net may cost all together; a few are taken whatever they cost."""
FEWEST = 12
MOST_STRESS_ENTRIES = 1 << 22
"""Of all inputs, and of the states of all steps, whatever their number."""


@dataclass(frozen=True, eq=False)
class Stress:
    """x: int16 [sequences, longest, *input shape], or [samples, *input shape] for a net without state; lengths: int64 [sequences].

    initial: int [sequences, state entries], the state before the first step, rows as Trajectory.states. layers: for each graph by name
    the forced values of its layers (graph.evaluate.evaluate_forced), [batch, *shape] by name; a view's are those of what it shows.
    sound: of a model that reads samples, which of the sequences are made of them.
    """

    x: IntArray
    lengths: IntArray
    initial: IntArray
    layers: Mapping[str, Mapping[str, IntArray]]
    sound: Pcm | None = None

    @property
    def steps(self) -> int:
        """Applications of the whole net."""
        return int(self.lengths.sum())


def stress_vectors(model: IntegerModel, mode: Mode = "quick") -> Stress:
    """The stress set of a verified model: the same for the same graph, on every machine."""
    layers = {name: layer_inputs(Draws(_SEED), graph, times=_TIMES[mode]) for name, graph in model.graphs.items()}
    return replace(stress_sequences(model, mode), layers=layers)


def stress_sequences(model: IntegerModel, mode: Mode) -> Stress:
    """The stress set without what is forced on layers, which takes much longer to make."""
    make = _sequences if model.is_recurrent else _windows
    x, lengths, initial = make(Draws(_SEED), model, mode)
    fed = Stress(x.astype(np.int16), lengths, initial.astype(model.state_dtype), {})
    return _with_sound(fed, model, stress_sound(Draws(_SEED), model, _TIMES[mode])) if model.reads_samples else fed


def _with_sound(fed: Stress, model: IntegerModel, sound: Pcm) -> Stress:
    """Recordings of samples behind the sequences that are fed to the net itself."""
    count, steps = len(fed.x), inputs_in(model, sound.lengths)
    silent = np.zeros((count, *sound.samples.shape[1:]), np.int16)
    initial = np.concatenate([fed.initial, _states_heard_from(model, len(steps), fed.initial)])
    sound = Pcm(np.concatenate([silent, sound.samples]), np.concatenate([np.zeros(count, np.int64), sound.lengths]))
    x = np.concatenate([fed.x, np.zeros((len(steps), *fed.x.shape[1:]), np.int16)])
    x = hear(model, sound, x, numpy_features(model.graphs["frontend"]), initial)
    return Stress(x, np.concatenate([fed.lengths, steps]), initial, {}, sound)


def _states_heard_from(model: IntegerModel, count: int, fed: IntArray) -> IntArray:
    """States before recordings, rows as `fed`: zeros, but for what the front-end reads of them, which is drawn for two of three."""
    initial, kept = np.zeros((count, fed.shape[1]), fed.dtype), {value.name for value in model.states("frontend")}
    begin = 0
    for value in model.states("step"):
        place = slice(begin, begin + value.type.size)
        if value.name in kept:
            drawn = Draws(_SEED).integers(value.type.format.low, value.type.format.high, (count, value.type.size))
            initial[:, place] = np.where(np.arange(count)[:, None] % 3 == 0, 0, drawn >> (np.arange(count)[:, None] % 3))
        begin = place.stop
    return initial


def _sequences(draws: Draws, model: IntegerModel, mode: Mode) -> tuple[IntArray, IntArray, IntArray]:
    """Long sequences of held, alternating and random inputs, then short ones, which show what an initial state does."""
    step, t = model.graphs["step"], model.input.type
    entries = max(t.size, sum(value.type.size for value in step.state_inputs))
    longest = min(_held_steps(step), max(2, MOST_STRESS_ENTRIES // entries))
    most = max(2, MOST_STRESS_ENTRIES // (longest * entries))
    count = min(_affordable(LONG_SEQUENCES * longest, step, mode) // longest + FEWEST, most)
    short = min(max(FEWEST, SHORT_SEQUENCES * count * _TIMES[mode] // (LONG_SEQUENCES * _TIMES[mode])), most)
    x = np.concatenate([_long_inputs(draws, t, count, longest), _short_inputs(draws, t, short, longest)])
    lengths = np.concatenate([np.full(count, longest), draws.integers(1, 3, (short,))])
    return x, lengths, _initial_states(draws, step, len(x), still=count // 2)


def _held_steps(step: Graph) -> int:
    """Long enough for every row of every history to have passed twice."""
    rows = [value.type.shape[0] for value in step.state_inputs if len(value.type.shape) == 2]
    return min(max([HELD_STEPS, *(2 * count for count in rows)]), MOST_HELD_STEPS)


def _affordable(wanted: int, graph: Graph, mode: Mode) -> int:
    """Of `wanted` applications of a graph in the quick mode, those that its cost allows, times the mode."""
    types = graph.types()
    cost = sum(node.op.multiply_accumulates(*(types[name] for name in node.inputs)) for node in graph.nodes)
    return min(wanted, MULTIPLY_ACCUMULATES // max(cost, 1)) * _TIMES[mode]


def _long_inputs(draws: Draws, t: TensorType, count: int, longest: int) -> IntArray:
    """[count, longest, *shape]: a third each held, alternating between two patterns, and random."""
    held = held_patterns(draws, t, -(-count // 3))
    other = held_patterns(draws, t, -(-count // 3))[::-1]
    steps = np.arange(longest)[:, *(None,) * len(t.shape)]
    period = draws.integers(1, 8, (len(held), 1, *(1,) * len(t.shape)))
    alternating = np.where(steps // period % 2 == 0, held[:, None], other[:, None])
    random = draws.integers(t.format.low, t.format.high, (len(held), longest, *t.shape))
    constant = np.repeat(held[:, None], longest, axis=1)
    sequences: IntArray = np.stack([constant, alternating, random], axis=1).reshape(-1, longest, *t.shape)[:count]
    return sequences


def _short_inputs(draws: Draws, t: TensorType, count: int, longest: int) -> IntArray:
    """[count, longest, *shape], of which the first few steps count: one entry alone, special values, random."""
    parts = [single_entries(draws, t, count // 3), special_patterns(draws, t, count // 3)]
    parts.append(draws.integers(t.format.low, t.format.high, (count - sum(len(part) for part in parts), *t.shape)))
    sequences: IntArray = np.repeat(np.concatenate(parts)[:, None], longest, axis=1)
    return sequences


def _initial_states(draws: Draws, step: Graph, count: int, still: int) -> IntArray:
    """[count, state entries]: zero for the first `still`; then each state at an end, each entry at an end, and anywhere in its range."""
    parts = []
    for value in step.state_inputs:
        patterns = held_patterns(draws, value.type, count).reshape(count, -1)
        anywhere = draws.integers(value.type.format.low, value.type.format.high, patterns.shape)
        parts.append(np.where(np.arange(count)[:, None] % 2 == 0, patterns, anywhere))
    states: IntArray = np.concatenate(parts, axis=1)
    states[:still] = 0
    return states


def _windows(draws: Draws, model: IntegerModel, mode: Mode) -> tuple[IntArray, IntArray, IntArray]:
    """Samples of a net without state: patterns of ends, single entries, special values, random."""
    t = model.input.type
    count = min(max(FEWEST, _affordable(STRESS_WINDOWS, model.graphs["whole"], mode)), max(2, MOST_STRESS_ENTRIES // t.size))
    parts = [held_patterns(draws, t, count // 2), single_entries(draws, t, count // 8), special_patterns(draws, t, count // 8)]
    parts.append(draws.integers(t.format.low, t.format.high, (count - sum(len(part) for part in parts), *t.shape)))
    return np.concatenate(parts), np.ones(count, np.int64), np.zeros((count, 0), np.int64)
