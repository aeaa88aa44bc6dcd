"""Training clips, changed anew in every epoch: speed, shift, noise and gain, drawn from a seed alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..recipe import AugmentSection
from .clips import ChangedClips, Int16Array, digest_of
from .noise import Noise, Signal
from .split import Int64Array
from .wav import to_int16

_UNIT = 1 << 53
"""Steps of a drawn number between 0 and 1."""
_DECIBELS_A_FACTOR = 20.0


@dataclass(frozen=True, eq=False)
class AugmentedClips(ChangedClips):
    """See Clips; labels, groups, lengths and places are those of `clips`.

    rows: int64 [clips], of each among all training clips. What a clip becomes depends on its row, seed and epoch alone.
    """

    rows: Int64Array
    asked: AugmentSection
    noise: Noise
    seed: int
    epoch: int

    def take(self, rows: npt.NDArray[np.integer[Any]]) -> AugmentedClips:
        """The clips at `rows`, in that order, as they are here."""
        return replace(self, clips=self.clips.take(rows), rows=self.rows[rows])

    def read(self, clip: int) -> Int16Array:
        """The samples of one clip as they are in this epoch: all changes in real numbers, rounded half up and saturated once."""
        bits = np.random.PCG64([self.seed, self.epoch, int(self.rows[clip])])
        return augmented(self.clips.read(clip), self.sample_rate, self.asked, self.noise, bits)

    def digest(self) -> str:
        """What `digest_of` says."""
        return digest_of(self)


def augmented(samples: Int16Array, sample_rate: int, asked: AugmentSection, noise: Noise, bits: np.random.PCG64) -> Int16Array:
    """int16 of the same shape, changed as `bits` draw it."""
    speed, shift, share, ratio, gain = (int(raw) >> 11 for raw in bits.random_raw(5))
    x = samples.astype(np.float64)
    if asked.speed:
        x = faster(x, 1 + asked.speed * _between(-1, 1, speed))
    if asked.shift:
        x = moved(x, round(asked.shift * sample_rate / 1000 * _between(-1, 1, shift)))
    if asked.snr is not None and _between(0, 1, share) < asked.noise_share:
        x = with_noise(x, noise.piece(len(x), x.shape[1], bits), _between(*asked.snr, ratio))
    return to_int16(x * _factor(asked.gain * _between(-1, 1, gain)))


def _between(low: float, high: float, drawn: int) -> float:
    return low + (high - low) * (drawn / _UNIT)


def _factor(decibels: float) -> float:
    return float(10 ** (decibels / _DECIBELS_A_FACTOR))


def faster(x: Signal, speed: float) -> Signal:
    """[samples, channels] played at `speed` about its middle, by cubics through four samples; silence lies beyond the ends."""
    middle = (len(x) - 1) / 2
    places = middle + speed * (np.arange(len(x)) - middle)
    first = np.floor(places).astype(np.int64)
    t = (places - first)[:, None]
    a, b, c, d = (_at(x, first + offset) for offset in (-1, 0, 1, 2))
    inside: Signal = b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return inside


def _at(x: Signal, places: Int64Array) -> Signal:
    there = (places >= 0) & (places < len(x))
    return np.where(there[:, None], x[places.clip(0, len(x) - 1)], 0.0)


def moved(x: Signal, by: int) -> Signal:
    """[samples, channels] `by` samples later (before 0: earlier), silence in their place."""
    return _at(x, np.arange(len(x)) - by)


def with_noise(x: Signal, noise: Signal, decibels: float) -> Signal:
    """The sum, the noise brought to a power of so many decibels below that of `x`; neither of them silent, or `x` as it is."""
    power, own = float((x**2).mean()), float((noise**2).mean())
    return x if power == 0 or own == 0 else x + noise * (np.sqrt(power / own) * _factor(-decibels))
