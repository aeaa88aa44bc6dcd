"""What a cell's additions, products and non-linearities mean: real numbers, or the integer contract. Cells are written once against it.

Names of intermediate values, in the order of a step: `normalize`, `input_factor` and `input_product` (W x; the factor only for a
low rank), `recurrent_factor` and `recurrent_product` (U h), the same with `_2` in a second layer, `scores`.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from typing import Literal, Protocol, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import fake_quantize
from ..fake_quantize import PREACTIVATION, STATE, UNIT
from ..graph.fixed_point import TERNARY_INPUT_BOUND
from ..graph.ir import Format
from .matrix import Matrix, Value

Nonlinearity = Literal["table", "piecewise_linear"]
PREACTIVATION_PARTS = frozenset({"input_product", "recurrent_product", "input_product_2", "recurrent_product_2"})
"""Terms of pre-activations: their format is the contract's."""
BIAS_LIMIT = 1 << 29
"""Largest classifier bias, in units of the accumulator."""
Constant = Tensor | int
"""An element-wise parameter in its format: a tensor, or in a graph an integer."""


class CellArithmetic(Protocol[Value]):
    """What a net's program is written against. Value: what it computes with, tensors or symbols. name: of the value that is made."""

    def of_layer(self, suffix: str) -> CellArithmetic[Value]:
        """The same, for the cell whose values' names end with `suffix`."""
        ...

    def normalize(self, x: Value, mean: Tensor, std: Tensor) -> Value:
        """(x - mean) / std; x [..., channels]."""
        ...

    def limit(self, x: Value, largest: float) -> Value:
        """What is normalised, within +-largest."""
        ...

    def product(self, x: Value, matrix: Matrix, name: str, bias: Tensor | None = None, read: Format | None = None) -> Value:
        """Matrix times x, and a bias, which is added to the accumulators of a value in the format `read`."""
        ...

    def add(self, left: Value, right: Value | Constant, name: str) -> Value:
        """The sum of pre-activations, or of one and a bias."""
        ...

    def part(self, value: Value, start: int, size: int, name: str) -> Value:
        """Entries start .. start + size - 1 of the last axis."""
        ...

    def sigmoid(self, value: Value, name: str) -> Value:
        """Of a pre-activation."""
        ...

    def tanh(self, value: Value, name: str) -> Value:
        """Of a pre-activation."""
        ...

    def mul(self, left: Value, right: Value, format: Format, name: str) -> Value:
        """The product, element by element, in `format`."""
        ...

    def fastrnn_state(self, alpha: Constant, c: Value, beta: Constant, h: Value, format: Format, name: str) -> Value:
        """Alpha c + beta h, a new state in `format`."""
        ...

    def fastgrnn_gate(self, z: Value, c: Value, h: Value, zeta: Constant, zeta_plus_nu: Constant, name: str) -> Value:
        """(zeta (1 - z) + nu) c + z h, a new state from the old one, h."""
        ...

    def gru_state(self, z: Value, n: Value, h: Value, format: Format, name: str) -> Value:
        """(1 - z) n + z h, a new state in `format`."""
        ...

    def lstm_cell(self, i: Value, g: Value, f: Value, c: Value, format: Format, name: str) -> Value:
        """I g + f c, a new state in `format`."""
        ...

    def bias(self, value: Tensor) -> Constant:
        """A bias that is added to pre-activations."""
        ...

    def unit(self, value: Tensor) -> Constant:
        """A factor in (0, 1)."""
        ...


def _limited(state: Tensor, format: Format) -> Tensor:
    _, low, high = fake_quantize.grid(format)
    return state.clamp(low, high)


def _tensor(constant: Constant) -> Tensor:
    assert isinstance(constant, Tensor)
    return constant


