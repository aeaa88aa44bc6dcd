"""A stream: readings one after another, a decision after each step, as the device takes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError, UnsupportedError, counted
from ..graph.decide import NO_DECISION, UNKNOWN_DECISION
from ..graph.evaluate import evaluate_graph, initial_state
from ..graph.fixed_point import IntArray
from ..graph.ir import IntegerModel
from ..stages.readings import Reader, refuse_still
from .predictions import refuse_samples


@dataclass(frozen=True)
class LiveStep:
    """What the model says after a step. number: from 0; label: the class, "unknown", or None where nothing is decided yet; scores: of each
    class, the integers that the device gives.
    """

    number: int
    label: str | None
    scores: dict[str, int]


class LiveStream:
    """State of one stream; it begins at zero."""

    def __init__(self, reader: Reader) -> None:
        """reader: of a model that keeps a state. Raises UnsupportedError for one that keeps none, a front-end and a policy."""
        refuse_still(reader.model)
        refuse_samples(reader)
        if reader.model.policy is not None:
            raise UnsupportedError(
                f"{reader.model.name} has a policy of streams: ask it with `rescomp evaluate --stream` or `predict --stream`"
            )
        self._reader, self._model = reader, reader.model
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._state = initial_state(self._model, 1)
        self._decided = {value.name: np.zeros((1, *value.type.shape), np.int64) for value in self._model.states("decide")}
        self._held: list[IntArray] = []
        self._skipped, self.steps = 0, 0

    def push(self, reading: object) -> LiveStep | None:
        """Take one reading [channels], as a number in the sensor's unit, or as its integer where the model reads integers.

        Returns what the model says, or None where the step is not whole yet. Raises InputError for a reading of other channels.
        """
        array = np.atleast_1d(np.asarray(reading))
        if array.shape != (self._reader.channels,) or array.dtype.kind not in "iuf" or not np.isfinite(array).all():
            raise InputError(f"a reading is {counted(self._reader.channels, 'finite number')}, not {array!r:.60}")
        if self._skipped:
            self._skipped -= 1
            return None
        self._held.append(self._reader.integers(array.astype(np.int32 if array.dtype.kind in "iu" else np.float32))[0].astype(np.int64))
        if len(self._held) < self._reader.readings_a_step:
            return None
        step = np.concatenate(self._held).reshape(1, *self._model.input.type.shape)
        self._held = self._held[self._reader.stride :]
        self._skipped = max(0, self._reader.stride - self._reader.readings_a_step)
        return self._step(step)

    def _step(self, x: IntArray) -> LiveStep:
        graph = self._model.graphs["step"]
        values = evaluate_graph(graph, {self._model.input.name: x, **self._state})
        self._state = {name: values[following] for name, following in graph.state.items()}
        head = self._model.graphs["head"]
        scores = evaluate_graph(head, {value.name: self._state[value.name] for value in head.inputs})[self._model.output.name]
        number, label = self.steps, _label(self._model, self._decide(scores))
        self.steps += 1
        return LiveStep(number, label, dict(zip(self._model.class_names, scores.reshape(-1).tolist(), strict=True)))

    def _decide(self, scores: IntArray) -> int:
        """The class's number: of the decision, where the model makes one, else of the largest score."""
        if not self._model.decides:
            return int(scores.reshape(-1).argmax())
        graph = self._model.graphs["decide"]
        (read,) = graph.data_inputs
        values = evaluate_graph(graph, {read.name: scores, **self._decided})
        self._decided = {name: values[following].astype(np.int64) for name, following in graph.state.items()}
        return int(values[graph.outputs[0]].reshape(-1)[0])


def _label(model: IntegerModel, decision: int) -> str | None:
    return {UNKNOWN_DECISION: "unknown", NO_DECISION: None}.get(decision, model.class_names[decision] if decision >= 0 else None)
