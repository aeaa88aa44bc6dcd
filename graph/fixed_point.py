"""The arithmetic of the integer contract: the only place where rounding and saturation are defined.

Every witness (ONNX, TFLite, generated C, the torch net) reproduces what stands here, bit for bit. docs/contract.md explains it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.integer[Any]]
FloatArray = npt.NDArray[np.floating[Any]]
Function = Literal["sigmoid", "tanh"]
"""What a non-linearity computes."""

ACCUMULATOR_BITS = 30
"""Accumulators are int32 and stay below 2^30, so that every backend can add rounding constants without overflow."""
MULTIPLIER_BITS = 15
"""Requantization multipliers lie in [2^14, 2^15)."""
MIN_SHIFT, MAX_SHIFT = 8, 45
"""The shifts that every witness computes exactly (TFLite's int16 convolutions reach from 8 to 46)."""
TERNARY_INPUT_BOUND = 10922
"""3 |x| < 2^15: the largest input for which three of them add up in 16 bits (tables of partial sums)."""
TIE_FREE_WEIGHT = 31
"""Largest weight (six bits) beside int8 activations: four times it, which the tie-free encoding stores, is an int8."""
TIE_FREE_BITS = 24
"""|4 accumulator + 1| stays below 2^24, where float32 is exact."""
Q15_ONE = 1 << 15
TABLE_INTERVALS = 128
LOG2_INTERVALS, LOG2_BITS = 32, 10
"""Of the table of logarithms: its intervals, and the fraction bits of a logarithm."""
LARGEST_TRANSFORM = 1024
"""Points of a Fourier transform: the largest sine below 1 still fits 16 bits."""
PREACTIVATION_BITS = 12
"""Non-linearities read Q12: the int16 range is then [-8, 8)."""


def round_half_up_shift(value: IntArray, shift: int | IntArray) -> IntArray:
    """floor(value / 2^shift + 1/2) for shift >= 1, in int64.

    The one rounding rule of the contract: ties go up, also for negative values.
    """
    wide = value.astype(np.int64)
    amount = np.asarray(shift, dtype=np.int64)
    return (wide + (np.int64(1) << (amount - 1))) >> amount


def saturate(value: IntArray, low: int, high: int | IntArray) -> IntArray:
    """Clamp to the closed interval [low, high]."""
    return np.clip(value, low, high)


def gated_sum(a: IntArray | int, b: IntArray, c: IntArray | int, d: IntArray, fraction_bits: int) -> IntArray:
    """a b + c d in Q(fraction_bits), int64: the state update of FastRNN, GRU, MGU and LSTM.

    a, c: factors in Q15; b: Q15; d: Q(fraction_bits), at most 14. Rounds twice: a b to the unit of c d, then their sum.
    """
    return round_half_up_shift(round_half_up_shift(a * b, 15 - fraction_bits) + c * d, 15)


@dataclass(frozen=True, eq=False)
class Requantization:
    """R(acc) = (acc * multiplier + 2^(shift - 1)) >> shift: the step from an accumulator to the output's format.

    `multiplier` and `shift` hold one entry a row (output channel), or a single one for all rows.
    multiplier: int32 in [2^14, 2^15); shift: int32 in [MIN_SHIFT, MAX_SHIFT]. A power of two 2^-k is multiplier 2^14, shift k + 14.
    """

    multiplier: IntArray
    shift: IntArray

    @classmethod
    def from_scale(cls, scale: FloatArray) -> Requantization:
        """The requantization by `scale` (one positive factor a row), which must be `mantissa * 2^-exponent` exactly."""
        mantissa, exponent = split_scale(scale)
        if not np.array_equal(np.ldexp(mantissa.astype(np.float64), -exponent), np.asarray(scale, np.float64)):
            raise ValueError("scale has more than 15 significant bits: round it with round_scale first")
        return cls(mantissa, exponent)

    @property
    def is_power_of_two(self) -> bool:
        """Whether every row is a pure shift."""
        return bool(np.all(self.multiplier == 1 << (MULTIPLIER_BITS - 1)))

    @property
    def power(self) -> IntArray:
        """k of each row's factor 2^-k, where `is_power_of_two`."""
        return np.asarray(self.shift - (MULTIPLIER_BITS - 1))

    @property
    def scale(self) -> FloatArray:
        """The real factor of each row, exact in float64."""
        return np.ldexp(self.multiplier.astype(np.float64), -self.shift)

    def repeated(self, rows: int) -> Requantization:
        """For so many rows, row i being row i mod rows of this one."""
        return Requantization(np.resize(self.multiplier, rows), np.resize(self.shift, rows))

    def __call__(self, accumulator: IntArray, low: int, high: int) -> IntArray:
        """saturate(R(accumulator), low, high); rows are the last axis."""
        return saturate(self.unclamped(accumulator), low, high)

    def unclamped(self, accumulator: IntArray) -> IntArray:
        """R(accumulator) before it is saturated, int64; rows are the last axis."""
        return round_half_up_shift(accumulator.astype(np.int64) * self.multiplier.astype(np.int64), self.shift)


def tie_fault(weight: int, largest: int, requantization: Requantization) -> str:
    """Why sums of int8 values could round differently from one runtime to the next; nothing where they round alike however it rounds.

    weight, largest: magnitudes that no weight and no accumulator exceeds. The runtimes get 4 accumulator + 1 (docs/contract.md, tie-free
    encoding), which no shift by two more bits brings to a tie, and which float32 holds exactly.
    """
    reach = 4 * largest + 1
    if weight > TIE_FREE_WEIGHT:
        return f"a weight of {weight} is past {TIE_FREE_WEIGHT}: int8 activations take six-bit or ternary weights"
    if not requantization.is_power_of_two:
        return "int8 activations take scales that are powers of two"
    if np.any(requantization.power < 1):
        return "int8 activations take scales of 1/2 or less: give the output fewer fraction bits"
    if reach >= 1 << TIE_FREE_BITS:
        return f"four times an accumulator may reach {reach}, past 2^{TIE_FREE_BITS}: use fewer inputs"
    return ""


def inverse_of_odd(value: IntArray) -> IntArray:
    """For odd integers the ones that multiply them to 1 modulo 2^32, by Newton's iteration."""
    inverse = value.astype(np.int64)
    for _ in range(4):
        inverse = inverse * (2 - value * inverse) & 0xFFFFFFFF
    return inverse


def split_scale(scale: FloatArray) -> tuple[IntArray, IntArray]:
    """(mantissa, exponent), int32, with mantissa in [2^14, 2^15) and scale ~ mantissa * 2^-exponent (ties up)."""
    fraction, power = np.frexp(np.asarray(scale, dtype=np.float64))
    mantissa = np.floor(fraction * (1 << MULTIPLIER_BITS) + 0.5).astype(np.int64)
    carried = mantissa == 1 << MULTIPLIER_BITS
    mantissa = np.where(carried, mantissa >> 1, mantissa)
    exponent = MULTIPLIER_BITS - power - carried
    return mantissa.astype(np.int32), exponent.astype(np.int32)


def tanh_table() -> IntArray:
    """tanh at 0, 1/16, ... 8 in Q15: int16 [129], non-decreasing, first entry 0.

    One half table serves both non-linearities: tanh is odd, and sigmoid(x) = (1 + tanh(x / 2)) / 2.
    """
    grid = np.arange(TABLE_INTERVALS + 1) / 16.0
    return to_fixed(np.tanh(grid), 15, 0, Q15_ONE - 1).astype(np.int16)


def sine_table(size: int) -> IntArray:
    """sin(2 pi i / size) in Q15 for i < size / 4: int16. The next entry would be 1, which 16 bits do not hold and nothing multiplies by.

    size: at most LARGEST_TRANSFORM. No entry lies near a half, so that every machine's sine gives the same table.
    """
    return to_fixed(np.sin(2 * np.pi * np.arange(size // 4) / size), 15, 0, Q15_ONE - 1).astype(np.int16)


def log2_table() -> IntArray:
    """log2(1 + i / 32) in Q10: int16 [33]. No entry but the first and the last lies near a half."""
    return to_fixed(np.log2(1 + np.arange(LOG2_INTERVALS + 1) / LOG2_INTERVALS), LOG2_BITS, 0, 1 << LOG2_BITS).astype(np.int16)


def leading_zeros(value: IntArray, bits: int) -> IntArray:
    """How often a value in [1, 2^bits) is doubled to reach [2^(bits - 1), 2^bits): int64."""
    _, length = np.frexp(value.astype(np.float64))
    zeros: IntArray = bits - length.astype(np.int64)
    return zeros


def interpolate(table: IntArray, magnitude: IntArray, fraction_bits: int) -> IntArray:
    """T[i] + (((T[i+1] - T[i]) f + 2^(fraction_bits - 1)) >> fraction_bits), with i, f the high and low bits of `magnitude` >= 0."""
    wide: IntArray = table.astype(np.int64)
    index = magnitude >> fraction_bits
    fraction = magnitude & ((1 << fraction_bits) - 1)
    low, high = wide[index], wide[index + 1]
    result: IntArray = low + round_half_up_shift((high - low) * fraction, fraction_bits)
    return result


def lookup_tanh(value: IntArray, table: IntArray) -> IntArray:
    """tanh of a Q12 value in Q15, by the half table: odd by construction."""
    magnitude = np.minimum(np.abs(value.astype(np.int64)), Q15_ONE - 1)
    return np.sign(value) * interpolate(table, magnitude, 8)


def lookup_sigmoid(value: IntArray, table: IntArray) -> IntArray:
    """sigmoid of a Q12 value in Q15: (1 + tanh(x / 2)) / 2, rounded half up; always in (0, 2^15)."""
    magnitude = np.minimum(np.abs(value.astype(np.int64)), Q15_ONE - 1)
    return round_half_up_shift(Q15_ONE + np.sign(value) * interpolate(table, magnitude, 9), 1)


def hard_tanh(value: IntArray) -> IntArray:
    """clip(x, -1, 1) of a Q12 value in Q15 (the paper's quantTanh); 1 becomes 32767."""
    return saturate(value.astype(np.int64) * 8, -Q15_ONE, Q15_ONE - 1)


def hard_sigmoid(value: IntArray) -> IntArray:
    """clip((x + 1) / 2, 0, 1) of a Q12 value in Q15 (the paper's quantSigm); 1 becomes 32767."""
    return saturate((value.astype(np.int64) + (1 << PREACTIVATION_BITS)) * 4, 0, Q15_ONE - 1)


def to_fixed(real: FloatArray, fraction_bits: int | IntArray, low: int, high: int) -> IntArray:
    """Real values to integers in Q(fraction_bits), one for all or an array: round half up, saturate. Shape kept; int64."""
    scaled = np.ldexp(np.asarray(real, dtype=np.float64), fraction_bits)
    return saturate(np.floor(scaled + 0.5), low, high).astype(np.int64)


def exact_matmul(left: IntArray, right: IntArray) -> IntArray:
    """The integer matrix product, int64, computed by the float64 BLAS: exact while every |sum| < 2^53 (the contract says 2^30)."""
    factors = (each.astype(np.float64, copy=False) for each in (left, right))
    product: IntArray = np.matmul(*factors).astype(np.int64)
    return product
