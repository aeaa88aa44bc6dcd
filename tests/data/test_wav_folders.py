"""Data sets of WAV files: class folders, splits, channels, rates, windows."""

from __future__ import annotations

import hashlib
import os
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rescomp.data import load_dataset
from rescomp.data.clip_sides import side_by_hash
from rescomp.data.clip_sources import load_clips
from rescomp.data.clips import ArrayClips
from rescomp.data.resampling import resample, resampled_length
from rescomp.data.split import Split
from rescomp.data.wav_folders import holds_sound
from rescomp.errors import InputError, MissingToolError
from rescomp.recipe import DataSection, load_recipe
from rescomp.tests.data.wav_files import tone, write_wav


def clips_of(path: Path, rate: int | None = None, **keys: Any) -> Any:
    return load_clips(DataSection.of(str(path), **keys), rate)


def firsts(clips: Any) -> list[int]:
    """The first sample of each clip."""
    return [int(clips.read(clip)[0, 0]) for clip in range(len(clips))]


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """Two words of four speakers, two clips of each: the first sample is 100 * speaker + 10 * word + clip."""
    for word, name in enumerate(("go", "stop")):
        for speaker in range(4):
            for clip in range(2):
                start = 100 * speaker + 10 * word + clip
                write_wav(tmp_path / name / f"{speaker:08x}_nohash_{clip}.wav", tone(5 + clip, start))
    return tmp_path


