"""Choosing the formats of a net's values from what they are in real arithmetic on training data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ..graph.formats import Format, FractionBits
from ..models import FixedPointArithmetic, Net, Plan, Step
from ..models.arithmetic import NORMALIZED
from ..models.fake_quantize import bits_of_entries
from ..models.layered.kinds import LAYER_KINDS
from ..models.layered.layered_module import LayeredModule
from ..models.layered.plan_check import INPUT
from .format_owners import format_owners
from .observation import ObservingArithmetic, int8_candidates, observe, observe_inputs, samples
from .ranges import choose_pre_shift, fraction_bits, raise_deviation, resolved_bits
from .widen import widen_unproved

MARGIN, SCORE_MARGIN = 1.25, 2.0
"""Room above the largest value seen in int16, because fine-tuning moves the ranges; of what no product reads, the second."""


@torch.no_grad()
def calibrate(net: Net, x: Tensor, lengths: Tensor, input_fraction_bits: FractionBits, *, streams: bool = False) -> None:
    """Choose and set the formats of a compressed net, in place.

    x: float [samples, *input_shape], integers of the device * 2^-input_fraction_bits, of all channels or each; lengths: int [samples], of
    sequences that cells read. streams: whether a net with a state will run on without a reset. int16: the finest format that holds the
    largest value with a margin. int8: of the formats about that, the one with the least squared error. Operands of a sum get its format
    where nobody else reads them. Values that a repeated block makes get one format for all repetitions, so that these share their biases
    and scales too. A channel's standard deviation is raised to the least that one integer step can resolve. Raises UnsupportedError for a
    float net.
    """
    fixed, owners, seen = net.fixed, _owners(net), samples(net, x, lengths)
    inputs = _choose(fixed, owners, lambda observer: observe_inputs(net, observer, seen))
    read = bits_of_entries(input_fraction_bits, net.mean)
    bits = resolved_bits(net, inputs[NORMALIZED], read)
    raise_deviation(net.std, read, bits, net.largest_gain)
    fixed.set_input(input_fraction_bits, choose_pre_shift(net.std / net.largest_gain, read, bits))
    chosen = _choose(fixed, owners, lambda observer: observe(net, observer, seen, streams=streams))
    chosen |= {NORMALIZED: bits, **{name: format.fraction_bits for name, format in net.given.items()}}
    for module in net.layer_modules:
        _settle(module, fixed, owners, chosen)
    for name in fixed.values:
        fixed.set_bits(name, chosen[owners.get(name, name)])
    widen_unproved(net)


def _owners(net: Net) -> dict[str, str]:
    """For every value of layers the one whose format it has, by the names that formats know."""
    return {
        module.known_as(name): module.known_as(owner) for module in net.layer_modules for name, owner in format_owners(module.plan).items()
    }


def _choose(fixed: FixedPointArithmetic, owners: Mapping[str, str], look: Callable[[ObservingArithmetic], None]) -> dict[str, int]:
    """The best fraction bits of every owner that is seen. Where some are in int8 it looks twice: at ranges, and at errors."""
    observer = ObservingArithmetic(fixed, owners, {})
    look(observer)
    formats = {owner: fixed.format(owner) for owner in observer.largest if owner in fixed.values}
    candidates = {owner: int8_candidates(observer.largest[owner]) for owner, format in formats.items() if format.dtype == "int8"}
    if candidates:
        observer = ObservingArithmetic(fixed, owners, candidates)
        look(observer)
    narrow = {owner: bits[int(observer.errors[owner].argmin())] for owner, bits in candidates.items()}
    return {owner: narrow.get(owner, _wide_bits(owner, observer.largest[owner], format)) for owner, format in formats.items()}


def _wide_bits(name: str, largest: float, format: Format) -> int:
    """The finest format in int16 that holds the largest value with a margin: none for what is normalised, which training does not move."""
    margin = 1.0 if name == NORMALIZED else SCORE_MARGIN if format.fills_dtype else MARGIN
    return fraction_bits(largest * margin, format.high)


def _settle(module: LayeredModule, fixed: FixedPointArithmetic, owners: Mapping[str, str], chosen: dict[str, int]) -> None:
    """Lower the fraction bits of values, or of the operands of sums, to what the steps need."""
    of = {name: owners[module.known_as(name)] for name in format_owners(module.plan)}
    for _ in module.plan.steps:
        before = dict(chosen)
        for step in module.plan.steps:
            own, read = of[step.name], [of[name] for name in step.inputs]
            if LAYER_KINDS[step.kind].aligns:
                chosen[own] = min(chosen[own], *(chosen[owner] for owner in read))
                chosen.update({of[name]: chosen[own] for name in step.inputs if _belongs_to(module.plan, name)})
            if fixed.format(step.name).dtype == "int8" and _halves(step):
                chosen[own] = min(chosen[own], chosen[read[0]] - 1 - round(math.log2(step.factor)))
        if chosen == before:
            break


def _halves(step: Step) -> bool:
    """Whether a step multiplies by a negative power of two."""
    return step.factor < 1 and math.log2(step.factor).is_integer()


def _belongs_to(plan: Plan, name: str) -> bool:
    """Whether a value may have any format and is read by one step alone."""
    return name != INPUT and LAYER_KINDS[plan.step(name).kind].adapts and len(list(plan.users(name))) == 1
