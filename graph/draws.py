"""Numbers that look random and are the same for ever: NumPy promises the stream of a bit generator, not that of its distributions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .fixed_point import IntArray


class Draws:
    """A stream of integers that depends on `seed` alone, on every machine and with every NumPy."""

    def __init__(self, seed: int = 0) -> None:
        self._bits = np.random.PCG64(seed)

    def integers(self, low: int | IntArray, high: int | IntArray, shape: tuple[int, ...]) -> IntArray:
        """int64 of `shape` between `low` and `high`, both included; bounds that are arrays broadcast against `shape`."""
        span = np.asarray(np.asarray(high, np.int64) - low + 1, np.uint64)
        return (self._words(shape) % span).astype(np.int64) + low

    def choice(self, values: IntArray, shape: tuple[int, ...]) -> IntArray:
        """Entries of the vector `values`, drawn with repetition: int64 of `shape`."""
        return values[self.integers(0, len(values) - 1, shape)].astype(np.int64)

    def order(self, shape: tuple[int, ...]) -> IntArray:
        """Permutations of 0 .. shape[-1] - 1 along the last axis."""
        return np.argsort(self._words(shape), axis=-1, kind="stable")

    def _words(self, shape: tuple[int, ...]) -> npt.NDArray[np.uint64]:
        """uint64 below 2^48, from the high bits of the generator's words."""
        words: npt.NDArray[np.uint64] = self._bits.random_raw(int(np.prod(shape, dtype=np.int64))).reshape(shape)
        return words >> np.uint64(16)
