"""Weights as integers of 8 and 4 bits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rescomp.compress import IntegerStorage
from rescomp.graph.weights import Int4Weight, Int8Weight, Zeros, smallest_storage


@pytest.mark.parametrize("form", ["multiplier", "power_of_two"])
@pytest.mark.parametrize("bits", [8, 4])
def test_forward_is_exactly_the_integers(bits, form):
    weight = torch.randn(20, 11, generator=torch.Generator().manual_seed(5))
    quantizer = IntegerStorage(bits, form)
    entries, mantissa, exponent = quantizer.integers(weight)
    assert type(quantizer.graph_weight(entries, None)) is {8: Int8Weight, 4: Int4Weight}[bits]
    scale = np.ldexp(mantissa.astype(float), -exponent)
    np.testing.assert_array_equal(scale, quantizer.scale(weight))
    np.testing.assert_array_equal(quantizer(weight.double()), entries * scale[:, None])
    np.testing.assert_array_equal(quantizer(weight).double(), entries * scale[:, None])
    if form == "power_of_two":
        assert set(mantissa.tolist()) == {1 << 14}
    if bits == 4:
        assert np.abs(entries).max() == 7
    elif form == "multiplier":
        assert np.all(np.abs(entries).max(axis=1) == 127)
    else:
        assert np.all(np.abs(entries).max(axis=1) >= 63)


@pytest.mark.parametrize(("bits", "error"), [(8, 0.501), (4, None)])
def test_error_is_at_most_half_a_step_and_gradients_pass_through(bits, error):
    weight = torch.randn(6, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    quantizer = IntegerStorage(bits)
    result = quantizer(weight)
    if error:
        assert ((result - weight).abs() <= error * quantizer.scale(weight)[:, None]).all()
    assert torch.equal(torch.autograd.grad(result.sum(), weight)[0], torch.ones_like(weight))


@pytest.mark.parametrize("form", ["multiplier", "power_of_two"])
def test_four_bits_clip_where_that_lowers_the_squared_error(form):
    weight = torch.randn(30, 60, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    quantizer = IntegerStorage(4, form)
    unclipped = weight.abs().amax(dim=1, keepdim=True) / 7
    if form == "power_of_two":
        unclipped = 2 ** torch.ceil(torch.log2(unclipped))
    plain = (torch.round(weight / unclipped).clamp(-7, 7) * unclipped - weight).square().sum(dim=1)
    ours = (quantizer(weight) - weight).square().sum(dim=1)
    assert (ours <= plain * (1 + 1e-3)).all()  # the scale is rounded to 15 bits
    assert ours.sum() < 0.95 * plain.sum()


@pytest.mark.parametrize("bits", [8, 4])
def test_a_row_of_zeros_has_a_scale(bits):
    entries, mantissa, exponent = IntegerStorage(bits).integers(torch.zeros(2, 3))
    assert not entries.any()
    assert np.ldexp(mantissa.astype(float), -exponent).tolist() == [2.0**-20] * 2


@pytest.mark.parametrize("bits", [8, 4])
def test_a_sparse_matrix_takes_the_smallest_storage(bits):
    entries = np.zeros((20, 30), np.int8)
    entries[3, ::7] = 5
    weight = IntegerStorage(bits).graph_weight(entries, Zeros())
    assert type(weight) is type(smallest_storage(entries, bits))
    assert weight.pack().nbytes < IntegerStorage(bits).graph_weight(entries, None).pack().nbytes
