"""The hand-written backward pass: gradcheck where smooth, autograd of the plain loop where straight-through."""

from __future__ import annotations

import pytest
import torch
from torch.func import functional_call

from rescomp.compress import anneal, calibrate, compress
from rescomp.models import build
from rescomp.models.recurrence import run_cell
from rescomp.recipe import ModelSection, Quantize, Ternary


def net_of(nonlinearity="table", rank=None, constraint=None, spread=6.0):
    torch.manual_seed(3)
    section = ModelSection(hidden_size=6, nonlinearity=nonlinearity, rank_w=rank, rank_u=rank)
    net = build(section, 4, 3, torch.zeros(4), torch.ones(4))
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.dim() == 2:
                parameter.mul_(spread)
    x, lengths = inputs()
    if constraint is not None:
        net = compress(net, [constraint])
        calibrate(net, x.float(), lengths, 10)
        anneal(net, 0.3)
    return net.double()


def inputs():
    x = torch.randn(5, 8, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    return torch.round(x * 1024) / 1024, torch.tensor([8, 1, 5, 8, 2])


def plain_loop(cell, arithmetic, projected):
    factors, constants = cell.recurrent.matrices(), cell.constants(arithmetic)
    h, states = torch.zeros_like(projected[0]), []
    for step in projected:
        h = cell.update(arithmetic, step, cell.recurrent.apply_matrices(arithmetic, h, factors), h, constants)
        states.append(h)
    return torch.stack(states)


@pytest.mark.parametrize("rank", [None, 2])
def test_gradcheck_of_the_smooth_float_net(rank):
    net = net_of(rank=rank, spread=3.0)
    x, lengths = inputs()
    names = [name for name, _ in net.named_parameters()]

    def scores(x, *values):
        return functional_call(net, dict(zip(names, values, strict=True)), (x, lengths))

    leaves = [value.detach().clone().requires_grad_() for value in net.parameters()]
    assert torch.autograd.gradcheck(scores, (x.requires_grad_(), *leaves))


@pytest.mark.parametrize("rank", [None, 2])
@pytest.mark.parametrize("nonlinearity", ["table", "piecewise_linear"])
@pytest.mark.parametrize("constraint", [None, Ternary(), Ternary(scale="power_of_two"), Quantize()])
@pytest.mark.parametrize("spread", [6.0, 40.0])
def test_equals_autograd_of_the_plain_loop(rank, nonlinearity, constraint, spread):
    net = net_of(nonlinearity, rank, constraint, spread)
    projected = (spread / 4 * torch.randn(9, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(6))).requires_grad_()
    weighting = torch.randn(9, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(8))
    leaves = [projected, *net.cell.recurrent.parameters(), net.cell.gate_bias, net.cell.candidate_bias, net.cell.zeta, net.cell.nu]
    results = []
    for run in (run_cell, plain_loop):
        states = run(net.cell, net.arithmetic, net.arithmetic.requantize(projected, "input_product"))
        results.append((states, torch.autograd.grad((states * weighting).sum(), leaves)))
    (states, gradients), (plain_states, plain_gradients) = results
    assert torch.equal(states, plain_states)
    for gradient, plain in zip(gradients, plain_gradients, strict=True):
        torch.testing.assert_close(gradient, plain, rtol=1e-9, atol=1e-11)  # the same sums in another order
    assert any(bool(gradient.abs().max() > 0) for gradient in gradients)


def test_saturation_is_reached_by_the_test_above():
    net = net_of("table", 2, Ternary(), 40.0)
    h = 2 * torch.randn(50, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    factor = net.arithmetic.requantize(h @ net.cell.recurrent.matrices()[0].T, "recurrent_factor")
    bound = net.arithmetic.formats["recurrent_factor"]
    assert bool((factor.abs() == bound.high * 2.0**-bound.fraction_bits).any())
