"""Recordings that a front-end hardly ever hears: silence, full scale, offsets, clicks, tones that clip, noise at every loudness."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from ..graph.draws import Draws
from ..graph.fixed_point import IntArray
from ..graph.ir import IntegerModel
from ..graph.sound import Pcm, samples_for

LOW, HIGH = -(1 << 15), (1 << 15) - 1
MOST_SOUND_STEPS = 6
"""Inputs of a recording, of a model with steps."""
MOST_ENTRIES_HEARD = 1 << 20
"""Of all recordings and channels together."""


def stress_sound(draws: Draws, model: IntegerModel, times: int) -> Pcm:
    """So many times each kind, on every channel another one; as many as MOST_ENTRIES_HEARD allow, two at least."""
    lengths = [samples_for(model, steps) for steps in (range(1, MOST_SOUND_STEPS + 1) if model.is_recurrent else (1,))]
    longest, channels = max(lengths), int(model.samples.type.shape[1])
    count = max(2, min(len(_KINDS) * times, MOST_ENTRIES_HEARD // (longest * channels)))
    kinds = list(_KINDS.values())
    samples = np.zeros((count, longest, channels), np.int64)
    for row in range(count):
        for channel in range(channels):
            samples[row, :, channel] = kinds[(row + channel) % len(kinds)](draws, longest)
    last = np.array([lengths[-1 - row % len(lengths)] for row in range(count)], np.int64)
    samples[np.arange(longest) >= last[:, None]] = 0
    return Pcm(samples.clip(LOW, HIGH).astype(np.int16), last)


def _constant(value: int, _: Draws, count: int) -> IntArray:
    return np.full(count, value, np.int64)


def _alternating(_: Draws, count: int) -> IntArray:
    return np.where(np.arange(count) % 2 == 0, LOW, HIGH)


def _square(draws: Draws, count: int) -> IntArray:
    return np.where(np.arange(count) // int(draws.integers(2, 40, (1,))[0]) % 2 == 0, LOW, HIGH)


def _clicks(draws: Draws, count: int) -> IntArray:
    """Single samples at an end, in silence."""
    places = draws.integers(0, 150, (count,))
    return np.where(places == 0, LOW, np.where(places == 1, HIGH, 0))


def _tone(loudest: float, draws: Draws, count: int) -> IntArray:
    """Louder than full scale, it clips."""
    frequency = draws.integers(1, 500, (1,))[0] / 1000
    tone: IntArray = np.round(loudest * np.sin(np.pi * frequency * np.arange(count))).astype(np.int64)
    return tone


def _noise(quieter: int, draws: Draws, count: int) -> IntArray:
    noise: IntArray = draws.integers(LOW, HIGH, (count,)) >> quieter
    return noise


def _steps_of_loudness(draws: Draws, count: int) -> IntArray:
    """Noise whose loudness changes inside frames, from nothing to full scale."""
    noise: IntArray = draws.integers(LOW, HIGH, (count,)) >> (np.arange(count) // 97 % 17)
    return noise


def _offset(draws: Draws, count: int) -> IntArray:
    """A little noise on most of the scale."""
    return _noise(12, draws, count) + 29000


_KINDS: Mapping[str, Callable[[Draws, int], IntArray]] = {
    "silence": partial(_constant, 0),
    "the largest": partial(_constant, HIGH),
    "the smallest": partial(_constant, LOW),
    "one": partial(_constant, 1),
    "alternating": _alternating,
    "square": _square,
    "clicks": _clicks,
    "tone": partial(_tone, 32767.0),
    "clipped tone": partial(_tone, 90000.0),
    "quiet tone": partial(_tone, 3.0),
    "loud noise": partial(_noise, 0),
    "noise": partial(_noise, 7),
    "quiet noise": partial(_noise, 14),
    "steps of loudness": _steps_of_loudness,
    "offset": _offset,
}
