"""What is done to readings, number by number."""

import numpy as np
import pytest

from rescomp.data import Split
from rescomp.stages import perturbations as p


def split(x, lengths=None, integers=True):
    x = np.asarray(x, np.int16)
    return Split(x, np.zeros(len(x), np.int64), np.full(len(x), x.shape[1]) if lengths is None else np.array(lengths))


def test_a_faster_clock_reads_between_the_readings():
    found = p.resampled(split([[[0], [10], [20], [30]]]), 2.0)
    assert found.lengths.tolist() == [8]
    assert found.x[0, :, 0].tolist() == [0, 5, 10, 15, 20, 25, 30, 30]


def test_a_slower_clock_reads_fewer_and_nothing_of_the_padding():
    found = p.resampled(split([[[0, 7], [10, 7], [20, 7], [900, 900]], [[5, 1], [900, 900], [900, 900], [900, 900]]], [3, 1]), 0.5)
    assert found.lengths.tolist() == [2, 1]
    assert found.x[0].tolist() == [[0, 7], [20, 7]]
    assert found.x[1].tolist() == [[5, 1], [0, 0]]


def test_gain_and_limits():
    assert p.scaled(split([[[1], [-3], [30000], [-30000]]]), p.GAIN).x[0, :, 0].tolist() == [1, -4, 32767, -32768]
    assert pytest.approx(10 ** (3 / 20), abs=1e-15) == p.GAIN


def test_offset_and_noise_are_in_units_of_each_channel_s_spread():
    x = np.random.default_rng(0).normal(size=(40, 50, 2)) * [1000, 100]
    one = split(np.rint(x))
    spread = one.steps.astype(float).std(axis=0)
    moved = p.perturbed(one, spread, is_image=False)
    assert np.unique(moved["offset"][0]().x.astype(int) - one.x).tolist() == [20, round(0.2 * spread[0])]
    noise = moved["noise"][0]().x.astype(float) - one.x
    assert noise.std(axis=(0, 1)) == pytest.approx(0.2 * one.steps.std(axis=0), rel=0.05)
    assert abs(noise.mean(axis=(0, 1)) / noise.std(axis=(0, 1))).max() < 0.1
    assert np.array_equal(moved["noise"][0]().x, p.noisy(one, 0.2 * spread).x)


def test_lost_readings_close_up():
    x = np.arange(1, 4001, dtype=np.int16).reshape(4, 1000, 1)
    found = p.dropped(split(x, [1000, 1000, 10, 1]), 10)
    assert found.lengths[3] == 1
    assert 850 < found.lengths[0] < 950
    kept = found.x[0, : found.lengths[0], 0]
    assert kept[0] == 1
    assert (np.diff(kept) > 0).all()
    assert not found.x[2, found.lengths[2] :].any()
    assert found.x[2].max() <= 2010


def test_axes_in_unlike_formats_are_turned_in_one_unit():
    x = np.random.default_rng(1).integers(-4000, 4000, (3, 20, 3))
    units = np.array([8, 4, 1])
    alike, own = p.turned(split(x * units)).x, p.turned(split(x), (0, 1, 3)).x
    assert np.abs(own * units - alike).max() <= 4


def test_a_dead_channel_reads_nothing():
    assert p.dead(split([[[1, 2], [3, 4]]]), 1).x.tolist() == [[[1, 0], [3, 0]]]


def test_axes_turn_by_ten_degrees_and_keep_their_lengths():
    v = np.random.default_rng(0).normal(size=(8, 30, 6)) * 3000
    found = p.turned(split(np.rint(v))).x.astype(float).reshape(8, 30, 2, 3)
    before = np.rint(v).reshape(8, 30, 2, 3)
    lengths = np.linalg.norm(before, axis=3)
    assert np.linalg.norm(found, axis=3) == pytest.approx(lengths, abs=2)
    angles = np.degrees(np.arccos(((found * before).sum(axis=3) / np.linalg.norm(found, axis=3) / lengths).clip(-1, 1)))
    assert angles.max() < 10.1
    assert angles.max(axis=(1, 2)).min() > 9
    assert pytest.approx((np.cos(np.pi / 18), np.sin(np.pi / 18)), abs=1e-15) == (p.COSINE, p.SINE)


def test_recordings_shorter_than_a_step_hold_their_last_reading():
    found = p.held(split([[[1], [2], [9]], [[4], [5], [6]]], [2, 3]), 3)
    assert found.x[..., 0].tolist() == [[1, 2, 2], [4, 5, 6]]
    assert found.lengths.tolist() == [3, 3]


@pytest.mark.parametrize("kind", p.PERTURBATIONS)
def test_what_becomes_of_a_recording_is_the_same_whatever_lies_beside_it(kind):
    rng, lengths, scales = np.random.default_rng(1), [90, 40, 300], np.array([200.0, 300.0, 400.0])
    x = rng.integers(-900, 900, (3, 300, 3)).astype(np.int16)
    one = split(np.where(np.arange(300)[None, :, None] < np.array(lengths)[:, None, None], x, 0), lengths)
    wider = split(np.pad(one.x, ((0, 4), (0, 11), (0, 0))), [*lengths, 311, 1, 1, 1])
    narrow = split(one.x[:2, :90], lengths[:2])
    all_three, more, fewer = ([make() for make in p.perturbed(each, scales, is_image=False)[kind]] for each in (one, wider, narrow))
    for ours, beside, alone in zip(all_three, more, fewer, strict=True):
        for row, length in enumerate(ours.lengths):
            assert length == beside.lengths[row]
            assert np.array_equal(ours.x[row, :length], beside.x[row, :length])
            assert row == 2 or np.array_equal(ours.x[row, :length], alone.x[row, :length])
    assert kind in ("rate_plus", "rate_minus") or any(not np.array_equal(ours.x, one.x) for ours in all_three)


def test_what_cannot_be_asked_is_said():
    found = p.perturbed(split(np.zeros((2, 4, 4))), np.ones(4), is_image=False)
    assert list(found) == list(p.PERTURBATIONS)
    assert found["turned"] == "4 channels are no triples of axes"
    assert len(found["dead_channel"]) == 4
    images = p.perturbed(split(np.zeros((2, 4, 4, 3))), np.ones(3), is_image=True)
    assert [name for name in images if isinstance(images[name], str)] == ["rate_plus", "rate_minus", "dropped", "turned"]
