"""Sentences that tell what of recordings a model does not read."""

from __future__ import annotations

from collections.abc import Iterator

from ..data.split import Int64Array
from ..errors import counted
from .readings import Reader


def behind_the_window(reader: Reader, lengths: Int64Array) -> Iterator[str]:
    """Of single recordings of these lengths, in readings."""
    if reader.time_steps is None:
        return
    behind = lengths[lengths > reader.time_steps] - reader.time_steps
    if behind.size:
        window, left = counted(reader.time_steps, "reading"), int(behind.sum())
        out = counted(left, "reading behind it is left out", "readings behind it are left out")
        yield f"{_share(len(behind), len(lengths), 'recording')} longer than the {window} of the net's window: {out}"


def shorter_than_a_step(reader: Reader, lengths: Int64Array, one: str) -> Iterator[str]:
    """Of streams of these lengths, in readings, or of recordings that are streamed. one: what one of them is called."""
    short = int((lengths < reader.readings_a_step).sum())
    if short:
        step = counted(reader.readings_a_step, "reading")
        yield f"{_share(short, len(lengths), one)} shorter than the {step} that the net takes as one step, and left out of what is streamed"


def not_kept(kept: int, total: int | None, *, spread: bool) -> Iterator[str]:
    """Of golden vectors, which are the first of so many test recordings, or spread over all of them."""
    if total is not None and kept < total:
        which = f"{kept:,}" if spread else f"the first {kept:,}"
        yield f"the golden vectors are of {which} of {counted(total, 'test recording')} (quantize.vectors): no other is asked"


def in_no_window(readings: int, total: int) -> Iterator[str]:
    """Of CSV logs: so many readings of the total that fill no window."""
    if readings:
        yield f"{_share(readings, total, 'reading')} in no window, and so in no single recording"


def _share(count: int, total: int, one: str) -> str:
    return f"{count:,} of {counted(total, one)} {'is' if count == 1 else 'are'}"
