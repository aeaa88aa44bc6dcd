"""Choosing the formats of activations from the ranges that the float net shows on training data."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from ..errors import InputError
from ..graph.fixed_point import MIN_SHIFT, MULTIPLIER_BITS, TERNARY_INPUT_BOUND
from ..models import CountedSteps, FixedPointArithmetic, FloatArithmetic, Net, RecurrentNet
from ..models.arithmetic import NORMALIZED
from ..models.recurrent.net import SCORES

MAX_PRE_SHIFT = 6
HIGHEST_FRACTION_BITS = 14
FACTOR_MARGIN, SCORE_MARGIN = 1.25, 2.0
"""Room above the largest value seen, because fine-tuning moves the ranges."""
MOST_PASSES, GROWTH = 16, 1.01
"""Of streams: how often they go on, at most, and as long as a range grows by more than this."""
_MOST_GAIN_BITS = MULTIPLIER_BITS - 1 - MIN_SHIFT + MAX_PRE_SHIFT
"""By how many bits the normalisation can refine a format."""


class _Observer(FloatArithmetic):
    """Real arithmetic that remembers the largest magnitude of every named product, over the running steps."""

    def __init__(self, arithmetic: FloatArithmetic) -> None:
        super().__init__(arithmetic.nonlinearity)
        self.largest: dict[str, float] = {}

    def requantize(self, value: Tensor, name: str) -> Tensor:
        self.largest[name] = max(self.largest.get(name, 0.0), float(value.detach().abs().max()))
        return value


def calibrate(net: RecurrentNet, x: Tensor, lengths: Tensor, input_fraction_bits: int, *, streams: bool = False) -> None:
    """Choose and set the formats of a compressed net, in place.

    x: float [sequences, time, channels], integers of the device * 2^-input_fraction_bits; lengths int [sequences]. The ranges are
    those of the net in real arithmetic, from zeros on and at each sequence's end. streams: then also at every step of sequences that
    begin where others ended, again and again until no range grows by more than a hundredth, but 16 times at most. A channel's standard
    deviation is raised to the least that one integer step can resolve.
    """
    if not isinstance(net.arithmetic, FixedPointArithmetic):
        raise InputError("only a compressed net has formats to calibrate: call compress first")
    fixed = net.arithmetic
    running = torch.arange(x.shape[1]) < lengths[:, None]
    normalized = net.normalize(x, FloatArithmetic(fixed.nonlinearity))[running]
    bits = resolved_bits(net, fraction_bits(float(normalized.abs().amax()), TERNARY_INPUT_BOUND), input_fraction_bits)
    raise_deviation(net.std, input_fraction_bits, bits)
    largest = _observe(net, torch.where(running[..., None], x, net.mean.to(x.dtype)), lengths, streams)
    fixed.input_bits = (input_fraction_bits, choose_pre_shift(net.std, input_fraction_bits, bits))
    fixed.set_bits(NORMALIZED, bits)
    for name, format in fixed.values.items():
        if name != NORMALIZED:
            margin = SCORE_MARGIN if name == SCORES else FACTOR_MARGIN
            fixed.set_bits(name, fraction_bits(largest[name] * margin, format.high))


@torch.no_grad()
def _observe(net: RecurrentNet, x: Tensor, lengths: Tensor, streams: bool) -> dict[str, float]:
    arithmetic, training = net.arithmetic, net.training
    observer = _Observer(arithmetic)
    net.arithmetic = observer
    _, ends = net.eval().answer(x, lengths, CountedSteps.of(lengths, 0.0))
    if streams:
        _walk_streams(net, observer, x, lengths, ends)
    net.arithmetic = arithmetic
    net.train(training)
    return observer.largest


def _walk_streams(net: RecurrentNet, observer: _Observer, x: Tensor, lengths: Tensor, ends: Mapping[str, Tensor]) -> None:
    """Every sequence after another one, with the state that it left: the ends [sequences, size], by name."""
    every, generator = CountedSteps.of(lengths, 1.0), torch.Generator().manual_seed(0)
    for _ in range(MOST_PASSES):
        before = dict(observer.largest)
        order = torch.randperm(len(x), generator=generator)
        _, ends = net.answer(x, lengths, every, {name: state[order] for name, state in ends.items()})
        if all(largest <= GROWTH * before[name] for name, largest in observer.largest.items()):
            return


def fraction_bits(largest: float, bound: int) -> int:
    """The finest format that holds `largest`, within 0..14."""
    if largest == 0:
        return HIGHEST_FRACTION_BITS
    return min(HIGHEST_FRACTION_BITS, max(0, math.floor(math.log2(bound / largest))))


def resolved_bits(net: Net, wanted: int, input_bits: int) -> int:
    """Fraction bits of the normalised input. Where nothing is normalised, no more than leave each reading what it is."""
    is_raw = not bool(net.mean.any()) and bool((net.std == 1).all())
    return min(wanted, input_bits + _MOST_GAIN_BITS) if is_raw else wanted


def raise_deviation(std: Tensor, input_bits: int, output_bits: int) -> None:
    """In place: keep 1 / std within what the smallest requantization shift and the largest pre-shift can express."""
    gain_bits = _MOST_GAIN_BITS + input_bits - output_bits
    std.clamp_(min=2.0**-gain_bits)


def choose_pre_shift(std: Tensor, input_bits: int, output_bits: int) -> int:
    """The smallest for which the bias's rounding moves no output by more than a quarter step, and the shift is large enough."""
    smallest = math.log2(float(std.min()))
    for_bias = math.ceil(output_bits + 1 - input_bits - smallest)
    for_shift = math.ceil(MIN_SHIFT - (MULTIPLIER_BITS - 1) + output_bits - input_bits - smallest)
    return min(MAX_PRE_SHIFT, max(0, for_bias, for_shift))
