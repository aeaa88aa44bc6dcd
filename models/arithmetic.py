"""What a cell's additions, products and non-linearities mean: real numbers, or the integer contract. Cells are written once against it.

Names of intermediate values, in the order of a step: `normalize`, `input_factor` and `input_product` (W x; the factor only for a
low rank), `recurrent_factor` and `recurrent_product` (U h), the same with `_2` in a second layer, `scores`.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from typing import Literal

import torch
from torch import Tensor, nn

from .. import fake_quantize
from ..fake_quantize import PREACTIVATION, STATE, UNIT
from ..graph.fixed_point import TERNARY_INPUT_BOUND
from ..graph.ir import Format
from .matrix import Matrix

Nonlinearity = Literal["table", "piecewise_linear"]
PRODUCTS = frozenset({"input_product", "recurrent_product", "input_product_2", "recurrent_product_2"})
"""Terms of pre-activations: their format is the contract's."""
BIAS_LIMIT = 1 << 29
"""Largest classifier bias, in units of the accumulator."""


def _limited(state: Tensor, format: Format) -> Tensor:
    _, low, high = fake_quantize.grid(format)
    return state.clamp(low, high)


class FloatArithmetic(nn.Module):
    """Real numbers. nonlinearity `table`: sigmoid and tanh; `piecewise_linear`: the paper's quantSigm and quantTanh.

    States are limited to what their formats hold: one that runs on without a reset could sum up for ever.
    """

    def __init__(self, nonlinearity: Nonlinearity) -> None:
        super().__init__()
        self.nonlinearity = nonlinearity

    def normalize(self, x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """(x - mean) / std; x [..., channels]."""
        return (x - mean) / std

    def requantize(self, value: Tensor, name: str) -> Tensor:  # noqa: ARG002
        """The product called `name`, in its format."""
        return value

    def add(self, left: Tensor, right: Tensor) -> Tensor:
        """The sum of pre-activations."""
        return left + right

    def sigmoid(self, value: Tensor) -> Tensor:
        """Sigmoid, or clip((x + 1) / 2, 0, 1)."""
        return torch.sigmoid(value) if self.nonlinearity == "table" else torch.clamp((value + 1) / 2, 0, 1)

    def tanh(self, value: Tensor) -> Tensor:
        """Tanh, or clip(x, -1, 1)."""
        return torch.tanh(value) if self.nonlinearity == "table" else torch.clamp(value, -1, 1)

    def fastgrnn_gate(self, z: Tensor, c: Tensor, h: Tensor, zeta: Tensor, zeta_plus_nu: Tensor) -> Tensor:
        """(zeta (1 - z) + nu) c + z h: a new state from the old one, h."""
        return _limited(torch.addcmul(z * h, zeta_plus_nu - zeta * z, c), STATE)

    def gated_sum(self, a: Tensor, b: Tensor, c: Tensor, d: Tensor, format: Format) -> Tensor:
        """A b + c d: a new state in `format` from the old one, d."""
        return _limited(torch.addcmul(a * b, c, d), format)

    def mul(self, left: Tensor, right: Tensor, format: Format) -> Tensor:  # noqa: ARG002
        """The product, element by element, in `format`."""
        return left * right

    def bias(self, value: Tensor) -> Tensor:
        """A bias that is added to pre-activations."""
        return value

    def unit(self, value: Tensor) -> Tensor:
        """A factor in (0, 1)."""
        return value

    def accumulator_bias(self, value: Tensor, matrix: Matrix, read: Format) -> Tensor:  # noqa: ARG002
        """A bias that is added to the accumulators of `matrix` times a value in the format `read`."""
        return value


@dataclass(frozen=True)
class Formats:
    """The choices of calibration. All but pre_shift are numbers of fraction bits.

    input: of the integers that the device reads. pre_shift: extra bits of the normalisation's bias. The rest: of the value so named.
    """

    input: int = 0
    pre_shift: int = 6
    normalize: int = 12
    input_factor: int = 12
    recurrent_factor: int = 12
    scores: int = 10
    input_factor_2: int = 12
    recurrent_factor_2: int = 12

    def __getitem__(self, name: str) -> Format:
        """The format of a value by name: everything that a product reads is clamped to what ternary tables hold."""
        if name in PRODUCTS:
            return PREACTIVATION
        bits: int = getattr(self, name)
        return Format(bits, bound=0 if name in ("input", "scores") else TERNARY_INPUT_BOUND)


class FixedPointArithmetic(FloatArithmetic):
    """The integer contract, carried in floating point: the value of an integer is integer * 2^-fraction_bits.

    Inputs x are the device's readings, integer * 2^-formats.input. The formats travel in the state_dict.
    """

    numbers: Tensor

    def __init__(self, nonlinearity: Nonlinearity, formats: Formats | None = None) -> None:
        super().__init__(nonlinearity)
        self.register_buffer("numbers", torch.tensor(astuple(formats or Formats()), dtype=torch.int64))

    @property
    def formats(self) -> Formats:
        """The formats in use."""
        return Formats(**dict(zip((field.name for field in fields(Formats)), self.numbers.tolist(), strict=True)))

    @formats.setter
    def formats(self, formats: Formats) -> None:
        self.numbers.copy_(torch.tensor(astuple(formats)))

    def normalize(self, x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """R((x << pre_shift) + bias), a 15-bit factor and a bias a channel."""
        formats = self.formats
        return fake_quantize.normalize(x, mean, std, (formats.input, formats.pre_shift), formats["normalize"])

    def requantize(self, value: Tensor, name: str) -> Tensor:
        """The accumulator, rounded half up and clamped to the format of `name`."""
        if name in PRODUCTS:
            return fake_quantize.requantize(value, PREACTIVATION)
        return fake_quantize.requantize(value, self.formats[name])

    def add(self, left: Tensor, right: Tensor) -> Tensor:
        """The saturating sum in Q12."""
        return fake_quantize.saturating_add(left, right)

    def sigmoid(self, value: Tensor) -> Tensor:
        """By the half table, or piecewise linear, in Q15."""
        return (fake_quantize.table_sigmoid if self.nonlinearity == "table" else fake_quantize.hard_sigmoid)(value)

    def tanh(self, value: Tensor) -> Tensor:
        """By the half table, or piecewise linear, in Q15."""
        return (fake_quantize.table_tanh if self.nonlinearity == "table" else fake_quantize.hard_tanh)(value)

    def fastgrnn_gate(self, z: Tensor, c: Tensor, h: Tensor, zeta: Tensor, zeta_plus_nu: Tensor) -> Tensor:
        """The integer gate; h and the result in Q12, clamped."""
        return fake_quantize.fastgrnn_gate(z, c, h, zeta, zeta_plus_nu)

    def gated_sum(self, a: Tensor, b: Tensor, c: Tensor, d: Tensor, format: Format) -> Tensor:
        """The integer state update; a, b, c in Q15, d and the result in `format`."""
        return fake_quantize.gated_sum(a, b, c, d, format)

    def mul(self, left: Tensor, right: Tensor, format: Format) -> Tensor:
        """The product, rounded half up and clamped to `format`."""
        return fake_quantize.requantize(left * right, format)

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
