"""The int32 arithmetic that ONNX and TFLite both have: an op spells its formula once, for the two of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, Literal, TypeVar

import numpy as np

from ..fixed_point import ACCUMULATOR_BITS, IntArray

T = TypeVar("T")
"""A tensor as the builder at hand names it."""
Operator = Literal["add", "sub", "mul", "div", "minimum", "maximum"]


class Int32Arithmetic(ABC, Generic[T]):
    """Elementwise int32 operators of one backend. No result may leave int32; an int stands for a constant of that value."""

    @abstractmethod
    def binary(self, operator: Operator, x: T | int, y: T | int) -> T:
        """`x operator y`; div truncates towards zero, so that it is a floor only for x >= 0."""

    @abstractmethod
    def gather(self, table: IntArray, index: T) -> T:
        """table[index], for a table [entries] with entries in [0, 2^15)."""

    def add(self, x: T | int, y: T | int) -> T:
        """Sum."""
        return self.binary("add", x, y)

    def sub(self, x: T | int, y: T | int) -> T:
        """Difference."""
        return self.binary("sub", x, y)

    def mul(self, x: T | int, y: T | int) -> T:
        """Product."""
        return self.binary("mul", x, y)

    def div(self, x: T | int, y: T | int) -> T:
        """Quotient, truncated towards zero."""
        return self.binary("div", x, y)

    def minimum(self, x: T | int, y: T | int) -> T:
        """The smaller one."""
        return self.binary("minimum", x, y)

    def clamp(self, x: T, low: int, high: int) -> T:
        """fixed_point.saturate."""
        return self.binary("maximum", self.minimum(x, high), low)

    def round_half_up_shift(self, x: T, shift: int) -> T:
        """fixed_point.round_half_up_shift for -2^30 <= x < 2^30 - 2^(shift - 1): the offset 2^30 makes the truncating division a floor."""
        offset = (1 << ACCUMULATOR_BITS) + (1 << (shift - 1))
        return self.sub(self.div(self.add(x, offset), 1 << shift), 1 << (ACCUMULATOR_BITS - shift))

    def round_half_up_shift_product(self, product: T, shift: int) -> T:
        """fixed_point.round_half_up_shift for a product of two int16 that are not both -2^15, so that -2^30 <= product <= 2^30 - 2^15.

        Past a shift of 15 the rounding constant would leave int32 there; halving first keeps it inside and changes no result:
        floor((x + 2^(s - 1)) / 2^s) = floor((floor(x / 2) + 2^(s - 2)) / 2^(s - 1)).
        """
        if shift > 15:
            half = self.sub(self.div(self.add(product, 1 << ACCUMULATOR_BITS), 2), 1 << (ACCUMULATOR_BITS - 1))
            return self.round_half_up_shift(half, shift - 1)
        return self.round_half_up_shift(product, shift)

    def gated_sum(self, a: T | int, b: T, c: T | int, d: T, fraction_bits: int) -> T:
        """fixed_point.gated_sum, where the sum before its rounding is below 2^30 - 2^14."""
        opened = self.round_half_up_shift_product(self.mul(b, a), 15 - fraction_bits)
        return self.round_half_up_shift(self.add(opened, self.mul(d, c)), 15)


class Int32Blocks(Int32Arithmetic[T]):
    """What a spectrum takes besides: int32 tensors [rows, a, b, c], a row for each channel of each sample. An axis is one of 1, 2, 3."""

    @abstractmethod
    def constant(self, array: IntArray) -> T:
        """A constant int32 [1, a, b, c]."""

    @abstractmethod
    def rows_of_channels(self, x: T, length: int, channels: int) -> T:
        """A value [length, channels] as [rows, length, 1, 1]."""

    @abstractmethod
    def rows_of_vectors(self, x: T, size: int) -> T:
        """A value [channels, size] as [rows, size, 1, 1]."""

    @abstractmethod
    def vectors(self, x: T, shape: tuple[int, ...]) -> T:
        """[rows, ...] as an int32 value of `shape`, whose first axis is that of channels."""

    @abstractmethod
    def arrange(self, x: T, shape: tuple[int, int, int]) -> T:
        """The same entries of each row as [rows, *shape]."""

    @abstractmethod
    def part(self, x: T, axis: int, start: int, size: int) -> T:
        """The entries from `start` on of an axis."""

    @abstractmethod
    def join(self, parts: Sequence[T], axis: int) -> T:
        """Tensors behind one another."""

    @abstractmethod
    def reverse(self, x: T, axis: int) -> T:
        """The entries of an axis from the last to the first."""

    @abstractmethod
    def pad(self, x: T, axis: int, before: int, after: int) -> T:
        """Zeros in front of the entries of an axis and behind them."""

    @abstractmethod
    def less(self, x: T, limit: int) -> T:
        """1 where x < limit, 0 elsewhere."""

    @abstractmethod
    def largest(self, x: T) -> T:
        """The largest entry of each row, [rows, 1, 1, 1], of entries within int16."""

    def total(self, x: T, size: int) -> T:
        """The sum over axis 1, of `size` entries: by halves, since microcontroller runtimes reduce no int32."""
        while size > 1:
            if size % 2:
                x, size = self.pad(x, 1, 0, 1), size + 1
            size //= 2
            x = self.add(self.part(x, 1, 0, size), self.part(x, 1, size, size))
        return x

    def normalize(self, x: T, bits: int) -> tuple[T, T, T]:
        """(x 2^k, 2^k, k) for x in [1, 2^bits), k = fixed_point.leading_zeros: by halving the span in which k lies."""
        factor, count = self.constant(np.ones((1, 1, 1, 1), np.int32)), self.constant(np.zeros((1, 1, 1, 1), np.int32))
        by = 1 << ((bits - 1).bit_length() - 1)
        while by:
            small = self.less(x, 1 << (bits - by))
            twos = self.add(self.mul(small, (1 << by) - 1), 1)
            x, factor, count = self.mul(x, twos), self.mul(factor, twos), self.add(count, self.mul(small, by))
            by //= 2
        return x, factor, count

    def magnitude(self, x: T) -> T:
        """|x|."""
        return self.binary("maximum", x, self.sub(0, x))
