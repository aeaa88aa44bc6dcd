"""Choosing the formats of a net without state from the values that the float net shows on training data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..graph.fixed_point import MIN_SHIFT, TERNARY_INPUT_BOUND, Requantization, split_scale, tie_fault
from ..models import FeedForwardNet, FloatActivations, IntegerActivations, Plan, Step
from ..models.arithmetic import NORMALIZED
from ..models.layered.activations import WIDE_BITS
from ..models.layered.plan import INPUT
from .calibrate import HIGHEST_FRACTION_BITS, choose_pre_shift, fraction_bits, raise_deviation, resolved_bits

MARGIN = 1.25
"""Room above the largest value seen in int16, because fine-tuning moves the ranges."""
CALIBRATION_SAMPLES, BATCH = 1024, 128
"""The most samples looked at, and how many at a time."""
INT8_LIMIT = 127
TRANSPARENT_KINDS = ("relu", "max_pool", "flatten")
"""Kinds of steps whose value has the format of what they read."""
CLIPPED = (0, 1, 2)
"""Fraction bits beyond those that hold the largest value which int8 tries: each clips more and rounds less."""


@torch.no_grad()
def calibrate_activations(net: FeedForwardNet, x: Tensor, input_fraction_bits: int) -> None:
    """Choose and set the formats of a compressed net, in place.

    x: float [samples, *input_shape], integers of the device * 2^-input_fraction_bits; at most CALIBRATION_SAMPLES count, from all over x,
    which may be sorted by class. int16: the finest format that holds the largest value with a margin. int8: of the formats about that, the
    one with the least squared error. Operands of a sum get its format where nobody else reads them. Values that a repeated block makes get
    one format for all repetitions, so that these share their biases and scales too.
    """
    integers = net.arithmetic
    if not isinstance(integers, IntegerActivations):
        raise InputError("only a compressed net has formats to calibrate: call compress first")
    owners = format_owners(net.plan)
    seen = _Seen(net, _some(x), integers.dtype == "int8", owners)
    bits = resolved_bits(net, seen.bits(INPUT), input_fraction_bits)
    raise_deviation(net.std, input_fraction_bits, bits)
    integers.input_bits = (input_fraction_bits, choose_pre_shift(net.std, input_fraction_bits, bits))
    integers.set_bits(NORMALIZED, bits)
    chosen = {name: seen.bits(name) for name in dict.fromkeys(owners.values())}
    for _ in net.plan.steps:
        before = dict(chosen)
        for step in net.plan.steps:
            _lower_bits(net, step, chosen, owners, narrow=seen.narrow)
        if chosen == before:
            break
    for step in net.plan.steps:
        integers.set_bits(step.name, chosen[owners[step.name]])
    widen_unproved(net)


def _some(x: Tensor) -> Tensor:
    """At most CALIBRATION_SAMPLES samples from all over x."""
    count = min(len(x), CALIBRATION_SAMPLES)
    return x[torch.arange(count) * len(x) // max(count, 1)]


def _lower_bits(net: FeedForwardNet, step: Step, chosen: dict[str, int], owners: Mapping[str, str], *, narrow: bool) -> None:
    """Lower the fraction bits of a step's value, or of its operands, to what the step needs."""
    own, read = owners[step.name], [owners[name] for name in step.inputs]
    if step.kind == "add":
        chosen[own] = min(chosen[own], *(chosen[owner] for owner in read))
        for name in step.inputs:
            if _belongs_to(net, name):
                chosen[owners[name]] = chosen[own]
    if step.kind in ("average_pool", "scale") and narrow and step.factor < 1 and math.log2(step.factor).is_integer():
        chosen[own] = min(chosen[own], chosen[read[0]] - 1 - round(math.log2(step.factor)))


def _belongs_to(net: FeedForwardNet, name: str) -> bool:
    """Whether a value is requantized anyway and read by one step alone."""
    return name != INPUT and net.plan.step(name).kind in ("convolution", "scale") and len(list(net.plan.users(name))) == 1


def format_owners(plan: Plan) -> dict[str, str]:
    """For every value the one whose format it has: its own, what a ReLU, a max pool or a flatten reads, or the first of its repetitions.

    Steps with the same layer repeat each other, and so do steps that do the same to values that repeat each other. What the former read
    has one format too, unless it is the input.
    """
    owners = {INPUT: INPUT, **{step.name: step.name for step in plan.steps}}

    def merge(name: str, other: str) -> None:
        kept, dropped = owners[name], owners[other]
        if INPUT not in (kept, dropped):
            owners.update({each: kept for each, owner in owners.items() if owner == dropped})

    for step in plan.steps:
        if step.kind in TRANSPARENT_KINDS:
            owners[step.name] = owners[step.inputs[0]]
    for _ in plan.steps:
        before, known = dict(owners), dict[Any, Step]()
        for step in plan.steps:
            if step.kind in TRANSPARENT_KINDS:
                continue
            read = () if step.layer else tuple(owners[name] for name in step.inputs)
            first = known.setdefault((replace(step, name="", inputs=(), shape=(1, 1, 1)), read), step)
            for name, other in zip((first.name, *first.inputs), (step.name, *step.inputs), strict=True):
                merge(name, other)
        if owners == before:
            break
    return owners


