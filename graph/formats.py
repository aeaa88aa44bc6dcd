"""How integers stand for reals (dtype, fraction bits, bound), and in which shapes: what nets, data and ops know of each other's values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np

from ..errors import UnsupportedError

Pair = tuple[int, int]
Padding = tuple[int, int, int, int]
DType = Literal["int8", "int16", "int32"]
FractionBits = int | tuple[int, ...]
"""Of a reading's integers: those of all channels, or of each, where they differ."""
MOST_ENTRIES = 1 << 22
"""Of a value, of a weight, of an image with its padding."""
MOST_LAYERS = 4096
"""Of a graph."""
MOST_PATCHES = 1 << 24
"""Entries of all patches of an input, which numpy and ONNX hold at once."""
MOST_FRACTION_BITS = 64
"""Either way: 2^-64 to 2^64 is more than any sum of the contract spans."""
MOST_BLOCK_STEPS = (1 << 15) - 1
"""Of a block: they are counted in int16, and with any int16 values of one block the sums stay below 2^30."""
KEPT_ROWS = "_rows"
"""What the name of a state ends with that keeps rows of a value."""
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


def common_bits(bits: FractionBits) -> int:
    """Of a format that all channels share: none where each has its own."""
    return bits if isinstance(bits, int) else 0


def own_bits(bits: FractionBits) -> tuple[int, ...]:
    """Of each channel, where they differ."""
    return () if isinstance(bits, int) else bits


def row_dtype(formats: Iterable[Format]) -> np.dtype[Any]:
    """Of entries of such formats side by side: int16, where that is wide enough."""
    return np.dtype(np.int32 if any(format.dtype == "int32" for format in formats) else np.int16)


def image_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(height, width, channels) of a value [height, width, channels] or [time, channels], which is an image of height 1."""
    if len(shape) not in (2, 3):
        raise UnsupportedError(f"an image is height x width x channels or time x channels, not a value of shape {shape}")
    height, width, channels = (1, *shape) if len(shape) == 2 else shape
    return height, width, channels


@dataclass(frozen=True)
class WindowShape:
    """A window over height and width, or over time. kernel_size, stride: (height, width). padding: zeros (top, bottom, left, right)."""

    kernel_size: Pair
    stride: Pair
    padding: Padding

    def output_shape(self, name: str, shape: tuple[int, ...], channels: int) -> tuple[int, ...]:
        """Of the result, with as many axes as `shape`. Raises UnsupportedError, in the name of an op, when the window does not fit."""
        fault = self._fault(name, shape)
        if fault:
            raise UnsupportedError(fault)
        return (*self.output_size(shape), channels)[3 - len(shape) :]

    def output_size(self, shape: tuple[int, ...]) -> Pair:
        """(height, width) of the result for an input of `shape`."""
        height, width, _ = image_shape(shape)
        top, bottom, left, right = self.padding
        return (
            (height + top + bottom - self.kernel_size[0]) // self.stride[0] + 1,
            (width + left + right - self.kernel_size[1]) // self.stride[1] + 1,
        )

    @property
    def reach(self) -> int | None:
        """How many rows before those of a step a window over time reads, at most; None where it looks ahead, or over more than time."""
        (height, size), (_, stride), (top, bottom, left, right) = self.kernel_size, self.stride, self.padding
        return None if right or top or bottom or height > 1 or size - left > stride else left

    def patch_entries(self, shape: tuple[int, ...]) -> int:
        """Entries of all patches of an input of `shape`."""
        return prod((*self.output_size(shape), *self.kernel_size, shape[-1]))

    def _fault(self, name: str, shape: tuple[int, ...]) -> str:
        """Why the window does not fit into a value of `shape`; nothing where it does."""
        height, width, depth = image_shape(shape)
        if min(*self.kernel_size, *self.stride) < 1 or min(self.padding) < 0:
            return f"{name} needs a kernel and a stride of at least 1 and no negative padding"
        if min(self.output_size(shape)) < 1:
            return f"a {self.kernel_size} kernel does not fit into {(height, width)}"
        padded = (height + sum(self.padding[:2])) * (width + sum(self.padding[2:])) * depth
        if padded > MOST_ENTRIES:
            return f"{name} pads its input to {padded:,} entries, past {MOST_ENTRIES:,}"
        if (patches := self.patch_entries(shape)) > MOST_PATCHES:
            return f"{name} reads {patches:,} entries in its patches, past {MOST_PATCHES:,}"
        if len(shape) == 2 and (self.kernel_size[0] != 1 or any(self.padding[:2])):
            return f"{name} over time has a kernel of height 1 and pads no rows"
        return ""


def block_count_type(length: int) -> TensorType:
    """Of the count of a block's steps."""
    return TensorType((1,), Format(0, bound=length, nonnegative=True))


def block_sum_format(x: Format, length: int) -> Format:
    """Of the sum of a block's values in that format."""
    return Format(x.fraction_bits, "int32", length * x.bound)
