"""What a second of samples costs a core, and whether it keeps up."""

import pytest

from rescomp.targets.cores import CORES
from rescomp.targets.real_time import CYCLES_AN_INSTRUCTION, say_share, share_of, stream_of

FRAME = 1_440_000
"""Cycles that a frame of 512 samples takes on an ATmega."""


def test_a_second_is_its_frames_and_their_steps():
    assert stream_of(16000, 320).count(30_000, 10_000) == 50 * 40_000
    assert stream_of(16000, 320, frames_a_step=4).count(30_000, 10_000) == 50 * 32_500


def test_every_core_has_a_range_and_cycles_are_counted_as_they_are():
    for name, core in CORES.items():
        share = share_of(core, 4_000_000, 16_000_000)
        assert (share.low == share.high == 0.25) if name.startswith("atmega") else 0 < share.low < share.high < 1
    assert CYCLES_AN_INSTRUCTION.keys() <= CORES.keys()


@pytest.mark.parametrize(
    ("name", "count", "clock", "said"),
    [
        ("atmega328p", 50 * FRAME, 16e6, "cannot keep up with its samples on atmega328p at 16 MHz: a second of them takes 450.0% of it"),
        ("cortex-m4", 50 * 40_000, 64e6, "takes 3.4% to 5.6% of cortex-m4 at 64 MHz"),
        ("cortex-m0", 50 * 200_000, 16e6, "may not keep up with its samples on cortex-m0 at 16 MHz: a second of them takes 75.0% to 125.0% of it"),
        ("cortex-m0", 50 * 200_000, 8e6, "cannot keep up with its samples on cortex-m0 at 8 MHz: a second of them takes 150.0% to 250.0% of it"),
    ],
)  # fmt: skip
def test_what_cannot_run_in_real_time_is_said_by_name(name, count, clock, said):
    assert say_share(CORES[name], count, clock) == said
