"""Factors that are turned before they are quantized."""

import pytest
import torch

from rescomp.compress import TernaryStorage, calibrate, constrain
from rescomp.compress.rotate import rotate
from rescomp.errors import InputError
from rescomp.models import Projection, build
from rescomp.recipe import LowRank, ModelSection, Quantize, RotateFactors, Ternary


def factors(rank=6):
    torch.manual_seed(4)
    product = Projection("recurrent", 24, 20, rank)
    for factor in product.factors:
        factor.storage = TernaryStorage()
        factor.weight.data = torch.randn_like(factor.weight) * torch.rand(len(factor.weight), 1)
    return product


def product_of(product, *, stored):
    inner, outer = ((factor() if stored else factor.weight).detach().double() for factor in product.factors)
    return outer @ inner


def test_the_product_stays_and_far_more_of_it_is_kept():
    before, turned = factors(), factors()
    error = rotate(turned, 60)
    whole = product_of(before, stored=False)
    torch.testing.assert_close(product_of(turned, stored=False), whole, rtol=1e-4, atol=1e-5)
    kept = [torch.linalg.norm(product_of(each, stored=True) - whole) / torch.linalg.norm(whole) for each in (before, turned)]
    assert error == pytest.approx(kept[1].item(), rel=1e-3)
    assert kept[1] < 0.9 * kept[0]


def test_more_rounds_are_never_worse_and_none_is_ever_worse_than_no_rotation():
    errors = [rotate(factors(), rounds) for rounds in (0, 1, 5, 60)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > errors[-1]


def test_the_storage_that_a_factor_has_is_what_counts():
    net = build(ModelSection(hidden_size=12, layers=2), 3, 4)
    entries = [LowRank(rank_u=4), Ternary(), Quantize(matrices=("W*", "classifier")), RotateFactors()]
    plain, turned = constrain(net, [entry for entry in entries if entry != RotateFactors()]), constrain(net, entries)
    for old, new in zip(plain.cells, turned.cells, strict=True):
        assert torch.equal(old.input.factors[0].weight, new.input.factors[0].weight), "a full matrix is not turned"
        before, after = (product_of(cell.recurrent, stored=True) for cell in (old, new))
        whole = product_of(old.recurrent, stored=False)
        assert torch.linalg.norm(after - whole) < torch.linalg.norm(before - whole)
    calibrate(turned, torch.randn(2, 5, 3), torch.tensor([5, 3]), 9)


def test_a_net_without_factors_is_refused():
    with pytest.raises(InputError, match="turns the two factors of a low rank, and this net has none"):
        constrain(build(ModelSection(hidden_size=6), 3, 4), [Ternary(), RotateFactors()])
