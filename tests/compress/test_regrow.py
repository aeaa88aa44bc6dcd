"""Sparse supports that are thinned little by little and regrown by the gradient."""

import math

import pytest
import torch
from safetensors.torch import load, save

from rescomp.compress import anneal, constrain, matrices
from rescomp.compress.regrow import RegrowingSupport
from rescomp.models import Matrix, build
from rescomp.recipe import ModelSection, Quantize, Sparse

TOTAL, EVERY = 40, 5
ENTRY = Sparse(density=0.25, search=0.5, project_every=EVERY, regrow=0.5)


def matrix_of():
    torch.manual_seed(0)
    matrix = Matrix(6, 8)
    matrix.support = RegrowingSupport.of(matrix.weight, 0.25, ENTRY)
    return matrix


def train(matrix, target, steps, begin=0):
    """Gradient descent towards a matrix; the densities after each step."""
    densities = []
    for step in range(begin, steps + 1):
        if step > begin:
            matrix.weight.grad = None
            (matrix() - target).square().sum().backward()
            matrix.weight.data -= 0.1 * matrix.weight.grad
        matrix.anneal(step, TOTAL)
        densities.append(matrix.support.mask.double().mean().item())
    return densities


def test_it_is_thinned_by_a_cubic_and_then_fixed_at_its_density():
    matrix = matrix_of()
    densities = train(matrix, torch.randn(6, 8), TOTAL)
    shares = [max(0.0, 1 - step // EVERY * EVERY / 20) for step in range(TOTAL + 1)]
    expected = [math.floor(48 * (0.25 + 0.75 * share**3) + 0.5) / 48 for share in shares]
    assert densities == expected
    assert matrix.support.is_fixed
    assert int(torch.count_nonzero(matrix.weight)) == int(torch.count_nonzero(matrix())) == 12


def test_the_smallest_make_room_for_the_largest_gradients_which_begin_at_zero():
    matrix = matrix_of()
    matrix.weight.data = torch.arange(1.0, 49).view(6, 8)
    matrix.weight.data[0, 0] = -99
    matrix.weight.grad = torch.zeros(6, 8)
    matrix.weight.grad[0, 1:4] = torch.tensor([3.0, -5.0, 4.0])
    matrix.weight.grad[5, 7] = 9
    matrix.anneal(15, TOTAL)
    count = round(48 * (0.25 + 0.75 / 64))
    stay, grown = count - round(count / 2), round(count / 2)
    inside = matrix.support.mask.flatten()
    assert int(inside.sum()) == count
    assert inside[0]
    assert bool(inside[-(stay - 1) :].all()), "the largest magnitudes stay"
    assert inside[[1, 2, 3]].all(), "and the largest gradients come in"
    assert not matrix.weight[0, 1:4].any()
    assert int(torch.count_nonzero(matrix.weight)) == stay == count - grown


def test_outside_nothing_counts_but_gradients_until_it_is_fixed():
    matrix = matrix_of()
    train(matrix, torch.randn(6, 8), 12)
    outside = ~matrix.support.mask
    for fixed in (False, True):
        matrix.weight.grad = None
        matrix().sum().backward()
        assert not matrix()[outside].any()
        assert bool(matrix.weight.grad[outside].all()) != fixed
        matrix.anneal(20, TOTAL)
        outside = ~matrix.support.mask
    few = matrix_of()
    train(few, torch.randn(6, 8), 7)
    assert int(torch.count_nonzero(few.eval()())) == 12, "no accuracy is that of a denser net"


def test_a_second_call_changes_nothing_and_a_resumed_training_ends_alike():
    target = torch.randn(6, 8)
    whole, first, second = matrix_of(), matrix_of(), matrix_of()
    train(whole, target, TOTAL)
    train(first, target, 10)
    before = first.support.mask.clone()
    first.anneal(10, TOTAL)
    assert torch.equal(first.support.mask, before)
    second.load_state_dict(load(save(first.state_dict())))
    train(second, target, TOTAL, begin=10)
    assert torch.equal(second.weight, whole.weight)
    assert torch.equal(second.support.mask, whole.support.mask)


@pytest.mark.parametrize("regrow", [0.0, 0.3])
def test_the_recipe_chooses_it_for_what_it_names(regrow):
    net = build(ModelSection(hidden_size=8), 3, 4)
    sparse = constrain(net, [Sparse(density=0.25, regrow=regrow, matrices=("U",)), Quantize()])
    kinds = [isinstance(matrix.support, RegrowingSupport) for matrix in matrices(sparse)]
    assert kinds == [False, bool(regrow), False]
    anneal(sparse, 1, 1)
    assert int(torch.count_nonzero(sparse.cell.recurrent.matrices()[0])) <= 16
