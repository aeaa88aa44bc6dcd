"""The float net is the paper's, and sequences of different lengths do not touch each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rescomp.errors import InputError
from rescomp.models import build
from rescomp.recipe import ModelSection


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def paper(net, x, piecewise_linear):
    """Kusupati et al. 2018, section 3.1, one sequence [steps, channels]: every state, and the scores."""
    value = {name: tensor.double().numpy() for name, tensor in net.state_dict().items()}
    weights = [
        [value[f"cell.{side}.factors.{i}.weight"] for i in range(2) if f"cell.{side}.factors.{i}.weight" in value]
        for side in ("input", "recurrent")
    ]
    w, u = (factors[0] if len(factors) == 1 else factors[1] @ factors[0] for factors in weights)
    zeta, nu = sigmoid(value["cell.zeta"]), sigmoid(value["cell.nu"])
    gate = (lambda p: np.clip((p + 1) / 2, 0, 1)) if piecewise_linear else sigmoid
    candidate = (lambda p: np.clip(p, -1, 1)) if piecewise_linear else np.tanh
    h, states = np.zeros(len(u)), []
    for reading in x:
        p = w @ ((reading - value["mean"]) / value["std"]) + u @ h
        z, c = gate(p + value["cell.gate_bias"]), candidate(p + value["cell.candidate_bias"])
        h = (zeta * (1 - z) + nu) * c + z * h
        states.append(h)
    return np.array(states), value["classifier.weight"] @ h + value["bias"]


@pytest.mark.parametrize("rank", [None, 2])
@pytest.mark.parametrize("nonlinearity", ["table", "piecewise_linear"])
def test_float_net_is_the_papers(rank, nonlinearity):
    torch.manual_seed(0)
    section = ModelSection(hidden_size=6, rank_w=rank, rank_u=rank, nonlinearity=nonlinearity)
    net = build(section, 4, 3, torch.tensor([1.0, 2, 3, 4]), torch.tensor([0.5, 1, 2, 3])).double()
    x, lengths = 3 * torch.randn(5, 8, 4, dtype=torch.float64) + 2, torch.tensor([8, 1, 5, 3, 2])
    states, scores = net.states(x, lengths)["h"].detach().numpy(), net(x, lengths).detach().numpy()
    assert states.shape == (5, 8, 6)
    for i, length in enumerate(lengths.tolist()):
        expected, expected_scores = paper(net, x[i, :length].numpy(), nonlinearity == "piecewise_linear")
        np.testing.assert_allclose(states[i, :length], expected, atol=1e-12)
        np.testing.assert_allclose(scores[i], expected_scores, atol=1e-12)
        assert not states[i, length:].any()


def test_initial_values_are_the_papers():
    torch.manual_seed(0)
    net = build(ModelSection(hidden_size=64), 32, 9)
    assert net.cell.gate_bias.tolist() == net.cell.candidate_bias.tolist() == [1.0] * 64
    assert (net.cell.zeta.item(), net.cell.nu.item()) == (1.0, -4.0)
    assert net.cell.recurrent.matrices()[0].std().item() == pytest.approx(0.1, rel=0.1)


def test_padding_changes_nothing_and_gets_no_gradient():
    torch.manual_seed(0)
    net = build(ModelSection(hidden_size=6), 4, 3)
    x, lengths = torch.randn(3, 7, 4), torch.tensor([7, 2, 4])
    padded = x.clone()
    padded[1, 2:], padded[2, 4:] = 5.0, -5.0
    assert torch.equal(net(x, lengths), net(padded, lengths))
    assert torch.equal(net(x, lengths), net(torch.cat([x, x], dim=1), lengths))
    padded.requires_grad_()
    net(padded, lengths).square().sum().backward()
    assert not padded.grad[1, 2:].any()
    assert padded.grad[1, :2].all()


def test_a_constant_channel_counts_as_deviation_one():
    net = build(ModelSection(hidden_size=6), 2, 3, torch.tensor([1.0, 5.0]), torch.tensor([2.0, 0.0]))
    assert net.std.tolist() == [2.0, 1.0]


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    net = build(ModelSection(hidden_size=6), 2, 3)
    net.dropout = 0.5
    x, lengths = torch.randn(3, 4, 2), torch.tensor([4, 4, 4])
    assert not torch.equal(net(x, lengths), net(x, lengths))
    net.eval()
    assert torch.equal(net(x, lengths), net(x, lengths))


@pytest.mark.parametrize("ranks", [{"rank_w": 5}, {"rank_u": 7}])
def test_a_rank_too_large_is_refused(ranks):
    with pytest.raises(InputError, match="use at most"):
        build(ModelSection(hidden_size=6, **ranks), 4, 3)
