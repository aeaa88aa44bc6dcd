"""UCI HAR as a device worn at an angle hears it: readings, and of each recording the walking that calibrates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from har2_jobs import Arrays
from numpy.typing import NDArray

from rescomp.data.input_format import to_device_integers
from rescomp.graph.alignment import calibrate, direction
from rescomp.graph.fixed_point import FloatArray, IntArray
from rescomp.graph.formats import Format
from rescomp.graph.ops import Align

FRACTION_BITS = 11
AXES = (6, 7, 8, 0, 1, 2, 3, 4, 5)
"""Of UCI HAR's channels: acceleration with gravity, without it, rotation."""
CHANNELS, RATE, SECONDS = 9, 50, 8
MERGED = ("sitting", "laying", "walking upstairs")
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Worn:
    """One side of the data. x: int16 [windows, 128, 9]; y: 0 or 1. calibrating: windows that lie in the walking that is known, or in a
    recording without any, which are not tested.
    """

    x: IntArray
    y: IntArray
    subject: IntArray
    recording: IntArray
    walks: Mapping[int, IntArray]
    calibrating: Bools


def read_side(pack: Arrays, side: str) -> Worn:
    x = to_device_integers(pack[f"x_{side}"], FRACTION_BITS).astype(np.int64)
    classes = [str(name).lower().replace("_", " ") for name in pack["classes"]]
    y, recording, start = (pack[f"{name}_{side}"].astype(np.int64) for name in ("y", "exp", "start"))
    walks, calibrating = {}, np.zeros(len(x), np.bool_)
    for each in np.unique(recording).tolist():
        rows = np.flatnonzero((recording == each) & (y == classes.index("walking")))
        if not len(rows):
            calibrating[recording == each] = True
            continue
        walks[each], used = _first_walk(x[rows], start[rows])
        calibrating[rows[used]] = True
    two = np.isin(y, [classes.index(name) for name in MERGED]).astype(np.int64)
    return Worn(x, two, pack[f"subject_{side}"].astype(np.int64), recording, walks, calibrating)


def _first_walk(x: IntArray, start: IntArray) -> tuple[IntArray, Bools]:
    """(the first SECONDS of readings [readings, 9] of some windows, whichever they overlap in; which windows have one of them)."""
    at = start[:, None] + np.arange(x.shape[1])
    places, first = np.unique(at.reshape(-1), return_index=True)
    places, first = places[: SECONDS * RATE], first[: SECONDS * RATE]
    return x.reshape(-1, CHANNELS)[first], np.isin(at, places).any(axis=1)


def reference_of(train: Worn) -> FloatArray:
    """The mean direction of acceleration while walking, over the recordings of the training."""
    means = np.array([walk[:, AXES[:3]].mean(axis=0) for walk in train.walks.values()])
    reference: FloatArray = (means / np.linalg.norm(means, axis=1, keepdims=True)).mean(axis=0)
    return reference


def alignments(side: Worn, op: Align) -> IntArray:
    """The calibration of each window's recording: int64 [windows, 9]."""
    found = {recording: calibrate(walk, op) for recording, walk in side.walks.items()}
    return np.array([found.get(recording, np.zeros(9, np.int64)) for recording in side.recording.tolist()])


def turned_by(side: Worn, op: Align) -> IntArray:
    """All readings, each turned by the calibration of its recording."""
    found: IntArray = op.evaluate(side.x.reshape(len(side.x), -1), alignments(side, op))[0].reshape(side.x.shape)
    return found


def op_of(train: Worn) -> Align:
    return Align(CHANNELS, AXES, Format(FRACTION_BITS), direction(reference_of(train)))


def angles(side: Worn, op: Align) -> FloatArray:
    """By how many degrees the recordings are turned."""
    traces = [float((calibrate(walk, op)[[0, 4, 8]] + 16384).sum()) / 16384 for walk in side.walks.values()]  # type: ignore[index]
    found: FloatArray = np.degrees(np.arccos(np.clip((np.array(traces) - 1) / 2, -1, 1)))
    return found
