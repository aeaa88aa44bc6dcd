"""Compression: constraints from the recipe, put on a net one after another, and how they anneal during training."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import singledispatch
from typing import TypeVar, cast

from torch import Tensor

from ..errors import InputError
from ..models import FeedForwardNet, FixedPointArithmetic, IntegerActivations, Matrix, Net, RecurrentNet, layer_parameters
from ..recipe import Constraint, Distill, LowRank, PiecewiseLinearActivations, Quantize, Sparse, Ternary
from .calibrate import calibrate as calibrate_recurrent
from .calibrate_activations import calibrate_activations, widen_unproved
from .distill import DistillationLoss
from .lowrank import cut_rank
from .quantize import Bits, IntegerStorage
from .seeded import SeededStorage
from .sparse import SparseSupport, largest_magnitudes
from .ternary import TernaryStorage, arenas_residual, ternary_pattern

__all__ = [
    "DistillationLoss",
    "IntegerStorage",
    "SeededStorage",
    "SparseSupport",
    "TernaryStorage",
    "anneal",
    "arenas_residual",
    "calibrate",
    "constrain",
    "cut_rank",
    "distillation",
    "largest_magnitudes",
    "matrices",
    "ternary_pattern",
    "widen_unproved",
]

AnyNet = TypeVar("AnyNet", bound=Net)
LIVE_SHARE = 0.7
"""Share of the fine-tuning in which batch normalisation uses each batch's own statistics; after it, it is folded into the weights."""


def constrain(net: AnyNet, constraints: Sequence[Constraint]) -> AnyNet:
    """A copy of `net` under the constraints, applied in order, ready for calibrate and fine-tuning.

    The keys of its state_dict are those of `net` with the constraints' additions: formats, factors, masks. Raises InputError unless
    exactly one constraint says how weights are stored, none stands twice, and they can be combined.
    """
    _check(constraints)
    result = copy.deepcopy(net)
    for constraint in constraints:
        if isinstance(result, FeedForwardNet):
            _apply_to_layers(constraint, result)
        else:
            _apply(constraint, result)
    if isinstance(result, RecurrentNet):
        result.arithmetic = FixedPointArithmetic(result.arithmetic.nonlinearity, result.calibrated)
    return result


def calibrate(net: Net, x: Tensor, lengths: Tensor, input_fraction_bits: int, *, streams: bool = False) -> None:
    """Choose and set the formats of a compressed net, in place. See calibrate.py and calibrate_activations.py.

    streams: whether a net with a state will run on without a reset.
    """
    if isinstance(net, FeedForwardNet):
        calibrate_activations(net, x, input_fraction_bits)
    else:
        calibrate_recurrent(net, x, lengths, input_fraction_bits, streams=streams)


def anneal(net: Net, step: int, total: int) -> None:
    """Move every schedule of the net's constraints to where `step` of the fine-tuning's `total` steps are done.

    Called after step 0, 1, ... total: a projection may change the weights. Twice with the same numbers is the same as once. In a net with
    batch normalisation the schedules end when it folds, so that its statistics are those of the final weights.
    """
    if isinstance(net, FeedForwardNet) and net.has_norm:
        live = max(1, math.floor(LIVE_SHARE * total))
        net.folds = step >= live
        step, total = min(step, live), live
    for matrix in matrices(net):
        matrix.anneal(step, total)


def distillation(teacher: Net, constraints: Sequence[Constraint], label_smoothing: float) -> DistillationLoss | None:
    """The loss that `distill` among the constraints asks for; None without it."""
    wanted = [constraint for constraint in constraints if isinstance(constraint, Distill)]
    return DistillationLoss(teacher, wanted[0], label_smoothing) if wanted else None


def matrices(net: Net) -> Iterator[Matrix]:
    """Every weight matrix of the net, the classifier included."""
    return (module for module in net.modules() if isinstance(module, Matrix))


