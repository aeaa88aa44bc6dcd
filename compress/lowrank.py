"""Trained matrices cut to a low rank (Kusupati et al. 2018, section 3.2: W = W1 (W2)^T), by their singular values.

A layer of a rank is two: one of so many rows with the window of the whole (Denton et al. 2014 for convolutions), and one over single
positions, which has the bias, the normalisation and all that follows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..models import FloatStorage, Matrix, Net, Plan, Projection, Step
from ..models.applied import LayerParameters
from ..models.layered.layered_module import LayeredModule
from ..models.layered.plan import Layer
from ..recipe import LowRank
from .selection import CLASSIFIER, INPUT_MATRIX, STATE_MATRIX, cell_matrices, entries_by_name, named_matrices

FACTOR = "_factor"
"""What the name of the first of a layer's two factors ends with, and that of the value it makes."""


def cut_ranks(net: Net, entries: Sequence[LowRank]) -> None:
    """Cut what the entries ask for: of cells W and U, and layers. Raises InputError for what has no rank to be cut to."""
    wanted = _ranks(net, entries)
    for cell in net.cells:
        for name, projection in ((f"{INPUT_MATRIX}{cell.suffix}", cell.input), (f"{STATE_MATRIX}{cell.suffix}", cell.recurrent)):
            if name in wanted:
                cut_rank(projection, wanted[name])
    for module in net.layer_modules:
        own = {name: rank for name, rank in wanted.items() if name in module.by_name}
        if own:
            cut_layers(module, own)


def _ranks(net: Net, entries: Sequence[LowRank]) -> dict[str, int]:
    """The rank of every matrix that is to be cut, by its name."""
    named, cells = named_matrices(net), {name for cell in net.cells for name in cell_matrices(cell)}
    if net.cells:
        del named[CLASSIFIER]
    elif any(entry.rank_w or entry.rank_u for entry in entries):
        raise InputError("rank_w and rank_u of low_rank in compress are for recurrent cells: name layers in matrices, with rank or share")
    whole = {name: layer for module in net.layer_modules for name, layer in module.by_name.items()}
    found: dict[str, int] = {}
    for name, entry in entries_by_name(entries, named).items():
        is_special = name in whole and whole[name].layer.is_special
        if is_special and entry.matrices is not None:
            raise InputError(f"low_rank: {name} is a depthwise kernel or a random projection, which has no factors: name other matrices")
        rank = None if is_special else _rank(entry, name, named[name], is_cell=name in cells)
        found |= {} if rank is None else {name: rank}
    if not found:
        raise InputError("low_rank in compress changes nothing of this net: name matrices of it, or leave it out")
    return found


def _rank(entry: LowRank, name: str, factors: Sequence[Matrix], *, is_cell: bool) -> int | None:
    """What an entry makes of one matrix; None: it stays as it is. factors: those that it has already, in the order of application."""
    of_cell = (entry.rank_u if name.startswith(STATE_MATRIX) else entry.rank_w) if is_cell else None
    if entry.share is None or of_cell is not None:
        return of_cell or entry.rank
    rows, columns = len(factors[-1].weight), factors[0].weight.shape[1]
    rank = max(1, math.floor(entry.share * min(rows, columns) + 0.5))
    smaller = rank * (rows + columns) < sum(factor.weight.numel() for factor in factors)
    return rank if smaller or entry.matrices is not None else None


@torch.no_grad()
def cut_layers(module: LayeredModule, ranks: Mapping[str, int]) -> None:
    """Replace each of these layers by two of a rank, whose product is nearest to its matrix. Raises InputError as `cut_rank` does."""
    layers = dict(module.by_name)
    plan, factor_of = factored(module.plan, ranks)
    for factor, name in factor_of.items():
        whole = layers[name]
        _refuse_late([whole.matrix])
        _refuse_large(ranks[name], name, whole.matrix.weight.shape)
        first, second = _factors(whole.matrix.weight.double(), ranks[name])
        layers[factor] = LayerParameters(plan.layer(factor), repeats=whole.repeats)
        layers[factor].matrix.weight.copy_(first)
        whole.layer, whole.matrix = plan.layer(name), _matrix(second)
    module.become(plan, layers, factor_of)


def factored(plan: Plan, ranks: Mapping[str, int]) -> tuple[Plan, dict[str, str]]:
    """(the plan with two layers and steps in the place of each one, the first ones' layers with the names of the second)."""
    taken = {layer.name for layer in plan.layers} | {step.name for step in plan.steps}
    suffix = FACTOR
    while any(name + suffix in taken for name in taken):
        suffix += FACTOR
    layers = [each for layer in plan.layers for each in _two_layers(layer, ranks.get(layer.name), suffix)]
    steps = [each for step in plan.steps for each in _two_steps(step, ranks.get(step.layer), suffix)]
    return replace(plan, layers=tuple(layers), steps=tuple(steps)), {name + suffix: name for name in ranks}


def _two_layers(layer: Layer, rank: int | None, suffix: str) -> list[Layer]:
    if rank is None:
        return [layer]
    return [Layer(layer.name + suffix, rank, layer.columns, biased=False), replace(layer, columns=rank)]


def _two_steps(step: Step, rank: int | None, suffix: str) -> list[Step]:
    if rank is None:
        return [step]
    height, width, _ = step.shape
    name = step.name + suffix
    first = replace(step, name=name, layer=step.layer + suffix, shape=(height, width, rank), relu=False, gain_in=1.0, gain_out=1.0)
    return [first, replace(step, inputs=(name,), kernel_size=(1, 1), stride=(1, 1), padding=(0, 0, 0, 0))]


@torch.no_grad()
def cut_rank(projection: Projection, rank: int) -> None:
    """Replace the factors of a projection by the two of `rank` nearest to their product (Eckart and Young), of equal magnitude.

    Raises InputError when the rank is larger than the product's, or the matrices have been given a support or a storage before.
    """
    matrices = [matrix for _, matrix in projection.layers]
    _refuse_late(matrices)
    _refuse_large(rank, f"the {projection.name} matrix", [size for matrix in matrices for size in matrix.weight.shape])
    projection.factors = nn.ModuleList(_matrix(values) for values in _factors(_product(matrices), rank))


def _refuse_late(matrices: list[Matrix]) -> None:
    if any(matrix.is_sparse or not isinstance(matrix.storage, FloatStorage) for matrix in matrices):
        raise InputError("low_rank makes new matrices: put it before sparse, quantize and ternary in compress")


def _refuse_large(rank: int, what: str, sizes: Sequence[int]) -> None:
    if rank > min(sizes):
        raise InputError(f"low_rank: rank {rank} is larger than {what} allows: use at most {min(sizes)}")


def _product(matrices: list[Matrix]) -> Tensor:
    """float64 [rows, columns]."""
    result = matrices[0].weight.double()
    for matrix in matrices[1:]:
        result = matrix.weight.double() @ result
    return result


def _factors(whole: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """([rank, columns], [rows, rank]) in the order of application, the singular values shared between them."""
    left, values, right = torch.linalg.svd(whole, full_matrices=False)
    root = values[:rank].sqrt()
    return root[:, None] * right[:rank], left[:, :rank] * root


def _matrix(values: Tensor) -> Matrix:
    matrix = Matrix(*values.shape)
    matrix.weight.copy_(values)
    return matrix
