"""What is pushed to listeners in numpy, and what comes of it in the state, or the stream, that each of them steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..graph.evaluate import evaluate_graph
from ..graph.ir import IntegerModel
from ..graph.listening import Listening, StreamListening
from ..graph.policy import StreamWalk
from ..graph.sound import FrameStates
from .c_vectors import decision_values, stored_dtype
from .called import StateValues, decided, record_of, scored, stepped, zero_state


class StateListening(Listening):
    """A listener with what its input makes of a state."""

    def __init__(self, model: IntegerModel) -> None:
        self.model = model
        super().__init__(model)

    def listen(self) -> None:
        """As of Listening, and the state is that of init."""
        super().listen()
        self.state: StateValues = zero_state(self.model) if self.model.is_recurrent else {}
        self.deciding: StateValues = zero_state(self.model, "decide") if self.model.decides else {}

    @property
    def kept(self) -> FrameStates:
        """As of Listening: of the state at hand."""
        return {value.name: self.state[value.name] for value in self.model.states("frontend")}

    def hear_input(self) -> None:
        """A step on it."""
        if self.model.is_recurrent:
            self.state = stepped(self.model, self.state, self.input)

    def told(self) -> Iterator[tuple[str, Any]]:
        """(what it is, array) as the program writes it, features, state, scores and the decision."""
        model = self.model
        yield "the features", self.input.astype(stored_dtype(model.input.type))
        if model.is_recurrent:
            yield "the state", record_of(model.states("step"), self.state)
            scores = scored(model, self.state)
        else:
            scores = evaluate_graph(model.graphs["whole"], {model.input.name: self.input[None]})[model.output.name][0]
        yield "the scores", scores.astype(stored_dtype(model.output.type))
        if model.decides:
            decision, self.deciding = decided(model, self.deciding, scores)
            values = [*decision_values(model), *model.states("decide")]
            kept = {**self.deciding, model.decision.name: np.array([[decision]])}
            yield "the decision and its state", record_of(values, kept)


class SteppedStream(StreamListening):
    """One with the stream that it steps."""

    def __init__(self, model: IntegerModel) -> None:
        self.model, self.walk = model, StreamWalk(model)
        super().__init__(model)

    def listen(self) -> None:
        """As of StreamListening, and the stream begins anew."""
        super().listen()
        self.walk.reset()

    def hear_input(self) -> None:
        """A step of the stream on it, or a gap."""
        if self.gap:
            self.walk.gap()
        else:
            self.walk.step(self.input)

    def told(self) -> Iterator[tuple[str, Any]]:
        """As of StateListening; of a stream no state."""
        yield "the features", self.input.astype(stored_dtype(self.model.input.type))
        scores = self.walk.scores()
        yield "the scores", scores.astype(stored_dtype(self.model.output.type))
        if self.model.decides:
            yield "the decision", np.array(self.walk.decide(scores), "<i2")
