"""What ops share that add up and requantize: their ranges and events."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from math import gcd
from typing import ClassVar

import numpy as np

from ..accumulators import ChannelSums, inputs_for
from ..draws import Draws
from ..events import BoolArray, Events, any_of_channel, possible_requantization_events, requantization_events
from ..fixed_point import MULTIPLIER_BITS, IntArray, Requantization, exact_matmul
from ..formats import Format, TensorType
from ..ranges import Range
from ..weights import Weight
from .base import Analysed
from .window import Windowed


class Requantizing(Analysed):
    """result = R(accumulators(x)), a row being an entry of the last axis of the accumulators."""

    output: Format
    requantization: Requantization

    def row_scales(self, rows: int) -> Requantization:
        """One for each of so many rows."""
        return self.requantization

    @abstractmethod
    def accumulators(self, x: IntArray) -> IntArray:
        """The sums, biases included: int64 [batch, ..., rows]."""

    @abstractmethod
    def accumulator_ends(self, x: Range) -> tuple[IntArray, IntArray]:
        """Their least and largest values: [..., rows] each."""

    @abstractmethod
    def lattice(self, x: TensorType) -> tuple[IntArray, IntArray]:
        """(step, offset), [rows] or [positions, rows]: every sum of a row, at that position, is offset + n step."""

    def lanes(self, x: IntArray) -> BoolArray:
        """Of inputs [batch, *shape], which lanes of blocks that are padded, and which borders, meet something other than zero."""
        return np.zeros(0, np.bool_)

    @property
    def scales(self) -> tuple[Requantization, ...]:
        return (self.requantization,)

    def largest_sum(self, *inputs: Range) -> int:
        (x,) = inputs
        ends = self.accumulator_ends(x)
        reach = np.maximum(np.abs(ends[0]), np.abs(ends[1])).reshape(-1, ends[0].shape[-1]).max(axis=0)
        return int((reach + _rounding(self.row_scales(len(reach)))).max())

    def ranges(self, *inputs: Range) -> tuple[Range, ...]:
        (x,) = inputs
        (result,) = self.infer(x.type)
        ends = self.accumulator_ends(x)
        scales = self.row_scales(ends[0].shape[-1])
        low, high = (scales(end, self.output.low, self.output.high).reshape(result.shape) for end in ends)
        return (Range(result, low, high),)

    def reached(self, *inputs: IntArray) -> Events:
        (x,) = inputs
        sums = self.accumulators(x)
        rows = sums.shape[-1]
        return {**requantization_events(sums.reshape(-1, rows), self.row_scales(rows), self.output), "padding": self.lanes(x)}

    def reachable(self, *inputs: Range) -> Events:
        (x,) = inputs
        ends = self.accumulator_ends(x)
        rows = ends[0].shape[-1]
        low, high, step, offset = (each.reshape(-1, rows) for each in np.broadcast_arrays(*ends, *self.lattice(x.type)))
        events = possible_requantization_events(low, high, (step, offset), self.row_scales(rows), self.output)
        nonzero = np.where(x.high > 0, x.high, x.low)
        return {**events, "padding": self.lanes(nonzero[None])}


def _rounding(by: Requantization) -> IntArray:
    """What is added to a sum, or to the part of its product that is kept, before the last shift."""
    last = by.shift.astype(np.int64) - np.where(by.multiplier == 1 << (MULTIPLIER_BITS - 1), MULTIPLIER_BITS - 1, MULTIPLIER_BITS)
    return np.where(last > 0, np.int64(1) << np.maximum(last - 1, 0), 0)


class Convolving(Windowed, Requantizing):
    """The same over the patches of a window. depthwise: each channel is treated apart."""

    depthwise: ClassVar[bool]

    def position_lattice(self, matrix: IntArray, bias: IntArray, x: TensorType) -> tuple[IntArray, IntArray]:
        """The lattice at each position, where some entries of the patch may be padding. matrix: [rows, kernel positions, channels]."""
        which, patterns = self.window.patterns(x.shape)
        steps = np.stack([product_lattice(matrix[:, inside].reshape(len(matrix), -1), bias)[0] for inside in patterns])
        return steps[which], biased(np.zeros(len(matrix), np.int64), bias)


def biased(sums: IntArray, bias: IntArray) -> IntArray:
    """Sums [..., rows] with the biases [rows] added, of which there may be none."""
    return sums + bias if bias.size else sums


def product_lattice(matrix: IntArray, bias: IntArray) -> tuple[IntArray, IntArray]:
    """The lattice of `matrix` [rows, columns] times a vector, plus `bias`: the greatest common divisor of each row, and its bias."""
    steps = np.array([gcd(*row) for row in matrix.tolist()], np.int64)
    return steps, bias.astype(np.int64) if bias.size else np.zeros_like(steps)


def product_ends(matrix: IntArray, low: IntArray, high: IntArray) -> tuple[IntArray, IntArray]:
    """The least and the largest product of `matrix` [rows, columns] with vectors between low and high [..., columns]: [..., rows]."""
    up, down = np.maximum(matrix, 0).T, np.minimum(matrix, 0).T
    return exact_matmul(low, up) + exact_matmul(high, down), exact_matmul(high, up) + exact_matmul(low, down)


def padded_lanes(weight: Weight, vectors: IntArray) -> BoolArray:
    """Of vectors [samples, columns] that `weight` is multiplied with: which columns of a last block that is padded are not all zero."""
    rest = vectors.shape[-1] % weight.lanes
    return any_of_channel(vectors[:, vectors.shape[-1] - rest :] != 0)


def product_rows(matrix: IntArray, bias: IntArray, scales: Requantization, output: Format, x: Format) -> list[ChannelSums]:
    """The rows of `matrix` [rows, columns] times a vector in format `x`, plus `bias`, with the sums that each can have."""
    vectors = (np.full((1, matrix.shape[1]), end) for end in (x.low, x.high))
    ends = (biased(end, bias)[0] for end in product_ends(matrix, *vectors))
    numbers = (each.tolist() for each in (scales.multiplier, scales.shift, *ends, *product_lattice(matrix, bias)))
    return [ChannelSums(multiplier, shift, output, *sums) for multiplier, shift, *sums in zip(*numbers, strict=True)]


def decisive_inputs(draws: Draws, matrix: IntArray, rows: Sequence[ChannelSums], x: Format) -> list[IntArray]:
    """Vectors [samples, columns] with which `rows` of `matrix` have the sums that show most, each sum twice: one array a row."""
    sums = [np.repeat(row.targets(), 2) - row.offset for row in rows]
    return [inputs_for(weights, x, wanted, draws) for weights, wanted in zip(matrix, sums, strict=True)]


def in_turn(found: Sequence[IntArray]) -> IntArray:
    """Vectors of several rows in one array: the first of each row, then the third of each, ..., and in the end the second ones."""
    longest = max(len(vectors) for vectors in found)
    return np.stack([vectors[i] for turn in (0, 1) for i in range(turn, longest, 2) for vectors in found if i < len(vectors)])


def decisive_images(op: Convolving, draws: Draws, matrix: IntArray, bias: IntArray, x: TensorType) -> IntArray:
    """Images whose patches are decisive for a row each; or, where each channel has its kernel, for all channels at once.

    matrix: [rows, kernel positions, channels that a row reads].
    """
    images = []
    for places in op.window.disjoint_patches(x.shape):
        taps = matrix[:, places.taps].reshape(len(matrix), -1)
        found = decisive_inputs(draws, taps, product_rows(taps, bias, op.row_scales(len(taps)), op.output, x.format), x.format)
        if op.depthwise:
            longest = max(len(vectors) for vectors in found)
            patches = np.stack([np.resize(vectors, (longest, len(places.taps))) for vectors in found], axis=-1)
        else:
            patches = in_turn(found).reshape(-1, len(places.taps), matrix.shape[2])
        images.append(places.images(draws, x, patches))
    return np.concatenate(images)
