"""A stream without an end, made of recordings in a row: what a device reads that runs for days without a reset."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..graph.draws import Draws
from ..graph.fixed_point import IntArray
from ..graph.formats import TensorType
from .stress_patterns import held_patterns

_SEED = 20261130
PATTERNS = 16
"""Of held inputs, in a round through all recordings."""
RECORDINGS_BETWEEN = 8
"""Two stretches that no sensor gives."""
STRETCH_STEPS = 48
"""Of each of them, at most."""


def stream_inputs(t: TensorType, x: IntArray, lengths: IntArray, steps: int) -> IntArray:
    """int16 [steps, *input shape]: the recordings x, [recordings, longest, *input shape], in seeded orders, and stress stretches between.

    After every RECORDINGS_BETWEEN recordings the input is held at a pattern of its format's ends, or random in all of its format, for up to
    STRETCH_STEPS steps. The first steps of a longer stream are those of a shorter one.
    """
    made = np.zeros((steps, *t.shape), np.int16)
    done = 0
    for part in _parts(t, x, lengths):
        count = min(len(part), steps - done)
        made[done : done + count] = part[:count]
        done += count
        if done == steps:
            return made
    raise AssertionError("the stream has no end")


def _parts(t: TensorType, x: IntArray, lengths: IntArray) -> Iterator[IntArray]:
    draws, since = Draws(_SEED), 0
    while True:
        held = held_patterns(draws, t, PATTERNS)
        for recording in draws.order((len(x),)).tolist():
            yield x[recording, : lengths[recording]]
            since += 1
            if since == RECORDINGS_BETWEEN:
                since = 0
                yield _stretch(draws, t, held)


def _stretch(draws: Draws, t: TensorType, held: IntArray) -> IntArray:
    kind, pattern, count = draws.integers(0, np.array([1, len(held) - 1, STRETCH_STEPS - 1]), (3,)).tolist()
    if kind == 0:
        return np.repeat(held[pattern][None], count + 1, axis=0)
    return draws.integers(t.format.low, t.format.high, (count + 1, *t.shape))
