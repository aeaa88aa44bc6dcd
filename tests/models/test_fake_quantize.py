"""The torch twins equal graph/fixed_point.py integer for integer, and have the gradients they state."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rescomp.graph import fixed_point
from rescomp.graph.formats import Format
from rescomp.graph.ops import FastGrnnGate, FastRnnState, GruState, LstmCellState, Mul
from rescomp.models import fake_quantize

UNIT, PREACTIVATION = fake_quantize.UNIT, fake_quantize.PREACTIVATION
EVERY_INT16 = np.arange(-(1 << 15), 1 << 15)
FORMATS = [Format(0), Format(12), Format(12, bound=10922), Format(15, nonnegative=True), Format(9, "int32"), Format(7, "int8")]


def real(integers, fraction_bits):
    return torch.from_numpy(np.asarray(np.ldexp(integers.astype(np.float64), -fraction_bits)))


@pytest.mark.parametrize("format", FORMATS, ids=str)
def test_requantize_equals_to_fixed(format):
    rng = np.random.default_rng(0)
    ties = (rng.integers(2 * format.low - 9, 2 * format.high + 9, 5000) + 0.0) / 2
    values = np.ldexp(np.concatenate([ties, rng.normal(0, format.bound / 2, 5000)]), -format.fraction_bits)
    expected = fixed_point.to_fixed(values, format.fraction_bits, format.low, format.high)
    np.testing.assert_array_equal(fake_quantize.requantize(torch.from_numpy(values), format), real(expected, format.fraction_bits))
    leaf = torch.from_numpy(values).requires_grad_()
    np.testing.assert_array_equal(fake_quantize.requantize(leaf, format).detach(), real(expected, format.fraction_bits))


def test_requantize_passes_gradients_inside_the_clamp_only():
    value = torch.tensor([-2.67, -2.666, 0.0001, 2.666, 2.67], requires_grad=True)
    fake_quantize.requantize(value, fake_quantize.STATE).sum().backward()
    assert value.grad.tolist() == [0, 1, 1, 1, 0]


def test_round_to_rows_equals_to_fixed_and_clamps():
    step = torch.tensor([0.3, 0.25, 1e-9], dtype=torch.float64)
    value = torch.tensor([1.0, 0.375, -5.0], dtype=torch.float64, requires_grad=True)
    result = fake_quantize.round_to_rows(value, step, 1 << 29)
    assert result.tolist() == [3 * step[0].item(), 0.5, -(1 << 29) * 1e-9]
    result.sum().backward()
    assert value.grad.tolist() == [1, 1, 0]


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("form", ["table", "hard"])
def test_nonlinearities_equal_the_integers_on_every_input(name, dtype, form):
    table = fixed_point.tanh_table()
    expected = {
        "table sigmoid": lambda: fixed_point.lookup_sigmoid(EVERY_INT16, table),
        "table tanh": lambda: fixed_point.lookup_tanh(EVERY_INT16, table),
        "hard sigmoid": lambda: fixed_point.hard_sigmoid(EVERY_INT16),
        "hard tanh": lambda: fixed_point.hard_tanh(EVERY_INT16),
    }[f"{form} {name}"]()
    result = getattr(fake_quantize, f"{form}_{name}")(real(EVERY_INT16, 12).to(dtype))
    np.testing.assert_array_equal(result.double(), real(expected, 15))


@pytest.mark.parametrize(("name", "smooth"), [("sigmoid", torch.sigmoid), ("tanh", torch.tanh)])
def test_table_slopes_are_those_of_the_smooth_function(name, smooth):
    value = real(EVERY_INT16, 12).requires_grad_()
    (slope,) = torch.autograd.grad(getattr(fake_quantize, f"table_{name}")(value).sum(), value)
    (expected,) = torch.autograd.grad(smooth(value).sum(), value)
    assert (slope - expected).abs().max() < 2e-3  # the slope at the table's value, 2^-11 from the function's


def test_hard_slopes():
    value = torch.tensor([-1.5, -0.5, 0.5, 1.5], requires_grad=True)
    assert torch.autograd.grad(fake_quantize.hard_sigmoid(value).sum(), value)[0].tolist() == [0, 0.5, 0.5, 0]
    assert torch.autograd.grad(fake_quantize.hard_tanh(value).sum(), value)[0].tolist() == [0, 1, 1, 0]


def test_saturating_add_equals_the_integer_sum():
    rng = np.random.default_rng(1)
    left, right = rng.integers(-(1 << 15), 1 << 15, (2, 20000))
    result = fake_quantize.saturating_add(real(left, 12), real(right, 12))
    np.testing.assert_array_equal(result, real(fixed_point.saturate(left + right, -(1 << 15), (1 << 15) - 1), 12))


@pytest.mark.parametrize(("zeta", "nu"), [(0, 0), (23955, 589), (32767, 32767), (1, 32000)])
def test_fastgrnn_gate_equals_the_op(zeta, nu):
    rng = np.random.default_rng(2)
    z, c = rng.integers(0, 1 << 15, 50000), rng.integers(-(1 << 15), 1 << 15, 50000)
    h = rng.integers(-10922, 10923, 50000)
    (expected,) = FastGrnnGate(zeta, nu, fake_quantize.STATE).evaluate(z, c, h)
    factor, total = real(np.array(zeta), 15), real(np.array(zeta + nu), 15)
    result = fake_quantize.fastgrnn_gate(real(z, 15), real(c, 15), real(h, 12), factor, total)
    np.testing.assert_array_equal(result, real(expected, 12))


def test_fastgrnn_gate_has_the_gradient_of_the_real_gate_where_nothing_saturates():
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.rand(50, dtype=torch.float64, generator=generator) for _ in range(3)]
    inputs += [torch.tensor(0.7, dtype=torch.float64), torch.tensor(0.75, dtype=torch.float64)]
    z, c, h, zeta, total = (value.requires_grad_() for value in inputs)
    fixed = torch.autograd.grad(fake_quantize.fastgrnn_gate(z, c, h, zeta, total).sum(), inputs)
    exact = torch.autograd.grad(((total - zeta * z) * c + z * h).sum(), inputs)
    for a, b in zip(fixed, exact, strict=True):
        torch.testing.assert_close(a, b, rtol=2e-3, atol=2e-2)  # the gate that multiplies c is the rounded one


def extreme(rng, low, high, count=50000):
    """Integers of which some lie at the ends."""
    drawn = rng.integers(low, high + 1, count)
    drawn[rng.random(count) < 0.1] = high
    drawn[rng.random(count) < 0.1] = low
    return drawn


@pytest.mark.parametrize("state", [fake_quantize.STATE, fake_quantize.UNIT_STATE, fake_quantize.CELL_STATE], ids=str)
def test_gated_sums_equal_the_ops(state):
    rng = np.random.default_rng(5)
    first, second = extreme(rng, 0, (1 << 15) - 1), extreme(rng, 0, (1 << 15) - 1)
    c, h = extreme(rng, -(1 << 15), (1 << 15) - 1), extreme(rng, state.low, state.high)
    a, b, new, old = real(first, 15), real(second, 15), real(c, 15), real(h, state.fraction_bits)
    alpha, beta = int(first[0]), int(second[0])
    expected = {
        "lstm": LstmCellState(state).evaluate(first, second, c, h),
        "gru": GruState(state).evaluate(first, c, h),
        "fastrnn": FastRnnState(alpha, beta, state).evaluate(c, h),
    }
    for leaf in (False, True):
        b.requires_grad_(leaf)
        new.requires_grad_(leaf)
        results = {
            "lstm": fake_quantize.gated_sum(a, new, b, old, state),
            "gru": fake_quantize.gated_sum(1 - a, new, a, old, state),
            "fastrnn": fake_quantize.gated_sum(a[0], new, b[0], old, state),
        }
        for name, result in results.items():
            np.testing.assert_array_equal(result.detach(), real(expected[name][0], state.fraction_bits), err_msg=name)


def test_gated_sum_has_the_gradient_of_the_real_one_inside_the_clamp():
    a, b, c, d = (torch.rand(50, dtype=torch.float64, generator=torch.Generator().manual_seed(i)).requires_grad_() for i in range(4))
    fixed = torch.autograd.grad(fake_quantize.gated_sum(a, b, c, d, fake_quantize.CELL_STATE).sum(), (a, b, c, d))
    for gradient, expected in zip(fixed, (b, a, d, c), strict=True):
        assert torch.equal(gradient, expected)


@pytest.mark.parametrize(("left", "right", "output"), [(UNIT, PREACTIVATION, PREACTIVATION), (UNIT, Format(15), fake_quantize.UNIT_STATE)])
def test_a_product_equals_the_op(left, right, output):
    rng = np.random.default_rng(6)
    a, b = (extreme(rng, format.low, format.high) for format in (left, right))
    (expected,) = Mul(output, left.fraction_bits + right.fraction_bits - output.fraction_bits).evaluate(a, b)
    result = fake_quantize.requantize(real(a, left.fraction_bits) * real(b, right.fraction_bits), output)
    np.testing.assert_array_equal(result, real(expected, output.fraction_bits))


def test_round_scale_equals_split_scale():
    rng = np.random.default_rng(3)
    scale = np.concatenate([np.exp(rng.uniform(-14, 6, 20000)), [1.0, 0.5, 1 - 2.0**-17, 3.0, 0.75]])
    mantissa, exponent = fixed_point.split_scale(scale)
    result = fake_quantize.round_scale(torch.from_numpy(scale), "multiplier")
    np.testing.assert_array_equal(result, np.ldexp(mantissa.astype(float), -exponent))
    assert np.array_equal(fixed_point.split_scale(result.numpy())[0], mantissa)


def test_power_of_two_scales():
    scale = torch.tensor([1.0, 0.74, 0.75, 1.4, 1.5, 0.26])
    assert fake_quantize.round_scale(scale, "power_of_two").tolist() == [1, 0.5, 1, 1, 2, 0.25]
    assert fake_quantize.round_scale_up(scale, "power_of_two").tolist() == [1, 1, 1, 2, 2, 0.5]
    mantissa, _ = fixed_point.split_scale(fake_quantize.round_scale_up(torch.rand(999) + 1e-5, "power_of_two").numpy())
    assert set(mantissa.tolist()) == {1 << 14}


def test_straight_through_is_exact_forward_and_identity_backward():
    weight = torch.randn(4, 5, requires_grad=True)
    quantized = torch.randn(4, 5)
    result = fake_quantize.straight_through(quantized, weight)
    assert torch.equal(result, quantized)
    (gradient,) = torch.autograd.grad((result * quantized).sum(), weight)
    assert torch.equal(gradient, quantized)
