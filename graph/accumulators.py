"""Accumulators that decide: sums at which a result changes, and inputs that add up to them exactly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import gcd

import numpy as np

from .draws import Draws
from .events import tie_between
from .fixed_point import IntArray, Requantization, saturate
from .formats import Format

SAMPLED_RESULTS = 512
"""Results tried, before all of them are, to tell a row's constants from their neighbours."""
ROOM = 64
"""What the columns of the smallest weights keep to their format's ends, so that little steps stay possible."""
TRIES = 8
"""Draws from which a sum is tried to be reached exactly."""
_FEW = 3
"""Of a row's smallest weights, so many at least are used to reach a sum exactly."""


@dataclass(frozen=True)
class ChannelSums:
    """One output channel: its scale, its output's format, and the sums that it can have: offset + n step between least and most."""

    multiplier: int
    shift: int
    output: Format
    least: int
    most: int
    step: int
    offset: int

    def targets(self) -> list[int]:
        """Sums that show faults in the row, each once, the ones that show most first."""
        if self.step == 0:
            return [self.offset]
        low, high = (int(result) for result in self.results(np.array([self.least, self.most])))
        decisive = [pair for value in dict.fromkeys((high, low + 1, 0, 1)) if low < value <= high for pair in self.around(value)]
        signs = (self.least, min(self.most, -1)), (max(self.least, 1), self.most)
        ties = [tie_between(*ends, self.step, self.offset, self.multiplier, self.shift) for ends in signs]
        edges = [sum for value in (high + 1, low) for sum in self.around(value)]
        nearest = self._nearest(low, high)
        wanted = [self.most, self.least, *decisive, *self._telling(low, high), *(tie for tie in ties if tie is not None), *nearest, *edges]
        return list(dict.fromkeys(self._inside(sum) for sum in wanted))

    def results(self, sums: IntArray) -> IntArray:
        """R of sums, saturated."""
        return self._scaled(sums, self.multiplier, self.shift)

    def around(self, value: int) -> tuple[int, int]:
        """The least sum with a result of at least `value`, and the one before it."""
        (first,) = self._firsts(np.array([value]))
        return int(first), int(first) - self.step

    def _scaled(self, sums: IntArray, multiplier: int, shift: int) -> IntArray:
        by = Requantization(np.array(multiplier), np.array(shift))
        return saturate(by.unclamped(sums), self.output.low, self.output.high)

    def _firsts(self, values: IntArray) -> IntArray:
        """For each result the least sum that gives it or more."""
        halves = (values.astype(np.int64) << self.shift) - (1 << (self.shift - 1))
        sums = -(-halves // self.multiplier)
        return sums + (self.offset - sums) % self.step

    def _inside(self, sum: int) -> int:
        """The sum, or the nearest one that the row can have."""
        sum = min(max(sum, self.least), self.most)
        up = sum + (self.offset - sum) % self.step
        return up if up <= self.most else up - self.step

    def _telling(self, low: int, high: int) -> list[int]:
        """For each neighbour of the row's constants a sum that tells it from them; results between `low` and `high`."""
        sampled = np.unique(np.linspace(low + 1, high, SAMPLED_RESULTS).astype(np.int64)) if high > low else np.zeros(0, np.int64)
        found = self._differing(sampled)
        if None in found and 0 < high - low > len(sampled):
            found = [
                few if few is not None else more for few, more in zip(found, self._differing(np.arange(low + 1, high + 1)), strict=True)
            ]
        return [sum for sum in found if sum is not None]

    def _nearest(self, low: int, high: int) -> list[int]:
        """The sums whose products lie nearest to where a result between `low` and `high` begins, on either side of it: what is added before
        a product is shifted cannot be another number without that one of them shows it, if any sum does.
        """
        firsts = self._firsts(np.arange(low + 1, high + 1))
        found = []
        for sums, nearest in ((firsts, np.argmin), (firsts - self.step, np.argmax)):
            sums = sums[(sums >= self.least) & (sums <= self.most)]
            behind = (sums * self.multiplier + (1 << (self.shift - 1))) & ((1 << self.shift) - 1)
            found += [int(sums[nearest(behind)])] if sums.size else []
        return found

    def _differing(self, values: IntArray) -> list[int | None]:
        firsts = self._firsts(values)
        sums = np.concatenate([firsts, firsts - self.step])[::-1]
        sums = sums[(sums >= self.least) & (sums <= self.most)]
        right = self.results(sums)
        wrong = [self._scaled(sums, self.multiplier + by, self.shift) for by in (1, -1)]
        wrong += [self._scaled(sums, self.multiplier, self.shift + by) for by in (1, -1)]
        wrong += [self.results(sums + by) for by in (1, -1)]
        places = (np.flatnonzero(right != other) for other in wrong)
        return [int(sums[place[len(place) // 2]]) if place.size else None for place in places]


def inputs_for(weights: IntArray, x: Format, sums: IntArray, draws: Draws) -> IntArray:
    """Inputs [sums, columns] in format `x`, drawn at random, whose products with `weights` [columns] add up to `sums`.

    Where a sum is out of reach, or is not met exactly in one go, they come near it.
    """
    weights = weights.astype(np.int64)
    units = _small_weights(weights)
    inputs = draws.integers(x.low, x.high, (len(sums), len(weights)))
    for turn in range(TRIES):
        open = np.flatnonzero(inputs @ weights != sums)
        if not open.size:
            break
        order = _units_last(draws.order((len(weights),)), weights, units)
        kept = np.where(np.isin(np.abs(weights), units), min(ROOM, (x.high - x.low) // 4) * (turn % 2 == 0), 0)
        low, high = x.low + kept, x.high - kept
        tried = draws.integers(low, high, (len(open), len(weights)))
        missing = sums[open] - tried @ weights
        tried[:, order] = _moved(weights[order], tried[:, order], missing, low[order], high[order])
        for sample, sum in zip(tried, sums[open].tolist(), strict=True):
            _settle(weights, units, sample, sum - int(sample @ weights), x)
        inputs[open] = tried
    return inputs


def _units_last(order: IntArray, weights: IntArray, units: list[int]) -> IntArray:
    """The columns in that order, those of the smallest weights last: they are to keep room for the last steps."""
    magnitudes = np.abs(weights[order])
    return order[np.argsort(np.where(np.isin(magnitudes, units), -magnitudes, -(1 << 15)), kind="stable")]


def _moved(weights: IntArray, inputs: IntArray, missing: IntArray, low: IntArray, high: IntArray) -> IntArray:
    """The inputs with one column after the other moved as far as is missing, or as its bounds allow."""
    upwards = (missing[:, None] > 0) == (weights > 0)
    room = np.where(upwards, high - inputs, inputs - low)
    capacity = np.abs(weights) * room
    before = np.cumsum(capacity, axis=1) - capacity
    moves = np.clip(np.abs(missing)[:, None] - before, 0, capacity) // np.maximum(np.abs(weights), 1)
    moved: IntArray = inputs + np.where(upwards, moves, -moves)
    return moved


def _settle(weights: IntArray, units: list[int], inputs: IntArray, missing: int, x: Format) -> None:
    """Add the little that is missing by steps of one in a few columns, in place; nothing where that cannot be done."""
    for unit in _steps(tuple(units), missing):
        for column in np.flatnonzero(np.abs(weights) == abs(unit)):
            changed = inputs[column] + (1 if (weights[column] > 0) == (unit > 0) else -1)
            if x.low <= changed <= x.high:
                inputs[column] = changed
                break


def _small_weights(weights: IntArray) -> list[int]:
    """The smallest magnitudes, as many as have the common divisor of all."""
    magnitudes = [int(weight) for weight in np.unique(np.abs(weights)) if weight]
    common, found = gcd(*magnitudes), 0
    for count, magnitude in enumerate(magnitudes, 1):
        found = gcd(found, magnitude)
        if found == common and count >= _FEW:
            return magnitudes[:count]
    return magnitudes


def _steps(units: tuple[int, ...], missing: int) -> list[int]:
    """The fewest of +-units that add up to `missing`; none where it is too much for them, or is no multiple of their divisor."""
    came_from, steps = _reached_by(units), []
    while missing:
        unit = came_from.get(missing)
        if unit is None:
            return []
        steps.append(unit)
        missing -= unit
    return steps


@lru_cache(maxsize=4096)
def _reached_by(units: tuple[int, ...]) -> dict[int, int]:
    """For each sum of few +-units the last one added, breadth first."""
    limit = 2 * max(units, default=0)
    came_from, edge = {0: 0}, [0]
    while edge:
        following = []
        for sum in edge:
            for unit in (*units, *(-unit for unit in units)):
                if abs(sum + unit) <= limit and sum + unit not in came_from:
                    came_from[sum + unit] = unit
                    following.append(sum + unit)
        edge = following
    return came_from
