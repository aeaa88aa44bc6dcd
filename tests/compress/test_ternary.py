"""Sherry's pattern, scale and annealing."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from rescomp.compress import TernaryStorage, arenas_residual, ternary_pattern
from rescomp.graph.weights import TernaryWeight


def reference_pattern(row):
    """The rule, weight by weight."""
    result = [-1.0 if value < 0 else 1.0 for value in row]
    for start in range(0, len(row) - len(row) % 4, 4):
        group = [abs(value) for value in row[start : start + 4]]
        result[start + group.index(min(group))] = 0.0
    return result


@pytest.mark.parametrize("columns", [1, 2, 3, 4, 5, 7, 12, 32])
def test_pattern_is_the_rule_and_can_be_packed(columns):
    generator = torch.Generator().manual_seed(columns)
    weight = torch.randn(9, columns, generator=generator)
    weight[::2] = torch.randint(-2, 3, weight[::2].shape, generator=generator).float()  # ties and zeros
    pattern = ternary_pattern(weight)
    assert pattern.tolist() == [reference_pattern(row) for row in weight.tolist()]
    TernaryWeight(pattern.numpy().astype(np.int8))


def test_ties_zero_the_lowest_index_and_kept_zeros_are_positive():
    assert ternary_pattern(torch.tensor([[1.0, -1, 1, -1]])).tolist() == [[0, -1, 1, -1]]
    assert ternary_pattern(torch.tensor([[2.0, -1, 1, -1]])).tolist() == [[1, 0, 1, -1]]
    assert ternary_pattern(torch.tensor([[0.0, -0.0, 0, -3]])).tolist() == [[0, 1, 1, -1]]


def test_zero_of_a_short_group_lies_in_the_padding():
    assert ternary_pattern(torch.tensor([[4.0, 3, -2, 1, -0.1, 0.0]])).tolist() == [[1, 1, -1, 0, -1, 1]]


def test_scale_is_the_mean_of_kept_magnitudes_in_15_bits():
    weight = torch.tensor([[4.0, 3, -2, 1, -5], [0.0, 0, 0, 0, 0]])
    scale = TernaryStorage().scale(weight)
    assert scale.tolist() == [3.5, 2.0**-20]
    assert TernaryStorage("power_of_two").scale(weight).tolist() == [4.0, 2.0**-20]


def test_one_scale_for_the_tensor_is_the_mean_of_all_kept_magnitudes():
    weight = torch.tensor([[4.0, 3, -2, 1], [1.0, 0, 0, 0], [6.0, -6, 6, 6]])
    expected = (9 + 1 + 18) / 9
    assert TernaryStorage(per="tensor").scale(weight).tolist() == pytest.approx([expected] * 3, rel=2**-15)
    assert TernaryStorage("power_of_two", per="tensor").scale(weight).tolist() == [4.0] * 3


@pytest.mark.parametrize("per", ["row", "tensor"])
@pytest.mark.parametrize("form", ["multiplier", "power_of_two"])
def test_forward_is_exactly_the_integers(form, per):
    weight = torch.randn(20, 11, generator=torch.Generator().manual_seed(5))
    quantizer = TernaryStorage(form, per=per)
    entries, mantissa, exponent = quantizer.integers(weight.double())
    expected = entries * np.ldexp(mantissa.astype(float), -exponent)[:, None]
    np.testing.assert_array_equal(quantizer(weight.double()), expected)
    np.testing.assert_array_equal(quantizer(weight), expected.astype(np.float32))
    assert (form == "power_of_two") == bool(np.all(mantissa == 1 << 14))


def test_arenas_rises_linearly_and_ends_at_exactly_zero():
    assert arenas_residual(0.0) == 0.0
    assert arenas_residual(0.05) == 0.5
    assert arenas_residual(0.1) == 1.0
    assert arenas_residual(0.55) == pytest.approx(0.5)
    assert arenas_residual(1.0) == 0.0
    falling = [arenas_residual(0.1 + 0.9 * step / 100) for step in range(101)]
    assert falling == sorted(falling, reverse=True)
    assert falling[25] == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))


def test_residual_acts_in_training_only():
    weight = torch.randn(3, 8, requires_grad=True)
    quantizer = TernaryStorage(arenas=True)
    quantized = quantizer(weight)
    quantizer.anneal(0.05)
    assert torch.equal(quantizer(weight), quantized + 0.5 * weight)
    (gradient,) = torch.autograd.grad(quantizer(weight).sum(), weight)
    assert torch.equal(gradient, torch.full_like(weight, 1.5))
    assert torch.equal(quantizer.eval()(weight), quantized)
    quantizer.train().anneal(1.0)
    assert torch.equal(quantizer(weight), quantized)
    without = TernaryStorage()
    without.anneal(0.05)
    assert torch.equal(without(weight), quantized)
