"""What a user should know about the figures that evaluate found, a sentence each."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import counted
from .readings import Reader
from .stream_walks import Streamed
from .subjects import Subject

PARTED = 0.05
"""Accuracy lost between single recordings and a stream that is told in a sentence."""


def remarks_on(subject: Subject, reader: Reader, accuracy: float | None, streamed: Streamed | None) -> Iterator[str]:
    """Of data that were read otherwise than they are, of figures that there are not, and of streams that are answered worse."""
    if subject.cut:
        yield subject.cut
    if subject.outside:
        of, where = counted(subject.total, "reading"), "outside what the model's 16-bit input holds"
        limited = counted(subject.outside, f"of {of} lies {where}, and is limited to it", f"of {of} lie {where}, and are limited to it")
        yield f"{limited}: are the data in the unit of those that it was trained on?"
    yield from subject.doubts
    yield from subject.left_out
    if subject.unmarked:
        what = "readings past the last step" if reader.time_steps is None else "the zeros that fill a window up from readings"
        yield (
            f"an earlier rescomp made the golden vectors, which do not tell {what}: run `rescomp quantize --force` for figures of what was "
            "recorded"
        )
    if streamed is None:
        return
    if subject.missing:
        yield (
            f"the continuous recordings that the model was tested on cannot be read ({subject.missing}), so that single ones were put in a "
            "row and their figures are not kept: give the data with --data, or run it where they are"
        )
    if streamed.metrics.settled is None:
        settle = counted(streamed.clock.settle, "reading")
        yield f"no step is settled: none begins {settle} after the first of its class, as long as the median test recording, or later"
    if accuracy is None or streamed.figure >= accuracy - PARTED:
        return
    what = "at the ends of recordings in a row"
    if streamed.of == "continuous":
        what = "of the steps of streams" if streamed.metrics.settled is None else "in settled parts of streams"
    said = f"{accuracy:.1%} of single recordings are answered right, and {streamed.figure:.1%} {what}"
    if reader.model.decides:
        said += ", where decisions wait for what [decide] asks"
    yield f"{said}{_advice(reader, decided=not reader.model.decides or streamed.metrics.streamed > 0)} (docs/streaming.md)"


def _advice(reader: Reader, *, decided: bool) -> str:
    """What to do about streams that are answered worse. decided: whether there is a right decision at all."""
    policy = reader.model.policy
    if not decided:
        return ": no step of any stream has the right one, so ask for less there (thresholds, margin, hold, smoothing)"
    if policy is not None and policy.half_window:
        return (
            f", of two staggered states that are each begun anew every {2 * policy.half_window:,} steps: a stream.window of about "
            "twice what the net needs may do better; else train the net for streams (train.carry)"
        )
    if reader.time_steps is None:
        return ": train the net for streams (train.carry; longer, where that is set), or reset its state where something new begins"
    return ": what the net keeps reaches over the change, so decide later or smooth the decisions"
