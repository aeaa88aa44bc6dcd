"""Words of a keyword task, other words, and silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rescomp.data.clip_sources import load_clips
from rescomp.errors import InputError
from rescomp.recipe import DataSection
from rescomp.tests.data.wav_files import tone, write_wav


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    """Four words of ten speakers each, eight samples a clip; two files of noise, whose samples are 1000 and more."""
    for word, name in enumerate(("bed", "go", "stop", "tree")):
        for speaker in range(10):
            write_wav(tmp_path / name / f"{speaker:08x}_nohash_0.wav", tone(8, 100 * word + 10 * speaker))
    for n in range(2):
        write_wav(tmp_path / "_background_noise_" / f"noise{n}.wav", tone(200, 1000 * (n + 1)))
    return tmp_path


def clips_of(path: Path, **keys: Any) -> Any:
    return load_clips(DataSection.of(str(path), **{"words": ("go", "stop"), **keys}))


def counts(clips: Any) -> list[int]:
    return np.bincount(clips.y).tolist()


def test_without_unknown_other_words_are_left_out(spoken: Path) -> None:
    data = clips_of(spoken, test_fraction=0.2)
    assert data.classes == ("go", "stop")
    assert (counts(data.train), counts(data.test)) == ([8, 8], [2, 2])


def test_so_many_unknown_words_are_drawn_of_each_side_as_are_asked_for(spoken: Path) -> None:
    data = clips_of(spoken, unknown=0.25, test_fraction=0.2)
    assert data.classes == ("go", "stop", "unknown")
    assert (counts(data.train), counts(data.test)) == ([8, 8, 4], [2, 2, 1])
    drawn = [int(data.train.read(clip)[0, 0]) // 100 for clip in np.flatnonzero(data.train.y == 2)]
    assert set(drawn) <= {0, 3}
    assert len({tuple(clips_of(spoken, unknown=0.25, split_seed=seed).train.places[:, 0].tolist()) for seed in range(4)}) > 1
    assert counts(clips_of(spoken, unknown=5.0, test_fraction=0.2).train) == [8, 8, 16]


def test_silence_is_cut_out_of_noise_at_a_loudness_and_no_sample_is_on_both_sides(spoken: Path) -> None:
    data = clips_of(spoken, silence=0.5, test_fraction=0.2)
    assert data.classes == ("go", "silence", "stop")
    assert (counts(data.train), counts(data.test)) == ([8, 8, 8], [2, 2, 2])
    places = [[tuple(row) for row in side.places[side.y == 1].tolist()] for side in (data.train, data.test)]
    taken = [{(file, sample) for file, begin, end, _ in part for sample in range(begin, end)} for part in places]
    assert not taken[0] & taken[1]
    assert max(end for _, _, end, _ in places[0]) <= 160 <= min(begin for _, begin, _, _ in places[1])
    for clip in np.flatnonzero(data.train.y == 1):
        file, begin, end, scale = data.train.places[clip].tolist()
        noise = 1000 * (file - 39) + np.arange(begin, end)
        assert (end - begin, data.train.read(clip).ravel().tolist()) == (8, ((noise * scale + (1 << 14)) >> 15).tolist())
        assert 0 < scale <= 1 << 15
    assert len(set(data.train.groups[data.train.y == 1])) > 1


def test_silence_is_as_long_as_a_window(spoken: Path) -> None:
    data = clips_of(spoken, silence=0.5, window=4, words=None)
    assert set(data.train.lengths.tolist()) == {4}
    assert "silence" in data.classes


def test_validation_silence_lies_in_parts_of_its_own(spoken: Path) -> None:
    (spoken / "testing_list.txt").write_text("go/00000000_nohash_0.wav\nstop/00000000_nohash_0.wav\n")
    (spoken / "validation_list.txt").write_text("go/00000001_nohash_0.wav\nstop/00000001_nohash_0.wav\n")
    data = clips_of(spoken, split="lists", silence=2.0, test_fraction=0.1)
    held = data.kept_for_validation & (data.train.y == 1)
    train = ~data.kept_for_validation & (data.train.y == 1)
    assert (held.sum(), train.sum(), counts(data.test)[1]) == (4, 32, 4)
    parts = [side.places[rows, 1] // 20 for side, rows in ((data.train, train), (data.train, held), (data.test, data.test.y == 1))]
    assert [(part.min() >= low, part.max() <= high) for part, low, high in zip(parts, (0, 8, 9), (7, 8, 9), strict=True)] == [
        (True, True)
    ] * 3


def test_the_same_seed_gives_the_same_clips(spoken: Path) -> None:
    keys = {"unknown": 0.3, "silence": 0.3}
    assert clips_of(spoken, **keys).digest == clips_of(spoken, **keys).digest != clips_of(spoken, **keys, split_seed=5).digest


def test_noise_may_lie_elsewhere(spoken: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = write_wav(tmp_path_factory.mktemp("noise") / "pink.wav", np.full(100, 7000))
    (spoken / "_background_noise_").rename(spoken / "_background_noise_2")
    for noise in (other, other.parent):
        data = clips_of(spoken, silence=0.5, noise=str(noise))
        assert {file.path for file in data.train.files} >= {other}
    with pytest.raises(
        InputError, match=r"_background_noise_ holds no WAV file of noise: add some, or name a file or a folder in data\.noise"
    ):
        clips_of(spoken, silence=0.5)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"words": ("go", "stp")}, r"has no class 'stp' \(data\.words\): did you mean 'stop'"),
        ({"words": ("bed", "go", "stop", "tree"), "unknown": 0.1}, "has no class beside data.words"),
        ({"words": None, "unknown": 0.1}, r"data\.unknown is a share of the words beside data\.words, which is unset"),
        ({"noise": "x"}, r"data\.noise is what data\.silence is cut out of"),
        ({"silence": 0.1, "window": 8, "noise": "{spoken}/go/00000000_nohash_0.wav"}, "has 8 samples of noise, too few for 2 pieces of 8"),
    ],
)
def test_what_cannot_be_made_is_refused(spoken: Path, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        clips_of(spoken, **{key: value.format(spoken=spoken) if isinstance(value, str) else value for key, value in keys.items()})


def test_a_class_of_silence_of_its_own_is_not_mixed_with_noise(spoken: Path) -> None:
    (spoken / "bed").rename(spoken / "silence")
    with pytest.raises(InputError, match="there is a class 'silence', and data"):
        clips_of(spoken, words=None, silence=0.1)
