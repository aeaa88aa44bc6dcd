"""How integers stand for reals: dtype, fraction bits, bound, shape. What nets, data and ops need to know of each other's values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np

DType = Literal["int8", "int16", "int32"]
MOST_ENTRIES = 1 << 22
"""Of a value, of a weight, of an image with its padding."""
MOST_FRACTION_BITS = 64
"""Either way: 2^-64 to 2^64 is more than any sum of the contract spans."""
_LIMIT: Mapping[str, int] = {"int8": 1 << 7, "int16": 1 << 15, "int32": 1 << 31}


@dataclass(frozen=True)
class Format:
    """How the entries of a value are stored: real = integer * 2^-fraction_bits, |integer| <= bound.

    A bound at the dtype's limit (32768 for int16) means plain saturation to the dtype; a non-negative format clamps below at 0.
    """

    fraction_bits: int
    dtype: DType = "int16"
    bound: int = 0  # 0: the dtype's limit
    nonnegative: bool = False

    def __post_init__(self) -> None:
        limit = _LIMIT[self.dtype]
        if self.bound == 0:
            object.__setattr__(self, "bound", limit)
        if not 0 < self.bound <= limit:
            raise ValueError(f"bound {self.bound} is outside 1..{limit} for {self.dtype}")
        if abs(self.fraction_bits) > MOST_FRACTION_BITS:
            raise ValueError(f"{self.fraction_bits} fraction bits are past {MOST_FRACTION_BITS}")

    @property
    def low(self) -> int:
        """Smallest integer of the format."""
        return 0 if self.nonnegative else -self.bound

    @property
    def high(self) -> int:
        """Largest integer of the format."""
        return min(self.bound, _LIMIT[self.dtype] - 1)

    @property
    def fills_dtype(self) -> bool:
        """Whether the dtype's own saturation is all the clamping that the format needs."""
        return self.bound == _LIMIT[self.dtype] and not self.nonnegative

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The dtype that evaluate stores."""
        return np.dtype(self.dtype)

    def __str__(self) -> str:
        clamp = "" if self.fills_dtype else f", {self.low}..{self.high}"
        return f"{self.dtype} Q{self.fraction_bits}{clamp}"


@dataclass(frozen=True)
class TensorType:
    """Shape (without batch; channels last) and format of a value."""

    shape: tuple[int, ...]
    format: Format

    @property
    def size(self) -> int:
        """Number of entries."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes in a buffer on the device."""
        return self.size * self.format.numpy_dtype.itemsize

    def __str__(self) -> str:
        return f"{'x'.join(map(str, self.shape))} {self.format}"


def row_dtype(formats: Iterable[Format]) -> np.dtype[Any]:
    """Of entries of such formats side by side: int16, where that is wide enough."""
    return np.dtype(np.int32 if any(format.dtype == "int32" for format in formats) else np.int16)
