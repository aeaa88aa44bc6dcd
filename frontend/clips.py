"""The features of clips: what a net behind a front-end is trained and tested on, as readings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..data.clips import Clips
from ..data.raw import MOST_PADDED, MOST_TIMES_PADDED
from ..data.split import Int64Array, Split
from ..errors import InputError, counted
from ..graph.fixed_point import LOG2_BITS, IntArray
from ..graph.sound import Features, features_in
from .description import FrontEnd

FEATURE_BITS = LOG2_BITS
"""Fraction bits of a feature."""


def feature_split(clips: Clips, front_end: FrontEnd, features: Features, what: str, frames: int | None = None) -> Split:
    """A frame a reading, [clips, longest, features] in real numbers, each a feature's integer times 2^-FEATURE_BITS.

    features: who computes them. what: these clips are, for messages. frames: of every clip, which is filled up with silence or cut for it;
    None: as many as it has. One clip is read at a time. Raises InputError for a clip shorter than a frame.
    """
    lengths = frames_of_each(clips, front_end, what, frames)
    x = np.zeros((len(clips), int(lengths.max(initial=1)), front_end.features), np.float32)
    for row, made in zip(x, features_in(recordings(clips, front_end, frames), front_end.span, front_end.hop, features), strict=True):
        row[: len(made)] = np.ldexp(made.astype(np.float32), -FEATURE_BITS)
    return Split(x, clips.y, lengths, clips.groups, clips.spans)


def frames_of_each(clips: Clips, front_end: FrontEnd, what: str, frames: int | None = None) -> Int64Array:
    """How many frames each clip has, int64 [clips], as of feature_split. Nothing is read. Raises InputError as feature_split does."""
    found = [front_end.frames(int(samples)) for samples in clips.lengths] if frames is None else [frames] * len(clips)
    lengths = np.array(found, np.int64)
    if len(lengths) and lengths.min() < 1:
        short = int(np.argmax(lengths < 1))
        raise InputError(
            f"{clips.told(short)} of {what} has {counted(int(clips.lengths[short]), 'sample')}, and a frame reads {front_end.span} "
            "(frontend.length): leave out clips as short"
        )
    _refuse_padding(lengths, front_end.features, what)
    return lengths


def _refuse_padding(lengths: IntArray, features: int, what: str) -> None:
    """Raise InputError where one long clip among many short ones would take the memory."""
    frames, longest = int(lengths.sum()), int(lengths.max(initial=0))
    if len(lengths) * longest * features > MOST_PADDED and len(lengths) * longest > MOST_TIMES_PADDED * frames:
        raise InputError(
            f"the longest clip of {what} has {counted(longest, 'frame')}, all {len(lengths):,} together {frames:,}, and they are held "
            "filled up to one length: cut the long ones into pieces (data.window does it for WAV files and CSV logs)"
        )


def recordings(clips: Clips, front_end: FrontEnd, frames: int | None) -> Iterator[IntArray]:
    """The samples of each clip, int16 [samples, channels], one clip at a time. frames: as of feature_split."""
    samples = None if frames is None else samples_of(front_end, frames)
    for clip in range(len(clips)):
        read = clips.read(clip)
        yield read if samples is None else np.pad(read[:samples], ((0, max(0, samples - len(read))), (0, 0)))


def samples_of(front_end: FrontEnd, frames: int) -> int:
    """The fewest that hold so many frames."""
    return (frames - 1) * front_end.hop + front_end.span
