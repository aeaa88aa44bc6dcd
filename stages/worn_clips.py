"""A recipe's alignment before a front-end: what turns the clips of the training, and what a calibration is worth there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from ..data.clips import ArrayClips, Clips, ClipsDataset
from ..data.input_format import WantedBits
from ..data.split import Int64Array, Split, set_digest
from ..data.turned_clips import TurnedClips
from ..errors import InputError
from ..graph.alignment import MOST_CALIBRATED, align_of, alignment_of, calibration_sums
from ..graph.fixed_point import IntArray
from ..graph.formats import Format
from ..graph.ops import Align
from ..graph.verify import MOST_BITS
from ..manifest import Alignment, Calibrated
from ..recipe import FrontendSection
from .alignment import align_op, asked_axes, calibrating, in_sensors, reference_of, refuse_other_axes, tell_unturned
from .calibrated import calibrations, figures_of
from .listener import Listener
from .readings import Reader
from .right_answers import accuracy_of

OF_SAMPLES = Format(MOST_BITS)
"""What a graph `frontend` reads."""


def refuse_unworn(section: FrontendSection, source: str, train: Clips, names: Sequence[str], classes: Sequence[str]) -> None:
    """Raise InputError for clips of which nobody knows whose they are, and for axes and classes that they do not have; none is read.

    names: of the channels, where they have some.
    """
    if train.groups is None:
        raise InputError(
            f"{source} does not say whose a recording is, and frontend.align turns those of each person or device alike: give group_train "
            "and group_test in the .npz, or logs with data.group; or leave frontend.align out"
        )
    asked_axes(section, train.channels, names)
    calibrating(section, train, classes)


def with_turned_clips(
    clips: ClipsDataset, section: FrontendSection, wanted: WantedBits, known: Alignment | None, listener: Listener
) -> tuple[ClipsDataset, Alignment]:
    """(the data, of which the training clips are turned by the calibration of each one's group; what a model keeps of it).

    wanted: data.fraction_bits. known: what a net was trained with, which goes on; None: found in the training clips. Raises InputError.
    """
    axes = asked_axes(section, clips.train.channels, clips.channels)
    clips = _in_formats_of_sensors(clips, axes, wanted)
    train = clips.train
    assert train.groups is not None
    sums = dict(_sums(train, axes, calibrating(section, train, clips.classes)))
    alignment = Alignment(axes=axes, reference=reference_of(sums, section) if known is None else known.reference)
    refuse_other_axes(known, axes)
    found = {group: alignment_of(each, alignment.reference) for group, each in sums.items()}
    tell_unturned(found, train.groups, listener)
    alignments = np.zeros((len(train), 9), np.int64)
    for group, each in found.items():
        alignments[train.groups == group] = 0 if each is None else each
    turned = TurnedClips(train, alignments, _op(alignment, train.channels))
    return replace(clips, train=turned), alignment


def _op(alignment: Alignment, channels: int) -> Align:
    return replace(align_op(alignment, channels, 0), output=OF_SAMPLES)


def _in_formats_of_sensors(clips: ClipsDataset, axes: Sequence[int], wanted: WantedBits) -> ClipsDataset:
    """The three axes of each sensor in one format; the digest is that of these integers."""
    bits = in_sensors(clips.fraction_bits, axes, clips.train.channels, wanted)
    if bits == clips.fraction_bits or not (isinstance(clips.train, ArrayClips) and isinstance(clips.test, ArrayClips)):
        return clips
    train, test = (replace(part, fraction_bits=bits) for part in (clips.train, clips.test))
    digest = set_digest(clips.classes, train.digest(), test.digest())
    return replace(clips, train=train, test=test, fraction_bits=bits, digest=digest)


def _sums(clips: Clips, axes: Sequence[int], rows: Int64Array) -> Iterator[tuple[int, IntArray]]:
    """(group, sums of the accelerometer int64 [3]) of the first samples in some clips of each group, those without any left out."""
    assert clips.groups is not None
    for group in np.unique(clips.groups[rows]).tolist():
        yield group, _sum(clips, axes, rows[clips.groups[rows] == group])


def _sum(clips: Clips, axes: Sequence[int], rows: Int64Array) -> IntArray:
    """Of the first samples of these clips, one after the other."""
    left, total = MOST_CALIBRATED, np.zeros(3, np.int64)
    for row in rows.tolist():
        read = clips.read(row)[:left]
        total, left = total + calibration_sums(read, axes), left - len(read)
        if not left:
            break
    return total


def calibrated_clips(section: FrontendSection, reader: Reader, clips: Clips, heard: Callable[[Clips], Split]) -> Calibrated | None:
    """`calibrated_accuracy`, of clips before a front-end. heard: the readings that it makes of some, in real numbers."""
    op = align_of(reader.model)
    if op is None:
        return None
    found = calibrations(section, clips, reader.model.classes, lambda used: alignment_of(_sum(clips, op.axes, used), op.reference))
    alignments, left = found
    if not len(left):
        return None
    plain = clips.take(left)
    turned = TurnedClips(plain, alignments[left], op)
    return figures_of(_accuracy(reader, heard(turned)), _accuracy(reader, heard(plain)), clips, left)


def _accuracy(reader: Reader, split: Split) -> float:
    """Of readings in real numbers."""
    return accuracy_of(reader.model, reader.steps(replace(split, x=reader.integers(split.x)[0])))
