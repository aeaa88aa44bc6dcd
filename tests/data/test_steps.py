from __future__ import annotations

import numpy as np
import pytest

from rescomp.data import Split, in_steps
from rescomp.data.steps import windows
from rescomp.errors import InputError


def split() -> Split:
    x = np.arange(2 * 7 * 2, dtype=np.int32).reshape(2, 7, 2)
    x[1, 4:] = 0
    return Split(x, np.array([0, 1]), np.array([7, 4]), np.array([3, 5]))


@pytest.mark.parametrize(("readings", "stride"), [(3, 3), (3, 2), (2, 1), (4, 5)])
def test_readings_side_by_side(readings: int, stride: int) -> None:
    whole, stepped = split(), in_steps(split(), readings, stride)
    for i, length in enumerate(whole.lengths):
        wanted = [whole.x[i, start : start + readings].ravel() for start in range(0, length - readings + 1, stride)]
        assert stepped.x[i, : stepped.lengths[i]].tolist() == np.array(wanted).tolist()
        assert not stepped.x[i, stepped.lengths[i] :].any()
    assert stepped.x.dtype == np.int32
    assert stepped.groups is not None


def test_one_reading_a_step_changes_nothing() -> None:
    whole = split()
    assert in_steps(whole, 1, 1) is whole
    assert in_steps(whole, 1, 2).lengths.tolist() == [4, 2]


def test_too_short() -> None:
    with pytest.raises(InputError, match=r"sequence 1 has 4 readings, and the net takes 5 as one step \(model\.readings\): leave it, "):
        in_steps(split(), 5, 5)


def test_windows_of_one_length() -> None:
    whole = split()
    longer, shorter, same = windows(whole, 9), windows(whole, 5), windows(whole, 7)
    assert (longer.x.shape, shorter.x.shape) == ((2, 9, 2), (2, 5, 2))
    np.testing.assert_array_equal(longer.x[:, :7], whole.x)
    assert not longer.x[:, 7:].any()
    np.testing.assert_array_equal(shorter.x, whole.x[:, :5])
    np.testing.assert_array_equal(same.x, whole.x)
    for each, length in ((longer, 9), (shorter, 5), (same, 7)):
        assert each.lengths.tolist() == [length, length]
        assert each.x.dtype == np.int32
        assert each.y.tolist() == [0, 1]
        assert each.groups is not None
