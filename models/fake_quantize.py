"""Differentiable twins of graph/fixed_point.py: integers carried as the real values integer * 2^-fraction_bits.

The forward pass is the integer meaning, exact in float64 (every product and sum of the contract has fewer than 53 significant
bits) and nearly so in float32. The backward pass is straight-through: rounding has slope 1, a clamp slope 0 outside its range
(Bengio et al. 2013), a table the slope of the smooth function.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..graph import fixed_point
from ..graph.fixed_point import MULTIPLIER_BITS, PREACTIVATION_BITS, Q15_ONE, Function, lookup_sigmoid, lookup_tanh, tanh_table
from ..graph.formats import Format, FractionBits
from ..recipe import ScaleForm

PREACTIVATION = Format(PREACTIVATION_BITS)
"""What the non-linearities read: int16 in [-8, 8)."""
STATE = Format(PREACTIVATION_BITS, bound=fixed_point.TERNARY_INPUT_BOUND)
"""The hidden state of FastRNN and FastGRNN, fixed by the contract: Q12, clamped so that ternary partial sums fit 16 bits."""
UNIT_STATE = Format(13, bound=fixed_point.TERNARY_INPUT_BOUND)
"""The hidden state of GRU, MGU and LSTM, which stays within [-1, 1]: Q13, clamped alike."""
CELL_STATE = Format(PREACTIVATION_BITS, bound=28672)
"""The LSTM's cell state, which a tanh reads: Q12, clamped to [-7, 7] so that the sum that makes it fits 32 bits."""
GATE = Format(PREACTIVATION_BITS)
"""The gate that weighs FastGRNN's candidate."""
UNIT = Format(15, nonnegative=True)
"""Factors in [0, 1): zeta and nu, alpha and beta."""
_HIGHEST = (Q15_ONE - 1) / Q15_ONE
MIN_SCALE = 2.0**-20
"""The smallest scale of a row; a row of zeros gets it."""


def requantize(value: Tensor, format: Format) -> Tensor:
    """`value` rounded half up to a multiple of 2^-fraction_bits and clamped to `format`; any shape. Straight-through."""
    step, low, high = grid(format)
    if value.requires_grad and torch.is_grad_enabled():
        result: Tensor = _Round.apply(value, step, low, high)  # type: ignore[no-untyped-call]
        return result
    return _round(value, step).clamp_(low, high)


@cache
def grid(format: Format) -> tuple[float, float, float]:
    """(step, smallest, largest) of a format, as real numbers."""
    step = 2.0**-format.fraction_bits
    return step, format.low * step, format.high * step


_, _, INPUT_LIMIT = grid(STATE)
"""2.67, the largest value in Q12 that ternary partial sums allow: a robust net's normalised input is limited to it."""


def _round(value: Tensor, step: float) -> Tensor:
    """floor(value / step + 1/2) * step in few operations; step is a power of two."""
    return torch.add(_scalar(0.5, value.dtype), value, alpha=1.0 / step).floor_().mul_(_scalar(step, value.dtype))


@cache
def _scalar(value: float, dtype: torch.dtype) -> Tensor:
    """A constant without the conversion that every use of a Python number costs."""
    return torch.tensor(value, dtype=dtype)


class _Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, step: float, low: float, high: float) -> Tensor:
        rounded = _round(value, step)
        result = rounded.clamp(low, high)
        # Ones and zeros of the value's dtype: a product with a mask of bools takes 30 times as long.
        ctx.save_for_backward(rounded.eq_(result))
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (inside,) = ctx.saved_tensors
        # In this order the product has the value's memory layout: batch normalisation is ten times slower where the two differ.
        return inside * gradients[0], None, None, None


def normalize(x: Tensor, mean: Tensor, std: Tensor, bits: FractionBits, pre_shift: int, format: Format) -> Tensor:
    """R((x << pre_shift) + bias) of readings x [..., channels] in the format `format`, a 15-bit factor and a bias a channel.

    bits: the fraction bits of the readings, or of each channel of one.
    """
    step = 2.0 ** -(bits + pre_shift) if isinstance(bits, int) else powers_of_two(-pre_shift - bits_of_entries(bits, mean))
    bias = torch.floor(-mean.double() / step + 0.5) * step
    exact = 1 / std.double()
    gain = straight_through(round_scale(exact, "multiplier"), exact)
    return requantize((x + bias.to(x.dtype)) * gain.to(x.dtype), format)


