"""Deviations of the samples of a frame from their mean: what statistics are made of. docs/contract.md, "Statistics of a frame".

In numpy on int64 [batch, samples, channels]; in the int32 arithmetic that ONNX and TFLite share on [rows, samples, 1, 1].
"""

from __future__ import annotations

import numpy as np

from ..draws import Draws
from ..fixed_point import IntArray, saturate
from ..formats import Format, TensorType
from ..ranges import Range
from ..stress import random_values, special_values
from .base import require
from .int32_arithmetic import Int32Blocks, T

FINE_BITS = 4
"""The mean that is subtracted has so many bits more than a sample."""
FEWEST_SAMPLES, MOST_SAMPLES = 2, 1 << 10
MOST_SENSOR_CHANNELS = 256
DEVIATION_BITS = 16 + FINE_BITS
"""A deviation lies below 2^20: between two int16 lie at most 2^16 - 1, in sixteenths."""
_RANDOM = 24
"""Stress frames at random, of falling loudness."""


def check_frame(name: str, x: TensorType) -> None:
    """Raise UnsupportedError, in the name of an op, unless x is int16 [samples, channels] of which statistics can be taken."""
    require(x.format.dtype == "int16" and len(x.shape) == 2, f"{name} reads int16 [samples, channels], not {x}")
    samples, channels = x.shape
    good = FEWEST_SAMPLES <= samples <= MOST_SAMPLES and channels <= MOST_SENSOR_CHANNELS
    limits = f"{FEWEST_SAMPLES} to {MOST_SAMPLES} samples of 1 to {MOST_SENSOR_CHANNELS} channels"
    require(good, f"{name} reads {limits}, not {samples} of {channels}")


def fine_mean(x: IntArray) -> IntArray:
    """floor(16 sum / samples): int64 [batch, channels]."""
    mean: IntArray = (x.sum(axis=-2) << FINE_BITS) // x.shape[-2]
    return mean


def deviations(x: IntArray) -> IntArray:
    """16 x less the fine mean: int64 [batch, samples, channels]."""
    fine: IntArray = (x << FINE_BITS) - fine_mean(x)[..., None, :]
    return fine


def largest_deviations(x: Range) -> IntArray:
    """What no |deviation| of a channel exceeds, and some frame within the range reaches: int64 [channels].

    A deviation rises with its own sample and falls with the others.
    """
    ends = [_deviation_of_one(x.low, x.high), _deviation_of_one(x.high, x.low)]
    largest: IntArray = np.max(np.abs(np.stack(ends)), axis=(0, 1))
    return largest


def _deviation_of_one(one: IntArray, others: IntArray) -> IntArray:
    """[samples, channels]: of each sample at `one` where the rest is at `others`."""
    deviation: IntArray = (one << FINE_BITS) - ((others.sum(axis=0) - others + one) << FINE_BITS) // len(one)
    return deviation


def spell_deviations(a: Int32Blocks[T], x: T, samples: int) -> tuple[T, T]:
    """(deviations [rows, samples, 1, 1], fine mean [rows, 1, 1, 1]). 16 (sum + 2^15 samples) lies between 0 and 2^30."""
    lift = samples << (15 + FINE_BITS)
    mean = a.sub(a.div(a.add(a.mul(a.total(x, samples), 1 << FINE_BITS), lift), samples), 1 << (15 + FINE_BITS))
    return a.sub(a.mul(x, 1 << FINE_BITS), mean), mean


def stress_frames(draws: Draws, x: TensorType) -> IntArray:
    """Constants, clicks of every height and place, steps between the ends, means half way between two integers, waves, noise."""
    samples, format = x.shape[0], x.format
    place = np.arange(samples)
    heights = [*special_values(format), *(sign << j for j in range(16) for sign in (1, -1)), format.high - format.low]
    levels = np.array([(format.low, height) for height in heights] + [(format.high, -height) for height in heights])
    levels = np.concatenate([levels, [(0, height) for height in heights]])
    clicks = np.where(place == (np.arange(len(levels)) % samples)[:, None], levels.sum(axis=1)[:, None], levels[:, :1])
    constants = np.array(special_values(format))[:, None]
    low = np.array([[format.low], [format.high], [-1], [0]])
    high = np.array([[format.high], [format.low], [0], [1]])
    steps = np.where(2 * place < samples, low, high)
    waves = np.where(place % np.arange(2, 6)[:, None] < np.arange(1, 5)[:, None], format.low, format.high)
    alone = np.where(np.eye(samples, dtype=bool), format.high, format.low)[:: max(1, samples // 16)]
    mono = [np.broadcast_to(each, (len(each), samples)) for each in (clicks, constants, steps, waves, alone)]
    noise = random_values(draws, x, _RANDOM) >> (np.arange(_RANDOM) * 15 // _RANDOM)[:, None, None]
    frames = np.concatenate(mono)[:, :, None]
    every = np.concatenate([np.broadcast_to(frames, (len(frames), *x.shape)), noise])
    return saturate(every, format.low, format.high)


def draw_frame(rng: np.random.Generator) -> TensorType:
    """Samples as the tests draw them: few or many, an odd or an even number, of formats wide and narrow."""
    samples = int(rng.choice([2, 3, 4, int(rng.integers(5, 40)), int(rng.integers(5, 40)), 128]))
    format = Format(int(rng.integers(0, 16)), bound=int(rng.choice([1 << 15, 1 << 15, 10922, 20000, 3])), nonnegative=rng.random() < 0.1)
    return TensorType((samples, int(rng.integers(1, 4))), format)
