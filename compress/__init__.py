"""Compression: constraints from the recipe, put on a net one after another, and how they anneal during training."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import singledispatch
from typing import TypeVar, cast

from torch import nn

from ..errors import InputError
from ..models import FixedPointArithmetic, Matrix, Net
from ..models.layered.layered_module import LayeredModule
from ..recipe import Constraint, Distill, LowRank, PiecewiseLinearActivations, Quantize, Sparse, Ternary
from .calibrate import calibrate
from .distill import DistillationLoss
from .lowrank import cut_rank
from .quantize import Bits, IntegerStorage
from .seeded import SeededStorage
from .sparse import SparseSupport, largest_magnitudes
from .ternary import TernaryStorage, arenas_residual, ternary_pattern
from .widen import widen_unproved

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
    format = _check(constraints)
    result = copy.deepcopy(net)
    for constraint in constraints:
        _apply(constraint, result)
    result.arithmetic = FixedPointArithmetic(result.arithmetic.nonlinearity, result.calibrated(format.activations), result.given)
    return result


def anneal(net: Net, step: int, total: int) -> None:
    """Move every schedule of the net's constraints to where `step` of the fine-tuning's `total` steps are done.

    Called after step 0, 1, ... total: a projection may change the weights. Twice with the same numbers is the same as once. In a net with
    batch normalisation the schedules end when it folds, so that its statistics are those of the final weights.
    """
    normalized = [module for module in net.layer_modules if module.has_norm]
    if normalized:
        live = max(1, math.floor(LIVE_SHARE * total))
        for module in normalized:
            module.folds = step >= live
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


def _check(constraints: Sequence[Constraint]) -> Ternary | Quantize:
    """The one that gives the weights their format."""
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
    return next(constraint for constraint in constraints if isinstance(constraint, Ternary | Quantize))


@singledispatch
def _apply(constraint: object, net: Net) -> None:  # noqa: ARG001
    raise InputError(f"compress knows no constraint {type(constraint).__name__}")


@_apply.register
def _(constraint: Ternary, net: Net) -> None:
    _store(constraint, net, lambda: TernaryStorage(constraint.scale, per=constraint.per, arenas=constraint.arenas))


@_apply.register
def _(constraint: Quantize, net: Net) -> None:
    _store(constraint, net, lambda: IntegerStorage(constraint.bits, constraint.scale))


def _store(constraint: Ternary | Quantize, net: Net, storage: Callable[[], nn.Module]) -> None:
    """Give every matrix its format: `storage`, or what its layer needs."""
    if net.cells:
        _refuse_keys_of_layers(constraint)
    for matrix in matrices(net):
        matrix.storage = storage()
    for module in net.layer_modules:
        _store_special_layers(constraint, module)


def _store_special_layers(constraint: Ternary | Quantize, module: LayeredModule) -> None:
    """Depthwise kernels, a few bytes a channel, stay dense integers.

    So do the first and the last layers where the constraint says so. Random projections keep their signs and take the form of the
    scales alone.
    """
    ends = module.plan.first_and_last() if constraint.first_and_last == "dense" else frozenset()
    dense: Bits = 6 if constraint.activations == "int8" else 8
    for name, layer in module.by_name.items():
        if layer.layer.seed is not None:
            layer.matrix.storage = SeededStorage(layer.layer.seed, constraint.scale)
        elif layer.layer.depthwise or name in ends:
            layer.matrix.storage = IntegerStorage(dense, constraint.scale)


def _refuse_keys_of_layers(constraint: Ternary | Quantize) -> None:
    if constraint.activations == "int8":
        raise InputError('activations = "int8" is for nets without state: a recurrent state needs 16 bits')
    if constraint.first_and_last == "dense":
        raise InputError('first_and_last = "dense" is for nets without state: a recurrent cell has one storage')


def _refuse_without_cells(constraint: LowRank | Sparse | PiecewiseLinearActivations, net: Net) -> None:
    if not net.cells:
        raise InputError(f"{constraint.kind} in compress is for recurrent cells: a net without state takes quantize, ternary and distill")


@_apply.register
def _(constraint: LowRank, net: Net) -> None:
    _refuse_without_cells(constraint, net)
    for cell in net.cells:
        for projection, rank in ((cell.input, constraint.rank_w), (cell.recurrent, constraint.rank_u)):
            if rank is not None:
                cut_rank(projection, rank)


@_apply.register
def _(constraint: Sparse, net: Net) -> None:
    _refuse_without_cells(constraint, net)
    for cell in net.cells:
        for projection, density in ((cell.input, constraint.density_w), (cell.recurrent, constraint.density_u)):
            for matrix in cast(list[Matrix], list(projection.factors)):
                matrix.support = SparseSupport.of(matrix.weight, density or constraint.density, constraint)


@_apply.register
def _(constraint: PiecewiseLinearActivations, net: Net) -> None:
    _refuse_without_cells(constraint, net)
    net.arithmetic.nonlinearity = "piecewise_linear"


@_apply.register
def _(constraint: Distill, net: Net) -> None:
    """Acts through the loss alone: see `distillation`."""
