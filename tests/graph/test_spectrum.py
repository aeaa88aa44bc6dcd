"""The ops of a front-end: against a definition of their own in Python's integers, at their bounds, and against real arithmetic."""

import itertools
import math

import numpy as np
import pytest

from rescomp.errors import UnsupportedError
from rescomp.graph import ops
from rescomp.graph.draws import Draws
from rescomp.graph.fixed_point import log2_table, sine_table
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ops import spectrum as spectrum_module
from rescomp.graph.ops.transform import largest_magnitude

SIZES = (16, 32, 64, 128, 256, 512, 1024)


def hann(length):
    place = np.arange(length // 2 + 1)
    return np.minimum(32767, np.floor(32768 * (0.5 - 0.5 * np.cos(2 * np.pi * place / length)) + 0.5)).astype(np.int16)


def spectrum(size, length=None, pre_emphasis=0, window=None):
    length = length or size
    return ops.Spectrum(size, length, hann(length) if window is None else window, pre_emphasis)


def frames(op, channels=1):
    return TensorType((op.span, channels), Format(15))


def shift(value, by):
    return (value + (1 << (by - 1))) >> by


def turn(k, n):
    """cos and sin of 2 pi k / n in Q15, 1 being 32768."""
    return tuple(math.floor(32768 * f(2 * math.pi * k / n) + 0.5) for f in (math.cos, math.sin))


def zeros(largest):
    return sum(largest < 1 << (15 - j) for j in range(1, 14))


def slow_spectrum(op, samples):
    """The definition by recursion, on lists of Python's integers: even and odd points, stage after stage, all parts of a stage at once."""
    n = op.size
    if op.pre_emphasis:
        pairs = itertools.pairwise(samples)
        samples = [max(-32768, min(32767, now - before + shift(before, op.pre_emphasis))) for before, now in pairs]
    window = [int(op.window[min(i, op.length - i)]) for i in range(op.length)]
    weighted = [x * w for x, w in zip(samples, window, strict=True)] + [0] * (n - op.length)
    doublings = zeros(max(abs(shift(x, 15)) for x in weighted))
    points = [shift(x, 16 - doublings) for x in weighted]
    parts = [[pair] for pair in in_reversed_order(list(zip(points[::2], points[1::2], strict=True)))]
    stages = (n // 2).bit_length() - 1
    for stage in range(stages):
        if stage == stages // 2:
            more = max(0, zeros(max(abs(x) for part in parts for pair in part for x in pair)) - 1)
            parts = [[(re << more, im << more) for re, im in part] for part in parts]
            doublings += more
        parts = [merged(even, odd) for even, odd in zip(parts[::2], parts[1::2], strict=True)]
    (z,) = parts
    return [0] + [magnitude(z[k], z[n // 2 - k], k, n) for k in range(1, n // 2)], doublings


def in_reversed_order(items):
    if len(items) == 1:
        return items
    return in_reversed_order(items[::2]) + in_reversed_order(items[1::2])


def merged(even, odd):
    first, second = [], []
    for k, ((ar, ai), (br, bi)) in enumerate(zip(even, odd, strict=True)):
        c, s = turn(k, 2 * len(even))
        tr, ti = shift(br * c + bi * s, 15), shift(bi * c - br * s, 15)
        first.append(((ar + tr + 1) >> 1, (ai + ti + 1) >> 1))
        second.append(((ar - tr + 1) >> 1, (ai - ti + 1) >> 1))
    return first + second


def magnitude(a, b, k, n):
    cos, s = turn(k, n)
    c, s = int(math.copysign((abs(cos) + 1) >> 1, cos)), (s + 1) >> 1
    odd_re, odd_im = a[1] + b[1], b[0] - a[0]
    re = abs(a[0] + b[0] + shift(odd_re * c + odd_im * s, 14))
    im = abs(a[1] - b[1] + shift(odd_im * c - odd_re * s, 14))
    return 8 * max(re, im) + 3 * min(re, im)


@pytest.mark.parametrize(
    ("size", "length", "pre_emphasis"), [(16, 16, 0), (32, 21, 5), (64, 2, 1), (256, 200, 5), (512, 512, 0), (1024, 777, 14)]
)
def test_a_spectrum_is_what_a_slow_definition_gives(size, length, pre_emphasis):
    op = spectrum(size, length, pre_emphasis)
    x = op.stress(Draws(1), frames(op))[0][:: max(1, size // 64)]
    bins, doublings = op.evaluate(x)
    assert len(np.unique(doublings)) > 5
    for row in range(len(x)):
        wanted, doubled = slow_spectrum(op, x[row, :, 0].tolist())
        assert (bins[row, 0].tolist(), int(doublings[row, 0])) == (wanted, doubled)


@pytest.mark.parametrize("pre_emphasis", [1, 5])
def test_stress_tells_the_lowest_integer_of_an_emphasised_sample_from_its_neighbour(pre_emphasis, monkeypatch):
    """It shows in the block exponent alone, and that where the window is exactly a half."""
    op = spectrum(256, 200, pre_emphasis)
    (x,) = op.stress(Draws(1), frames(op))
    right = op.evaluate(x)
    monkeypatch.setattr(spectrum_module, "saturate", lambda value, low, high: np.clip(value, low + 1, high))
    wrong = op.evaluate(x)
    assert sum(np.any(one != other) for one, other in zip(right[0], wrong[0], strict=True)) >= 8


def test_channels_are_frames_of_their_own():
    op = spectrum(64, 50, 5)
    x = np.random.default_rng(0).integers(-32768, 32768, (9, op.span, 3)) >> np.array([0, 4, 9])
    whole = op.evaluate(x)
    for channel in range(3):
        alone = op.evaluate(x[:, :, channel : channel + 1])
        assert all(np.array_equal(one[:, 0], several[:, channel]) for one, several in zip(alone, whole, strict=True))


@pytest.mark.parametrize("size", SIZES)
def test_no_frame_passes_the_bound_of_a_magnitude_and_some_come_near(size):
    """Tones at full scale under a window of ones: the proof leaves less than a bit unused."""
    op = spectrum(size, window=np.full(size // 2 + 1, 32767, np.int16))
    turns = np.arange(size) * np.arange(1, size // 2, max(1, size // 64))[:, None] / size
    tones = np.concatenate([32767 * np.cos(2 * np.pi * (turns + phase)) for phase in np.arange(16) / 32])
    bins, _ = op.evaluate(np.round(np.concatenate([tones, np.sign(tones) * 32767])).astype(np.int64)[:, :, None])
    assert 0.5 < bins.max() / largest_magnitude(size) < 1
    assert largest_magnitude(size) < 561_000


@pytest.mark.parametrize(("size", "limit"), [(256, 0.35), (512, 0.35), (1024, 0.35)])
@pytest.mark.parametrize("loudness", [1, 1 / 16, 1 / 256])
def test_a_spectrum_of_noise_is_near_that_of_real_numbers(size, limit, loudness):
    op, rng = spectrum(size), np.random.default_rng(size)
    x = np.clip(np.round(rng.normal(0, 6000 * loudness, (40, size, 1))), -32768, 32767).astype(np.int64)
    bins, doublings = op.evaluate(x)
    integer = bins[:, 0, 1:] / 8 / 2.0**doublings
    real = 2 * np.abs(np.fft.rfft(x[:, :, 0] * op.weights / 32768))[:, 1:-1] / size
    error = 20 * np.log10(np.maximum(integer, 1e-3) / real)
    loud = real > np.median(real) / 4
    assert np.sqrt(np.mean((error[loud] - error[loud].mean()) ** 2)) < limit


@pytest.mark.parametrize("size", SIZES)
def test_tables_are_the_same_on_every_machine(size):
    """No entry is so near a half that another library's sine or logarithm could round it otherwise."""
    sines, logs = 32768 * np.sin(2 * np.pi * np.arange(size // 4) / size), 1024 * np.log2(1 + np.arange(33) / 32)
    assert min(np.abs(values - np.floor(values) - 0.5).min() for values in (sines, logs)) > 1e-5
    assert np.array_equal(sine_table(size), np.round(sines))
    assert sine_table(size).max() < 32768
    assert np.array_equal(log2_table(), np.round(logs))


def test_logarithms_are_near_and_exact_at_powers_of_two():
    op = ops.Log2(np.zeros(1, np.int16), -(1 << 15))
    x = np.unique(np.concatenate([1 << np.arange(31), np.geomspace(1, (1 << 31) - 1, 20000).astype(np.int64)]))[:, None, None]
    y = op.evaluate(x, np.zeros((len(x), 1), np.int64))[0][:, 0, 0]
    error = y / 1024 - np.log2(x[:, 0, 0])
    assert np.abs(error).max() < 0.0012
    powers = 1 << np.arange(31)
    assert np.array_equal(y[np.searchsorted(x[:, 0, 0], powers)], 1024 * np.arange(31))
    assert np.all(np.diff(y) >= 0)


def test_a_logarithm_counts_doublings_offsets_and_the_floor():
    op = ops.Log2(np.array([0, 100], np.int16), 2048)
    y = op.evaluate(np.array([[[1 << 20, 1 << 20], [0, 1 << 30]]]), np.array([[3, 29]]))[0]
    assert y.tolist() == [[[17 << 10, (17 << 10) + 100], [2048, 2048]]]


def test_a_band_sums_its_bins():
    op = ops.BandSum(np.array([1, 0], np.int16), np.array([2, 4], np.int16), np.array([5, 6, 1, 1, 1, 2], np.int8))
    assert op.evaluate(np.array([[[10, 20, 30, 40]]]))[0].tolist() == [[[280, 140]]]
    x = TensorType((1, 4), Format(0, "int32", 1000, nonnegative=True))
    assert op.infer(x)[0].format.high == 11000
    assert op.multiply_accumulates(x) == 6


WIDE = TensorType((1, 4), Format(0, "int32", 1 << 30, nonnegative=True))
ONE = np.ones(1, np.int16)


@pytest.mark.parametrize(
    ("op", "types", "message"),
    [
        (ops.BandSum(ONE, ONE, np.array([2], np.int8)), (WIDE,), "may reach 2147483648, past 2\\^31: store its weights with fewer bits"),
        (ops.BandSum(ONE, 4 * ONE, np.ones(4, np.int8)), (WIDE,), "outside the 4 bins"),
        (ops.BandSum(ONE, 2 * ONE, np.ones(3, np.int8)), (WIDE,), "2 bins together have 3 weights"),
        (ops.BandSum(ONE, ONE, np.array([-1], np.int8)), (WIDE,), "negative"),
        (spectrum(48), (TensorType((48, 1), Format(15)),), "power of two from 16 to 1024 points, not of 48"),
        (spectrum(2048), (TensorType((2048, 1), Format(15)),), "not of 2048"),
        (spectrum(64, 65), (TensorType((65, 1), Format(15)),), "65 samples does not fit"),
        (spectrum(64, pre_emphasis=5), (TensorType((64, 1), Format(15)),), "reads 65 samples"),
        (spectrum(64, window=np.ones(32, np.int16)), (TensorType((64, 1), Format(15)),), "33 int16"),
        (ops.Log2(np.zeros(3, np.int16), 0), (WIDE, TensorType((1,), Format(0, bound=25, nonnegative=True))), "4 bands holds"),
        (ops.Log2(np.zeros(4, np.int16), 0), (WIDE, TensorType((1,), Format(0))), "a number of doublings a channel"),
    ],
)
def test_what_an_op_of_a_front_end_cannot_do_is_refused(op, types, message):
    with pytest.raises(UnsupportedError, match=message):
        op.infer(*types)
