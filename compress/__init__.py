"""Compression: constraints from the recipe, put on a net one after another, and how they anneal during training."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from functools import singledispatch

from ..errors import InputError
from ..models import FixedPointArithmetic, Matrix, RecurrentNet
from ..recipe import Constraint, Quantize, Ternary
from .calibrate import calibrate
from .quantize import Int8Format
from .ternary import TernaryFormat, arenas_residual, ternary_pattern

__all__ = ["Int8Format", "TernaryFormat", "anneal", "arenas_residual", "calibrate", "compress", "matrices", "ternary_pattern"]


def compress(net: RecurrentNet, constraints: Sequence[Constraint]) -> RecurrentNet:
    """A copy of `net` under the constraints, applied in order, ready for calibrate and fine-tuning.

    The keys of its state_dict are those of `net`, plus the formats. Raises InputError unless exactly one constraint gives the
    weights their format.
    """
    if sum(isinstance(constraint, Ternary | Quantize) for constraint in constraints) != 1:
        raise InputError("exactly one constraint must give the weights their format: ternary or quantize")
    result = copy.deepcopy(net)
    for constraint in constraints:
        _apply(constraint, result)
    return result


def anneal(net: RecurrentNet, progress: float) -> None:
    """Move every schedule of the net's constraints to `progress`: 0 at the first step of the fine-tuning, 1 at the last."""
    for matrix in matrices(net):
        matrix.format.anneal(progress)


def matrices(net: RecurrentNet) -> Iterator[Matrix]:
    """Every weight matrix of the net, the classifier included."""
    return (module for module in net.modules() if isinstance(module, Matrix))


@singledispatch
def _apply(constraint: object, net: RecurrentNet) -> None:  # noqa: ARG001
    raise InputError(f"compress knows no constraint {type(constraint).__name__}")


@_apply.register
def _(constraint: Ternary, net: RecurrentNet) -> None:
    net.arithmetic = FixedPointArithmetic(net.arithmetic.nonlinearity)
    for matrix in matrices(net):
        matrix.storage = TernaryFormat(constraint.scale, arenas=constraint.arenas)


@_apply.register
def _(constraint: Quantize, net: RecurrentNet) -> None:
    net.arithmetic = FixedPointArithmetic(net.arithmetic.nonlinearity)
    for matrix in matrices(net):
        matrix.storage = Int8Format(constraint.scale)