def _check(constraints: Sequence[Constraint]) -> None:
    kinds = Counter(constraint.kind for constraint in constraints)
    if kinds["ternary"] + kinds["quantize"] != 1:
        raise InputError("exactly one constraint must say how weights are stored: ternary or quantize")
    if kinds["ternary"] and kinds["sparse"]:
        raise InputError(
            "sparse cannot stand beside ternary, whose 3:4 pattern stores exactly one zero in every four weights: "
            "take quantize with sparse (--weights int8, for instance), or ternary alone"
        )
    twice = [kind for kind, count in kinds.items() if count > 1]
    if twice:
        raise InputError(f"compress holds {twice[0]} twice: keep one")


def _apply_to_layers(constraint: Constraint, net: FeedForwardNet) -> None:
    """Of a net without state: weight and activation formats. Depthwise kernels, a few bytes a channel, stay dense integers.

    So do the first and the last layers where the constraint says so. Random projections keep their signs and take the form of the
    scales alone.
    """
    if isinstance(constraint, Distill):
        return
    if not isinstance(constraint, Ternary | Quantize):
        raise InputError(f"{constraint.kind} in compress is for recurrent cells: a net without state takes quantize, ternary and distill")
    net.arithmetic = IntegerActivations([step.name for step in net.plan.steps], constraint.activations)
    ends = net.plan.first_and_last() if constraint.first_and_last == "dense" else frozenset()
    dense: Bits = 6 if constraint.activations == "int8" else 8
    for name, layer in layer_parameters(net).items():
        if layer.layer.seed is not None:
            layer.matrix.storage = SeededStorage(layer.layer.seed, constraint.scale)
        elif layer.layer.depthwise or name in ends:
            layer.matrix.storage = IntegerStorage(dense, constraint.scale)
        elif isinstance(constraint, Ternary):
            layer.matrix.storage = TernaryStorage(constraint.scale, per=constraint.per, arenas=constraint.arenas)
        else:
            layer.matrix.storage = IntegerStorage(constraint.bits, constraint.scale)


@singledispatch
def _apply(constraint: object, net: RecurrentNet) -> None:  # noqa: ARG001
    raise InputError(f"compress knows no constraint {type(constraint).__name__}")


@_apply.register
def _(constraint: Ternary, net: RecurrentNet) -> None:
    _refuse_keys_of_layers(constraint)
    for matrix in matrices(net):
        matrix.storage = TernaryStorage(constraint.scale, per=constraint.per, arenas=constraint.arenas)


@_apply.register
def _(constraint: Quantize, net: RecurrentNet) -> None:
    _refuse_keys_of_layers(constraint)
    for matrix in matrices(net):
        matrix.storage = IntegerStorage(constraint.bits, constraint.scale)


def _refuse_keys_of_layers(constraint: Ternary | Quantize) -> None:
    if constraint.activations == "int8":
        raise InputError('activations = "int8" is for nets without state: a recurrent state needs 16 bits')
    if constraint.first_and_last == "dense":
        raise InputError('first_and_last = "dense" is for nets without state: a recurrent cell has one storage')


@_apply.register
def _(constraint: LowRank, net: RecurrentNet) -> None:
    for cell in net.cells:
        for projection, rank in ((cell.input, constraint.rank_w), (cell.recurrent, constraint.rank_u)):
            if rank is not None:
                cut_rank(projection, rank)


@_apply.register
def _(constraint: Sparse, net: RecurrentNet) -> None:
    for cell in net.cells:
        for projection, density in ((cell.input, constraint.density_w), (cell.recurrent, constraint.density_u)):
            for matrix in cast(list[Matrix], list(projection.factors)):
                matrix.support = SparseSupport.of(matrix.weight, density or constraint.density, constraint)


@_apply.register
def _(constraint: PiecewiseLinearActivations, net: RecurrentNet) -> None:  # noqa: ARG001
    net.arithmetic.nonlinearity = "piecewise_linear"


@_apply.register
def _(constraint: Distill, net: RecurrentNet) -> None:
    """Acts through the loss alone: see `distillation`."""