class FloatArithmetic(nn.Module):
    """Real numbers. nonlinearity `table`: sigmoid and tanh; `piecewise_linear`: the paper's quantSigm and quantTanh.

    States are limited to what their formats hold: one that runs on without a reset could sum up for ever.
    """

    def __init__(self, nonlinearity: Nonlinearity) -> None:
        super().__init__()
        self.nonlinearity = nonlinearity

    def of_layer(self, suffix: str) -> Self:  # noqa: ARG002
        """The same."""
        return self

    def normalize(self, x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """(x - mean) / std; x [..., channels]."""
        return (x - mean) / std

    def limit(self, x: Tensor, largest: float) -> Tensor:
        """Clamped to +-largest."""
        return x.clamp(-largest, largest)

    def product(self, x: Tensor, matrix: Matrix, name: str, bias: Tensor | None = None, read: Format | None = None) -> Tensor:
        """In the format of `name`, by what products use of the matrix."""
        if bias is not None:
            assert read is not None
            bias = self.accumulator_bias(bias, matrix, read)
        return self.requantize(F.linear(x, matrix(), bias), name)

    def requantize(self, value: Tensor, name: str) -> Tensor:  # noqa: ARG002
        """The product called `name`, in its format."""
        return value

    def add(self, left: Tensor, right: Constant, name: str) -> Tensor:  # noqa: ARG002
        """The sum of pre-activations."""
        return left + right

    def part(self, value: Tensor, start: int, size: int, name: str) -> Tensor:  # noqa: ARG002
        """A view of them."""
        return value.narrow(-1, start, size)

    def sigmoid(self, value: Tensor, name: str) -> Tensor:  # noqa: ARG002
        """Sigmoid, or clip((x + 1) / 2, 0, 1)."""
        return torch.sigmoid(value) if self.nonlinearity == "table" else torch.clamp((value + 1) / 2, 0, 1)

    def tanh(self, value: Tensor, name: str) -> Tensor:  # noqa: ARG002
        """Tanh, or clip(x, -1, 1)."""
        return torch.tanh(value) if self.nonlinearity == "table" else torch.clamp(value, -1, 1)

    def mul(self, left: Tensor, right: Tensor, format: Format, name: str) -> Tensor:  # noqa: ARG002
        """The product, element by element, in `format`."""
        return left * right

    def fastrnn_state(self, alpha: Constant, c: Tensor, beta: Constant, h: Tensor, format: Format, name: str) -> Tensor:  # noqa: ARG002
        """Alpha c + beta h, limited to `format`."""
        return self.gated_sum(_tensor(alpha), c, _tensor(beta), h, format)

    def fastgrnn_gate(self, z: Tensor, c: Tensor, h: Tensor, zeta: Constant, zeta_plus_nu: Constant, name: str) -> Tensor:  # noqa: ARG002
        """(zeta (1 - z) + nu) c + z h, limited to the state's format."""
        return _limited(torch.addcmul(z * h, zeta_plus_nu - zeta * z, c), STATE)

    def gru_state(self, z: Tensor, n: Tensor, h: Tensor, format: Format, name: str) -> Tensor:  # noqa: ARG002
        """(1 - z) n + z h, limited to `format`."""
        return self.gated_sum(1 - z, n, z, h, format)

    def lstm_cell(self, i: Tensor, g: Tensor, f: Tensor, c: Tensor, format: Format, name: str) -> Tensor:  # noqa: ARG002
        """I g + f c, limited to `format`."""
        return self.gated_sum(i, g, f, c, format)

    def gated_sum(self, a: Tensor, b: Tensor, c: Tensor, d: Tensor, format: Format) -> Tensor:
        """A b + c d: a new state in `format` from the old one, d."""
        return _limited(torch.addcmul(a * b, c, d), format)

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
        if name in PREACTIVATION_PARTS:
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
        if name in PREACTIVATION_PARTS:
            return fake_quantize.requantize(value, PREACTIVATION)
        return fake_quantize.requantize(value, self.formats[name])

    def add(self, left: Tensor, right: Constant, name: str) -> Tensor:  # noqa: ARG002
        """The saturating sum in Q12."""
        return fake_quantize.saturating_add(left, _tensor(right))

    def sigmoid(self, value: Tensor, name: str) -> Tensor:  # noqa: ARG002
        """By the half table, or piecewise linear, in Q15."""
        return (fake_quantize.table_sigmoid if self.nonlinearity == "table" else fake_quantize.hard_sigmoid)(value)

    def tanh(self, value: Tensor, name: str) -> Tensor:  # noqa: ARG002
        """By the half table, or piecewise linear, in Q15."""
        return (fake_quantize.table_tanh if self.nonlinearity == "table" else fake_quantize.hard_tanh)(value)

    def fastgrnn_gate(self, z: Tensor, c: Tensor, h: Tensor, zeta: Constant, zeta_plus_nu: Constant, name: str) -> Tensor:  # noqa: ARG002
        """The integer gate; h and the result in Q12, clamped."""
        return fake_quantize.fastgrnn_gate(z, c, h, _tensor(zeta), _tensor(zeta_plus_nu))

    def gated_sum(self, a: Tensor, b: Tensor, c: Tensor, d: Tensor, format: Format) -> Tensor:
        """The integer state update; a, b, c in Q15, d and the result in `format`."""
        return fake_quantize.gated_sum(a, b, c, d, format)

    def mul(self, left: Tensor, right: Tensor, format: Format, name: str) -> Tensor:  # noqa: ARG002
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
