"""Cutting trained matrices to a rank."""

from __future__ import annotations

import pytest
import torch

from rescomp.compress import constrain, cut_rank, matrices
from rescomp.errors import InputError
from rescomp.models import Projection, build
from rescomp.recipe import LowRank, ModelSection, Quantize, Sparse, Ternary


def product(projection):
    result = projection.matrices()[0]
    for matrix in projection.matrices()[1:]:
        result = matrix @ result
    return result.detach()


def projection_of(rank=None):
    torch.manual_seed(0)
    return Projection("recurrent", 9, 7, rank)


@pytest.mark.parametrize("rank", [1, 3, 7])
def test_the_product_is_the_nearest_of_its_rank(rank):
    projection = projection_of()
    whole = product(projection)
    cut_rank(projection, rank)
    assert [tuple(matrix.weight.shape) for _, matrix in projection.layers] == [(rank, 7), (9, rank)]
    assert projection.names == ("recurrent_factor", "recurrent_product")
    error = torch.linalg.norm(product(projection) - whole)
    assert error.item() == pytest.approx(torch.linalg.svdvals(whole)[rank:].norm().item(), abs=1e-6)
    first, second = projection.matrices()
    torch.testing.assert_close(first.norm(), second.norm())


def test_factors_can_be_cut_again():
    projection = projection_of(rank=5)
    whole = product(projection)
    cut_rank(projection, 2)
    left, values, right = torch.linalg.svd(whole)
    torch.testing.assert_close(product(projection), left[:, :2] * values[:2] @ right[:2], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("built", "wanted", "most"), [(None, 8, 7), (4, 5, 4)])
def test_a_rank_too_large_is_refused(built, wanted, most):
    with pytest.raises(InputError, match=f"use at most {most}"):
        cut_rank(projection_of(built), wanted)


@pytest.mark.parametrize("first", [[Ternary()], [Sparse(), Quantize()], [Quantize(bits=4)]])
def test_it_must_come_first(first):
    with pytest.raises(InputError, match="put it before"):
        constrain(build(ModelSection(hidden_size=6), 3, 4), [*first, LowRank(rank_u=2)])


def test_only_the_wanted_matrices_of_every_cell():
    net = build(ModelSection(kind="gru", hidden_size=6, layers=2), 3, 4)
    result = constrain(net, [LowRank(rank_u=2), Ternary()])
    sizes = [tuple(matrix.weight.shape) for matrix in matrices(result)]
    assert sizes == [(18, 3), (2, 6), (18, 2), (18, 6), (2, 6), (18, 2), (4, 6)]
    assert len(list(matrices(net))) == 5
