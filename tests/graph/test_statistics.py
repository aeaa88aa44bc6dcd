"""The ops of statistics: against a definition of their own in Python's integers, at their bounds, and what they refuse."""

import itertools
import math

import numpy as np
import pytest

from rescomp.errors import UnsupportedError
from rescomp.frontend.statistics import offset
from rescomp.graph import ops
from rescomp.graph.draws import Draws
from rescomp.graph.formats import Format, TensorType

ALL = ops.FrameStatistics(True, True, True, True, True)


def frame(samples, channels=1):
    return TensorType((samples, channels), Format(15))


def slow_statistics(samples):
    """(mean, deviation, minimum, maximum, zero crossings) of a list of integers."""
    n, total = len(samples), sum(samples)
    fine = 16 * total // n
    sizes = sum(abs(16 * x - fine) for x in samples)
    below = [16 * x < fine for x in samples]
    mean = math.floor((2 * total + n) / (2 * n))
    crossings = sum(one != other for one, other in itertools.pairwise(below))
    return [mean, min(32767, (sizes + 8 * n) // (16 * n)), min(samples), max(samples), crossings]


def slow_sum(samples, power):
    """(sum, doublings) of the same."""
    n = len(samples)
    fine = [16 * x - 16 * sum(samples) // n for x in samples]
    z = next(z for z in range(15) if z == 14 or max(map(abs, fine)) << z >= 1 << 19)
    if power == 1:
        return sum(abs(d) << z for d in fine), z
    bits = max(b for b in range(20) if n * 4**b <= 1 << 30)
    return sum(math.floor((d << z) / 2 ** (20 - bits) + 0.5) ** 2 for d in fine), 2 * z


@pytest.mark.parametrize("samples", [2, 3, 7, 128, 1000, 1024])
def test_statistics_are_what_a_slow_definition_gives(samples):
    x = ALL.stress(Draws(1), frame(samples))[0][:: max(1, samples // 64)]
    values, sums = ALL.evaluate(x)[0], {power: ops.DeviationSum(power).evaluate(x) for power in (1, 2)}
    for row in range(len(x)):
        listed = x[row, :, 0].tolist()
        assert values[row, 0].tolist() == slow_statistics(listed)
        for power, (total, doublings) in sums.items():
            assert (int(total[row, 0, 0]), int(doublings[row, 0])) == slow_sum(listed, power)


def statistics_of(*samples):
    return ALL.evaluate(np.array(samples)[None, :, None])[0][0, 0].tolist()


def test_statistics_of_constants_clicks_and_alternating_samples():
    """A constant crosses nothing, wherever it lies; halves go up; a click that moves the mean by less than 1/16 crosses nothing."""
    for constant in (-32768, -1, 0, 1, 32767):
        assert statistics_of(*[constant] * 7) == [constant, 0, constant, constant, 0]
    assert statistics_of(0, 1, 0, 1) == [1, 1, 0, 1, 3]
    assert statistics_of(-1, 0, -1, 0) == [0, 1, -1, 0, 3]
    assert statistics_of(5, 5, 5, 5, 1005, 5) == [172, 278, 5, 1005, 2]
    assert statistics_of(*[0] * 50, 3, *[0] * 50)[-1] == 0
    assert statistics_of(-32768, 32767, -32768, 32767) == [0, 32767, -32768, 32767, 3]


@pytest.mark.parametrize("samples", [2, 3, 100, 1024])
@pytest.mark.parametrize("power", [1, 2])
def test_no_frame_passes_the_bound_of_a_sum_and_some_come_near(samples, power):
    op = ops.DeviationSum(power)
    sums, _ = op.infer(frame(samples))
    assert sums.format.high <= 1 << 30
    largest = op.evaluate(op.stress(Draws(0), frame(samples))[0])[0].max()
    assert sums.format.high / 8 < largest <= sums.format.high


@pytest.mark.parametrize("power", [1, 2])
def test_sums_are_near_those_of_real_numbers_at_every_loudness(power):
    """Within a hundredth of an octave, from full scale down to deviations of a few units."""
    rng, op = np.random.default_rng(0), ops.DeviationSum(power)
    for samples in (50, 128, 1024):
        noise = rng.normal(0, 1, (20, samples, 1)) * 9000 * 2.0 ** -np.arange(0, 10, 0.5)[:, None, None]
        x = np.clip(np.round(noise + 300), -32768, 32767).astype(np.int64)
        sums, doublings = op.evaluate(x)
        found = np.log2(sums[:, 0, 0]) - doublings[:, 0] + offset(op, samples) / 1024
        real = np.log2((np.abs(x - x.mean(axis=1, keepdims=True)) ** power).mean(axis=1)[:, 0])
        assert np.abs(found - real).max() < 0.01


def test_offsets_are_the_same_on_every_machine():
    """None is so near a half that another library's logarithm could round it otherwise."""
    exact = 1024 * np.log2(np.array([n for n in range(2, 1025) if n & (n - 1)]))
    assert np.abs(exact - np.floor(exact) - 0.5).min() > 1e-5
    assert [int(offset(ops.DeviationSum(power), 128)[0]) for power in (1, 2)] == [(-4 - 7) * 1024, (2 * 9 - 8 - 7) * 1024]


def test_a_channel_is_a_frame_of_its_own():
    x = np.random.default_rng(0).integers(-32768, 32768, (9, 20, 3)) >> np.array([0, 4, 9])
    for op in (ALL, ops.DeviationSum(1), ops.DeviationSum(2)):
        whole = op.evaluate(x)
        for channel in range(3):
            alone = op.evaluate(x[:, :, channel : channel + 1])
            assert all(np.array_equal(one[:, 0], several[:, channel]) for one, several in zip(alone, whole, strict=True))


@pytest.mark.parametrize(
    ("op", "x", "message"),
    [
        (ops.FrameStatistics(False, False, False, False, False), frame(8), "none at all"),
        (ALL, frame(1), "2 to 1024 samples of 1 to 256 channels, not 1 of 1"),
        (ALL, frame(1025), "not 1025 of 1"),
        (ALL, frame(8, 257), "not 8 of 257"),
        (ALL, TensorType((8,), Format(15)), r"statistics reads int16 \[samples, channels\]"),
        (ops.DeviationSum(1), TensorType((8, 1), Format(3, "int8")), r"deviation_sum reads int16"),
        (ops.DeviationSum(3), frame(8), r"magnitudes \(1\) or squares \(2\), not of a power 3"),
        (ops.DeviationSum(2), frame(2000), "not 2000 of 1"),
    ],
)
def test_what_statistics_cannot_be_of_is_refused(op, x, message):
    with pytest.raises(UnsupportedError, match=message):
        op.infer(x)
