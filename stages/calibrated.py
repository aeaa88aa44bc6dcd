"""What a calibration is worth: the first readings of each group turn the rest of its recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ..data.clips import Clips
from ..data.split import Int64Array, Split
from ..graph.alignment import ALIGNMENT_STATE, align_of, calibrate
from ..graph.evaluate import initial_state
from ..graph.fixed_point import IntArray
from ..graph.ir import IntegerModel
from ..manifest import Calibrated
from ..recipe import FrontendSection
from .alignment import calibrating
from .readings import Reader
from .right_answers import accuracy_of

READINGS = 400
"""That calibrate a group, where the recipe leaves it unset: 8 s at 50 Hz."""


def calibrated_accuracy(section: FrontendSection, reader: Reader, recordings: Split) -> Calibrated | None:
    """Of device integers [sequences, time, channels] in groups; None without groups, or where nothing is left to be tested.

    In each group the first recordings of the classes in frontend.calibration calibrate, until they have frontend.calibration_readings.
    These, what overlaps them, and groups without any are left out.
    """
    model, op = reader.model, align_of(reader.model)
    if op is None:
        return None
    alignments, left = calibrations(section, recordings, model.classes, lambda used: calibrate(np.asarray(recordings.take(used).steps), op))
    if not len(left):
        return None
    steps = reader.steps(recordings.take(left))
    figures = accuracy_of(model, steps, _worn(model, alignments[left])), accuracy_of(model, steps)
    return figures_of(*figures, recordings, left)


def calibrations(
    section: FrontendSection, recordings: Split | Clips, classes: Sequence[str], found: Callable[[Int64Array], IntArray | None]
) -> tuple[Int64Array, Int64Array]:
    """(the alignment of each recording, int64 [recordings, 9]; which ones remain to be tested: none without groups).

    found: the alignment of a group by its calibrating recordings, given by their rows; None: there is none.
    """
    alignments, tested = np.zeros((len(recordings), 9), np.int64), np.zeros(len(recordings), np.bool_)
    rows = calibrating(section, recordings, classes)
    for group in () if recordings.groups is None else np.unique(recordings.groups[rows]).tolist():
        own = recordings.groups == group
        used = _first(recordings, rows[own[rows]], section.calibration_readings or READINGS)
        alignment = found(used)
        alignments[own] = 0 if alignment is None else alignment
        tested |= own & ~_overlapping(recordings, used)
    return alignments, np.flatnonzero(tested)


def figures_of(accuracy: float, as_they_are: float, recordings: Split | Clips, left: Int64Array) -> Calibrated:
    """What the manifest says of the recordings that are left."""
    assert recordings.groups is not None
    groups = len(np.unique(recordings.groups[left]))
    return Calibrated(accuracy=accuracy, as_they_are=as_they_are, recordings=len(left), groups=groups)


def _first(recordings: Split | Clips, rows: Int64Array, readings: int) -> Int64Array:
    """Of these recordings the first ones, until they have so many readings: where it is known when they were made, by that."""
    if recordings.spans is not None:
        rows = rows[np.argsort(recordings.spans[rows, 0], kind="stable")]
    before = np.cumsum(recordings.lengths[rows]) - recordings.lengths[rows]
    first: Int64Array = rows[before < readings]
    return first


def _overlapping(recordings: Split | Clips, used: Int64Array) -> npt.NDArray[np.bool_]:
    """Which recordings are among `used`, or share readings with one of them: bool [recordings]."""
    found = np.zeros(len(recordings), np.bool_)
    found[used] = True
    if recordings.spans is not None:
        for begin, end in recordings.spans[used].tolist():
            found |= (recordings.spans[:, 0] < end) & (recordings.spans[:, 1] > begin)
    return found


def _worn(model: IntegerModel, alignments: Int64Array) -> Int64Array:
    """States of zeros but for the alignment: int64 [recordings, state entries]."""
    states = {**initial_state(model, len(alignments)), ALIGNMENT_STATE: alignments}
    rows: Int64Array = np.concatenate([states[value.name].reshape(len(alignments), -1) for value in model.states("step")], axis=1)
    return rows
