"""Blocks of steps: sums, maxima and means with a pencil, what any bits in them come to, and bounds for ever."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest

from rescomp.errors import UnsupportedError
from rescomp.graph.formats import MOST_BLOCK_STEPS, Format, TensorType, block_count_type, block_sum_format
from rescomp.graph.ops import BlockCount, BlockMaximum, BlockMean, BlockSum, Concat

BOUND = 10922
STATE = Format(12, bound=BOUND)


def walk(x, length, count=0, kept=0, bound=BOUND):
    """(count, sum, maximum, mean) after each of the steps x."""
    state = [np.array([[count]]), np.array([[kept]]), np.array([[kept]])]
    ops = BlockCount(length), BlockSum(length, bound), BlockMaximum(length, bound), BlockMean(length, Format(12, bound=bound))
    for value in x:
        (state[0],) = ops[0].evaluate(state[0])
        for i in (1, 2):
            (state[i],) = ops[i].evaluate(state[i], np.array([[value]]), state[0])
        yield (*(int(array[0, 0]) for array in state), int(ops[3].evaluate(state[1], state[0])[0][0, 0]))


def test_blocks_begin_anew_after_their_last_step():
    x = [5, -2, 8, -7, -8, -9, 100]
    assert list(walk(x, 3)) == [
        (1, 5, 5, 5),
        (2, 3, 5, 2),  # 1.5 goes up
        (3, 11, 8, 4),
        (1, -7, -7, -7),
        (2, -15, -7, -7),  # -7.5 goes up
        (3, -24, -7, -8),
        (1, 100, 100, 100),
    ]


def test_means_are_exact_and_round_half_up():
    rng = np.random.default_rng(0)
    for length in (1, 2, 7, 1000, MOST_BLOCK_STEPS):
        for bound in (BOUND, 1 << 15):
            op = BlockMean(length, Format(12, bound=bound))
            k = rng.integers(1, length + 1, (400, 1))
            low, high = -k * bound, k * min(bound, 32767)
            s = np.concatenate([low[:50], high[50:100], rng.integers(low[100:], high[100:] + 1)])
            expected = [floor(Fraction(a, b) + Fraction(1, 2)) for a, b in zip(s[:, 0].tolist(), k[:, 0].tolist(), strict=True)]
            assert op.evaluate(s, k)[0][:, 0].tolist() == expected


@pytest.mark.parametrize("bound", [BOUND, 1 << 15])
@pytest.mark.parametrize("length", [1, 2, 5, MOST_BLOCK_STEPS])
def test_any_bits_are_back_in_range_after_a_step_and_forgotten_with_the_block(length, bound):
    wild = (-(1 << 31), (1 << 31) - 1, -1, 12345678)
    ends = [-bound, min(bound, 32767)]
    for count in (-32768, -1, 0, 1, length - 1, length, 32767):
        for kept in wild:
            steps = min(length, 6) + 1
            after = list(walk(ends * 4, length, count, kept, bound))[:steps]
            for k, total, maximum, mean in after:
                assert 1 <= k <= length
                assert abs(total) <= k * bound <= (1 << 30)
                assert ends[0] <= maximum <= ends[1]
                assert ends[0] <= mean <= ends[1]
            begun = next((i for i, (k, *_) in enumerate(after) if k == 1), None)
            if begun is not None:
                fresh = list(walk((ends * 4)[begun:], length, 0, 0, bound))[: steps - begun]
                assert after[begun:] == fresh


@pytest.mark.parametrize(
    ("op", "types", "message"),
    [
        (BlockCount(0), [block_count_type(1)], "a block has 1 to 32767 steps, not 0"),
        (BlockCount(MOST_BLOCK_STEPS + 1), [block_count_type(1)], "a block has 1 to 32767 steps, not 32768"),
        (BlockCount(3), [block_count_type(4)], "a block_count of 3 steps reads"),
        (
            BlockSum(3, BOUND),
            [TensorType((2,), block_sum_format(STATE, 4)), TensorType((2,), STATE), block_count_type(3)],
            "block_sum_int32 keeps",
        ),
        (
            BlockSum(3, BOUND),
            [TensorType((2,), block_sum_format(STATE, 3)), TensorType((2,), STATE), block_count_type(4)],
            "reads a count of",
        ),
        (
            BlockSum(3, 99),
            [TensorType((2,), block_sum_format(STATE, 3)), TensorType((2,), STATE), block_count_type(3)],
            "cannot read int16 Q12, -10922",
        ),
        (
            BlockMaximum(3, BOUND),
            [TensorType((1,), STATE), TensorType((2,), STATE), block_count_type(3)],
            "block_maximum_int16 keeps 2 int16",
        ),
        (BlockMaximum(3, BOUND), [TensorType((2, 2), STATE), TensorType((2, 2), STATE), block_count_type(3)], "reads an int16 vector"),
        (BlockMean(3, STATE), [TensorType((2,), block_sum_format(STATE, 2)), block_count_type(3)], "block_mean reads a vector of"),
        (BlockMean(3, Format(12, nonnegative=True)), [TensorType((2,), block_sum_format(STATE, 3)), block_count_type(3)], "of either sign"),
        (Concat(), [TensorType((2,), STATE), TensorType((2,), Format(11, bound=BOUND))], "concat needs equal formats"),
        (Concat("int8"), [TensorType((2,), STATE), TensorType((2,), STATE)], "a concat of int8 cannot read"),
        (Concat(), [TensorType((2, 3), STATE), TensorType((3,), STATE)], "differ in their last axis alone"),
    ],
)
def test_what_fits_no_block_is_refused(op, types, message):
    with pytest.raises(UnsupportedError, match=message):
        op.infer(*types)
