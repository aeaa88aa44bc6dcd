"""Steps of int8 nets that could round differently from one runtime to the next compute in int16."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from ..graph.fixed_point import MIN_SHIFT, Requantization, split_scale, tie_fault
from ..models import FixedPointArithmetic, Net, Step
from ..models.fixed_point_arithmetic import WIDE_BITS
from ..models.layered.kinds import LAYER_KINDS
from ..models.layered.layered_module import LayeredModule


@torch.no_grad()
def widen_unproved(net: Net) -> list[str]:
    """Let every step of an int8 net that could round differently from one runtime to the next compute in int16; returns all that do.

    To be called when the weights are final: the proof is of them.
    """
    return [step.name for module in net.layer_modules for step in _narrow_steps(module, net.fixed) if _widens(module, step, net.fixed)]


def _narrow_steps(module: LayeredModule, fixed: FixedPointArithmetic) -> Iterator[Step]:
    """The steps that rescale sums and are kept in int8."""
    return (step for step in module.plan.steps if LAYER_KINDS[step.kind].rescales and fixed.format(step.name).dtype == "int8")


def _widens(module: LayeredModule, step: Step, fixed: FixedPointArithmetic) -> bool:
    """Whether the step now computes in int16, with as many more fraction bits as its scale leaves room for."""
    weight, largest, requantization = _product(module, step, fixed)
    if not fixed.is_wide(step.name) and not tie_fault(weight, largest, requantization):
        return False
    room = int(requantization.shift.min()) - MIN_SHIFT
    fixed.set_wide(step.name, max(1, min(WIDE_BITS, room)))
    return True


def _product(module: LayeredModule, step: Step, fixed: FixedPointArithmetic) -> tuple[int, int, Requantization]:
    """(largest weight, largest accumulator, requantization) of a step's sums of int8 values."""
    read = fixed.bits(module.known_as(step.inputs[0]))
    difference = read - fixed.bits(step.name)
    if not step.layer:
        mantissa, exponent = split_scale(np.array([step.factor]))
        return 1, step.area * 128, Requantization(mantissa, (exponent + difference).astype(np.int32))
    layer = module.applied(step)
    gain, bias = layer.folded()
    least, matrix = fixed.least_scale(layer, bias), layer.parameters.matrix
    entries, mantissa, exponent = matrix.integers(gain, least)
    counted = fixed.layer_bias(layer, bias, matrix.scale(gain, least)).detach().double().numpy()
    unit = np.ldexp(mantissa.astype(np.float64), -exponent - read)
    sums = np.abs(entries.astype(np.int64)).sum(axis=1) * 128 + np.ceil(np.abs(counted / unit)).astype(np.int64)
    return int(np.abs(entries).max()), int(sums.max()), Requantization(mantissa, (exponent + difference).astype(np.int32))
