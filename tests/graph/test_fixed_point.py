"""The contract's arithmetic against exact rationals and plain Python integers."""

import math
from fractions import Fraction

import numpy as np
import pytest

from rescomp.graph import fixed_point as fp

EDGES = [0, 1, -1, 2, -2, 3, -3, (1 << 15) - 1, -(1 << 15), (1 << 30) - 1, -(1 << 30) + 1]


def rounded(value: Fraction) -> int:
    """Round half up."""
    return math.floor(value + Fraction(1, 2))


@pytest.mark.parametrize("shift", [1, 2, 3, 8, 15, 30, 45])
def test_shift_rounds_half_up_for_both_signs(shift):
    rng = np.random.default_rng(shift)
    ties = (rng.integers(-1000, 1000, 200) * 2 + 1) << (shift - 1)
    values = np.concatenate([EDGES, ties, rng.integers(-(1 << 44), 1 << 44, 500)])
    assert fp.round_half_up_shift(values, shift).tolist() == [rounded(Fraction(int(v), 1 << shift)) for v in values]


@pytest.mark.parametrize("seed", range(4))
def test_requantization_is_exact_rational_rounding(seed):
    rng = np.random.default_rng(seed)
    rows = 40
    multiplier = rng.integers(1 << 14, 1 << 15, rows).astype(np.int32)
    shift = rng.integers(fp.MIN_SHIFT, fp.MAX_SHIFT + 1, rows).astype(np.int32)
    requantization = fp.Requantization(multiplier, shift)
    accumulators = np.concatenate([np.tile(EDGES, (rows, 1)).T, rng.integers(-(1 << 30) + 1, 1 << 30, (50, rows))])
    got = requantization(accumulators, -(1 << 15), (1 << 15) - 1)
    for row, m, s in zip(range(rows), multiplier.tolist(), shift.tolist(), strict=True):
        expected = [max(-(1 << 15), min((1 << 15) - 1, rounded(Fraction(a * m, 1 << s)))) for a in accumulators[:, row].tolist()]
        assert got[:, row].tolist() == expected


def test_a_power_of_two_scale_is_a_pure_shift():
    requantization = fp.Requantization.from_scale(np.array([2.0**-5, 1.0, 2.0**-20]))
    assert requantization.is_power_of_two
    assert requantization.multiplier.tolist() == [1 << 14] * 3
    assert requantization.shift.tolist() == [19, 14, 34]


def test_split_scale_keeps_fifteen_bits_and_carries():
    scale = np.array([0.1, 1.0, 3.0, np.nextafter(1.0, 0.0), 1e-6, 32767.5 / 65536])
    mantissa, exponent = fp.split_scale(scale)
    assert ((mantissa >= 1 << 14) & (mantissa < 1 << 15)).all()
    error = np.abs(np.ldexp(mantissa.astype(float), -exponent) - scale)
    assert (error <= np.ldexp(0.5, -exponent)).all()
    assert (mantissa[3], exponent[3]) == (1 << 14, 14)


def test_from_scale_refuses_what_it_cannot_hold():
    with pytest.raises(ValueError, match="15 significant bits"):
        fp.Requantization.from_scale(np.array([0.1]))


def reference_tanh(x: int, table: list[int]) -> int:
    a = min(abs(x), 32767)
    i, f = divmod(a, 256)
    t = table[i] + ((table[i + 1] - table[i]) * f + 128) // 256
    return t if x > 0 else -t if x < 0 else 0


def reference_sigmoid(x: int, table: list[int]) -> int:
    a = min(abs(x), 32767)
    i, f = divmod(a, 512)
    t = table[i] + ((table[i + 1] - table[i]) * f + 256) // 512
    return (32768 + (t if x > 0 else -t if x < 0 else 0) + 1) // 2


def test_the_half_table_gives_both_functions_over_the_whole_range():
    table, x = fp.tanh_table(), np.arange(-(1 << 15), 1 << 15)
    tanh, sigmoid = fp.lookup_tanh(x, table), fp.lookup_sigmoid(x, table)
    assert tanh.tolist() == [reference_tanh(v, table.tolist()) for v in x.tolist()]
    assert sigmoid.tolist() == [reference_sigmoid(v, table.tolist()) for v in x.tolist()]
    assert np.abs(tanh / 32768 - np.tanh(x / 4096)).max() < 4e-4
    assert np.abs(sigmoid / 32768 - 1 / (1 + np.exp(-x / 4096))).max() < 4e-4
    assert (np.diff(tanh) >= 0).all()
    assert (np.diff(sigmoid) >= 0).all()
    assert 0 < sigmoid.min() < sigmoid.max() < 1 << 15


def test_the_table_is_pinned():
    table = fp.tanh_table()
    assert table.dtype == np.int16
    assert table[[0, 1, 2, 64, 127, 128]].tolist() == [0, 2045, 4075, 32746, 32767, 32767]
    assert int(table.astype(np.int64).sum()) == 3847077


@pytest.mark.parametrize(
    ("x", "tanh", "sigmoid"), [(0, 0, 16384), (4096, 32767, 32767), (-4096, -32768, 0), (1, 8, 16388), (-32768, -32768, 0)]
)
def test_piecewise_linear_forms(x, tanh, sigmoid):
    value = np.array([x])
    assert fp.hard_tanh(value).tolist() == [tanh]
    assert fp.hard_sigmoid(value).tolist() == [sigmoid]


def test_to_fixed_rounds_half_up_and_saturates():
    real = np.array([0.5, -0.5, 1.5, -1.5, 0.25, 1e9, -1e9])
    assert fp.to_fixed(real, 0, -(1 << 15), (1 << 15) - 1).tolist() == [1, 0, 2, -1, 0, 32767, -32768]


def test_exact_matmul_equals_integer_matmul():
    rng = np.random.default_rng(0)
    left, right = rng.integers(-(1 << 15), 1 << 15, (7, 60)), rng.integers(-127, 128, (60, 9))
    assert np.array_equal(fp.exact_matmul(left, right), left @ right)