def bits_of_entries(bits: FractionBits, mean: Tensor) -> Tensor:
    """One for each entry of `mean`, which holds the channels of a reading once or several times over: int64 [entries]."""
    own = torch.tensor([bits] if isinstance(bits, int) else bits, device=mean.device)
    return own.repeat(len(mean) // len(own))


def period(*constants: list[float]) -> int:
    """The least number of entries of which each of `constants`, all of one length, is a whole number of copies."""
    size = len(constants[0])
    evenly = (n for n in range(1, size + 1) if size % n == 0)
    return next(n for n in evenly if all(each == each[:n] * (size // n) for each in constants))


def powers_of_two(exponents: Tensor) -> Tensor:
    """Exactly those, float64; exponents: int64."""
    return torch.tensor([2.0**exponent for exponent in exponents.tolist()], dtype=torch.float64, device=exponents.device)


def round_to_rows(value: Tensor, step: Tensor, limit: int) -> Tensor:
    """floor(value / step + 1/2) * step with |value| <= limit * step, a step for every entry; both [rows]. Straight-through."""
    count = torch.floor(value.detach().double() / step + 0.5)
    inside = count.abs() <= limit
    rounded = count.clamp(-limit, limit) * step
    return rounded.to(value.dtype) + torch.where(inside, value - value.detach(), 0.0)


def saturating_add(left: Tensor, right: Tensor, format: Format = PREACTIVATION) -> Tensor:
    """left + right, clamped to `format`; both are multiples of its step. Slope 1 inside, 0 where it saturates."""
    _, low, high = grid(format)
    total = left + right
    return total.clamp(low, high) if total.requires_grad else total.clamp_(low, high)


@cache
def full_table(function: Function, dtype: torch.dtype) -> Tensor:
    """The function, in Q15, of every pre-activation from the smallest on: [65536]."""
    every = np.arange(-Q15_ONE, Q15_ONE)
    values = (lookup_sigmoid if function == "sigmoid" else lookup_tanh)(every, tanh_table())
    return torch.from_numpy(values / Q15_ONE).to(dtype)


def _look_up(function: Function, value: Tensor) -> Tensor:
    index = torch.add(_scalar(float(Q15_ONE), value.dtype), value, alpha=1 << PREACTIVATION_BITS).long()
    return torch.take(full_table(function, value.dtype), index)


class _Sigmoid(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        result = _look_up("sigmoid", value)
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (result,) = ctx.saved_tensors
        return gradients[0] * (result - result * result)


class _Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        result = _look_up("tanh", value)
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (result,) = ctx.saved_tensors
        return gradients[0] * (1 - result * result)


def table_sigmoid(value: Tensor) -> Tensor:
    """fixed_point.lookup_sigmoid of a Q12 value within int16, in Q15; backward s (1 - s), s being the result."""
    if value.requires_grad and torch.is_grad_enabled():
        result: Tensor = _Sigmoid.apply(value)  # type: ignore[no-untyped-call]
        return result
    return _look_up("sigmoid", value)


def table_tanh(value: Tensor) -> Tensor:
    """fixed_point.lookup_tanh of a Q12 value within int16, in Q15; backward 1 - t^2, t being the result."""
    if value.requires_grad and torch.is_grad_enabled():
        result: Tensor = _Tanh.apply(value)  # type: ignore[no-untyped-call]
        return result
    return _look_up("tanh", value)


def hard_sigmoid(value: Tensor) -> Tensor:
    """fixed_point.hard_sigmoid: clip((x + 1) / 2, 0, 1 - 2^-15), slope 1/2 inside."""
    return torch.clamp((value + 1) * 0.5, 0.0, _HIGHEST)


def hard_tanh(value: Tensor) -> Tensor:
    """fixed_point.hard_tanh: clip(x, -1, 1 - 2^-15), slope 1 inside."""
    return torch.clamp(value, -1.0, _HIGHEST)


def fastgrnn_gate(z: Tensor, c: Tensor, h: Tensor, zeta: Tensor, zeta_plus_nu: Tensor) -> Tensor:
    """graph.ops.FastGrnnGate: R(g c + z h), g = R(zeta (1 - z) + nu), in the state's format.

    z, c in Q15 and h in the state's format, any one shape; zeta, zeta + nu scalars in Q15.
    """
    gate = requantize(zeta_plus_nu - zeta * z, GATE)
    return requantize(torch.addcmul(z * h, gate, c), STATE)


def gated_sum(a: Tensor, b: Tensor, c: Tensor, d: Tensor, format: Format) -> Tensor:
    """fixed_point.gated_sum: R(R(a b) + c d), the inner R to 15 bits more than `format`, which d and the result have.

    a, b, c in Q15, all of one shape or scalars. The inner R is below the resolution of float32 and is left out there.
    """
    product = a * b
    if product.dtype == torch.float64:
        product = requantize(product, product_format(format))
    return requantize(torch.addcmul(product, c, d), format)


@cache
def product_format(format: Format) -> Format:
    """The format of the first product in a gated sum whose result has `format`."""
    return Format(15 + format.fraction_bits, "int32")


def round_scale(scale: Tensor, form: ScaleForm) -> Tensor:
    """`scale` (positive) rounded to what a requantization can hold; any shape, exact in float64, no gradient.

    multiplier: mantissa * 2^-exponent with the 15-bit mantissa of fixed_point.split_scale. power_of_two: the nearest (ties up).
    """
    fraction, power = torch.frexp(scale.detach().double())
    bits = MULTIPLIER_BITS if form == "multiplier" else 1
    mantissa = torch.floor(fraction * (1 << bits) + 0.5)
    return mantissa * _power_of_two(power - bits)


def round_scale_up(scale: Tensor, form: ScaleForm) -> Tensor:
    """As round_scale, but a power of two is the smallest that is no less than `scale`."""
    if form == "multiplier":
        return round_scale(scale, form)
    fraction, power = torch.frexp(scale.detach().double())
    return _power_of_two(power - (fraction == 0.5).to(power.dtype))


def raise_scale(scale: Tensor, least: Tensor | None, form: ScaleForm) -> Tensor:
    """The scales, those below `least` raised to it; both float64 [rows]. None: as they are."""
    return scale if least is None else torch.maximum(scale, round_scale_up(least.clamp(min=MIN_SCALE), form))


def _power_of_two(exponent: Tensor) -> Tensor:
    """2^exponent as float64, exact (torch.ldexp computes a float32 power)."""
    return ((exponent.long() + 1023) << 52).view(torch.float64)


def straight_through(quantized: Tensor, weight: Tensor) -> Tensor:
    """`quantized` in the forward pass, exactly; the gradient goes to `weight` unchanged. Both of one shape."""
    return quantized.to(weight.dtype) + (weight - weight.detach())
