"""The sets of vectors that verify compares on: the golden ones, the stress set, and the values forced on single layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from ..graph.draws import Draws
from ..graph.evaluate import Trajectory, evaluate
from ..graph.fixed_point import IntArray
from ..graph.ir import IntegerModel
from ..graph.sound import Pcm
from ..validate.compare import LayerReference
from ..validate.coverage import CoverageMeter
from ..validate.stress import Mode, Stress, stress_sequences, stress_vectors
from ..validate.witness import Job, Progress, tell_nobody
from .compared_sets import TEST, Set
from .coverage_summary import Reach
from .evidence import VectorSet
from .golden_vectors import Vectors, hash_arrays
from .questions import STRESS

StressMode = Literal["quick", "full", "off"]
STRESS_MODES = get_args(StressMode)
_SEED = 20261129
"""Of the sequences that --samples takes."""


@dataclass(frozen=True, eq=False)
class SequenceSet:
    """Sequences, or samples, for whole runs. initial: None for zeros. sampled: how many of a larger set these are, or None.

    vectors: names the whole set in the report.
    """

    name: Set
    x: IntArray
    lengths: IntArray
    initial: IntArray | None
    vectors: VectorSet
    sampled: int | None = None
    sound: Pcm | None = None
    _trajectories: dict[bool, Trajectory] = field(default_factory=dict)

    def job(self, model: IntegerModel, path: Path, argument: str, progress: Callable[[Progress], None] = tell_nobody) -> Job:
        """What a witness is asked."""
        return Job(model, path, self.x, self.lengths, argument, progress, self.initial, sound=self.sound)

    def reference(self, model: IntegerModel, *, from_zero: bool) -> Trajectory:
        """What numpy answers, computed once. from_zero: whatever the initial states."""
        from_zero = from_zero or self.initial is None
        if from_zero not in self._trajectories:
            self._trajectories[from_zero] = evaluate(model, self.x, self.lengths, None if from_zero else self.initial)
        return self._trajectories[from_zero]

    def take(self, count: int | None) -> SequenceSet:
        """So many of the sequences, always the same ones; all where there are no more."""
        if count is None or count >= len(self.x):
            return self
        rows = _chosen(len(self.x), count)
        initial = None if self.initial is None else self.initial[rows]
        sound = None if self.sound is None else self.sound.take(rows)
        trajectories = {key: trajectory.take(rows) for key, trajectory in self._trajectories.items()}
        taken = replace(self, x=self.x[rows], lengths=self.lengths[rows], initial=initial, sound=sound, sampled=count)
        return replace(taken, _trajectories=trajectories)


@dataclass(frozen=True, eq=False)
class LayerSet:
    """Values forced on the layers of each graph. sampled, vectors: as above."""

    name: Set
    reference: LayerReference
    vectors: VectorSet
    sampled: int | None = None

    def take(self, count: int | None) -> LayerSet:
        """So many samples of each graph, always the same ones; all where no graph has more."""
        forced = self.reference.forced
        if count is None or all(count >= _batch(values) for values in forced.values()):
            return self
        rows = {role: _chosen(_batch(values), min(count, _batch(values))) for role, values in forced.items()}
        chosen = {role: {name: array[rows[role]] for name, array in values.items()} for role, values in forced.items()}
        return replace(self, reference=LayerReference(chosen), sampled=sum(map(len, rows.values())))


def golden_set(vectors: Vectors, reference: Trajectory | None = None) -> SequenceSet:
    """The recordings' vectors, and what numpy answers to them, where that is known."""
    named = VectorSet(sha256=vectors.sha256, sequences=len(vectors.x))
    known = {} if reference is None else {True: reference}
    return SequenceSet(TEST, vectors.x, vectors.lengths, None, named, sound=vectors.sound, _trajectories=known)


def stress_sets(model: IntegerModel, mode: Mode) -> tuple[SequenceSet, LayerSet]:
    """Both sets that are made from the graph alone."""
    stress = stress_vectors(model, mode)
    whole, layers = STRESS[mode]
    arrays = [array for values in stress.layers.values() for array in values.values()]
    forced = VectorSet(sha256=hash_arrays(*arrays), sequences=sum(map(_batch, stress.layers.values())))
    return _sequence_set(model, whole, stress), LayerSet(layers, LayerReference(stress.layers), forced)


def whole_runs(model: IntegerModel, name: Set) -> SequenceSet | None:
    """The sequences of the stress set that evidence calls `name`, without the values for single layers; None for another set."""
    mode = next((mode for mode in get_args(Mode) if STRESS[mode][0] == name), None)
    return None if mode is None else _sequence_set(model, name, stress_sequences(model, mode))


def _sequence_set(model: IntegerModel, name: Set, stress: Stress) -> SequenceSet:
    sound = () if stress.sound is None else (stress.sound.samples, stress.sound.lengths)
    named = VectorSet(sha256=hash_arrays(stress.x, stress.lengths, stress.initial, *sound), sequences=len(stress.x))
    return SequenceSet(name, stress.x, stress.lengths, stress.initial if model.is_recurrent else None, named, sound=stress.sound)


def measure(model: IntegerModel, sets: Sequence[SequenceSet | LayerSet]) -> dict[str, dict[str, Reach]]:
    """What the sets reach in the layers, each together with those before it: by kind, by the set's name (without its mode)."""
    meter = CoverageMeter(model)
    total = meter.nothing
    found: dict[str, dict[str, Reach]] = {}
    for each in sets:
        if isinstance(each, LayerSet):
            total |= meter.layers(each.reference.forced)
        else:
            total |= meter.vectors(each.x, each.lengths, each.initial, each.sound)
        found[each.name.partition(" ")[0]] = {kind: Reach(**counts) for kind, counts in total.as_json().items()}
    return found


def _batch(values: Mapping[str, IntArray]) -> int:
    return len(next(iter(values.values())))


def _chosen(count: int, wanted: int) -> IntArray:
    rows: IntArray = np.sort(Draws(_SEED).order((count,))[:wanted])
    return rows
