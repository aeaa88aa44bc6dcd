"""Whether a core keeps up with its samples: what a second of them costs, and what share of the core that is at a clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .cores import AVR, Core

Verdict = Literal["keeps up", "may not keep up", "cannot keep up"]


@dataclass(frozen=True)
class CycleRange:
    """Cycles that an instruction takes on the average, of such code on such a core: at least, and at most."""

    low: float
    high: float


CYCLES_AN_INSTRUCTION: Mapping[str, CycleRange] = {
    "cortex-m0": CycleRange(1.2, 2.0),
    "cortex-m3": CycleRange(1.1, 1.8),
    "cortex-m4": CycleRange(1.1, 1.8),
    "cortex-m7": CycleRange(0.6, 1.3),
    "cortex-m33": CycleRange(1.0, 1.7),
    "cortex-m55": CycleRange(1.0, 2.2),
    "riscv32imc": CycleRange(1.0, 2.0),
}
"""By core. low: code and data in memory without wait states, a load or store 2 cycles on a Cortex-M0 and 1 to 2 elsewhere, a taken branch 2
to 3 (so counted, a frame of log_mel takes a Cortex-M0 1.32 an instruction); a Cortex-M7 issues two instructions at once, and a vector
instruction of a Cortex-M55 takes 2 cycles. high: flash with wait states behind a small buffer. None of it was measured on silicon. What is
counted of an AVR are its cycles already."""


@dataclass(frozen=True)
class FrameRate:
    """What comes in a second. frames: of a front-end, hops of its samples. frames_a_step: that a net takes as one input."""

    frames: float
    frames_a_step: int = 1

    def count(self, frame: int, step: int) -> float:
        """Instructions (cycles of an AVR) a second, where a frame, and a step of the net with its answer, cost that many."""
        return self.frames * (frame + step / self.frames_a_step)


def stream_of(sample_rate: float, hop: int, frames_a_step: int = 1) -> FrameRate:
    """Of a front-end whose frames begin `hop` samples apart."""
    return FrameRate(sample_rate / hop, frames_a_step)


@dataclass(frozen=True)
class Share:
    """Of a core's time, 1 being all of it: by the fewest and by the most cycles an instruction."""

    low: float
    high: float

    @property
    def verdict(self) -> Verdict:
        """Whether the core keeps up with what the share was taken of."""
        if self.low > 1:
            return "cannot keep up"
        return "keeps up" if self.high <= 1 else "may not keep up"


def cycle_range(core: Core) -> CycleRange:
    """Cycles for each of what is counted on that core."""
    return CycleRange(1.0, 1.0) if core.family is AVR else CYCLES_AN_INSTRUCTION[core.name]


def share_of(core: Core, count: float, clock_hz: float) -> Share:
    """Of a core with that clock, where `count` instructions (cycles of an AVR) are to be done a second."""
    by = cycle_range(core)
    return Share(count * by.low / clock_hz, count * by.high / clock_hz)


def say_share(core: Core, count: float, clock_hz: float) -> str:
    """The share in a sentence, and by name what cannot be done in real time."""
    share, clock = share_of(core, count, clock_hz), f"{clock_hz / 1e6:g} MHz"
    between = f"{share.low:.1%}" if share.low == share.high else f"{share.low:.1%} to {share.high:.1%}"
    if share.verdict == "keeps up":
        return f"takes {between} of {core.name} at {clock}"
    return f"{share.verdict} with its samples on {core.name} at {clock}: a second of them takes {between} of it"
