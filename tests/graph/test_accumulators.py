"""The sums that stress inputs are to reach: what is added before a product is shifted shows in one of them, if it shows at all."""

import numpy as np
import pytest

from rescomp.graph.accumulators import ChannelSums
from rescomp.graph.formats import Format


def a_row(rng):
    step, count = int(rng.integers(1, 5)), int(rng.integers(2, 4000))
    offset = int(rng.integers(-(1 << 20), 1 << 20))
    least = offset + step * int(rng.integers(-count, 1))
    output = Format(0, bound=int(rng.integers(1, 1 << 15))) if rng.integers(2) else Format(0, "int8")
    multiplier = int(rng.integers(1 << 14, 1 << 15))
    return ChannelSums(multiplier, int(rng.integers(14, 34)), output, least, least + step * count, step, offset)


def results(row, sums, added):
    scaled = (sums * row.multiplier + (1 << (row.shift - 1)) + added) >> row.shift
    return np.clip(scaled, row.output.low, row.output.high)


@pytest.mark.parametrize("seed", range(60))
def test_no_other_number_is_added_before_the_shift_unless_no_sum_shows_it(seed):
    row = a_row(np.random.default_rng(seed))
    every, chosen = np.arange(row.least, row.most + 1, row.step), np.array(row.targets())
    assert set(chosen.tolist()) <= set(every.tolist())
    for added in (sign * size for sign in (-1, 1) for size in (1 << np.arange(row.shift)).tolist()):
        shows = not np.array_equal(results(row, every, 0), results(row, every, added))
        assert shows == (not np.array_equal(results(row, chosen, 0), results(row, chosen, added)))
