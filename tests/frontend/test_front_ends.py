"""Whole front-ends: every witness gives every feature, they are near real numbers, and what cannot be is refused."""

from dataclasses import fields, replace
from typing import get_args

import numpy as np
import pytest

from rescomp.errors import UnsupportedError
from rescomp.frontend.bands import WEIGHT_BITS, band_sum, triangles
from rescomp.frontend.description import KEYS, PRESETS, FrontEnd, Statistic
from rescomp.frontend.lowering import FEATURES, frames_of, frontend_graph
from rescomp.frontend.real import real_features
from rescomp.graph.draws import Draws
from rescomp.graph.evaluate import evaluate_graph
from rescomp.graph.verify import FRAME_INPUT, verify_graph

LOW = FrontEnd("log_mel", 8000, 200, 80, 256, 20, 60.0, 3800.0)
FRONT_ENDS = {
    **PRESETS,
    "log_mel": FrontEnd(),
    "8 kHz": replace(LOW, norm="area"),
    "three axes": FrontEnd("spectrum", 4000, 256, 128, 256, 24, 0.0, 2000.0, window_function="hamming", floor=0, channels=3),
    "mfcc of two": FrontEnd("mfcc", 8000, 200, 80, 256, 20, 60.0, 3800.0, coefficients=8, channels=2),
    "statistics": FrontEnd("statistics", 50, 128, 64, channels=9, statistics=get_args(Statistic)),
    "two statistics": FrontEnd("statistics", 25, 75, 25, channels=45, floor=-3, statistics=("log_deviation", "mean")),
    "wide bands": FrontEnd("spectrum", 16000, 1024, 512, 1024, 3, 0.0, 8000.0, window_function="rectangular", floor=-10),
}
VALUES = 1600
"""Features of each front-end that each witness gives, at least: more than 10,000 of all of them together."""


def hostile_frames(graph, count):
    """Of the stress values of the first op, from first to last."""
    frames = graph.nodes[0].op.stress(Draws(5), graph.inputs[0].type)[0]
    return frames[np.linspace(0, len(frames) - 1, count).astype(int)]


