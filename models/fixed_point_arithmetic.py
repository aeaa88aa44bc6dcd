"""What fine-tuning computes with: the integers of the contract, as real numbers in formats that calibration chose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..graph.fixed_point import TERNARY_INPUT_BOUND
from ..graph.formats import Format, FractionBits, common_bits
from . import fake_quantize
from .applied import AppliedLayer
from .arithmetic import BIAS_LIMITS, NORMALIZED, Block, Constant, Nonlinearity
from .fake_quantize import PREACTIVATION, UNIT
from .float_arithmetic import FloatArithmetic, tensor_of
from .matrix import Matrix

if TYPE_CHECKING:
    from .layered.plan import Step

WIDE_BITS = 6
"""Fraction bits that a layer computed in int16 has more than the int8 value it becomes, where its scale leaves room for them."""
WIDENED = "_widened"
"""What the name of a layer's int8 input ends with once it is int16."""


class FixedPointArithmetic(FloatArithmetic):
    """The integer contract, carried in floating point: the value of an integer is integer * 2^-fraction_bits.

    Inputs are the device's readings, integer * 2^-input_bits. values: by name, what calibration chooses fraction bits for, in the formats
    that they have before it; given: in what formats others are; what is neither is a pre-activation. The choices travel in the
    state_dict. channel_bits: int64 [channels], the fraction bits of each channel of a reading, where they differ. numbers: int64
    [1 + values, 2]: one row for the readings, (fraction bits, pre_shift), then one a value, (fraction bits, how many more the step that
    makes it computes in int16 although it is kept in int8; 0 if it computes in int8).
    """

    numbers: Tensor
    channel_bits: Tensor | None

    def __init__(self, nonlinearity: Nonlinearity, values: Mapping[str, Format], given: Mapping[str, Format] | None = None) -> None:
        super().__init__(nonlinearity)
        self.values, self.given = dict(values), dict(given or {})
        self._rows = {name: row for row, name in enumerate(values, start=1)}
        rows = [(0, 0), *((format.fraction_bits, 0) for format in values.values())]
        self.register_buffer("numbers", torch.tensor(rows, dtype=torch.int64))
        self.register_buffer("channel_bits", None)

    @property
    def input_bits(self) -> FractionBits:
        """Fraction bits of the readings."""
        return int(self.numbers[0, 0]) if self.channel_bits is None else tuple(self.channel_bits.tolist())

    @property
    def pre_shift(self) -> int:
        """Extra bits of the normalisation's bias."""
        return int(self.numbers[0, 1])

    def set_input(self, bits: FractionBits, pre_shift: int) -> None:
        """Choose both."""
        self.numbers[0] = torch.tensor((common_bits(bits), pre_shift))
        self.channel_bits = None if isinstance(bits, int) else torch.tensor(bits, device=self.numbers.device)

    def bits(self, name: str) -> int:
        """Fraction bits of a value."""
        return self.given[name].fraction_bits if name in self.given else int(self.numbers[self._rows[name], 0])

    def set_bits(self, name: str, bits: int) -> None:
        """Choose them."""
        self.numbers[self._rows[name], 0] = bits

    def is_wide(self, name: str) -> bool:
        """Whether the step that makes the value computes in int16."""
        return self.values[name].dtype == "int16" or self._extra_bits(name) != 0

    def set_wide(self, name: str, bits: int = WIDE_BITS) -> None:
        """Let it compute so, with 1 to WIDE_BITS fraction bits more than it is kept with."""
        self.numbers[self._rows[name], 1] = bits

    def _extra_bits(self, name: str) -> int:
        narrow = name in self.values and self.values[name].dtype == "int8"
        return int(self.numbers[self._rows[name], 1]) if narrow else 0

    def format(self, name: str, *, relu: bool = False) -> Format:
        """How a value is kept."""
        if name not in self.values:
            return self.given.get(name, PREACTIVATION)
        return replace(self.values[name], fraction_bits=self.bits(name), nonnegative=relu)

    def computed_format(self, name: str, *, relu: bool = False) -> Format:
        """What the accumulators of the step become first: the same, or an int16 format with more fraction bits."""
        kept, extra = self.format(name, relu=relu), self._extra_bits(name)
        return Format(kept.fraction_bits + extra, "int16", TERNARY_INPUT_BOUND, relu) if extra else kept

    def normalized(self, x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """R((x << pre_shift) + bias), a 15-bit factor and a bias a channel."""
        return fake_quantize.normalize(x, mean, std, self.input_bits, self.pre_shift, self.format(NORMALIZED))

    def requantize(self, value: Tensor, name: str, *, relu: bool = False) -> Tensor:
        """The accumulator, rounded half up and clamped to the format of `name`."""
        kept, computed = self.format(name, relu=relu), self.computed_format(name, relu=relu)
        value = fake_quantize.requantize(value, computed)
        return value if computed == kept else fake_quantize.requantize(value, kept)

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
        return fake_quantize.round_to_rows(value, matrix.scale() * 2.0**-read.fraction_bits, BIAS_LIMITS["int16"])

    def weights(self, layer: AppliedLayer) -> tuple[Tensor, Tensor]:
        """The quantized matrix, its normalisation folded in before, and the bias in units of the accumulators."""
        gain, bias = layer.folded()
        least = self.least_scale(layer, bias)
        matrix = layer.parameters.matrix
        return matrix(gain, least), self.layer_bias(layer, bias, matrix.scale(gain, least))

    def least_scale(self, layer: AppliedLayer, bias: Tensor) -> Tensor:
        """float64 [rows]: scales of the weights with which a bias [rows] keeps within its limit."""
        return bias.detach().double().abs() * 2.0 ** self.bits(layer.reads) / self._bias_limit(layer)

    def layer_bias(self, layer: AppliedLayer, bias: Tensor, scale: Tensor) -> Tensor:
        """A bias [rows] in units of the accumulators: the rows' `scale` times the step of the value that they read."""
        return fake_quantize.round_to_rows(bias, scale * 2.0 ** -self.bits(layer.reads), self._bias_limit(layer))

    def _bias_limit(self, layer: AppliedLayer) -> int:
        return BIAS_LIMITS["int16" if self.is_wide(layer.step.name) else "int8"]

    def operand(self, x: Tensor, step: Step) -> Tensor:
        """An operand in the format of the step."""
        return self.requantize(x, step.name)

    def multiplier(self, step: Step) -> float:
        """The factor of a pool or of a scale step, as 15 bits hold it."""
        return float(fake_quantize.round_scale(torch.tensor(step.factor, dtype=torch.float64), "multiplier"))
