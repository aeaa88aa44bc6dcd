"""Values that bring out faults: the ends of formats and their neighbours, in every combination."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from .draws import Draws
from .fixed_point import IntArray
from .formats import Format, TensorType

RANDOM_ROWS = 64
"""Random samples behind the chosen ones."""
MOST_COMBINATIONS = 600
"""Combinations of several inputs' special values, of which the ends come first."""


def special_values(format: Format) -> list[int]:
    """The ends of a format, zero, and their neighbours, each once, the ends first."""
    wanted = (format.low, format.high, 0, 1, -1, format.low + 1, format.high - 1)
    return list(dict.fromkeys(min(max(value, format.low), format.high) for value in wanted))


def telling_combinations(draws: Draws, inputs: Sequence[TensorType], more: Sequence[IntArray] = ()) -> tuple[IntArray, ...]:
    """For each input [batch, *shape]: every entry meets every combination of the inputs' special values; then random samples.

    Neighbouring entries meet them in different samples, so that entries which change places show. more: for each input
    further values [count, *shape or broadcast to it], all inputs' at the same place being one combination.
    """
    formats = [x.format for x in inputs]
    columns = np.array(_combinations([special_values(format) for format in formats])).T
    results = []
    for number, (x, column) in enumerate(zip(inputs, columns, strict=True)):
        place = (np.arange(len(column))[:, None] + np.arange(x.size)) % len(column)
        chosen = column[place].reshape(-1, *x.shape)
        further = [np.broadcast_to(more[number], (len(more[number]), *x.shape))] if len(more) else []
        results.append(np.concatenate([chosen, *further, random_values(draws, x, RANDOM_ROWS)]))
    return tuple(results)


def random_values(draws: Draws, x: TensorType, count: int) -> IntArray:
    """int64 [count, *shape], anywhere in the format."""
    return draws.integers(x.format.low, x.format.high, (count, *x.shape))


def _combinations(values: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    """Every combination, those of ends and zero alone where all would be too many."""
    ends = [each[:3] for each in values]
    chosen = values if np.prod([len(each) for each in values]) <= MOST_COMBINATIONS else ends
    return list(itertools.product(*chosen))