def speech_like(rng, samples):
    """A hum whose pitch wanders, noise that comes and goes, and an offset; int16."""
    t = np.arange(samples)
    pitch = 2 * np.pi * np.cumsum(120 + 40 * np.sin(t / 3000)) / 16000
    voiced = sum(np.sin(k * pitch) / k for k in range(1, 12))
    loudness = 2.0 ** (-3 + 3 * np.sin(t / 2500))
    return np.clip(np.round(3000 * loudness * (voiced + 0.3 * rng.normal(size=samples)) + 500), -32768, 32767).astype(np.int64)


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_every_witness_gives_every_feature(name, witness):
    front_end = FRONT_ENDS[name]
    graph = frontend_graph(front_end)
    verify_graph(graph)
    frames = hostile_frames(graph, -(-VALUES // front_end.features))
    values, expected = witness.run_graph(graph, {FRAME_INPUT: frames}), evaluate_graph(graph, {FRAME_INPUT: frames})
    assert expected[FEATURES].size >= VALUES
    for value, wanted in expected.items():
        if value != FRAME_INPUT:
            np.testing.assert_array_equal(values[value], wanted, err_msg=value)


@pytest.mark.parametrize(("name", "limit"), [("log_mel", 0.3), ("microwakeword", 0.3), ("8 kHz", 0.3), ("wide bands", 0.2)])
@pytest.mark.parametrize("quieter", [0, 4])
def test_logarithms_are_near_those_of_real_numbers(name, limit, quieter):
    """In dB rms, where the real one is above its floor."""
    front_end = FRONT_ENDS[name]
    frames = frames_of(speech_like(np.random.default_rng(3), 40000)[:, None] >> quieter, front_end)
    features = evaluate_graph(frontend_graph(front_end), {FRAME_INPUT: frames})[FEATURES] / 1024
    real = real_features(frames, front_end)
    error = 6.02 * (features - real)[real > front_end.floor + 1]
    assert error.size > 200
    assert np.sqrt(np.mean(error**2)) < limit


def test_coefficients_of_an_mfcc_are_near_those_of_real_numbers():
    """Within 5 % of what each varies by."""
    front_end = FRONT_ENDS["mlperf_tiny_kws"]
    frames = frames_of(speech_like(np.random.default_rng(4), 60000)[:, None], front_end)
    features = evaluate_graph(frontend_graph(front_end), {FRAME_INPUT: frames})[FEATURES] / 1024
    real = real_features(frames, front_end)
    assert features.shape == real.shape == (front_end.frames(60000), 10)
    assert np.all(np.sqrt(np.mean((features - real) ** 2, axis=0)) < 0.05 * real.std(axis=0))


def sensor(rng, samples, channels):
    """Noise that comes and goes above an offset, another for each channel; int16."""
    loudness = 2.0 ** (9 + 4 * np.sin(np.arange(samples) / 300)[:, None] - np.arange(channels) / 12)
    return np.clip(np.round(rng.normal(0, loudness) + 400 * np.arange(channels)), -32768, 32767).astype(np.int64)


@pytest.mark.parametrize("name", ["statistics", "two statistics"])
def test_statistics_are_near_those_of_real_numbers(name):
    """Logarithms within a fiftieth of an octave, means within half a unit of a sample, a deviation with a sixteenth more; crossings where no sample lies beside the mean."""
    front_end = FRONT_ENDS[name]
    frames = frames_of(sensor(np.random.default_rng(5), 3000, front_end.channels), front_end)
    shape = (len(frames), front_end.channels, len(front_end.statistics))
    error = (evaluate_graph(frontend_graph(front_end), {FRAME_INPUT: frames})[FEATURES] - 1024 * real_features(frames, front_end)).reshape(
        shape
    )
    beside = (np.abs(frames - frames.mean(axis=1, keepdims=True)) < 1 / 16).any(axis=1)
    in_order = [name for name in get_args(Statistic) if name in front_end.statistics]
    limits = {"deviation": 0.57, "log_deviation": 20, "log_energy": 20, "minimum": 0, "maximum": 0, "zero_crossings": 0}
    if "zero_crossings" in in_order:
        error[..., in_order.index("zero_crossings")][beside] = 0
        assert beside.mean() < 0.9
    assert np.all(np.abs(error).max(axis=(0, 1)) <= [limits.get(name, 0.5) + 1e-6 for name in in_order])


def test_features_of_statistics_are_in_their_own_order_whatever_that_of_the_list():
    frames = hostile_frames(frontend_graph(FRONT_ENDS["two statistics"]), 20)
    swapped = replace(FRONT_ENDS["two statistics"], statistics=("mean", "log_deviation"))
    ways = [evaluate_graph(frontend_graph(each), {FRAME_INPUT: frames})[FEATURES] for each in (FRONT_ENDS["two statistics"], swapped)]
    assert np.array_equal(*ways)
    assert np.array_equal(ways[0].reshape(20, 45, 2)[..., 0], np.floor(frames.mean(axis=1) + 0.5))


def test_a_mfcc_of_two_channels_is_that_of_each():
    both, alone = FRONT_ENDS["mfcc of two"], replace(FRONT_ENDS["mfcc of two"], channels=1)
    frames = hostile_frames(frontend_graph(alone), 40).reshape(2, 20, -1).transpose(1, 2, 0)
    of_both = evaluate_graph(frontend_graph(both), {FRAME_INPUT: frames})[FEATURES]
    of_each = [evaluate_graph(frontend_graph(alone), {FRAME_INPUT: frames[..., i : i + 1]})[FEATURES] for i in (0, 1)]
    assert np.array_equal(of_both, np.concatenate(of_each, axis=1))


def test_each_kind_says_what_it_reads_of_a_description_and_has_a_floor_of_its_own():
    assert set().union(*KEYS.values()) == {field.name for field in fields(FrontEnd)}
    assert [kind for kind, keys in KEYS.items() if "bands" not in keys] == ["statistics"]
    statistics = FrontEnd("statistics", 50, 128, 64, statistics=("mean",))
    assert (statistics.floor, FrontEnd().floor, replace(statistics, floor=3).floor) == (0, 5, 3)
    assert (statistics.span, statistics.features, FRONT_ENDS["statistics"].features) == (128, 1, 63)


def test_wide_bands_have_coarser_weights_and_nothing_is_refused():
    op, bits = band_sum(FRONT_ENDS["wide bands"])
    assert bits.max() < WEIGHT_BITS
    assert np.all(band_sum(FrontEnd())[1] == WEIGHT_BITS)
    for bands in (1, 2, 255):
        whole = FrontEnd("spectrum", 16000, 1024, 512, 1024, min(bands, 128), 0.0, 8000.0)
        verify_graph(frontend_graph(whole))
    assert op.weight.max() <= 1 << bits.max()


def test_narrow_bands_have_a_frequency_each():
    narrow = FrontEnd(bands=80, low_hz=20.0, size=256, length=256)
    weights = triangles(narrow)
    assert weights.any(axis=1).all()
    assert np.sum((weights > 0).sum(axis=1) == 1) > 5
    assert not weights[:, 0].any()


def test_frames_begin_behind_the_sample_that_the_first_one_subtracts():
    front_end = replace(LOW, hop=100)
    assert (front_end.span, front_end.frames(200), front_end.frames(201), front_end.frames(400), front_end.frames(401)) == (201, 0, 1, 2, 3)
    frames = frames_of(np.arange(401)[:, None], front_end)
    assert frames[:, 0, 0].tolist() == [0, 100, 200]
    assert PRESETS["mlperf_tiny_kws"].frames(16000) == FrontEnd().frames(16000) == 49


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "cepstrum"}, r"frontend.kind = 'cepstrum' is none of log_mel, mfcc, spectrum, statistics"),
        ({"size": 300}, r"frontend.size = 300 is none of 256, 512, 1024"),
        ({"length": 600}, r"frontend.length = 600 is outside 2..512"),
        ({"bands": 0}, r"frontend.bands = 0 is outside 1..128"),
        ({"high_hz": 9000.0}, r"high_hz = 9000 do not lie in order between 0 and half the sample_rate, 8000"),
        ({"coefficients": 10}, r"frontend.coefficients is for kind = mfcc: leave it out of a log_mel"),
        ({"kind": "mfcc"}, r"frontend.coefficients = 0 is outside 1..32"),
        ({"channels": 65}, r"frontend.channels = 65 is outside 1..64"),
        ({"kind": "statistics"}, r"frontend.statistics lists which of mean, deviation, .* at least one and none twice"),
        ({"kind": "statistics", "statistics": ("mean", "mean")}, r"none twice"),
        ({"kind": "statistics", "statistics": ("median",)}, r"frontend.statistics = 'median' is none of mean, deviation"),
        ({"kind": "statistics", "statistics": ("mean",), "length": 1025}, r"frontend.length = 1025 is outside 2..1024"),
        ({"kind": "statistics", "statistics": ("mean",), "channels": 257}, r"frontend.channels = 257 is outside 1..256"),
        ({"statistics": ("mean",)}, r"frontend.statistics is for kind = statistics: leave it out of a log_mel"),
        ({"hop": 0}, r"frontend.hop = 0 is outside"),
        ({"window_function": "kaiser"}, r"none of hann, hamming, rectangular"),
    ],
)
def test_what_is_no_front_end_is_refused_by_its_key(change, message):
    with pytest.raises(UnsupportedError, match=message):
        replace(FrontEnd(), **change)
