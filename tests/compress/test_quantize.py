"""Int8 weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rescomp.compress import Int8Format
from rescomp.graph.weights import Int8Weight


@pytest.mark.parametrize("form", ["multiplier", "power_of_two"])
def test_forward_is_exactly_the_integers(form):
    weight = torch.randn(20, 11, generator=torch.Generator().manual_seed(5))
    quantizer = Int8Format(form)
    entries, mantissa, exponent = quantizer.integers(weight)
    Int8Weight(entries)
    np.testing.assert_array_equal(quantizer(weight.double()), entries * np.ldexp(mantissa.astype(float), -exponent)[:, None])
    np.testing.assert_array_equal(quantizer(weight).double(), entries * np.ldexp(mantissa.astype(float), -exponent)[:, None])
    if form == "multiplier":
        assert np.all(np.abs(entries).max(axis=1) == 127)
    else:
        assert set(mantissa.tolist()) == {1 << 14}
        assert np.all(np.abs(entries).max(axis=1) >= 63)


def test_error_is_at_most_half_a_step_and_gradients_pass_through():
    weight = torch.randn(6, 40, dtype=torch.float64, requires_grad=True)
    quantizer = Int8Format()
    result = quantizer(weight)
    assert ((result - weight).abs() <= 0.501 * quantizer.scale(weight)[:, None]).all()
    assert torch.equal(torch.autograd.grad(result.sum(), weight)[0], torch.ones_like(weight))


def test_a_row_of_zeros_has_a_scale():
    entries, mantissa, exponent = Int8Format().integers(torch.zeros(2, 3))
    assert not entries.any()
    assert np.ldexp(mantissa.astype(float), -exponent).tolist() == [2.0**-20] * 2
