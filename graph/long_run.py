"""One long run of a model with state: every state and every score, exact, and much faster where somebody has a guess."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from .evaluate import evaluate_graph, rows_at_a_time, split_state
from .fixed_point import IntArray
from .ir import IntegerModel

ENTRIES_A_BLOCK = 1 << 23
"""Of values that are evaluated together."""


@dataclass(frozen=True, eq=False)
class LongRun:
    """After each step: states [steps, state entries], rows as Trajectory.states; scores int64 [steps, *shape]."""

    states: IntArray
    scores: IntArray


def tell_nobody(values: Mapping[str, IntArray]) -> None:
    """What a run does with the values of its steps unless somebody wants to know."""


def evaluate_long_run(
    model: IntegerModel,
    x: IntArray,
    initial: IntArray | None = None,
    guess: IntArray | None = None,
    look: Callable[[Mapping[str, IntArray]], None] = tell_nobody,
    wrong_guesses: int | None = None,
) -> LongRun:
    """What the model makes of x, int [steps, *input shape], the state being carried from each step to the next.

    initial: int [state entries], before the first step (None: zeros). guess: int [steps, state entries], what the states may be: a
    block of steps is evaluated at once from the guessed states before them, and counts as far as each guess was what came out of the step
    before; the first that was not is followed by the state that did. So no guess changes the result: a right one saves time, a wrong one
    costs it. look: is given every value of the step graph, int64 [steps, *shape] by name, block by block, each step once.
    wrong_guesses: after so many the run ends early (None: never).
    """
    states = np.zeros((len(x), sum(value.type.size for value in model.graphs["step"].state_inputs)), model.state_dtype)
    state = np.zeros(states.shape[1], states.dtype) if initial is None else initial.astype(states.dtype)
    guess = None if guess is None else _within_formats(model, guess)
    t, block, most = 0, 1, rows_at_a_time(model.graphs["step"], ENTRIES_A_BLOCK)
    wrong = 0
    while t < len(x) and (wrong_guesses is None or wrong < wrong_guesses):
        count = min(block, most, len(x) - t) if guess is not None else 1
        before = state[None] if count == 1 or guess is None else np.concatenate([state[None], guess[t : t + count - 1]])
        values = _step(model, x[t : t + count], before)
        after = _following(model, values)
        right = _right(before, after)
        states[t : t + right], state = after[:right], after[right - 1]
        look({name: array[:right] for name, array in values.items()})
        wrong += guess is not None and (after[right - 1] != guess[t + right - 1]).any()
        t, block = t + right, 2 * block if right == count else 1
    return LongRun(states[:t], np.concatenate([*_scores(model, states[:t])]))


def _step(model: IntegerModel, x: IntArray, before: IntArray) -> dict[str, IntArray]:
    return evaluate_graph(model.graphs["step"], {**split_state(model, before), model.input.name: x})


def _within_formats(model: IntegerModel, rows: IntArray) -> IntArray:
    """Whatever somebody guesses, as states that can be."""
    formats = {value.name: value.type.format for value in model.graphs["step"].state_inputs}
    parts = [np.clip(part, formats[name].low, formats[name].high) for name, part in split_state(model, rows).items()]
    states: IntArray = np.concatenate([part.reshape(len(rows), -1) for part in parts], axis=1).astype(model.state_dtype)
    return states


def _following(model: IntegerModel, values: Mapping[str, IntArray]) -> IntArray:
    """The states after each step, [steps, entries]."""
    step = model.graphs["step"]
    parts = [values[step.state[value.name]] for value in step.state_inputs]
    states: IntArray = np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1).astype(model.state_dtype)
    return states


def _right(before: IntArray, after: IntArray) -> int:
    """How many steps, from the first on, began with the state that the step before left."""
    wrong = np.flatnonzero((before[1:] != after[:-1]).any(axis=1))
    return int(wrong[0]) + 1 if len(wrong) else len(after)


def _scores(model: IntegerModel, states: IntArray) -> Iterator[IntArray]:
    head = model.graphs["head"]
    size = rows_at_a_time(head, ENTRIES_A_BLOCK)
    for start in range(0, max(1, len(states)), size):
        read = split_state(model, states[start : start + size])
        yield evaluate_graph(head, {value.name: read[value.name] for value in head.inputs})[model.output.name]
