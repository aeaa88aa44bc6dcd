"""What the times of CSV logs tell: how far readings lie apart in each file, and where some are missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..errors import counted

OTHER_PACE = 0.1
"""Of the median interval, by which that of a file may differ unsaid."""


@dataclass(frozen=True)
class Pace:
    """Of one file. interval: median step of its times, None where it has no two. gaps: steps back, or of more than data.gap median ones."""

    file: str
    interval: float | None
    gaps: int


def remarks_on_paces(paces: Sequence[Pace], interval: float | None, gap: float) -> Iterator[str]:
    """A sentence on gaps and one on files of another rate. interval: of all files together, None without times."""
    torn = [pace for pace in paces if pace.gaps]
    if torn:
        gaps, files = counted(sum(pace.gaps for pace in torn), "gap"), counted(len(torn), "log")
        yield (
            f"the times of {files} ({torn[0].file}{', ...' if len(torn) > 1 else ''}) have {gaps}, steps back or of more than {gap:g} "
            "median steps (data.gap): recordings end there"
        )
    others = [pace for pace in paces if interval and pace.interval and abs(pace.interval - interval) > OTHER_PACE * interval]
    if others:
        yield (
            f"the readings of {counted(len(others), 'log')} of {len(paces):,} are at another rate: those of {others[0].file} are "
            f"{others[0].interval:g} apart in time, and the median is {interval:g}: resample them, unless their times are in another unit"
        )
