"""verify's long run: the state is carried from step to step and never reset, and every state and every score is compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from ..errors import InputError, counted
from ..graph.evaluate import Trajectory, follow_decisions
from ..graph.events import KINDS, kinds_of_ends
from ..graph.fixed_point import IntArray
from ..graph.ir import IntegerModel
from ..graph.long_run import evaluate_long_run
from ..validate.stream_inputs import stream_inputs
from ..validate.witness import Job, Progress, Witness, tell_nobody
from .compared_sets import STREAM, Set
from .coverage_summary import StreamSummary
from .evidence import VectorSet
from .golden_vectors import Vectors, hash_arrays

HOST_STEPS = 10_000
"""Of the C on this machine, unless a number is asked for."""
FEWEST_STEPS = 256
"""Of the other witnesses, whatever the budget of the stress set leaves."""
WRONG_STEPS = 64
"""With a wrong state, after which a witness is not followed further."""
MOST_PROOF_STEPS = 10_000_000
MOST_HELD_ENTRIES = 1 << 28
"""Of the inputs, states and scores of all steps, which are held at once."""
NAMING_STEPS = 1 << 12
"""Whose inputs name the stream in a report."""


@dataclass(eq=False)
class LongRunSet:
    """One stream, of which each witness runs the first steps. asked: how many, None for those of each by default; left: what the budget
    leaves to the others than the C on this machine.

    vectors: names the stream, whatever its length.
    """

    sampled: ClassVar[None] = None

    model: IntegerModel
    x: IntArray
    vectors: VectorSet
    asked: int | None
    left: int
    name: Set = STREAM
    _saturations: _Saturations = field(init=False)
    _states: list[IntArray] = field(default_factory=list)
    _scores: list[IntArray] = field(default_factory=list)
    _decided: Sequence[IntArray] = (np.zeros((1, 0), np.int16),)

    def __post_init__(self) -> None:
        self._saturations = _Saturations(self.model)

    @classmethod
    def of(cls, model: IntegerModel, vectors: Vectors, asked: int | None, left: int) -> LongRunSet:
        """The stream of a model's golden vectors. Raises InputError where so many steps cannot be held."""
        read = [value for role in ("step", "decide") if role in model.graphs for value in model.graphs[role].inputs]
        entries = sum(value.type.size for value in read) + model.output.type.size
        steps = asked or max(HOST_STEPS, FEWEST_STEPS, left)
        most = min(MOST_PROOF_STEPS, MOST_HELD_ENTRIES // entries)
        if steps > most and asked:
            raise InputError(f"--stream-steps {asked}: of this model {counted(most, 'step')} can be held at once: ask for at most so many")
        t = model.input.type
        x = stream_inputs(t, vectors.x, vectors.lengths, max(min(steps, most), NAMING_STEPS))
        named = VectorSet(sha256=hash_arrays(vectors.x, vectors.lengths, x[:NAMING_STEPS]), sequences=len(vectors.x))
        return cls(model, x[: min(steps, most)], named, asked, left)

    def steps(self, witness: Witness) -> int:
        """How many steps a witness runs; 0 for none."""
        if self.asked is not None:
            return self.asked
        wanted = {"far": HOST_STEPS, "as budgeted": max(FEWEST_STEPS, self.left), "not": 0}
        return min(wanted[witness.long_run], len(self.x))

    def job(self, path: Path, argument: str, steps: int, progress: Callable[[Progress], None] = tell_nobody) -> Job:
        """What a witness is asked."""
        return Job(self.model, path, self.x[None, :steps], np.array([steps], np.int64), argument, progress, every_score=True)

    def reference(self, guess: IntArray) -> Trajectory:
        """What numpy answers to the first steps. guess: int [steps, entries], a witness's states, of which no value depends: see
        evaluate_long_run. The answer ends with the step whose state is the WRONG_STEPS-th wrong one, whoever was asked before.
        """
        wrong = self._wrong(guess)
        if len(wrong) < WRONG_STEPS and (done := self._done) < len(guess):
            initial = self._states[-1][-1] if self._states else None
            left = WRONG_STEPS - len(wrong)
            more = evaluate_long_run(self.model, self.x[done : len(guess)], initial, guess[done:], self._saturations.add, left)
            self._states.append(more.states)
            self._scores.append(more.scores)
            wrong = self._wrong(guess)
        steps = int(wrong[WRONG_STEPS - 1]) + 1 if len(wrong) >= WRONG_STEPS else len(guess)
        states, scores = (np.concatenate(parts)[None, :steps] for parts in (self._states, self._scores))
        return Trajectory(states, scores, *(self._decided_about(scores) if self.model.decides else ()))

    @property
    def _done(self) -> int:
        """How many steps numpy has answered to."""
        return sum(map(len, self._states))

    def _wrong(self, guess: IntArray) -> IntArray:
        """Which of the steps that numpy has answered to end with another state."""
        steps = min(self._done, len(guess))
        if not steps:
            return np.zeros(0, np.int64)
        self._states = [np.concatenate(self._states)]
        return np.flatnonzero((self._states[0][:steps] != guess[:steps]).any(axis=1))

    def _decided_about(self, scores: IntArray) -> Sequence[IntArray]:
        """After each step the decision and its states, for scores from the first step on: see follow_decisions."""
        if scores.shape[1] > self._decided[0].shape[1]:
            self._decided = follow_decisions(self.model, scores)
        return [array[:, : scores.shape[1]] for array in self._decided]

    @property
    def summary(self) -> StreamSummary | None:
        """Of the longest run; None where nobody ran."""
        return self._saturations.summary


class _Saturations:
    """Counts values at an end of their format, step by step."""

    def __init__(self, model: IntegerModel) -> None:
        step = model.graphs["step"]
        types = step.types()
        self._formats = {name: types[name].format for node in step.nodes for name in node.outputs}
        self._counts = frozenset(name for node in step.nodes if not node.op.saturates for name in node.outputs)
        self._states = frozenset(step.state.values())
        self._found = StreamSummary(steps=0, values=0, at_ends={}, states=0, states_at_ends=0)

    @property
    def summary(self) -> StreamSummary | None:
        return self._found if self._found.steps else None

    def add(self, values: Mapping[str, IntArray]) -> None:
        """Every value of some steps, [steps, *shape] by name."""
        found, at_ends = self._found, dict(self._found.at_ends)
        total = states = states_at_ends = 0
        for name, format in self._formats.items():
            ends = [0 if name in self._counts else int((values[name] == end).sum()) for end in (format.low, format.high)]
            for kind, count in zip(kinds_of_ends(format), ends, strict=True):
                at_ends[kind] = at_ends.get(kind, 0) + count
            total += values[name].size
            if name in self._states:
                states, states_at_ends = states + values[name].size, states_at_ends + sum(ends)
        steps = len(next(iter(values.values())))
        self._found = StreamSummary(
            steps=found.steps + steps,
            values=found.values + total,
            at_ends={kind: at_ends[kind] for kind in KINDS if kind in at_ends},
            states=found.states + states,
            states_at_ends=found.states_at_ends + states_at_ends,
        )


def check_stream_steps(steps: int | None) -> None:
    """Raise InputError for a number of steps that --stream-steps does not take."""
    if steps is not None and steps < 1:
        raise InputError(f"--stream-steps takes a number of steps from 1 on, not {steps}")
