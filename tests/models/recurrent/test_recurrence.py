"""The hand-written backward pass: gradcheck where smooth, autograd of the plain loop where straight-through."""

from __future__ import annotations

import pytest
import torch
from torch.func import functional_call

from rescomp.compress import anneal, calibrate, constrain
from rescomp.models import CELLS, build
from rescomp.models.recurrent import recurrence
from rescomp.models.recurrent.recurrence import run_cell
from rescomp.recipe import ModelSection, Quantize, Sparse, Ternary

CONSTRAINTS = {
    "float": [],
    "ternary": [Ternary()],
    "ternary power of two": [Ternary(scale="power_of_two", per="tensor")],
    "int8": [Quantize()],
    "sparse int4": [Sparse(density=0.4), Quantize(bits=4)],
}


def net_of(kind="fastgrnn", nonlinearity="table", rank=None, constraints=(), spread=6.0, layers=1):
    torch.manual_seed(3)
    section = ModelSection(kind=kind, hidden_size=6, nonlinearity=nonlinearity, rank_w=rank, rank_u=rank, layers=layers)
    net = build(section, 4, 3, torch.zeros(4), torch.ones(4))
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.dim() == 2:
                parameter.mul_(spread)
    x, lengths = inputs()
    if constraints:
        net = constrain(net, constraints)
        calibrate(net, x.float(), lengths, 10)
        anneal(net, 30, 60)
    return net.double()


def inputs():
    x = torch.randn(5, 8, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    return torch.round(x * 1024) / 1024, torch.tensor([8, 1, 5, 8, 2])


def plain_loop(cell, arithmetic, projected, states):
    factors, constants, sequence = cell.recurrent.matrices(), cell.constants(arithmetic), []
    for step in projected:
        states = cell.update(arithmetic, step, cell.recurrent.apply_matrices(arithmetic, states[0], factors), states, constants)
        sequence.append(states)
    return tuple(torch.stack(state) for state in zip(*sequence, strict=True))


@pytest.mark.parametrize(("rank", "layers"), [(None, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize("kind", CELLS)
def test_gradcheck_of_the_smooth_float_net(kind, rank, layers):
    net = net_of(kind, rank=rank, spread=3.0, layers=layers)
    x, lengths = inputs()
    x, lengths = x[:3, :5].clone(), torch.tensor([5, 1, 4])
    names = [name for name, _ in net.named_parameters()]

    def scores(x, *values):
        return functional_call(net, dict(zip(names, values, strict=True)), (x, lengths))

    leaves = [value.detach().clone().requires_grad_() for value in net.parameters()]
    # Random directions instead of every entry: many parameters.
    assert torch.autograd.gradcheck(scores, (x.requires_grad_(), *leaves), fast_mode=True)


@pytest.mark.parametrize("rank", [None, 2])
@pytest.mark.parametrize("nonlinearity", ["table", "piecewise_linear"])
@pytest.mark.parametrize("constraints", CONSTRAINTS.values(), ids=CONSTRAINTS)
@pytest.mark.parametrize("spread", [6.0, 40.0])
@pytest.mark.parametrize("kind", CELLS)
def test_equals_autograd_of_the_plain_loop(kind, rank, nonlinearity, constraints, spread, monkeypatch):
    net = net_of(kind, nonlinearity, rank, constraints, spread)
    (cell,) = net.cells
    generator = torch.Generator().manual_seed(6)
    projected = (spread / 4 * torch.randn(9, 5, cell.gates * 6, dtype=torch.float64, generator=generator)).requires_grad_()
    monkeypatch.setattr(recurrence, "BLOCK_ENTRIES", 4 * projected[0].numel())  # blocks of 4, 4 and 1 steps
    weightings = torch.randn(len(cell.states), 9, 5, 6, dtype=torch.float64, generator=generator)
    leaves = [projected, *(value for name, value in cell.named_parameters() if not name.startswith("input."))]
    begin = [torch.round(4096 * torch.rand(5, 6, dtype=torch.float64, generator=generator)) / 4096 for _ in cell.states]
    results = []
    for run in (run_cell, plain_loop):
        states = run(cell, net.arithmetic, net.arithmetic.requantize(projected, "input_product"), begin)
        loss = sum((state * weighting).sum() for state, weighting in zip(states, weightings, strict=True))
        results.append((states, torch.autograd.grad(loss, leaves)))
    (states, gradients), (plain_states, plain_gradients) = results
    assert all(torch.equal(state, plain) for state, plain in zip(states, plain_states, strict=True))
    for gradient, plain in zip(gradients, plain_gradients, strict=True):
        scale = float(plain.abs().max())
        torch.testing.assert_close(gradient, plain, rtol=1e-9, atol=1e-12 * max(1.0, scale))  # the same sums in another order
    assert any(bool(gradient.abs().max() > 0) for gradient in gradients)


def test_saturation_is_reached_by_the_test_above():
    net = net_of("fastgrnn", "table", 2, [Ternary()], 40.0)
    h = 2 * torch.randn(50, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    factor = net.arithmetic.requantize(h @ net.cell.recurrent.matrices()[0].T, "recurrent_factor")
    bound = net.arithmetic.format("recurrent_factor")
    assert bool((factor.abs() == bound.high * 2.0**-bound.fraction_bits).any())
