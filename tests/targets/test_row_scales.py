"""Scales of rows in words: the same results as the requantization they are made from, and none where they could not be."""

import numpy as np
import pytest

from rescomp.graph.fixed_point import MAX_SHIFT, MIN_SHIFT, Requantization
from rescomp.targets.row_scales import row_scales

LIMIT = 1 << 30


def high(value, word):
    """The upper word of value * scale + 2^31, as the kernel computes it."""
    return (value * word + (1 << 31)) >> 32


def split(value, word):
    multiplier, shift = word >> 16, word & 0xFF
    product = (value >> 16) * multiplier + (((value & 0xFFFF) * multiplier) >> 16)
    return ((product >> shift) + 1) >> 1


FORMS = {"high": high, "split": split}


def accumulators(rng, largest, count=400):
    edges = [0, 1, -1, largest, -largest, largest - 1, 1 - largest]
    return np.concatenate([edges, rng.integers(-largest, largest + 1, count)]).astype(np.int64)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("spread", [0, 5])
def test_words_give_what_multiplier_and_shift_give(form, spread):
    rng, found = np.random.default_rng(spread), 0
    for least in range(MIN_SHIFT, MAX_SHIFT - spread):
        shift = rng.integers(least, least + spread + 1, 30).astype(np.int32)
        multiplier = rng.integers(1 << 14, 1 << 15, 30).astype(np.int32)
        multiplier[:2] = 1 << 14, (1 << 15) - 1
        for bits in (10, 20, 27, 30):
            largest = (1 << bits) - 1
            scales = row_scales(Requantization(multiplier, shift), largest, form)
            if scales is None:
                continue
            found += 1
            assert largest << scales.lift < 1 << 31
            x = accumulators(rng, largest)[:, None]
            wanted = Requantization(multiplier, shift)(x, -(1 << 40), 1 << 40)
            np.testing.assert_array_equal(FORMS[form](x << scales.lift, scales.words.astype(np.int64)), wanted)
    assert found > 40


@pytest.mark.parametrize("form", FORMS)
def test_ties_round_up(form):
    """Only multipliers that are powers of two have them."""
    scale = Requantization(np.array([1 << 14], np.int32), np.array([20], np.int32))
    words = row_scales(scale, 1 << 20, form)
    x = np.arange(-1000, 1000)[:, None] * 32
    np.testing.assert_array_equal(FORMS[form](x, words.words.astype(np.int64)), (x // 32 + 1) // 2)


@pytest.mark.parametrize(
    ("form", "shift", "largest", "lift"),
    [
        ("high", [16, 32], LIMIT - 1, 0),
        ("high", [15, 31], LIMIT - 1, 1),
        ("high", [15, 32], 1, None),  # scales of less than an integer
        ("high", [14, 20], (1 << 29) - 1, 2),
        ("high", [14, 20], 1 << 29, None),  # accumulators that cannot be lifted
        ("split", [17, 45], LIMIT - 1, 0),
        ("split", [16, 45], LIMIT - 1, 1),
        ("split", [15, 45], LIMIT - 1, None),
        ("split", [8, 10], (1 << 22) - 1, 9),
        ("split", [8, 10], 1 << 22, None),
    ],
)
def test_lift_is_proved(form, shift, largest, lift):
    multiplier = np.full(2, 20000, np.int32)
    scales = row_scales(Requantization(multiplier, np.array(shift, np.int32)), largest, form)
    assert (scales and scales.lift) == lift
