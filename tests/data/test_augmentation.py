"""Training clips changed anew in every epoch."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rescomp.data.augmentation import AugmentedClips, augmented, faster, moved, with_noise
from rescomp.data.clip_sources import load_clips
from rescomp.data.clips import ArrayClips
from rescomp.data.noise import MadeNoise, RecordedNoise, noise_of
from rescomp.data.split import Split
from rescomp.data.turned_clips import TurnedClips
from rescomp.data.wav import read_header
from rescomp.errors import InputError
from rescomp.graph.formats import Format
from rescomp.graph.ops import Align
from rescomp.recipe import AugmentSection, DataSection
from rescomp.tests.data.wav_files import tone, write_wav

RATE = 1000


def bits(seed: int = 0) -> Any:
    return np.random.PCG64([seed])


def changed(samples: Any, seed: int = 0, noise: Any = None, **asked: Any) -> Any:
    section = AugmentSection(**asked) if asked else AugmentSection.model_construct()  # which no recipe can hold
    return augmented(np.asarray(samples, np.int16).reshape(-1, 1), RATE, section, noise or MadeNoise("white"), bits(seed))


def power(x: Any) -> float:
    return float((np.asarray(x, float) ** 2).mean())


def test_nothing_asked_changes_nothing() -> None:
    edges = [-32768, -1, 0, 1, 32767]
    assert changed(edges).ravel().tolist() == edges


def test_a_gain_lies_within_its_decibels_and_saturates() -> None:
    gains = [20 * np.log10(changed([10000], seed, gain=6.0)[0, 0] / 10000) for seed in range(200)]
    assert -6 <= min(gains) < -5
    assert 5 < max(gains) <= 6
    assert {int(changed([32767], seed, gain=6.0)[0, 0]) for seed in range(20)} >= {32767}
    assert min(int(changed([-32768], seed, gain=6.0)[0, 0]) for seed in range(20)) == -32768


def test_a_shift_moves_by_whole_samples_and_silence_moves_in() -> None:
    assert moved(np.arange(1.0, 5)[:, None], 1).ravel().tolist() == [0, 1, 2, 3]
    assert moved(np.arange(1.0, 5)[:, None], -3).ravel().tolist() == [4, 0, 0, 0]
    places = {int(np.argmax(changed([0] * 5 + [9] + [0] * 5, seed, shift=3.0).ravel())) - 5 for seed in range(100)}
    assert places == set(range(-3, 4))


def test_speed_keeps_the_middle_the_length_and_straight_lines() -> None:
    x = np.stack([np.arange(21.0), np.full(21, 7.0)], axis=1)
    assert np.array_equal(faster(x, 1.0), x)
    slow = faster(x, 0.5)
    assert np.allclose(slow[:, 0], 10 + 0.5 * (np.arange(21) - 10))
    assert np.allclose(slow[:, 1], 7)
    fast = faster(x, 1.25)
    assert fast[10, 0] == 10
    assert (fast[0].tolist(), fast[-1].tolist()) == ([0, 0], [0, 0])
    tones = [np.sin(np.arange(400) * step)[:, None] for step in (0.2, 0.22)]
    middle = slice(60, -60)
    at = np.sin(199.5 * 0.2 + 0.22 * (np.arange(400) - 199.5))
    assert np.abs(faster(tones[0], 1.1)[middle, 0] - at[middle]).max() < 1e-3


def test_speed_is_drawn_on_both_sides_of_one() -> None:
    found = [int(changed(np.arange(101), seed, speed=0.1)[60, 0]) for seed in range(100)]
    assert (min(found), max(found)) == (59, 61)


def test_noise_has_the_power_that_is_asked_for() -> None:
    x = 1000.0 * np.sin(np.arange(4000) * 0.1)[:, None]
    for decibels in (-5.0, 0.0, 20.0):
        added = with_noise(x, MadeNoise("white").piece(4000, 1, bits()), decibels) - x
        assert 10 * np.log10(power(x) / power(added)) == pytest.approx(decibels)
    assert not with_noise(np.zeros((4, 1)), np.ones((4, 1)), 0).any()
    assert np.array_equal(with_noise(x, np.zeros_like(x), 0), x)


def test_noise_is_added_to_its_share_of_the_clips_at_a_drawn_ratio() -> None:
    x = np.round(1000 * np.sin(np.arange(2000) * 0.1))
    added = [changed(x, seed, snr=(10.0, 20.0), noise_share=0.5)[:, 0] - x for seed in range(200)]
    noisy = [10 * np.log10(power(x) / power(each)) for each in added if each.any()]
    assert 70 < len(noisy) < 130
    assert 9.9 < min(noisy) < 11
    assert 19 < max(noisy) < 20.1


def test_white_noise_is_flat_and_pink_noise_halves_with_each_octave() -> None:
    def octaves(colour: Any) -> Any:
        spectrum = np.abs(np.fft.rfft(MadeNoise(colour).piece(1 << 14, 1, bits()), axis=0)) ** 2
        return [float(spectrum[1 << k : 2 << k].mean()) for k in range(6, 13)]

    white, pink = octaves("white"), octaves("pink")
    assert all(0.7 < after / before < 1.4 for before, after in pairwise(white))
    assert all(0.35 < after / before < 0.7 for before, after in pairwise(pink))
    two = MadeNoise("white").piece(100, 2, bits())
    assert abs(np.corrcoef(two.T)[0, 1]) < 0.5


def test_recorded_noise_is_a_stretch_of_a_file_the_same_on_all_channels(tmp_path: Path) -> None:
    files = [read_header(write_wav(tmp_path / f"{n}.wav", tone(50, 1000 * n), RATE)) for n in (1, 2)]
    starts = set()
    for seed in range(60):
        piece = RecordedNoise(files, RATE).piece(10, 2, bits(seed))
        assert np.array_equal(piece[:, 0], piece[:, 1])
        assert np.array_equal(np.diff(piece[:, 0]), np.ones(9))
        starts.add(int(piece[0, 0]))
    assert {start // 1000 for start in starts} == {1, 2}
    assert max(start % 1000 for start in starts) <= 40
    assert RecordedNoise(files[:1], RATE).piece(120, 1, bits()).ravel().tolist() == [1000 + n % 50 for n in range(120)]


def test_what_noise_there_is_depends_on_the_source(tmp_path: Path) -> None:
    plain = DataSection.of(str(tmp_path))
    assert noise_of(None, plain, RATE) == MadeNoise("pink")
    assert noise_of("white", plain, RATE) == MadeNoise("white")
    own = write_wav(tmp_path / "_background_noise_" / "hum.wav", tone(9), RATE)
    found = noise_of(None, plain, RATE)
    assert isinstance(found, RecordedNoise)
    assert [file.path for file in found.files] == [own]
    other = write_wav(tmp_path / "other" / "rain.wav", tone(9), RATE)
    assert [file.path for file in noise_of(str(other), plain, RATE).files] == [other]
    with pytest.raises(InputError, match="holds no WAV file of noise"):
        noise_of(str(tmp_path / "absent"), plain, RATE)


def some_clips() -> Any:
    x = np.random.default_rng(0).integers(-9000, 9000, (6, 200, 1)).astype(np.int32)
    return ArrayClips(Split(x, np.arange(6) % 2, np.full(6, 200), np.arange(6)), RATE)


ALL = {"gain": 6.0, "shift": 20.0, "speed": 0.1, "snr": (0.0, 20.0)}


def in_epoch(epoch: int, seed: int = 0) -> Any:
    return AugmentedClips(some_clips(), np.arange(6), AugmentSection(**ALL), MadeNoise("pink"), seed, epoch)


def test_an_epoch_and_a_seed_give_the_same_clips_and_others_others() -> None:
    digests = [in_epoch(epoch, seed).digest() for epoch, seed in ((1, 0), (1, 0), (2, 0), (1, 1))]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_a_clip_is_the_same_whatever_is_taken_beside_it() -> None:
    clips = in_epoch(3)
    taken = clips.take(np.array([4, 1])).take(np.array([1]))
    assert np.array_equal(taken.read(0), clips.read(1))
    assert (taken.y.tolist(), taken.lengths.tolist(), taken.groups.tolist()) == ([1], [200], [1])


def test_labels_lengths_and_rate_stay() -> None:
    clips, plain = in_epoch(1), some_clips()
    assert all(np.array_equal(getattr(clips, name), getattr(plain, name)) for name in ("y", "lengths", "groups"))
    assert (len(clips), clips.sample_rate, clips.channels, clips.read(0).shape) == (6, RATE, 1, (200, 1))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"noise": "pink"}, "augment.noise is what is added at augment.snr, which is unset"),
        ({"snr": (20.0, 10.0)}, "augment.snr runs from 20 to 10 dB: give the least first"),
    ],
)
def test_contradictions_are_refused(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AugmentSection(**asked)


def test_one_number_is_both_ends_of_the_ratio() -> None:
    assert AugmentSection(snr=10.0).snr == (10.0, 10.0)


def test_no_sample_that_silence_of_the_test_part_is_cut_out_of_is_added_to_a_training_clip(tmp_path: Path) -> None:
    for label in ("yes", "no"):
        for speaker in range(6):
            write_wav(tmp_path / label / f"s{speaker}_nohash_0.wav", tone(20, speaker), RATE)
    hum = tmp_path / "_background_noise_" / "hum.wav"
    write_wav(hum, np.arange(1000)[:, None], RATE)  # each sample tells its place
    data = DataSection(source=str(tmp_path), silence=1.0, test_fraction=0.3)
    clips = load_clips(data, RATE)
    test, whole = clips.test, noise_of(None, data, RATE)
    silent = np.flatnonzero(test.y == clips.classes.index("silence"))
    first = min(int(begin) for file, begin, *_ in test.places[silent])  # type: ignore[attr-defined]
    assert max(whole.piece(20, 1, bits(seed)).max() for seed in range(100)) >= first
    noise = noise_of(None, data, RATE, (test,))
    assert 600 < max(noise.piece(20, 1, bits(seed)).max() for seed in range(100)) < first
    turned = TurnedClips(test, np.zeros((len(test), 9), np.int64), Align(1, (), Format(15), (1 << 14, 0, 0)))
    assert noise_of(None, data, RATE, (turned,)).ends == noise.ends  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=r"all noise in .*s0_nohash_0\.wav is of validation or test clips"):
        noise_of(str(tmp_path / "yes" / "s0_nohash_0.wav"), data, RATE, (load_clips(data, RATE).train, test))
