"""Where a witness goes wrong: the first layer that differs on right inputs, its kernel, how many channels differ and since which step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import RescompError, counted
from ..graph.evaluate import Trajectory, split_state
from ..graph.fixed_point import IntArray
from ..graph.ir import Graph
from .compare import LayerReference, Mismatch
from .replay import REPLAYED_STEPS, Replay, replay
from .witness import Answer, Job, LayerAnswer, Witness

GRAPHS: Mapping[str, Sequence[str]] = {
    "feature": ("frontend",),
    "score": ("head", "whole"),
    "decision": ("head", "decide"),
    "state": ("step",),
}
"""Where a value that differs may come from, in order, by what it is."""


@dataclass(frozen=True)
class Fault:
    """A layer, or where none can be asked a state, that differs from numpy.

    graph: of the layer. kernel: the C function, or several, where C runs; else the op. steps: how many differ of the steps `first_step` to
    `last_step` of the sequence, which were looked at, the first of them `value.step`; of what has no steps, how many samples of all.
    channels: how many differ in those, of `of_channels`. value: the first that differs. computed: whether the layer was asked for by
    itself.
    """

    graph: str
    layer: str
    kernel: str
    channels: int
    of_channels: int
    steps: int
    first_step: int
    last_step: int
    value: Mismatch
    computed: bool = True

    def __str__(self) -> str:
        """What stands behind the name of a witness that differs."""
        where = f"in {self.channels} of {counted(self.of_channels, 'channel')}"
        if self.value.step is not None:
            where = f"{self._looked_at(self.value.unit, f', from {self.value.unit} {self.first_step} on,')}{self.value.step}, {where}"
        elif self.value.of == "sample":
            where = f"{self._looked_at('sample')}{self.value.sequence}, {where}"
        value = f"{self.layer}[{self.value.channel}]: expected {self.value.expected}, got {self.value.got}"
        return f"{self.layer} ({self.kernel}, graph {self.graph}), {where}; the first is {value}"

    def _looked_at(self, unit: str, begin: str = "") -> str:
        """How many steps or samples the counts are of: a long sequence has more, which may differ in other channels."""
        asked = counted(self.last_step - self.first_step + 1, unit)
        return f"of {asked} looked at{begin} {self.steps} differ{'s' if self.steps == 1 else ''}, since {unit} "


@dataclass(frozen=True)
class Finding:
    """What came of looking for a fault. fault: None where every layer agrees; of_files: those of the exported files at hand were asked."""

    fault: Fault | None
    of_files: bool


def locate(
    job: Job, witness: Witness, answer: Answer, reference: Trajectory, mismatch: Mismatch, steps: int = REPLAYED_STEPS
) -> Finding | None:
    """Ask the layers of a witness that differs, each on the reference's inputs to it, at up to `steps` steps about the `mismatch`.

    They are those of the exported files, or of a fresh export where the files' own cannot be asked; where neither can be, what the
    witness answered is looked at. None where nothing more can be said than that it differs.
    """
    run = replay(job, reference, mismatch, steps)
    roles = [role for role in GRAPHS[mismatch.kind] if role in job.model.graphs]
    for ask, of_files in ((_layers_of_files, True), (_fresh_layers, False)):
        try:
            return Finding(_first(ask(job, witness, answer, run, roles), job, witness, run), of_files)
        except RescompError:
            continue
    fault = _answered(job, witness, answer, reference, mismatch)
    return Finding(fault, False) if fault else None


def first_wrong_layer(job: Job, witness: Witness, reference: LayerReference, answer: LayerAnswer) -> Fault | None:
    """The first layer that differs of those that were run on values of the stress set."""
    layers = [
        layer for role, graph in answer.graphs.items() for layer in _pairs(role, graph, reference.of(role, graph), answer.values[role])
    ]
    return _first(layers, job, witness, None)


@dataclass(frozen=True, eq=False)
class _Asked:
    """A value of a layer, int [steps or samples, *shape], by numpy and by the witness."""

    role: str
    name: str
    expected: IntArray
    got: IntArray


def _pairs(role: str, graph: Graph, expected: Mapping[str, IntArray], got: Mapping[str, IntArray]) -> Iterator[_Asked]:
    """In the order in which they are computed. A value that the witness lacks, as it computes several layers in one, is passed over."""
    for name in (name for node in graph.nodes for name in node.outputs if name in got):
        yield _Asked(role, name, expected[name], got[name])


def _layers_of_files(job: Job, witness: Witness, answer: Answer, run: Replay, roles: Sequence[str]) -> Iterator[_Asked]:
    answers = list(witness.run_layers(job, run.forced))
    found = next((each for each in answers if each.variant == answer.variant), answers[-1])
    reference = LayerReference(run.forced)
    for role in roles:
        if graph := found.graphs.get(role):
            yield from _pairs(role, graph, reference.of(role, graph), found.values[role])


def _fresh_layers(job: Job, witness: Witness, _: Answer, run: Replay, roles: Sequence[str]) -> Iterator[_Asked]:
    for role in roles:
        graph = job.model.graphs[role]
        yield from _pairs(role, graph, run.forced[role], witness.run_graph(graph, run.inputs(graph, role)))


def _first(layers: Iterable[_Asked], job: Job, witness: Witness, run: Replay | None) -> Fault | None:
    """run: whose steps the layers were asked for; None: samples that are of no sequence."""
    layer = next((each for each in layers if not np.array_equal(each.expected, each.got)), None)
    return None if layer is None else _fault(layer, witness.kernels(job, layer.role)[layer.name], run)


def _fault(layer: _Asked, kernel: str, run: Replay | None) -> Fault:
    expected, got = (array.reshape(len(array), -1) for array in (layer.expected, layer.got))
    differs = expected != got
    row, entry = (int(i) for i in np.argwhere(differs)[0])
    begin = run.first if run else 0
    sequence = run.sequence if run else row
    step = None if run is None or run.first is None else run.first + row
    unit = "frame" if layer.role == "frontend" else "step"
    numbers, of = (entry, int(expected[row, entry]), int(got[row, entry])), "sequence" if run else "sample"
    value = Mismatch(sequence, step, layer.name, *numbers, of, unit=unit)
    channels = layer.expected.shape[-1]
    wrong = int(differs.reshape(-1, channels).any(axis=0).sum())
    rows = int(differs.any(axis=1).sum())
    return Fault(layer.role, layer.name, kernel, wrong, channels, rows, begin or 0, (begin or 0) + len(expected) - 1, value)


def _answered(job: Job, witness: Witness, answer: Answer, reference: Trajectory, mismatch: Mismatch) -> Fault | None:
    """The state or the scores that differ, at every step of the sequence, where no layer can be asked."""
    if mismatch.kind in ("decision", "feature"):
        return None
    role = next(role for role in GRAPHS[mismatch.kind] if role in job.model.graphs)
    graph, row, length = job.model.graphs[role], mismatch.sequence, int(job.lengths[mismatch.sequence])
    if mismatch.kind == "state":
        expected, got = (
            split_state(job.model, trajectory.states[row, :length])[mismatch.tensor] for trajectory in (reference, answer.trajectory)
        )
        run = Replay({}, row, 0)
    else:
        at = slice(row, row + 1)
        expected, got = (
            trajectory.scores[0] if job.every_score else trajectory.scores[at] for trajectory in (reference, answer.trajectory)
        )
        run = Replay({}, row, 0 if job.every_score else mismatch.step)
    kernel = witness.kernels(job, role)[graph.state.get(mismatch.tensor, mismatch.tensor)]
    return replace(_fault(_Asked(role, mismatch.tensor, expected, got), kernel, run), computed=False)