class _Seen:
    """What the net's values are in real arithmetic: the largest magnitude of each, and the squared errors of int8 formats.

    Values of one owner count as one; those that only pass on what others made do not count again.
    """

    def __init__(self, net: FeedForwardNet, x: Tensor, narrow: bool, owners: Mapping[str, str]) -> None:
        self.narrow = narrow
        made = [INPUT, *(step.name for step in net.plan.steps if step.kind not in TRANSPARENT_KINDS)]
        self.owners = {name: owners[name] for name in made}
        self.largest: dict[str, float] = {}
        self.errors: dict[str, Tensor] = {}
        for batch in (self._values(net, part) for part in torch.split(x, BATCH)):
            for name, value in batch:
                self.largest[name] = max(self.largest.get(name, 0.0), float(value.abs().max()))
        if narrow:
            for batch in (self._values(net, part) for part in torch.split(x, BATCH)):
                for name, value in batch:
                    errors = torch.stack([_error(value, bits) for bits in self._candidates(name)])
                    self.errors[name] = self.errors.get(name, torch.zeros_like(errors)) + errors

    def bits(self, name: str) -> int:
        """The best fraction bits of an owner's values."""
        if not self.narrow:
            return fraction_bits(self.largest[name] * (1.0 if name == INPUT else MARGIN), TERNARY_INPUT_BOUND)
        return self._candidates(name)[int(self.errors[name].argmin())]

    def _candidates(self, name: str) -> list[int]:
        whole = fraction_bits(self.largest[name], INT8_LIMIT)
        return [min(HIGHEST_FRACTION_BITS, whole + more) for more in CLIPPED]

    def _values(self, net: FeedForwardNet, x: Tensor) -> Sequence[tuple[str, Tensor]]:
        """(owner, what it is in one batch)."""
        kept, training = net.arithmetic, net.training
        net.arithmetic = FloatActivations()
        values = net.eval().values(x)
        net.arithmetic = kept
        net.train(training)
        return [(owner, values[name]) for name, owner in self.owners.items()]


def _error(value: Tensor, bits: int) -> Tensor:
    """Summed squared error of int8 in Q(bits)."""
    rounded = torch.floor(value * 2.0**bits + 0.5).clamp(-INT8_LIMIT - 1, INT8_LIMIT) * 2.0**-bits
    return (rounded - value).double().square().sum()


@torch.no_grad()
def widen_unproved(net: FeedForwardNet) -> list[str]:
    """Let every step of an int8 net that could round differently from one runtime to the next compute in int16; returns all that do.

    To be called when the weights are final: the proof is of them.
    """
    integers = net.arithmetic
    if not isinstance(integers, IntegerActivations) or integers.dtype == "int16":
        return []
    widened = []
    for step in net.plan.steps:
        if step.kind not in ("convolution", "average_pool", "scale"):
            continue
        weight, largest, requantization = _product(net, step, integers)
        if integers.is_wide(step.name) or tie_fault(weight, largest, requantization):
            room = int(requantization.shift.min()) - MIN_SHIFT
            integers.set_wide(step.name, max(1, min(WIDE_BITS, room)))
            widened.append(step.name)
    return widened


def _product(net: FeedForwardNet, step: Step, integers: IntegerActivations) -> tuple[int, int, Requantization]:
    """(largest weight, largest accumulator, requantization) of a step's sums of int8 values."""
    difference = integers.bits(net.read_name(step)) - integers.bits(step.name)
    if step.kind != "convolution":
        mantissa, exponent = split_scale(np.array([step.factor]))
        return 1, step.area * 128, Requantization(mantissa, (exponent + difference).astype(np.int32))
    layer = net.parameters_of(step.layer)
    gain, bias = layer.folded(step)
    least = integers.least_scale(bias, step.name, net.read_name(step))
    entries, mantissa, exponent = layer.matrix.integers(gain, least)
    counted = integers.bias(bias, layer.matrix.scale(gain, least), step.name, net.read_name(step)).detach().double().numpy()
    unit = np.ldexp(mantissa.astype(np.float64), -exponent - integers.bits(net.read_name(step)))
    sums = np.abs(entries.astype(np.int64)).sum(axis=1) * 128 + np.ceil(np.abs(counted / unit)).astype(np.int64)
    return int(np.abs(entries).max()), int(sums.max()), Requantization(mantissa, (exponent + difference).astype(np.int32))
