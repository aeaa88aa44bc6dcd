"""What a stream does beside running on: readings that are lost, readings that stand at an end, a state that may not grow old."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Generic, TypeVar

import numpy as np

from ..errors import UnsupportedError
from .decide import NO_DECISION
from .evaluate import evaluate_graph
from .fixed_point import IntArray
from .ir import IntegerModel, StreamPolicy

MOST_POLICY_STEPS = 4096
"""Of each number of a policy."""


def check_policy(model: IntegerModel, policy: StreamPolicy) -> None:
    """Raise UnsupportedError for a policy that means nothing, or that the model cannot have."""
    if not model.is_recurrent:
        raise UnsupportedError(f"{model.name} keeps no state: a policy of streams is for a model that does")
    for name, value in vars(policy).items():
        if not 0 <= value <= MOST_POLICY_STEPS:
            raise UnsupportedError(f"a stream's {name} of {value} steps is outside 0..{MOST_POLICY_STEPS}")


State = TypeVar("State")
"""Of the net, after some readings."""


class StreamPath(ABC, Generic[State]):
    """Which readings go into which state of a stream: the meaning of a policy, docs/contract.md, whatever a state is held as."""

    def __init__(self, model: IntegerModel) -> None:
        """At the beginning."""
        assert model.policy is not None
        self.model, self.policy = model, model.policy
        self.last = np.zeros(model.input.type.shape, np.int64)
        self.reset()

    def reset(self) -> None:
        """Everything begins anew; there is no reading that could be held."""
        self.states = [self._begun() for _ in range(2 if self.policy.half_window else 1)]
        self.lost, self.railed, self.phase = self.policy.gap + 1, 0, 0

    def step(self, reading: IntArray) -> None:
        """One reading, int [*input shape] within its format."""
        format = self.model.input.type.format
        at_an_end = bool(((reading == format.low) | (reading == format.high)).any())
        self.railed = min(self.railed + 1, self.policy.rail + 1) if at_an_end and self.policy.rail else 0
        if self.policy.rail and self.railed > self.policy.rail:
            self.gap()
            return
        self.last, self.lost = np.asarray(reading, np.int64), 0
        self._advance()

    def gap(self) -> None:
        """One reading that was lost: the last one is held for as many steps as the policy says, then everything begins anew."""
        if self.lost < self.policy.gap:
            self.lost += 1
            self._advance()
        elif self.lost == self.policy.gap:
            railed = self.railed
            self.reset()
            self.railed = railed

    @property
    def nothing_read(self) -> bool:
        """Whether everything began anew and no reading has come since: the scores are of zeros, and say nothing of a stream."""
        return self.lost > self.policy.gap

    @property
    def answering(self) -> int:
        """Which state: of two the one that has run for longer, at most two half windows."""
        half = self.policy.half_window
        return int(half > 0 and (self.phase - 1) % (2 * half) < half)

    def _advance(self) -> None:
        """A step of every state on the last reading; of two one begins anew first at each half window."""
        half = self.policy.half_window
        if half and self.phase % half == 0:
            self.states[self.phase // half % 2] = self._begun()
        self.states = [self._stepped(state) for state in self.states]
        self.phase = (self.phase + 1) % (2 * half) if half else 0

    @abstractmethod
    def _begun(self) -> State:
        """A state of zeros."""

    @abstractmethod
    def _stepped(self, state: State) -> State:
        """What the last reading makes of a state."""


class StreamWalk(StreamPath[Mapping[str, IntArray]]):
    """One stream of a model with a policy, in its integers: the meaning of <model>_stream in the C."""

    def reset(self) -> None:
        """Everything begins anew, and the decision is forgotten."""
        super().reset()
        self.deciding = self._zeros("decide") if self.model.decides else {}

    def scores(self) -> IntArray:
        """Of the state that answers, int64 [*shape]."""
        state = self.states[self.answering]
        head = self.model.graphs["head"]
        scores: IntArray = evaluate_graph(head, {value.name: state[value.name] for value in head.inputs})[self.model.output.name][0]
        return scores

    def decide(self, scores: IntArray) -> int:
        """The decision after these scores, of a model that decides; NO_DECISION, and nothing is remembered, where nothing has been read."""
        if self.nothing_read:
            return NO_DECISION
        graph = self.model.graphs["decide"]
        ((read,), (given,)) = graph.data_inputs, graph.outputs
        values = evaluate_graph(graph, {read.name: scores[None], **self.deciding})
        self.deciding = {name: values[following] for name, following in graph.state.items()}
        return int(values[given][0, 0])

    def _begun(self) -> Mapping[str, IntArray]:
        return self._zeros("step")

    def _stepped(self, state: Mapping[str, IntArray]) -> Mapping[str, IntArray]:
        step = self.model.graphs["step"]
        values = evaluate_graph(step, {self.model.input.name: self.last[None], **state})
        return {name: values[following] for name, following in step.state.items()}

    def _zeros(self, role: str) -> Mapping[str, IntArray]:
        return {value.name: np.zeros((1, *value.type.shape), np.int64) for value in self.model.graphs[role].state_inputs}
