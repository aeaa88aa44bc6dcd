"""What the values of a net without state are: real numbers, or integers in formats that calibration chose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ...graph.fixed_point import TERNARY_INPUT_BOUND, TIE_FREE_BITS
from ...graph.formats import DType, Format
from .. import fake_quantize
from ..arithmetic import NORMALIZED

WIDE_BITS = 6
"""Fraction bits that a layer computed in int16 has more than the int8 value it becomes, where its scale leaves room for them."""
BIAS_LIMITS = {"int16": 1 << 29, "int8": 1 << (TIE_FREE_BITS - 4)}
"""Largest bias in units of the accumulator, so that sum and bias together keep their bounds."""
WIDENED = "_widened"
"""What the name of a layer's int8 input ends with once it is int16."""


class FloatActivations(nn.Module):
    """Real numbers."""

    def normalize(self, x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """(x - mean) / std; x [..., channels]."""
        return (x - mean) / std

    def store(self, value: Tensor, name: str, *, relu: bool = False) -> Tensor:  # noqa: ARG002
        """The value called `name` as it is kept; relu: max(value, 0)."""
        return torch.relu(value) if relu else value


class IntegerActivations(nn.Module):
    """Integers as real numbers integer * 2^-fraction_bits. The formats travel in the state_dict.

    numbers: int64 [2 + names, 2]: fraction bits of the readings and pre_shift, then for `normalize` and every name its fraction bits and
    how many more the step that makes it computes in int16 although it is kept in int8 (wide; 0 if it computes in int8).
    """

    numbers: Tensor

    def __init__(self, names: Sequence[str], dtype: DType) -> None:
        super().__init__()
        self.dtype: DType = dtype
        self.rows = {name: row for row, name in enumerate((NORMALIZED, *names), start=1)}
        self.register_buffer("numbers", torch.zeros(1 + len(self.rows), 2, dtype=torch.int64))

    @property
    def input_bits(self) -> tuple[int, int]:
        """Fraction bits of the readings, and the shift before the bias is added."""
        bits, pre_shift = self.numbers[0].tolist()
        return bits, pre_shift

    @input_bits.setter
    def input_bits(self, bits: tuple[int, int]) -> None:
        self.numbers[0] = torch.tensor(bits)

    def bits(self, name: str) -> int:
        """Fraction bits of a value."""
        return int(self.numbers[self.rows[name], 0])

    def set_bits(self, name: str, bits: int) -> None:
        """Choose them."""
        self.numbers[self.rows[name], 0] = bits

    def is_wide(self, name: str) -> bool:
        """Whether the step that makes the value computes in int16."""
        return self.dtype == "int16" or bool(self.numbers[self.rows[name], 1])

    def set_wide(self, name: str, bits: int = WIDE_BITS) -> None:
        """Let it compute so, with 1 to WIDE_BITS fraction bits more than it is kept with."""
        self.numbers[self.rows[name], 1] = bits

    def format(self, name: str, *, relu: bool = False) -> Format:
        """How a value is kept. int16 values are limited to what ternary partial sums hold."""
        return Format(self.bits(name), self.dtype, 0 if self.dtype == "int8" else TERNARY_INPUT_BOUND, relu)

    def computed_format(self, name: str, *, relu: bool = False) -> Format:
        """What the accumulators of the step become first: the same, or an int16 format with more fraction bits."""
        if self.dtype == "int8" and self.is_wide(name):
            return Format(self.bits(name) + int(self.numbers[self.rows[name], 1]), "int16", TERNARY_INPUT_BOUND, relu)
        return self.format(name, relu=relu)

    def normalize(self, x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """See fake_quantize.normalize."""
        return fake_quantize.normalize(x, mean, std, self.input_bits, self.format(NORMALIZED))

    def store(self, value: Tensor, name: str, *, relu: bool = False) -> Tensor:
        """The accumulators of the step `name`, rounded half up and clamped to its format."""
        computed = self.computed_format(name, relu=relu)
        kept = self.format(name, relu=relu)
        value = fake_quantize.requantize(value, computed)
        return value if computed == kept else fake_quantize.requantize(value, kept)

    def least_scale(self, bias: Tensor, name: str, read: str) -> Tensor:
        """float64 [rows]: scales of the weights with which a bias [rows] keeps within its limit."""
        limit = BIAS_LIMITS["int16" if self.is_wide(name) else "int8"]
        return bias.detach().double().abs() * 2.0 ** self.bits(read) / limit

    def bias(self, value: Tensor, scale: Tensor, name: str, read: str) -> Tensor:
        """A bias [rows] in units of the accumulators: the rows' `scale` times the step of the value that they read."""
        limit = BIAS_LIMITS["int16" if self.is_wide(name) else "int8"]
        return fake_quantize.round_to_rows(value, scale * 2.0 ** -self.bits(read), limit)


Activations = FloatActivations | IntegerActivations


def activations_of(module: nn.Module) -> Activations:
    """A module's `arithmetic`, by its interface."""
    return cast(Activations, module)
