"""Iterative hard thresholding: what is kept, when the support moves, and that it can be interrupted."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load, save

from rescomp.compress import anneal, calibrate, constrain, largest_magnitudes
from rescomp.compress.sparse import SparseSupport
from rescomp.models import build
from rescomp.recipe import ModelSection, Quantize, Sparse

TOTAL = 20


def support_of(weight, density=0.4, search=0.5, every=3):
    return SparseSupport.of(weight, density, Sparse(search=search, project_every=every))


def compressed(constraint=Sparse(density=0.4, project_every=3), **section):  # noqa: B008
    torch.manual_seed(0)
    net = build(ModelSection(hidden_size=6, **section), 3, 4)
    net = constrain(net, [constraint, Quantize()])
    calibrate(net, *task()[:2], 9)
    return net


def task():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(8, 5, 3, generator=generator), torch.tensor([5, 1, 4, 5, 2, 5, 3, 5]), torch.arange(8) % 4


def train(net, optimizer, steps):
    x, lengths, y = task()
    for step in steps:
        anneal(net, step, TOTAL)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net.train()(x, lengths), y).backward()
        optimizer.step()
        anneal(net, step + 1, TOTAL)


def test_the_largest_magnitudes_are_kept_and_of_equals_the_first():
    weight = torch.tensor([[1.0, -3.0, 2.0], [2.0, 0.0, -2.0]])
    assert largest_magnitudes(weight, 0.5).tolist() == [[False, True, True], [True, False, False]]
    assert largest_magnitudes(weight, 1.0).all()
    assert largest_magnitudes(weight, 1e-9).sum() == 1
    assert largest_magnitudes(torch.ones(2, 2), 0.5).tolist() == [[True, True], [False, False]]


def test_projection_every_few_steps_then_a_fixed_support():
    weight = torch.nn.Parameter(torch.randn(5, 4, generator=torch.Generator().manual_seed(0)))
    support = support_of(weight)
    for step in range(TOTAL + 1):
        with torch.no_grad():
            weight.add_(0.3 * torch.randn(5, 4, generator=torch.Generator().manual_seed(step + 1)))
        before, mask = weight.clone(), support.mask.clone()
        support.anneal(weight, step, TOTAL)
        if step > 10 or (step < 10 and step % 3):
            assert torch.equal(weight, before)
            assert torch.equal(support.mask, mask)
        else:
            assert torch.equal(weight, before * largest_magnitudes(before, 0.4))
        assert bool(support.mask.all()) == (step < 10)
    assert support.mask.sum() == 8


def test_anneal_twice_is_once():
    for step in range(TOTAL + 1):
        weight = torch.nn.Parameter(torch.randint(-2, 3, (5, 4), generator=torch.Generator().manual_seed(step)).float())
        support = support_of(weight)
        support.anneal(weight, step, TOTAL)
        once = weight.clone(), support.mask.clone()
        support.anneal(weight, step, TOTAL)
        assert torch.equal(weight, once[0])
        assert torch.equal(support.mask, once[1])


@pytest.mark.parametrize(("search", "first_fixed"), [(0.0, 0), (1.0, TOTAL), (0.28, 5)])
def test_the_share_of_the_search(search, first_fixed):
    weight = torch.nn.Parameter(torch.randn(5, 4))
    support = support_of(weight, search=search)
    fixed = []
    for step in range(TOTAL + 1):
        support.anneal(weight, step, TOTAL)
        fixed.append(not support.mask.all())
    assert fixed.index(True) == first_fixed


def test_what_lies_outside_has_neither_value_nor_gradient():
    weight = torch.nn.Parameter(torch.randn(5, 4))
    support = support_of(weight)
    support.anneal(weight, TOTAL, TOTAL)
    with torch.no_grad():
        weight.add_(1.0)  # a momentum, say
    (gradient,) = torch.autograd.grad(support(weight).sum(), weight)
    assert torch.equal(gradient, support.mask.float())
    assert torch.equal(support(weight) != 0, support.mask)


def test_evaluation_is_never_of_a_dense_net():
    weight = torch.nn.Parameter(torch.randn(5, 4))
    support = support_of(weight)
    assert support.train()(weight).count_nonzero() == 20
    assert torch.equal(support.eval()(weight), weight * largest_magnitudes(weight, 0.4))


def test_densities_of_the_two_matrices_and_their_factors():
    net = compressed(Sparse(density=0.9, density_u=0.25), rank_w=2, rank_u=4)
    anneal(net, TOTAL, TOTAL)
    kept = [[int(matrix.support.mask.sum()) for _, matrix in side.layers] for side in (net.cell.input, net.cell.recurrent)]
    assert kept == [[5, 11], [6, 6]]  # of 2 x 3, 6 x 2, 4 x 6, 6 x 4
    assert not net.classifier.is_sparse


def test_the_support_moves_while_it_is_searched():
    net = compressed(layers=2)
    anneal(net, 0, TOTAL)
    at_first = [largest_magnitudes(cell.recurrent.factors[0].weight, 0.4) for cell in net.cells]
    train(net, torch.optim.Adam(net.parameters(), lr=0.1), range(TOTAL))
    assert any(not torch.equal(mask, cell.recurrent.factors[0].support.mask) for mask, cell in zip(at_first, net.cells, strict=True))
    entries, _, _ = net.cell.recurrent.factors[0].integers()
    assert (entries != 0).sum() <= round(0.4 * 36)


@pytest.mark.parametrize("cut", [2, 3, 10, 15])
def test_an_interrupted_search_ends_in_the_same_bits(cut):
    whole = compressed()
    train(whole, torch.optim.Adam(whole.parameters(), lr=0.1), range(TOTAL))
    first = compressed()
    optimizer = torch.optim.Adam(first.parameters(), lr=0.1)
    train(first, optimizer, range(cut))
    second = compressed()
    second.load_state_dict(load(save(first.state_dict())))
    resumed = torch.optim.Adam(second.parameters(), lr=0.1)
    resumed.load_state_dict(optimizer.state_dict())
    train(second, resumed, range(cut, TOTAL))
    for (name, value), again in zip(whole.state_dict().items(), second.state_dict().values(), strict=True):
        assert torch.equal(value, again), name
