"""Clips: int16 samples, one clip at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rescomp.data import load_dataset, validation_split
from rescomp.data.clip_sources import load_clips
from rescomp.data.clips import ArrayClips
from rescomp.data.split import Split
from rescomp.data.splits import validation_rows
from rescomp.errors import InputError
from rescomp.recipe import DataSection


def pcm(shape: tuple[int, ...], seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(-32768, 32768, shape).astype(np.int16)


def clips_of(path: str, rate: int | None = 8000, **keys: Any) -> Any:
    return load_clips(DataSection.of(path, **keys), rate)


def test_an_archive_of_pcm_gives_its_samples_clip_by_clip(write_npz: Any) -> None:
    x = pcm((4, 5))
    data = clips_of(write_npz(x_train=x, x_test=pcm((2, 5)), group_train=np.array(["b", "a", "a", "b"])))
    assert [data.train.read(clip).tolist() for clip in range(4)] == [
        x[clip, :length, None].tolist() for clip, length in enumerate((3, 5, 1, 4))
    ]
    assert (data.train.read(0).dtype, data.train.channels, data.train.sample_rate, data.fraction_bits) == (np.int16, 1, 8000, 0)
    assert (data.train.lengths.tolist(), data.train.y.tolist(), data.train.groups.tolist()) == ([3, 5, 1, 4], [0, 1, 0, 1], [1, 0, 0, 1])
    assert (len(data.train), len(data.test), data.classes, data.name) == (4, 2, ("0", "1"), "set")


def test_several_channels_lie_side_by_side(write_npz: Any) -> None:
    x = pcm((4, 5, 3))
    data = clips_of(write_npz(x_train=x, x_test=pcm((2, 5, 3))))
    assert data.train.channels == 3
    assert np.array_equal(data.train.read(1), x[1])


def test_numbers_that_are_no_integers_come_in_the_format_that_the_device_reads(write_npz: Any) -> None:
    data = clips_of(write_npz(x_train=np.full((4, 5, 1), 0.25), x_test=np.full((2, 5, 1), -1.5)), fraction_bits=4)
    assert data.fraction_bits == 4
    assert (data.train.read(1).tolist(), data.test.read(0).tolist()) == ([[4]] * 5, [[-24]] * 2)


def test_clips_are_taken_in_the_order_asked_for(write_npz: Any) -> None:
    train = clips_of(write_npz(x_train=pcm((4, 5)), x_test=pcm((2, 5)))).train
    taken = train.take(np.array([3, 0]))
    assert taken.lengths.tolist() == [4, 3]
    assert np.array_equal(taken.read(1), train.read(0))


def test_every_part_counts_in_the_digest() -> None:
    def digest(x: Any = 0, y: int = 0, length: int = 4, group: Any = None, rate: int = 8000) -> str:
        groups = None if group is None else np.array([group, 0], np.int64)
        x = np.full((2, 4, 1), x, np.int32)
        return ArrayClips(Split(x, np.array([y, 1], np.int64), np.array([length, 4], np.int64), groups), rate).digest()

    assert digest() == digest()
    assert len({digest(), digest(1), digest(y=1), digest(length=3), digest(group=0), digest(group=1), digest(rate=4000)}) == 7


def test_an_archive_says_its_sampling_rate_itself(write_npz: Any) -> None:
    path = write_npz(x_train=pcm((4, 5)), x_test=pcm((2, 5)), sample_rate=np.array(16000))
    assert clips_of(path, None).train.sample_rate == clips_of(path, 16000).test.sample_rate == 16000
    assert load_dataset(path).facts == {"sample_rate": 16000}
    with pytest.raises(InputError, match=r"has 16000 samples a second and frontend\.sample_rate is 8000"):
        clips_of(path)


@pytest.mark.parametrize("rate", [np.array([8000, 8000]), np.array("8000"), np.array(0), np.array(8000.5), np.array(np.nan)])
def test_a_sampling_rate_that_is_none_is_refused(write_npz: Any, rate: Any) -> None:
    with pytest.raises(InputError, match="'sample_rate' is no whole number of readings a second"):
        load_dataset(write_npz(sample_rate=rate))


def test_a_misspelt_sampling_rate_is_not_left_unread(write_npz: Any) -> None:
    with pytest.raises(InputError, match="'samplerate', which is not read: did you mean 'sample_rate'"):
        load_dataset(write_npz(samplerate=np.array(8000)))


def test_samples_of_unknown_rate_are_refused(write_npz: Any) -> None:
    with pytest.raises(InputError, match="does not say how many samples a second it has: set frontend"):
        clips_of(write_npz(), None)


def test_images_are_no_samples(write_npz: Any) -> None:
    path = write_npz(x_train=np.zeros((4, 5, 2, 1), int), x_test=np.zeros((2, 5, 2, 1), int), lengths_train=None, lengths_test=None)
    with pytest.raises(InputError, match="holds images"):
        clips_of(path)


@pytest.mark.parametrize("groups", [None, np.arange(40, dtype=np.int64) // 4])
def test_the_rows_of_a_validation_part_are_those_that_it_takes(groups: Any) -> None:
    y = np.arange(40, dtype=np.int64) % 2
    split = Split(np.arange(40, dtype=np.int32)[:, None, None], y, np.ones(40, np.int64), groups)
    sides = zip(validation_split(split, 0.25, 3), validation_rows(split, 0.25, 3), strict=True)
    assert all(side.x.ravel().tolist() == rows.tolist() and len(rows) for side, rows in sides)
