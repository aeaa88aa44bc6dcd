"""What ops share that compute each entry from the same entry of their inputs and saturate it: their ranges, events and decisive inputs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence

import numpy as np

from ..draws import Draws
from ..events import Events, saturations
from ..fixed_point import IntArray, saturate
from ..formats import Format, TensorType
from ..ranges import Range, at_the_ends
from ..stress import random_values, telling_combinations
from .base import Elementwise

CANDIDATES = 1 << 14
"""Inputs among which those are looked for that tell the op from a wrong one."""
PER_FAULT = 4
"""Inputs taken for each wrong op."""


class Saturating(Elementwise):
    """result = saturate(unclamped(*inputs), limits), entry by entry; `unclamped` is monotone in each input."""

    @property
    @abstractmethod
    def limits(self) -> Format:
        """A format with the range of the result."""

    @abstractmethod
    def unclamped(self, *inputs: IntArray) -> IntArray:
        """The result before it is saturated."""

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        return (self._saturated(self.unclamped(*inputs)),)

    def _saturated(self, result: IntArray) -> IntArray:
        return saturate(result, self.limits.low, self.limits.high)

    def extremes(self, *inputs: Range) -> tuple[IntArray, IntArray]:
        """The least and the largest unclamped result, [*shape] each."""
        return at_the_ends(self.unclamped, *inputs)

    def ranges(self, *inputs: Range) -> tuple[Range, ...]:
        (result,) = self.infer(*(x.type for x in inputs))
        low, high = self.extremes(*inputs)
        return (Range(result, self._saturated(low), self._saturated(high)),)

    def reached(self, *inputs: IntArray) -> Events:
        result = self.unclamped(*inputs)
        return saturations(result, result, self.limits)

    def reachable(self, *inputs: Range) -> Events:
        return saturations(*self.extremes(*inputs), self.limits)

    def wrong(self) -> Sequence[Callable[..., IntArray]]:
        """Faults of rounding, and neighbours of the op's constants, as functions like `unclamped`."""
        return ()

    def crafted(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        """Inputs [count, *shape] that decide, where they can be computed; otherwise none."""
        return tuple(np.zeros((0, *x.shape), np.int64) for x in inputs)

    def stress(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        return telling_combinations(draws, inputs, self._decisive(draws, *inputs))

    def _decisive(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        """At the edges of saturation and wherever a wrong op gives another result, for each entry: [count, *shape] for each input."""
        rows = max(64, CANDIDATES // inputs[0].size)
        drawn = (random_values(draws, x, rows) for x in inputs)
        pool = tuple(np.concatenate(pair) for pair in zip(drawn, self.crafted(draws, *inputs), strict=True))
        result = self.unclamped(*pool)
        right, span = self._saturated(result), self.limits.high - self.limits.low
        edges = [np.abs(result - end) for end in (self.limits.low - 1, self.limits.low, self.limits.high, self.limits.high + 1, 0)]
        scores = [*edges, *(np.where(self._saturated(other(*pool)) != right, 0, span) for other in self.wrong())]
        chosen = np.concatenate([np.argsort(score, axis=0, kind="stable")[:PER_FAULT] for score in scores])
        return tuple(np.take_along_axis(x, chosen, axis=0) for x in pool)
