"""What a second of samples costs a core, front-end and net together, and whether it keeps up with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..boards import load_board
from ..errors import InputError
from ..graph.ir import IntegerModel
from ..targets.cores import Core
from ..targets.real_time import Verdict, say_share, share_of, stream_of

MEGAHERTZ = 1e6
CLOCKS = (1e3, 1e11)
"""Hertz, at least and at most."""


@dataclass(frozen=True)
class SharedCore:
    """Of a core's time at a clock: by the fewest and by the most cycles an instruction. sentence: both, and whether it keeps up."""

    clock_hz: float
    low: float
    high: float
    verdict: Verdict
    sentence: str


@dataclass(frozen=True)
class SoundCost:
    """In the core's unit. frame: the dearest frame; answer: a step of the net with what turns it into scores and a decision; second: all of
    a second of samples. bytes: of RAM that a listener takes, its samples and features included. share: where the clock is known.
    """

    sample_rate: int
    hop: int
    frames_a_step: int
    frame: int
    answer: int
    second: int
    bytes: int
    share: SharedCore | None = None


def sound_cost(core: Core, model: IntegerModel, sample_rate: int, frame: int, answer: int, nbytes: int, clock: float | None) -> SoundCost:
    """frame, answer: counted. nbytes: of the listener. clock: hertz, None where nobody knows."""
    second = stream_of(sample_rate, model.hop, model.frames_an_input).count(frame, answer)
    share = None
    if clock is not None:
        found = share_of(core, second, clock)
        share = SharedCore(clock, found.low, found.high, found.verdict, say_share(core, second, clock))
    return SoundCost(sample_rate, model.hop, model.frames_an_input, frame, answer, round(second), nbytes, share)


def core_and_clock(board: str | None, board_file: Path | None, clock: float | None, cores: list[str]) -> tuple[list[str], float | None]:
    """(the cores to profile, hertz or None) of a board, or of a clock in megahertz. Raises InputError where they contradict each other."""
    if clock is not None and not CLOCKS[0] <= clock * MEGAHERTZ <= CLOCKS[1]:
        raise InputError(f"--clock takes megahertz, from {CLOCKS[0] / MEGAHERTZ:g} to {CLOCKS[1] / MEGAHERTZ:g}, not {clock:g}")
    if board is None and board_file is None:
        return cores, None if clock is None else clock * MEGAHERTZ
    if cores:
        raise InputError("--board says which core it has: leave out --core, or give --clock instead")
    found = load_board(board, board_file)
    return [found.core], float(found.clock_hz) if clock is None else clock * MEGAHERTZ
