"""log2: the binary logarithm of sums that a block exponent has scaled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..draws import Draws
from ..events import Events, any_of_channel
from ..fixed_point import LOG2_BITS, LOG2_INTERVALS, IntArray, leading_zeros, log2_table, round_half_up_shift, saturate
from ..formats import Format, TensorType
from ..ranges import Range, at_the_ends
from ..stress import random_values, telling_combinations
from .base import Analysed, CBuilder, CValue, Elementwise, OnnxBuilder, TfliteBuilder, TfliteTensor, require
from .int32_arithmetic import Int32Blocks, T
from .onnx_arithmetic import OnnxBlocks
from .tflite_arithmetic import TfliteBlocks, narrow, widen

BITS = 31
"""Of what a logarithm is taken: below 2^31."""
INTERVAL_BITS = 5
MOST_OFFSET = (1 << 15) - 1
MOST_EXPONENT = 1 << 5
FEATURE = Format(LOG2_BITS)
"""Of logarithms, and of the statistics that stand beside them."""


@dataclass(frozen=True, eq=False)
class Log2(Elementwise, Analysed):
    """(sums int32 [channels, bands], none negative, doublings int16 [channels]) -> int16 [channels, bands] in Q10.

    y = clamp(L(max(x, 1)) - 2^10 doublings + offset_j, floor, 32767), L(x) = 2^10 log2(x) by lines between 32 points an octave.
    offset: int16 [bands] in Q10, what a band is scaled by. floor: int16 in Q10.
    """

    name: ClassVar[str] = "log2"
    takes_int32: ClassVar[bool] = True
    in_place: ClassVar[tuple[int, ...]] = ()

    offset: IntArray
    floor: int

    @property
    def kernel(self) -> str:
        return "log2_int32"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        x, doublings = inputs
        good = len(x.shape) == 2 and x.format.dtype == "int32" and x.format.nonnegative
        require(good, f"a log2 reads int32 [channels, bands] from 0 on, not {x}")
        good = doublings.shape == x.shape[:1] and doublings.format.dtype == "int16" and doublings.format.nonnegative
        require(good and doublings.format.high <= MOST_EXPONENT, f"a log2 reads a number of doublings a channel, not {doublings}")
        good = self.offset.dtype == np.int16 and self.offset.shape == x.shape[1:] and abs(int(self.offset.min())) <= MOST_OFFSET
        require(good, f"a log2 of {x.shape[1]} bands holds as many int16 offsets above -2^15")
        require(FEATURE.low <= self.floor <= FEATURE.high, f"a floor of {self.floor} is outside int16")
        return (TensorType(x.shape, FEATURE),)

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        return (saturate(self.unclamped(*inputs), self.floor, FEATURE.high),)

    def unclamped(self, x: IntArray, doublings: IntArray) -> IntArray:
        """The logarithms before they are clamped, int64."""
        x = np.maximum(x, 1)
        zeros = leading_zeros(x, BITS)
        mantissa = (x << zeros) - (1 << (BITS - 1))
        index = mantissa >> (BITS - 1 - INTERVAL_BITS)
        fraction = (mantissa >> (BITS - 1 - INTERVAL_BITS - LOG2_BITS)) & ((1 << LOG2_BITS) - 1)
        table: IntArray = log2_table().astype(np.int64)
        line = table[index] + round_half_up_shift((table[index + 1] - table[index]) * fraction, LOG2_BITS)
        logarithm: IntArray = ((BITS - 1 - zeros) << LOG2_BITS) + line - (doublings[..., None] << LOG2_BITS) + self.offset
        return logarithm

    def ranges(self, *inputs: Range) -> tuple[Range, ...]:
        """It rises with the sums and falls with the doublings."""
        (result,) = self.infer(*(x.type for x in inputs))
        return (Range(result, *at_the_ends(lambda x, doublings: self.evaluate(x, doublings)[0], *inputs)),)

    def reached(self, *inputs: IntArray) -> Events:
        y = self.unclamped(*inputs)
        return {"clamp_low": any_of_channel(y < self.floor), "saturation_high": any_of_channel(y > FEATURE.high)}

    def reachable(self, *inputs: Range) -> Events:
        low, high = at_the_ends(self.unclamped, *inputs)
        return {"clamp_low": any_of_channel(low < self.floor), "saturation_high": any_of_channel(high > FEATURE.high)}

    def stress(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        """Each power of two and its neighbours, and the ends of every interval of the table; with doublings of every number."""
        x, doublings = inputs
        powers = np.int64(1) << np.arange(BITS)
        points = ((LOG2_INTERVALS + np.arange(LOG2_INTERVALS)) << (BITS - 1 - INTERVAL_BITS))[:, None] + np.array([-1, 0, 1])
        sums = np.concatenate([powers - 1, powers, powers + 1, points.reshape(-1), points.reshape(-1) >> 13])
        sums = saturate(sums, x.format.low, x.format.high)[:, None, None]
        counts = np.arange(len(sums))[:, None] % (doublings.format.high + 1)
        quiet = random_values(draws, x, len(sums)) >> (np.arange(len(sums)) % BITS)[:, None, None]
        values = telling_combinations(draws, inputs, [sums, counts])
        return np.concatenate([values[0], quiet]), np.concatenate([values[1], random_values(draws, doublings, len(quiet))])

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        x, doublings = inputs
        shape = b.type(x).shape
        a = OnnxBlocks(b)
        return (
            a.vectors(self._spell(a, a.rows_of_vectors(x, shape[1]), a.rows_of_vectors(a.vectors(doublings, (shape[0], 1)), 1)), shape),
        )

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        x, doublings = inputs
        shape, a = x.shape[2:], TfliteBlocks(b)
        counted = a.rows_of_vectors(a.vectors(widen(b, doublings), (shape[0], 1)), 1)
        return (narrow(b, a.vectors(self._spell(a, a.rows_of_vectors(x, shape[1]), counted), shape), FEATURE),)

    def _spell(self, a: Int32Blocks[T], x: T, doublings: T) -> T:
        """[rows, bands, 1, 1] of sums [rows, bands, 1, 1] and doublings [rows, 1, 1, 1]."""
        scaled, _, zeros = a.normalize(a.binary("maximum", x, 1), BITS)
        mantissa = a.sub(scaled, 1 << (BITS - 1))
        index = a.div(mantissa, 1 << (BITS - 1 - INTERVAL_BITS))
        fraction = a.sub(a.div(mantissa, 1 << (BITS - 1 - INTERVAL_BITS - LOG2_BITS)), a.mul(index, 1 << LOG2_BITS))
        table = log2_table().astype(np.int64)
        rise = a.div(a.add(a.mul(a.gather(np.diff(table), index), fraction), 1 << (LOG2_BITS - 1)), 1 << LOG2_BITS)
        octaves = a.sub(a.sub(BITS - 1, zeros), doublings)
        line = a.add(a.gather(table[:-1], index), rise)
        logarithm = a.add(a.add(a.mul(octaves, 1 << LOG2_BITS), line), a.constant(self.offset.reshape(1, -1, 1, 1)))
        return a.clamp(logarithm, self.floor, FEATURE.high)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (x, doublings), (y,) = inputs, outputs
        table = b.shared_constant("log2_table", log2_table(), "tables", "log2(1 + i / 32) in Q10")
        offset = b.constant("offset", self.offset, "biases", "of each band, Q10")
        channels, bands = x.type.shape
        b.call(self.kernel, x.expression, doublings.expression, y.expression, str(channels), str(bands), table, offset, str(self.floor))

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        channels, bands = int(rng.integers(1, 4)), int(rng.integers(1, 9))
        bound = int(rng.choice([1 << 31, (1 << 31) - 1, rng.integers(1, 1 << 31), rng.integers(1, 1 << 10)]))
        types = (
            Format(int(rng.integers(0, 16)), "int32", bound, nonnegative=True),
            Format(0, bound=int(rng.integers(1, 33)), nonnegative=True),
        )
        offset = rng.integers(-MOST_OFFSET, MOST_OFFSET + 1, bands).astype(np.int16) >> int(rng.choice([0, 3, 15]))
        op = cls(offset, int(rng.choice([-(1 << 15), 0, 5 << LOG2_BITS, rng.integers(-(1 << 15), 1 << 15)])))
        return op, (TensorType((channels, bands), types[0]), TensorType((channels,), types[1]))
