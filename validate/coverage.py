"""Coverage: which places inside the layers vectors reach, of those that range analysis has not proved out of reach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, replace
from itertools import chain
from typing import Any, Literal

import numpy as np

from ..graph.evaluate import SAMPLES, evaluate_graph, rows_at_a_time, walk_sequences
from ..graph.events import KINDS, BoolArray
from ..graph.fixed_point import IntArray
from ..graph.ir import Graph, IntegerModel
from ..graph.ranges import Range
from ..graph.sound import Pcm, frontend_inputs

Place = tuple[str, str, str]
"""(graph, node, kind)."""
Places = Mapping[Place, BoolArray]
ENTRIES_COVERED = 1 << 23
"""Of values that are looked at together, beside which as many truths are held."""


@dataclass(frozen=True)
class ReachCount:
    """Of one kind. reachable: by some input of the layer's formats; in_model: by some input and state of the whole model; both are what
    range analysis leaves. reached: by the vectors; places: all there are.
    """

    reached: int
    in_model: int
    reachable: int
    places: int

    def __add__(self, other: ReachCount) -> ReachCount:
        return ReachCount(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, eq=False)
class Coverage:
    """What some vectors reach in the layers of a model. Of several sets of vectors together it is the union, `|`."""

    reached: Places
    in_model: Places
    reachable: Places

    def __or__(self, other: Coverage) -> Coverage:
        return replace(self, reached={place: met | other.reached[place] for place, met in self.reached.items()})

    def counts(self) -> dict[str, ReachCount]:
        """By kind, those kinds that the model has, in the order of KINDS."""
        found: dict[str, ReachCount] = {}
        for place, reached in self.reached.items():
            in_model, reachable = self.in_model[place], self.reachable[place]
            count = ReachCount(int(reached.sum()), int(in_model.sum()), int(reachable.sum()), reached.size)
            found[place[2]] = found.get(place[2], ReachCount(0, 0, 0, 0)) + count
        return {kind: found[kind] for kind in KINDS if kind in found and found[kind].places}

    @property
    def total(self) -> ReachCount:
        """Of all kinds together."""
        return sum(self.counts().values(), ReachCount(0, 0, 0, 0))

    def missed(self) -> Iterator[tuple[Place, list[int]]]:
        """Places that may be reached and were not, with their numbers in the layer."""
        for place, reached in self.reached.items():
            numbers = np.flatnonzero(self.reachable[place] & ~reached).tolist()
            if numbers:
                yield place, numbers

    def as_json(self) -> dict[str, Any]:
        """{kind: {"reached", "in_model", "reachable", "places"}}, and "total"."""
        counts = {**self.counts(), "total": self.total}
        return {
            kind: {name: getattr(count, name) for name in ("reached", "in_model", "reachable", "places")} for kind, count in counts.items()
        }


class CoverageMeter:
    """Measures what vectors reach in a model; the range analysis is done once.

    nothing: the coverage of no vectors, all places and none reached.
    """

    def __init__(self, model: IntegerModel) -> None:
        self._model = model
        in_model: dict[Place, BoolArray] = {}
        alone: dict[Place, BoolArray] = {}
        for name, graph in model.graphs.items():
            in_model |= _events(name, graph, "reachable", _ranges_of(graph))
            alone |= _events(name, graph, "reachable", {value: Range.full(t) for value, t in graph.types().items()})
        self.nothing = Coverage({place: np.zeros_like(met) for place, met in alone.items()}, in_model, alone)

    def layers(self, forced: Mapping[str, Mapping[str, IntArray]]) -> Coverage:
        """What forced values (Stress.layers) reach."""
        return self._reached(forced.items())

    def vectors(self, x: IntArray, lengths: IntArray, initial: IntArray | None = None, sound: Pcm | None = None) -> Coverage:
        """What a run of the whole model reaches: x, lengths and initial as `evaluate` reads them. sound: of which x was made."""
        return self._reached(chain(self._walked(x, lengths, initial), () if sound is None else self._heard(sound, initial)))

    def _heard(self, sound: Pcm, initial: IntArray | None) -> Iterator[tuple[str, Mapping[str, IntArray]]]:
        """The values of the front-end, recording by recording."""
        graph = self._model.graphs["frontend"]
        size = rows_at_a_time(graph, ENTRIES_COVERED)
        for row in np.flatnonzero(sound.heard).tolist():
            inputs = frontend_inputs(self._model, sound.recording(row), None if initial is None else initial[row])
            for start in range(0, len(inputs[self._model.samples.name]), size):
                yield "frontend", evaluate_graph(graph, {name: array[start : start + size] for name, array in inputs.items()})

    def _reached(self, runs: Iterable[tuple[str, Mapping[str, IntArray]]]) -> Coverage:
        reached = dict(self.nothing.reached)
        for name, values in runs:
            wide = {value: np.asarray(array).astype(np.int64) for value, array in values.items()}
            for place, met in _events(name, self._model.graphs[name], "reached", wide).items():
                reached[place] = reached[place] | met
        return replace(self.nothing, reached=reached)

    def _walked(self, x: IntArray, lengths: IntArray, initial: IntArray | None) -> Iterator[tuple[str, Mapping[str, IntArray]]]:
        """Graph by graph the values of all nodes, as the whole model is run."""
        model = self._model
        if not model.is_recurrent:
            size = min(SAMPLES, rows_at_a_time(model.graphs["whole"], ENTRIES_COVERED))
            for start in range(0, len(x), size):
                yield "whole", evaluate_graph(model.graphs["whole"], {model.input.name: x[start : start + size]})
            return
        size = rows_at_a_time(model.graphs["step"], ENTRIES_COVERED)
        for start in range(0, len(x), size):
            rows = slice(start, start + size)
            yield from self._stepped(x[rows], lengths[rows], None if initial is None else initial[rows])

    def _stepped(self, x: IntArray, lengths: IntArray, initial: IntArray | None) -> Iterator[tuple[str, Mapping[str, IntArray]]]:
        model = self._model
        step, head = model.graphs["step"], model.graphs["head"]
        last = {value.name: np.zeros((len(x), *value.type.shape), np.int64) for value in head.inputs}
        decided = _Decided(model, len(x)) if model.decides else None
        for running, values in walk_sequences(model, x, lengths, initial):
            yield "step", values
            for name, array in last.items():
                array[running] = values[step.state[name]]
            if decided is not None:
                yield from decided.after({name: array[running] for name, array in last.items()}, running)
        if decided is None:
            yield "head", evaluate_graph(head, last)


class _Decided:
    """The states of a decision beside those of the step, from zeros on: a model that decides scores every step."""

    def __init__(self, model: IntegerModel, batch: int) -> None:
        self._model, self._graph = model, model.graphs["decide"]
        self._state = {value.name: np.zeros((batch, *value.type.shape), np.int64) for value in self._graph.state_inputs}

    def after(self, states: Mapping[str, IntArray], running: IntArray) -> Iterator[tuple[str, Mapping[str, IntArray]]]:
        """The values of the head and of the decision after one more step of the sequences still running."""
        head = evaluate_graph(self._model.graphs["head"], states)
        yield "head", head
        (read,) = self._graph.data_inputs
        values = evaluate_graph(self._graph, {read.name: head[self._model.output.name], **{n: a[running] for n, a in self._state.items()}})
        yield "decide", values
        for name, following in self._graph.state.items():
            self._state[name][running] = values[following]


def _events(name: str, graph: Graph, ask: Literal["reached", "reachable"], values: Mapping[str, Any]) -> dict[Place, BoolArray]:
    """What the op of each node says of the values, or of their ranges, that it reads."""
    found = ((node, getattr(node.op, ask)(*(values[read] for read in node.inputs))) for node in graph.nodes)
    return {(name, node.name, kind): met for node, events in found for kind, met in events.items()}


def describe(test: Coverage, stress: Coverage, layers: Coverage) -> list[str]:
    """Lines for readers: of each kind what is reached of what can be, by the test set, with the stress set, with the layers' own inputs."""
    steps = [test, test | stress, test | stress | layers]
    counts = [each.counts() for each in steps]
    lines = []
    for kind, last in counts[2].items():
        reached = " -> ".join(str(each[kind].reached) for each in counts)
        proved = f"; {last.places - last.reachable} of {last.places} proved unreachable" if last.places > last.reachable else ""
        lines.append(f"{KINDS[kind]}: {reached} of {last.reachable}{proved}")
    return lines


def _ranges_of(graph: Graph, inputs: Mapping[str, Range] | None = None) -> dict[str, Range]:
    """The range of every value of `graph`. inputs: of those whose range is known to be less than their format."""
    ranges = {value.name: (inputs or {}).get(value.name, Range.full(value.type)) for value in graph.inputs}
    for node in graph.nodes:
        results = node.op.ranges(*(ranges[name] for name in node.inputs))
        ranges.update(zip(node.outputs, results, strict=True))
    return ranges
