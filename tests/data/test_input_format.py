from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from rescomp.data import Split, choose_fraction_bits, to_device_integers
from rescomp.data.input_format import input_warnings, to_real
from rescomp.errors import InputError
from rescomp.recipe import DataSection


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


def split_of_channels(*largest: float) -> Split:
    """Readings of each channel from -largest to largest."""
    x = np.linspace(-1, 1, 9, dtype=np.float32)[None, :, None] * np.array(largest, np.float32)
    return Split(x, np.zeros(1, np.int64), np.array([9], np.int64))


def test_each_channel_has_its_finest_format_where_one_is_too_coarse_or_it_is_asked_for() -> None:
    g_and_degrees = split_of_channels(2.0, 2000.0, 1.0)
    assert choose_fraction_bits(g_and_degrees) == (12, 3, 13)
    alike = split_of_channels(2.0, 8.0)
    assert choose_fraction_bits(alike) == 10
    assert choose_fraction_bits(alike, "auto") == (12, 10)
    assert choose_fraction_bits(split_of_channels(2.0, 2.0), "auto") == 12
    assert input_warnings(g_and_degrees, (12, 3, 13)) == []
    assert ['data.fraction_bits = "auto"' in each for each in input_warnings(g_and_degrees, 3)] == [True]
    assert choose_fraction_bits(split_of([1], "int32"), "auto") == 0


def test_formats_that_are_asked_for_fit_their_channels() -> None:
    g_and_degrees = split_of_channels(2.0, 2000.0)
    assert choose_fraction_bits(g_and_degrees, (13, 4)) == (13, 4)
    assert choose_fraction_bits(g_and_degrees, (4, 4)) == 4
    for wanted, message in (
        ((13,), r"lists 1 numbers, and there are 2 channels"),
        ((13, 5), r"training value of channel 1, 2000, does not fit int16 with data\.fraction_bits = 5"),
        (5, r"the largest training value, 2000, does not fit int16 with data\.fraction_bits = 5"),
    ):
        with pytest.raises(InputError, match=message):
            choose_fraction_bits(g_and_degrees, wanted)
    with pytest.raises(InputError, match=r"largest training value of channel 1, 20000, does not fit"):
        choose_fraction_bits(split_of_channels(2.0, 20000.0), "auto")


def test_a_recipe_says_them_as_a_number_a_list_or_auto() -> None:
    said = (3, [13, 4], (13, 4), "13, 4", "auto", None)
    assert [DataSection(fraction_bits=each).fraction_bits for each in said] == [3, (13, 4), (13, 4), (13, 4), "auto", None]
    for wrong in (16, -1, 3.0, True, "fine", [], [13, 16], "13,"):
        with pytest.raises(ValidationError, match="a whole number from 0 to 15 is wanted, a list of them, one for each channel, or"):
            DataSection(fraction_bits=wrong)


def test_each_channel_is_rounded_in_its_own_format() -> None:
    x = np.array([[0.75, 0.75], [-0.75, 1e6]], np.float32)
    integers = to_device_integers(x, (1, 2))
    assert integers.tolist() == [[2, 3], [-1, 32767]]
    assert to_real(integers, (1, 2)).tolist() == [[1.0, 0.75], [-0.5, 8191.75]]


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
