"""Range analysis: between which integers each entry of a value lies, whatever the inputs of the graph are."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .fixed_point import IntArray
from .formats import TensorType


@dataclass(frozen=True, eq=False)
class Range:
    """low, high: int64 [*shape], the ends of each entry, both included."""

    type: TensorType
    low: IntArray
    high: IntArray

    @classmethod
    def full(cls, type: TensorType) -> Range:
        """All that the format allows."""
        return cls(type, np.full(type.shape, type.format.low, np.int64), np.full(type.shape, type.format.high, np.int64))

    @property
    def ends(self) -> tuple[IntArray, IntArray]:
        """The lowest and the highest sample, [1, *shape] each."""
        return self.low[None], self.high[None]


def at_the_ends(function: Callable[..., IntArray], *inputs: Range) -> tuple[IntArray, IntArray]:
    """The least and the largest result, [*shape] each, of a function that is monotone in each input while the others stand still."""
    results = [function(*ends) for ends in itertools.product(*(x.ends for x in inputs))]
    return np.minimum.reduce(results)[0], np.maximum.reduce(results)[0]


def for_every_first(function: Callable[..., IntArray], first: Range, *others: Range) -> tuple[IntArray, IntArray]:
    """The same of a function that need not be monotone in its first input: all of that input's integers are tried."""
    bounds = np.stack([end.reshape(-1) for x in (first, *others) for end in (x.low, x.high)], axis=1)
    combinations, which = np.unique(bounds, axis=0, return_inverse=True)
    found = np.array([_ends_of(function, *row) for row in combinations.tolist()])[which.reshape(-1)]
    return found[:, 0].reshape(first.low.shape), found[:, 1].reshape(first.low.shape)


def _ends_of(function: Callable[..., IntArray], low: int, high: int, *others: int) -> tuple[int, int]:
    every = np.arange(low, high + 1)
    corners = itertools.product(*(sorted(set(ends)) for ends in zip(others[::2], others[1::2], strict=True)))
    results = [function(every, *(np.full(1, end) for end in corner)) for corner in corners]
    return min(int(result.min()) for result in results), max(int(result.max()) for result in results)
