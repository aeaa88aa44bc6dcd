"""Readings side by side: a net that takes several at a time makes fewer steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from ..errors import InputError, counted
from .split import Int64Array, Split, ValueArray, valid_steps


def windows(split: Split, time_steps: int) -> Split:
    """The split with every sequence of that length: shorter ones filled up with zeros at the end, longer ones cut off there."""
    x = split.x[:, :time_steps]
    missing = time_steps - x.shape[1]
    x = np.pad(x, ((0, 0), (0, missing), (0, 0))) if missing > 0 else x
    return dataclasses.replace(split, x=x, lengths=np.full(len(split), time_steps, np.int64))


def in_steps(split: Split, readings: int, stride: int, by: str = "model.readings", one: str = "reading") -> Split:
    """The split with `readings` successive readings as one step [sequences, steps, readings * channels], one begun every `stride` readings.

    Readings past the last whole step are left out. by: what makes steps so long; one: what a reading is called. Raises InputError when a
    sequence is shorter than a step.
    """
    if readings == 1 and stride == 1:
        return split
    refuse_shorter(split.lengths, readings, by, one)
    x, lengths = side_by_side(split.x, split.lengths, readings, stride)
    return dataclasses.replace(split, x=x, lengths=lengths)


def refuse_shorter(
    lengths: Int64Array, readings: int, by: str, one: str = "reading", told: Callable[[int], str] = "sequence {}".format
) -> None:
    """Raise InputError where one is shorter than a step. by, one: as of in_steps; told: what a message calls the sequence at a row."""
    if len(lengths) and lengths.min() < readings:
        row = int(np.argmax(lengths < readings))
        raise InputError(
            f"{told(row)} has {counted(lengths[row], one)}, and the net takes {readings} as one step ({by}): leave it, and others as "
            "short, out of the data"
        )


def steps_of(lengths: Int64Array, readings: int, stride: int) -> Int64Array:
    """How many steps of `readings` successive readings, one begun every `stride` of them, sequences of such lengths have."""
    return (lengths - readings) // stride + 1


def side_by_side(x: ValueArray, lengths: Int64Array, readings: int, stride: int) -> tuple[ValueArray, Int64Array]:
    """(x [sequences, steps, readings * channels], how many steps each has) of x [sequences, time, channels].

    lengths: int64 [sequences], each at least `readings`. A step is `readings` successive readings, one begun every `stride` of them.
    """
    steps = steps_of(lengths, readings, stride)
    views = np.lib.stride_tricks.sliding_window_view(x, readings, axis=1)[:, ::stride]
    found: ValueArray = views.transpose(0, 1, 3, 2).copy().reshape(len(x), views.shape[1], -1)  # type: ignore[assignment]
    found[~valid_steps(steps, found.shape[1])] = 0
    return found, steps
