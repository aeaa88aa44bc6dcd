"""What fine-tuning computes with: the integers of the contract, as real numbers in formats that calibration chose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from ..graph.formats import Format
from . import fake_quantize
from .arithmetic import BIAS_LIMIT, NORMALIZED, Block, Constant, Nonlinearity
from .fake_quantize import PREACTIVATION, UNIT
from .float_arithmetic import FloatArithmetic, tensor_of
from .matrix import Matrix


class FixedPointArithmetic(FloatArithmetic):
    """The integer contract, carried in floating point: the value of an integer is integer * 2^-fraction_bits.

    Inputs are the device's readings, integer * 2^-input_bits. values: by name, what calibration chooses fraction bits for, in the formats
    that they have before it; every other value is a pre-activation. The choices travel in the state_dict. numbers: int64 [1 + values, 2]:
    one row for the readings, (fraction bits, pre_shift), then one a value, (fraction bits, 0).
    """

    numbers: Tensor

    def __init__(self, nonlinearity: Nonlinearity, values: Mapping[str, Format]) -> None:
        super().__init__(nonlinearity)
        self.values = dict(values)
        self._rows = {name: row for row, name in enumerate(values, start=1)}
        rows = [(0, 0), *((format.fraction_bits, 0) for format in values.values())]
        self.register_buffer("numbers", torch.tensor(rows, dtype=torch.int64))

    @property
    def input_bits(self) -> tuple[int, int]:
        """Fraction bits of the readings, and pre_shift: extra bits of the normalisation's bias."""
        bits, pre_shift = self.numbers[0].tolist()
        return bits, pre_shift

    @input_bits.setter
    def input_bits(self, bits: tuple[int, int]) -> None:
        self.numbers[0] = torch.tensor(bits)

    def bits(self, name: str) -> int:
        """Fraction bits of a value that calibration chooses them for."""
        return int(self.numbers[self._rows[name], 0])

    def set_bits(self, name: str, bits: int) -> None:
        """Choose them."""
        self.numbers[self._rows[name], 0] = bits

    def format(self, name: str) -> Format:
        """How a value is kept."""
        return replace(self.values[name], fraction_bits=self.bits(name)) if name in self.values else PREACTIVATION

    def normalize(self, x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """R((x << pre_shift) + bias), a 15-bit factor and a bias a channel."""
        return fake_quantize.normalize(x, mean, std, self.input_bits, self.format(NORMALIZED))

    def requantize(self, value: Tensor, name: str) -> Tensor:
        """The accumulator, rounded half up and clamped to the format of `name`."""
        return fake_quantize.requantize(value, self.format(name))

    def add(self, left: Tensor, right: Constant, name: str) -> Tensor:  # noqa: ARG002
        """The saturating sum in Q12."""
        return fake_quantize.saturating_add(left, tensor_of(right))

    def sigmoid(self, value: Tensor, name: str) -> Tensor:  # noqa: ARG002
        """By the half table, or piecewise linear, in Q15."""
        return (fake_quantize.table_sigmoid if self.nonlinearity == "table" else fake_quantize.hard_sigmoid)(value)

    def tanh(self, value: Tensor, name: str) -> Tensor:  # noqa: ARG002
        """By the half table, or piecewise linear, in Q15."""
        return (fake_quantize.table_tanh if self.nonlinearity == "table" else fake_quantize.hard_tanh)(value)

    def fastgrnn_gate(self, z: Tensor, c: Tensor, h: Tensor, zeta: Constant, zeta_plus_nu: Constant, name: str) -> Tensor:  # noqa: ARG002
        """The integer gate; h and the result in Q12, clamped."""
        return fake_quantize.fastgrnn_gate(z, c, h, tensor_of(zeta), tensor_of(zeta_plus_nu))

    def gated_sum(self, a: Tensor, b: Tensor, c: Tensor, d: Tensor, format: Format) -> Tensor:
        """The integer state update; a, b, c in Q15, d and the result in `format`."""
        return fake_quantize.gated_sum(a, b, c, d, format)

    def mul(self, left: Tensor, right: Tensor, format: Format, name: str) -> Tensor:  # noqa: ARG002
        """The product, rounded half up and clamped to `format`."""
        return fake_quantize.requantize(left * right, format)

    def block_mean(self, total: Tensor, count: Tensor, block: Block, name: str) -> Tensor:
        """The quotient, rounded half up and clamped to the format of the values."""
        return fake_quantize.requantize(super().block_mean(total, count, block, name), block.format)

    def bias(self, value: Tensor) -> Tensor:
        """Int16 in Q12."""
        return fake_quantize.requantize(value, PREACTIVATION)

    def unit(self, value: Tensor) -> Tensor:
        """Q15 in [0, 1)."""
        return fake_quantize.requantize(value, UNIT)

    def accumulator_bias(self, value: Tensor, matrix: Matrix, read: Format) -> Tensor:
        """Int32, in units of the row's scale times the step of `read`."""
        step = matrix.scale() * 2.0**-read.fraction_bits
        return fake_quantize.round_to_rows(value, step, BIAS_LIMIT)
