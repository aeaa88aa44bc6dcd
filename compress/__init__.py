"""Compression: constraints from the recipe, put on a net one after another, and how they anneal during training."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import singledispatch
from typing import TypeVar

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..models import FixedPointArithmetic, Matrix, Net
from ..recipe import (
    Constraint,
    Distill,
    InputGains,
    LowRank,
    NamingEntry,
    PiecewiseLinearActivations,
    Quantize,
    RotateFactors,
    Sparse,
    Ternary,
    check_storages,
)
from .calibrate import calibrate
from .distill import DistillationLoss
from .learned_scale import LearnedFactors
from .lowrank import cut_layers, cut_rank, cut_ranks
from .quantize import IntegerStorage
from .rotate import rotate_factors
from .seeded import SeededStorage
from .selection import named_matrices
from .sparse import SparseSupport, largest_magnitudes
from .storages import give_storages
from .supports import give_supports
from .ternary import TernaryStorage, arenas_residual, ternary_pattern
from .widen import widen_unproved

__all__ = [
    "DistillationLoss",
    "IntegerStorage",
    "LearnedFactors",
    "SeededStorage",
    "SparseSupport",
    "TernaryStorage",
    "anneal",
    "arenas_residual",
    "calibrate",
    "constrain",
    "cut_layers",
    "cut_rank",
    "distillation",
    "largest_magnitudes",
    "matrices",
    "named_matrices",
    "ternary_pattern",
    "widen_unproved",
]

AnyNet = TypeVar("AnyNet", bound=Net)
LIVE_SHARE = 0.7
"""Share of the fine-tuning in which batch normalisation uses each batch's own statistics; after it, it is folded into the weights."""


def constrain(net: AnyNet, constraints: Sequence[Constraint]) -> AnyNet:
    """A copy of `net` under the constraints, applied in order, ready for calibrate and fine-tuning.

    The keys of its state_dict are those of `net` with the constraints' additions: formats, factors, masks. Raises InputError unless
    every matrix is given one storage, no constraint stands twice that names no matrices, and they can be combined.
    """
    storages = _check(constraints)
    result = copy.deepcopy(net)
    supports = [constraint for constraint in constraints if isinstance(constraint, Sparse)]
    ranks = [constraint for constraint in constraints if isinstance(constraint, LowRank)]
    for constraint in constraints:
        if constraint is storages[0]:
            give_storages(result, storages)
        elif supports and constraint is supports[0]:
            give_supports(result, supports)
        elif ranks and constraint is ranks[0]:
            cut_ranks(result, ranks)
        _apply(constraint, result)
    _refuse_sparse_ternary(result)
    for constraint in constraints:
        if isinstance(constraint, RotateFactors):
            rotate_factors(result, constraint)
    activations = storages[0].activations
    result.arithmetic = FixedPointArithmetic(result.arithmetic.nonlinearity, result.calibrated(activations), result.given)
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


def distillation(
    teachers: Sequence[Net], constraints: Sequence[Constraint], label_smoothing: float, weights: Tensor | None = None
) -> DistillationLoss | None:
    """The loss that `distill` among the constraints asks for; None without it, or without teachers. weights: see DistillationLoss."""
    wanted = [constraint for constraint in constraints if isinstance(constraint, Distill)]
    return DistillationLoss(teachers, wanted[0], label_smoothing, weights) if wanted and teachers else None


def matrices(net: Net) -> Iterator[Matrix]:
    """Every weight matrix of the net, the classifier included."""
    return (module for module in net.modules() if isinstance(module, Matrix))


def _check(constraints: Sequence[Constraint]) -> Sequence[Ternary | Quantize]:
    """Those that give weights their format."""
    try:
        storages = check_storages(constraints)
    except ValueError as error:
        raise InputError(f"compress: {error}") from error
    kinds = Counter(constraint.kind for constraint in constraints if constraint not in storages)
    named = {constraint.kind for constraint in constraints if isinstance(constraint, NamingEntry) and constraint.matrices}
    twice = [kind for kind, count in kinds.items() if count > 1 and kind not in named]
    if twice:
        raise InputError(f"compress holds {twice[0]} twice: keep one")
    return storages


def _refuse_sparse_ternary(net: Net) -> None:
    for name, every in named_matrices(net).items():
        if any(matrix.is_sparse and isinstance(matrix.storage, TernaryStorage) for matrix in every):
            raise InputError(
                f"{name} cannot be sparse and ternary, whose 3:4 pattern stores exactly one zero in every four weights: "
                "take quantize for it (--weights int8, for instance), or ternary without sparse"
            )


@singledispatch
def _apply(constraint: object, net: Net) -> None:  # noqa: ARG001
    raise InputError(f"compress knows no constraint {type(constraint).__name__}")


@_apply.register
def _(constraint: Ternary | Quantize | Sparse | LowRank, net: Net) -> None:
    """All of a kind together, at the place of the first: see `give_storages`, `give_supports` and `cut_ranks`."""


@_apply.register
def _(constraint: PiecewiseLinearActivations, net: Net) -> None:
    if not net.cells:
        raise InputError(
            f"{constraint.kind} in compress is for recurrent cells: a net without state takes quantize, ternary, low_rank, "
            "sparse and distill"
        )
    net.arithmetic.nonlinearity = "piecewise_linear"


@_apply.register
def _(constraint: InputGains, net: Net) -> None:  # noqa: ARG001
    net.input_gains = nn.Parameter(torch.ones_like(net.std))


@_apply.register
def _(constraint: RotateFactors, net: Net) -> None:
    """Behind all others, when storages are known: see `rotate_factors`."""


@_apply.register
def _(constraint: Distill, net: Net) -> None:
    """Acts through the loss alone: see `distillation`."""
