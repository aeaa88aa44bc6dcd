from __future__ import annotations

import subprocess
import sys
import tempfile

import numpy as np
import pytest

from rescomp.data import Split, load_dataset, normalization, validation_split
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
    assert subprocess.run([sys.executable, "-c", code], cwd=tempfile.gettempdir(), check=False).returncode == 0
