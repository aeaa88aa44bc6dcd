from __future__ import annotations

import numpy as np
import pytest

from rescomp.data import Split, choose_fraction_bits, to_device_integers
from rescomp.errors import InputError


def split_of(x: object, dtype: str = "float32") -> Split:
    values = np.array(x, dtype).reshape(1, -1, 1)
    return Split(values, np.zeros(1, np.int64), np.array([values.shape[1]], np.int64))


@pytest.mark.parametrize(
    ("largest", "bits"),
    [(0.0, 15), (1e-9, 15), (0.49, 15), (0.5, 14), (1.0, 13), (-1.0, 13), (2.203, 12), (9.81, 10), (1000.0, 4), (8000.0, 1), (16383.5, 0)],
)
def test_the_finest_format_with_headroom(largest: float, bits: int) -> None:
    assert choose_fraction_bits(split_of([0.0, largest])) == bits
    if 0 < bits < 15:
        assert abs(largest) * 2 * 2**bits <= 32767 < abs(largest) * 2 * 2 ** (bits + 1)


def test_too_large_for_int16() -> None:
    with pytest.raises(
        InputError, match=r"largest training value, 16384, does not fit a 16-bit input with a factor 2 of headroom: store .* larger unit"
    ):
        choose_fraction_bits(split_of([16384.0]))


def test_a_wanted_format() -> None:
    assert choose_fraction_bits(split_of([1.0]), 14) == 14
    with pytest.raises(InputError, match=r"largest training value, 2, does not fit int16 with data\.fraction_bits = 14: lower or unset it"):
        choose_fraction_bits(split_of([2.0]), 14)


def test_integers_stay_as_they_are() -> None:
    integers = split_of([-32768, 32767, 5], "int32")
    assert choose_fraction_bits(integers) == choose_fraction_bits(integers, 0) == 0
    assert to_device_integers(integers.x, 0).ravel().tolist() == [-32768, 32767, 5]


def test_integers_are_never_scaled() -> None:
    message = r"recordings are integers, which the device reads as they are: set data\.fraction_bits to 0 or unset it, not 4"
    with pytest.raises(InputError, match=message):
        choose_fraction_bits(split_of([1], "int32"), 4)
    with pytest.raises(InputError, match=message):
        to_device_integers(split_of([1], "int32").x, 4)


def test_integers_beyond_int16() -> None:
    with pytest.raises(InputError, match=r"integer recordings run from -3 to 32768 and do not fit the 16-bit input: shift them right"):
        choose_fraction_bits(split_of([-3, 32768], "int32"))


def test_rounding_half_up_and_saturation() -> None:
    x = np.array([0.25, -0.25, 0.75, -0.75, 1e6, -1e6], np.float32)
    integers = to_device_integers(x, 1)
    assert integers.dtype == np.int16
    assert integers.tolist() == [1, 0, 2, -1, 32767, -32768]