def test_each_sub_folder_is_a_class_and_samples_are_those_of_the_file(words: Path) -> None:
    data = clips_of(words, split_seed=1)
    assert (data.classes, data.train.sample_rate, data.train.channels, data.fraction_bits) == (("go", "stop"), 16000, 1, 0)
    assert len(data.train) + len(data.test) == 16
    assert sorted(firsts(data.train) + firsts(data.test)) == sorted(
        100 * s + 10 * w + c for s in range(4) for w in range(2) for c in range(2)
    )
    for clip in range(len(data.train)):
        first = firsts(data.train)[clip]
        assert data.train.read(clip).tolist() == [[value] for value in range(first, first + 5 + first % 10)]
        assert (data.train.y[clip], data.train.lengths[clip]) == (first // 10 % 10, 5 + first % 10)


def test_no_speaker_stands_on_both_sides(words: Path) -> None:
    data = clips_of(words)
    speakers = [{first // 100 for first in firsts(side)} for side in (data.train, data.test)]
    assert speakers[0] | speakers[1] == {0, 1, 2, 3}
    assert not speakers[0] & speakers[1]
    assert len(speakers[1]) == 1
    assert data.train.groups.tolist() == [sorted(speakers[0]).index(first // 100) for first in firsts(data.train)]


def test_the_group_is_what_an_expression_finds_in_the_name(tmp_path: Path) -> None:
    for name in ("on/a-1.wav", "on/b-1.wav", "off/a-2.wav", "off/b-2.wav"):
        write_wav(tmp_path / name, tone(3, ord(name.partition("/")[2][0])))
    data = clips_of(tmp_path, group="/([a-z])-", test_fraction=0.5)
    assert {*firsts(data.train)} | {*firsts(data.test)} == {97, 98}
    assert len({*firsts(data.test)}) == 1


@pytest.mark.parametrize(
    ("group", "message"), [("(", "is no regular expression"), ("a", "has no parenthesis"), ("(x)", "finds no group in go/")]
)
def test_an_expression_that_finds_no_group_is_refused(words: Path, group: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        clips_of(words, group=group)


def test_train_and_test_folders_are_the_split(tmp_path: Path) -> None:
    for side, start in (("train", 0), ("validation", 10), ("test", 20)):
        write_wav(tmp_path / side / "a" / "x.wav", tone(3, start))
        write_wav(tmp_path / side / "b" / "x.wav", tone(3, start + 1))
    data = clips_of(tmp_path)
    assert (firsts(data.train), firsts(data.test)) == ([0, 1, 10, 11], [20, 21])
    assert data.kept_for_validation.tolist() == [False, False, True, True]
    assert data.facts["split"] == "folders"
    with pytest.raises(InputError, match=r"data\.test_fraction splits recordings, and .* has a folder train and a folder test"):
        clips_of(tmp_path, test_fraction=0.5)


def test_lists_beside_the_classes_say_who_is_where(words: Path) -> None:
    (words / "testing_list.txt").write_text("go/00000003_nohash_0.wav\nstop/00000003_nohash_0.wav\nstop/absent.wav\n")
    (words / "validation_list.txt").write_text("\ufeffgo/00000002_nohash_1.wav\r\n\r\n")
    data = clips_of(words, split="lists")
    assert firsts(data.test) == [300, 310]
    assert np.array(firsts(data.train))[data.kept_for_validation].tolist() == [201]
    assert len(data.train) == 14


@pytest.mark.parametrize(
    ("testing", "message"),
    [
        (None, r"testing_list\.txt .*which data.split = 'lists' needs"),
        ("other/a.wav\n", r"testing_list\.txt names no WAV file"),
        ("go/00000002_nohash_1.wav\n", "is in both lists"),
        (b"\xff\n", r"testing_list\.txt, line 1: byte 0 is not UTF-8"),
    ],
)
def test_lists_that_say_nothing_are_refused(words: Path, testing: Any, message: str) -> None:
    (words / "validation_list.txt").write_text("go/00000002_nohash_1.wav\n")
    if testing is not None:
        (words / "testing_list.txt").write_bytes(testing.encode() if isinstance(testing, str) else testing)
    with pytest.raises(InputError, match=message):
        clips_of(words, split="lists")


def test_the_hash_of_a_speaker_is_that_of_speech_commands() -> None:
    percents = [int(hashlib.sha1(f"{n:08x}".encode()).hexdigest(), 16) % (2**27) * (100 / (2**27 - 1)) for n in range(300)]
    wanted = ["validation" if percent < 10 else "test" if percent < 20 else "train" for percent in percents]
    assert [side_by_hash(f"left/{n:08x}_nohash_{n % 7}.wav", 0.1) for n in range(300)] == wanted
    assert {"validation", "test", "train"} == set(wanted)


def test_a_split_by_hash_keeps_validation_apart(tmp_path: Path) -> None:
    for n in range(12):
        for word in ("a", "b"):
            write_wav(tmp_path / word / f"{n:08x}_nohash_0.wav", tone(2, n))
    data = clips_of(tmp_path, split="hash", test_fraction=0.2)
    sides = {n: side_by_hash(f"{n:08x}_nohash_0.wav", 0.2) for n in range(12)}
    assert firsts(data.test) == 2 * [n for n in range(12) if sides[n] == "test"]
    assert [sides[n] == "validation" for n in firsts(data.train)] == data.kept_for_validation.tolist()
    assert set(sides.values()) == {"train", "validation", "test"}


def test_one_channel_is_read_or_all(tmp_path: Path) -> None:
    for word in ("a", "b"):
        for n in range(2):
            write_wav(tmp_path / word / f"{n}.wav", np.stack([tone(3), tone(3, 50)], axis=1))
    assert clips_of(tmp_path).train.read(0).tolist() == [[0, 50], [1, 51], [2, 52]]
    one = clips_of(tmp_path, channel=1).train
    assert (one.channels, one.read(0).tolist()) == (1, [[50], [51], [52]])
    with pytest.raises(InputError, match=r"a.0\.wav has 2 channels, and data\.channel = 2 counts from 0"):
        clips_of(tmp_path, channel=2)
    write_wav(tmp_path / "b" / "0.wav", tone(3))
    with pytest.raises(InputError, match=r"b.0\.wav has 1 channel and .*a.0\.wav has 2: choose one of them in data\.channel"):
        clips_of(tmp_path)


def test_recordings_are_cut_into_windows(words: Path) -> None:
    data = clips_of(words, window=3, stride=2)
    assert set(data.train.lengths.tolist()) == {3}
    assert sorted(first for first in firsts(data.train) + firsts(data.test) if first < 10) == [0, 1, 2, 3]
    assert (data.facts["recordings"], data.facts["readings"], data.facts["readings_too_short_for_a_window"]) == (16, 88, 0)
    with pytest.raises(InputError, match="no recording fills a window of 7 samples"):
        clips_of(words, window=7)


def test_in_time_the_end_of_each_class_goes_to_test_and_no_sample_to_both(words: Path) -> None:
    data = clips_of(words, split="time", window=2, stride=1, test_fraction=0.4)
    seen = [{place for begin, end in side.spans.tolist() for place in range(begin, end)} for side in (data.train, data.test)]
    assert not seen[0] & seen[1]
    assert sum(map(len, seen)) == 88
    per_class = 4 * (5 + 6)
    assert len(seen[1]) == 2 * 4 * round(0.4 * (5 + 6)) < 0.5 * 2 * per_class
    with pytest.raises(InputError, match=r"needs data\.window"):
        clips_of(words, split="time")


def test_windows_that_follow_each_other_do_so_on_the_line_of_readings(words: Path) -> None:
    train = clips_of(words, window=2).train
    ends = {int(end) for end in train.spans[:, 1]}
    follow = [int(begin) in ends for begin in train.spans[:, 0]]
    assert follow == [first % 10 >= 2 for first in firsts(train)]


def test_the_same_samples_in_files_and_in_an_array_have_one_digest(words: Path) -> None:
    train = clips_of(words).train
    x = np.zeros((len(train), 6, 1), np.int32)
    for clip in range(len(train)):
        x[clip, : train.lengths[clip]] = train.read(clip)
    assert ArrayClips(Split(x, train.y, train.lengths, train.groups), 16000).digest() == train.digest()
    before = clips_of(words).digest
    write_wav(words / "go" / "00000000_nohash_0.wav", [*tone(4), 5])
    assert clips_of(words).digest != before


def test_reading_takes_the_memory_of_one_clip_however_many_there_are(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        folder = tmp_path / str(count)
        for n in range(count):
            write_wav(folder / ("a", "b")[n % 2] / f"{n}.wav", tone(1 << 15))
        tracemalloc.start()
        data = clips_of(folder)
        assert sum(int(data.train.read(clip)[-1, 0] == 32767) for clip in range(len(data.train))) == len(data.train)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(4)
    assert peak(40) - peak(8) < 1 << 16


def test_hidden_files_are_no_data_and_suffixes_may_be_in_capitals(words: Path) -> None:
    (words / "go" / "._00000000_nohash_0.wav").write_bytes(b"left by a Mac")
    (words / "README.md").write_text("what this is")
    (words / "go" / "00000000_nohash_1.wav").rename(words / "go" / "00000000_nohash_1.WAV")
    data = clips_of(words)
    assert len(data.train) + len(data.test) == 16


def refused(path: Path, message: str, **keys: Any) -> None:
    with pytest.raises(InputError, match=message) as caught:
        clips_of(path, **keys)
    assert "\n" not in str(caught.value)


def test_what_is_mixed_or_has_no_label_is_refused(words: Path) -> None:
    (words / "go" / "log.csv").write_text("a,b\n1,2\n")
    refused(words, r"go holds WAV files and the CSV file log\.csv")
    (words / "go" / "log.csv").rename(words / "log.csv")
    refused(words, r"holds WAV files and CSV files, and no WAV file for log\.csv")
    (words / "log.csv").unlink()
    write_wav(words / "loose.wav", tone(3))
    refused(words, "holds WAV files beside sub-folders")
    refused(words / "loose.wav", r"loose\.wav has no label: put it into a folder of its class, or a label track loose\.csv beside it")
    refused(words / "go", r"has no label: put it into a folder of its class")


def test_a_file_that_is_no_wav_is_named(words: Path) -> None:
    (words / "go" / "00000001_nohash_0.wav").write_text("hello")
    refused(words, r"go.00000001_nohash_0\.wav is no WAV file")


def test_a_name_that_is_no_text_is_refused(words: Path) -> None:
    (words / "go" / os.fsdecode(b"\xff\n.wav")).write_bytes((words / "go" / "00000000_nohash_0.wav").read_bytes())
    refused(words, r"file name 'go/\\\\xff\\n.wav' holds a control character, or one that is no Unicode text")


def test_a_split_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    write_wav(tmp_path / "a" / "s_nohash_0.wav", tone(3))
    refused(tmp_path, "one group only")
    write_wav(tmp_path / "a" / "t_nohash_0.wav", tone(3))
    refused(tmp_path, r"one class only \(a\)")
    write_wav(tmp_path / "b" / "t_nohash_0.wav", tone(3))
    refused(tmp_path, "class 'b' has 1 recording, none of them in the test part")


def test_a_source_of_sound_asks_for_a_front_end(words: Path) -> None:
    for source in (words, words / "go" / "00000000_nohash_0.wav"):
        with pytest.raises(InputError, match="holds WAV files, which a net reads through a front-end"):
            load_dataset(str(source))


@pytest.mark.parametrize("key", ["time", "channels", "gap", "fraction_bits"])
def test_keys_of_logs_are_refused(words: Path, key: str) -> None:
    refused(words, rf"data\.{key} is for", **{key: {"time": "t", "channels": "a", "gap": 4.0, "fraction_bits": 3}[key]})


@pytest.mark.parametrize("key", ["channel", "rest", "words", "unknown", "silence", "noise", "split"])
def test_keys_of_sound_are_refused_for_logs(tmp_path: Path, key: str) -> None:
    (tmp_path / "log.csv").write_text("a,label\n1,x\n")
    value = {"channel": 1, "unknown": 0.5, "silence": 0.5, "words": "a", "split": "hash"}.get(key, "a")
    with pytest.raises(InputError, match=rf"data\.{key} .*is for WAV files"):
        load_dataset(DataSection.of(str(tmp_path / "log.csv"), **{key: value}))


def test_files_of_several_rates_are_brought_to_one_which_must_be_set(words: Path) -> None:
    write_wav(words / "go" / "00000000_nohash_0.wav", tone(10), rate=8000)
    refused(words, r"WAV files of 8,000 and 16,000 samples a second: set frontend\.sample_rate")


def test_another_rate_needs_the_package_and_says_so(words: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soxr", None)
    with pytest.raises(MissingToolError, match="the Python package soxr is not installed: pip install soxr"):
        clips_of(words, 8000)
    assert clips_of(words, 16000).notes == ()


def test_rates_too_far_apart_are_refused(words: Path) -> None:
    refused_rate = pytest.raises(InputError, match="has 16000 samples a second, and 10 are wanted")
    with refused_rate:
        clips_of(words, 10)


def test_resampled_files_keep_their_duration_and_their_tone(words: Path) -> None:
    pytest.importorskip("soxr")
    for n, name in enumerate(("go", "stop")):
        wave = np.round(8000 * np.sin(2 * np.pi * 100 * (n + 1) * np.arange(4410) / 44100)).astype(np.int16)
        for speaker in range(2):
            write_wav(words / name / f"{speaker:08x}_nohash_0.wav", wave, rate=44100)
    data = clips_of(words, 16000)
    sides = [(side, clip) for side in (data.train, data.test) for clip in range(len(side)) if side.lengths[clip] == 1600]
    assert len(sides) == 4
    for side, clip in sides:
        wanted = 8000 * np.sin(2 * np.pi * 100 * (side.y[clip] + 1) * np.arange(1600) / 16000)
        assert np.abs(side.read(clip)[100:-100, 0] - wanted[100:-100]).max() <= 2
    assert data.notes[0].startswith(f"4 WAV files of {words} with 44,100 samples a second are resampled to 16,000, by soxr ")
    assert (data.facts["sample_rate"], data.facts["resampled_from"]) == (16000, [44100])
    assert set(clips_of(words, 16000, window=500).train.lengths.tolist()) == {500}


@pytest.mark.parametrize(
    ("samples", "rate", "wanted", "length"), [(1, 44100, 8000, 1), (5, 16000, 12000, 4), (44100, 44100, 16000, 16000), (3, 8000, 16000, 6)]
)
def test_a_resampled_length_is_the_nearest(samples: int, rate: int, wanted: int, length: int) -> None:
    assert resampled_length(samples, rate, wanted) == length
    pytest.importorskip("soxr")
    assert resample(np.zeros((samples, 2), np.int16), rate, wanted).shape == (length, 2)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"label": "what"}, r"data\.label is for label tracks beside WAV files, and .* has none"),
        ({"rest": "none"}, r"data\.rest is for label tracks"),
        ({"split": "hash", "split_seed": 1}, r"data\.split_seed draws groups, and data\.split = 'hash' draws none"),
        ({"split": "lists", "test_fraction": 0.5}, r"data\.test_fraction says how much goes to test, and data\.split = 'lists' names it"),
    ],
)
def test_a_key_without_a_meaning_here_is_refused(words: Path, keys: dict[str, Any], message: str) -> None:
    refused(words, message, **keys)


def test_in_time_a_seed_draws_words_and_nothing_else(words: Path) -> None:
    asked = [f"data.source={words}", "data.split=time", "data.window=2", "data.split_seed=3"]
    with pytest.raises(InputError, match=r"data\.split = 'time' draws none"):
        load_recipe(None, asked)
    assert load_recipe(None, [*asked, "data.words=go", "data.unknown=0.5"]).data.split_seed == 3


def test_a_bundled_sets_name_is_no_folder_of_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_wav(tmp_path / "japanese_vowels" / "a" / "1.wav", [1, 2])
    monkeypatch.chdir(tmp_path)
    assert not holds_sound("japanese_vowels")
    assert holds_sound("./japanese_vowels")
