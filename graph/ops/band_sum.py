"""band_sum: weighted sums over neighbouring frequencies, such as mel triangles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..draws import Draws
from ..fixed_point import IntArray, exact_matmul
from ..formats import MOST_ENTRIES, Format, TensorType
from ..stress import telling_combinations
from .base import CBuilder, CValue, Elementwise, Increasing, OnnxBuilder, TfliteBuilder, TfliteTensor, require
from .int32_arithmetic import Int32Blocks, T
from .onnx_arithmetic import OnnxBlocks
from .tflite_arithmetic import TfliteBlocks

MOST_BINS, MOST_BANDS = 1 << 12, 1 << 10
SUM_BITS = 31
"""A sum stays below 2^31: nothing is added to it, and nothing is negative."""


@dataclass(frozen=True, eq=False)
class BandSum(Increasing, Elementwise):
    """int32 [channels, bins], none negative -> int32 [channels, bands]: y_j = sum of weight_i x_(first_j + i), count_j weights a band.

    first, count: int16 [bands]; weight: int8 [sum of count], none negative, band after band. bins is a power of two. The sums are proved
    below 2^31 from the input's bound, not below 2^30 as those of other ops: what reads them must know.
    """

    name: ClassVar[str] = "band_sum"
    takes_int32: ClassVar[bool] = True
    in_place: ClassVar[tuple[int, ...]] = ()

    first: IntArray
    count: IntArray
    weight: IntArray

    @property
    def kernel(self) -> str:
        return "band_sum_int32"

    @property
    def shrinks_into(self) -> int | None:
        """Sums over the bins where no band begins before the place of its sum: none reads what a sum before has overwritten."""
        return 0 if np.all(self.first >= np.arange(self.bands)) else None

    @property
    def bands(self) -> int:
        """How many sums."""
        return len(self.first)

    @property
    def _ends(self) -> IntArray:
        return np.cumsum(self.count.astype(np.int64))

    def matrix(self, bins: int) -> IntArray:
        """The weights as int64 [bands, bins]."""
        matrix = np.zeros((self.bands, bins), np.int64)
        for row, first, weights in zip(matrix, self.first.astype(int), np.split(self.weight, self._ends[:-1]), strict=True):
            row[first : first + len(weights)] = weights
        return matrix

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        (x,) = inputs
        good = len(x.shape) == 2 and x.format.dtype == "int32" and x.format.nonnegative
        require(good, f"a band_sum reads int32 [channels, bins] from 0 on, not {x}")
        bins = x.shape[1]
        require(bins <= MOST_BINS and bins.bit_count() == 1, f"a band_sum reads a power of two of bins up to {MOST_BINS}, not {bins}")
        self._check_bands(bins)
        sums = np.add.reduceat(self.weight.astype(np.int64), self._ends - self.count)
        largest = int(sums.max()) * x.format.high
        require(largest < 1 << SUM_BITS, f"a sum over a band may reach {largest}, past 2^{SUM_BITS}: store its weights with fewer bits")
        return (TensorType((x.shape[0], self.bands), Format(x.format.fraction_bits, "int32", largest + (largest == 0), nonnegative=True)),)

    def _check_bands(self, bins: int) -> None:
        vectors = self.first.ndim == self.count.ndim == self.weight.ndim == 1 and self.first.shape == self.count.shape
        require(vectors and 1 <= self.bands <= MOST_BANDS, f"a band_sum has 1 to {MOST_BANDS} bands, a first bin and a count each")
        types = [array.dtype.name for array in (self.first, self.count, self.weight)]
        require(types == ["int16", "int16", "int8"], "a band_sum holds its bands in int16 and its weights in int8")
        inside = self.first.min() >= 0 and self.count.min() >= 1 and (self.first.astype(int) + self.count).max() <= bins
        require(bool(inside), f"a band lies outside the {bins} bins, or is empty")
        require(int(self._ends[-1]) == self.weight.size, f"bands of {self._ends[-1]} bins together have {self.weight.size} weights")
        require(self.weight.min() >= 0, "a weight of a band is negative")
        require(self.bands * bins <= MOST_ENTRIES, f"{self.bands} bands of {bins} bins are more than {MOST_ENTRIES} entries")

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        (x,) = inputs
        return (exact_matmul(x, self.matrix(x.shape[2]).T),)

    def multiply_accumulates(self, *inputs: TensorType) -> int:
        """A weight each."""
        return inputs[0].shape[0] * self.weight.size

    def stress(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        """Besides the ends in every order, each bin by itself at its largest: a weight that is wrong, or elsewhere, shows."""
        (x,) = inputs
        alone = np.eye(x.shape[1], dtype=np.int64)[:, None] * x.format.high
        return telling_combinations(draws, inputs, [alone])

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        (x,) = inputs
        channels, bins = b.type(x).shape
        a = OnnxBlocks(b)
        return (a.vectors(self._spell(a, a.rows_of_vectors(x, bins), bins), (channels, self.bands)),)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        (x,) = inputs
        a = TfliteBlocks(b)
        return (a.vectors(self._spell(a, a.rows_of_vectors(x, x.shape[3]), x.shape[3]), (x.shape[2], self.bands)),)

    def _spell(self, a: Int32Blocks[T], x: T, bins: int) -> T:
        """All products at once, then their sums."""
        return a.total(a.mul(x, a.constant(self.matrix(bins).T.reshape(1, bins, 1, self.bands))), bins)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (x,), (y,) = inputs, outputs
        first = b.constant("first", self.first, "tables", "the first bin of each band")
        count = b.constant("count", self.count, "tables", "its number of bins")
        weight = b.constant("weight", self.weight, "weights", "of each bin of the first band, of the second ...")
        channels, bins = x.type.shape
        b.call(self.kernel, x.expression, y.expression, str(channels), str(bins), str(self.bands), first, count, weight)

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        bins, bands = 1 << int(rng.integers(0, 7)), int(rng.integers(1, 9))
        first = rng.integers(0, bins, bands)
        count = np.minimum(rng.integers(1, bins + 1, bands), bins - first)
        weight = rng.integers(0, 128, int(count.sum())).astype(np.int8)
        largest = max(1, int(max(part.astype(int).sum() for part in np.split(weight, np.cumsum(count)[:-1]))))
        bound = ((1 << SUM_BITS) - 1) // largest if rng.random() < 0.5 else int(rng.integers(1, 1 << 12))
        x = TensorType((int(rng.integers(1, 4)), bins), Format(int(rng.integers(0, 16)), "int32", bound, nonnegative=True))
        return cls(first.astype(np.int16), count.astype(np.int16), weight), (x,)
