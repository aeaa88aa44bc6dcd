from __future__ import annotations

import dataclasses
import subprocess
import sys
import tempfile

import numpy as np
import pytest

from rescomp.data import Split, held_out, load_dataset, normalization, robust_normalization, validation_split
from rescomp.errors import InputError


def numbered(labels: list[int]) -> Split:
    count = len(labels)
    return Split(np.arange(count, dtype=np.float32).reshape(count, 1, 1), np.array(labels, np.int64), np.ones(count, np.int64))


def rows(split: Split) -> list[int]:
    return [int(value) for value in split.x.ravel()]


def test_stratified_disjoint_and_complete() -> None:
    whole = numbered([0] * 20 + [1] * 10 + [2] * 2 + [3])
    train, validation = validation_split(whole, 0.2, seed=1)
    assert np.bincount(validation.y).tolist() == [4, 2, 1]
    assert sorted(rows(train) + rows(validation)) == list(range(33))
    assert rows(train) == sorted(rows(train))
    assert np.array_equal(train.y, whole.y[rows(train)])


def test_deterministic_and_seeded() -> None:
    whole = numbered([0, 1] * 20)
    first, second, other = (rows(validation_split(whole, 0.25, seed)[1]) for seed in (3, 3, 4))
    assert first == second != other
    assert first == [0, 1, 4, 7, 9, 20, 28, 31, 34, 39]


def test_training_keeps_one_of_each_class() -> None:
    train, _ = validation_split(numbered([0, 0, 1, 1]), 0.9, seed=0)
    assert sorted(train.y.tolist()) == [0, 1]


def test_nothing_to_split() -> None:
    with pytest.raises(InputError, match=r"no class has two training sequences.*set train\.validation_fraction to 0"):
        validation_split(numbered([0, 1, 2]), 0.5, seed=0)


def test_groups_stay_together() -> None:
    groups = np.arange(60, dtype=np.int64) % 10
    labels = [0, 1, 2] * 20
    whole = dataclasses.replace(numbered(labels), groups=groups)
    train, validation = validation_split(whole, 0.2, seed=1)
    assert train.groups is not None
    assert validation.groups is not None
    assert not set(train.groups) & set(validation.groups)
    assert sorted(rows(train) + rows(validation)) == list(range(60))
    assert (len(np.unique(validation.groups)), np.bincount(validation.y).tolist()) == (2, [4, 4, 4])
    assert rows(validation) == rows(validation_split(whole, 0.2, seed=1)[1])
    chosen = {tuple(np.unique(groups[held_out(groups, whole.y, 0.2, seed)])) for seed in range(8)}
    assert len(chosen) > 4


def test_groups_of_different_sizes_and_classes() -> None:
    rng = np.random.default_rng(0)
    for seed in range(20):
        groups = np.repeat(np.arange(12), rng.integers(5, 60, 12))
        y = rng.integers(0, 3, len(groups))
        chosen = held_out(groups, y, 0.25, seed)
        share = np.bincount(y[chosen], minlength=3) / np.bincount(y)
        assert np.abs(share - 0.25).max() < 0.12
    # One group a class and file: every class has one on each side.
    chosen = held_out(np.arange(6), np.array([0, 0, 1, 1, 2, 2]), 0.1, 0)
    assert np.array([0, 0, 1, 1, 2, 2])[chosen].tolist() == [0, 1, 2]


def test_the_last_group_of_a_class_stays_in_training() -> None:
    whole = dataclasses.replace(numbered([0, 0, 1, 1]), groups=np.array([0, 0, 1, 1]))
    with pytest.raises(InputError, match=r"of 2 groups, and none can be kept for validation.*train\.validation_fraction to 0"):
        validation_split(whole, 0.5, seed=0)
    assert not held_out(np.array([0, 0, 0, 0]), whole.y, 0.5, 0).any()


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1])
def test_a_fraction_is_between(fraction: float) -> None:
    with pytest.raises(ValueError, match="outside"):
        validation_split(numbered([0, 0]), fraction, seed=0)


def test_normalization_counts_valid_steps_only() -> None:
    x = np.zeros((2, 3, 2), np.float32)
    x[0, :1] = [[1, 5]]
    x[1] = [[3, 5], [5, 5], [7, 5]]
    mean, deviation = normalization(Split(x, np.array([0, 1]), np.array([1, 3])))
    assert mean.dtype == deviation.dtype == np.float64
    assert mean.tolist() == [4, 5]
    assert deviation.tolist() == [np.sqrt(5), 1]


def test_a_constant_channel_has_deviation_one() -> None:
    x = np.full((7, 3, 1), 0.1, np.float32)
    _, deviation = normalization(Split(x, np.zeros(7, np.int64), np.full(7, 3)))
    assert deviation.tolist() == [1.0]


def test_integers_are_normalized_too() -> None:
    x = np.array([[[1], [3]]], np.int32)
    mean, deviation = normalization(Split(x, np.zeros(1, np.int64), np.array([2])))
    assert (mean.tolist(), deviation.tolist()) == ([2.0], [1.0])


def test_the_bundled_set() -> None:
    train = load_dataset("japanese_vowels").train
    mean, deviation = normalization(train)
    steps = train.steps.astype(np.float64)
    np.testing.assert_allclose(((steps - mean) / deviation).std(axis=0), 1)
    kept, validation = validation_split(train, 0.2, seed=0)
    assert (len(kept), len(validation)) == (216, 54)


def test_data_needs_no_torch() -> None:
    code = "import sys, rescomp.data; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tempfile.gettempdir(), check=False, timeout=120).returncode == 0


def test_robust_normalization() -> None:
    """Rare large readings count for nothing; a channel that mostly stands still falls back to its standard deviation."""
    rng = np.random.default_rng(0)
    quiet = rng.normal(3, 0.5, 20000)
    bursts = np.where(rng.random(20000) < 0.1, 1000, quiet)
    still = np.where(np.arange(20000) % 10 == 0, 1.0, 0.0)
    x = np.stack([quiet, bursts, still, np.full(20000, 7.0)], axis=1).astype(np.float32)
    split = Split(x[None], np.zeros(1, np.int64), np.array([20000], np.int64))
    median, spread = robust_normalization(split)
    np.testing.assert_allclose(median, [3, 3.05, 0, 7], atol=0.07)
    np.testing.assert_allclose(spread[:2], [0.5, 0.57], atol=0.02)
    np.testing.assert_allclose(spread[2:], [0.3, 1.0], rtol=1e-6)
