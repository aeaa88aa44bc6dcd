"""What a sensor does to its readings in the field, each defined on device integers; the same on every machine.

s_c is the standard deviation of channel c, which the caller gives. What is random is drawn for each recording from its number and what is
done to it, so that nothing beside it, not even how far zeros fill it up, changes what becomes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from ..data.input_format import INT16_HIGH, INT16_LOW, bits_along
from ..data.split import Int64Array, Split
from ..errors import counted
from ..graph.draws import Draws
from ..graph.formats import FractionBits

Perturbation = Literal["rate_plus", "rate_minus", "gain_plus", "gain_minus", "offset", "noise", "dropped", "dead_channel", "turned"]
PERTURBATIONS: tuple[Perturbation, ...] = get_args(Perturbation)
TITLES: Mapping[Perturbation, str] = {
    "rate_plus": "rate +5 %",
    "rate_minus": "rate -5 %",
    "gain_plus": "gain +3 dB",
    "gain_minus": "gain -3 dB",
    "offset": "offset +0.2 sd",
    "noise": "noise 0.2 sd",
    "dropped": "1 % of readings dropped",
    "dead_channel": "a channel dead",
    "turned": "axes turned by 10 degrees",
}
RATE, GAIN, OFFSET, NOISE, DROPPED = 0.05, 1.4125375446227544, 0.2, 0.2, 100
"""Of the sampling rate; 3 dB; in units of s_c, twice; one reading of so many."""
COSINE, SINE = 0.984807753012208, 0.17364817766693033
"""Of ten degrees."""
_SEED = 20270203
_Drawn = Literal["noise", "dropped", "turned"]
_DRAWN: tuple[_Drawn, ...] = get_args(_Drawn)
Real = npt.NDArray[np.float64]


def resampled(split: Split, factor: float) -> Split:
    """As a clock that is `factor` times as fast would have sampled: reading i is that of time i / factor, between neighbours by a line.

    A recording of n readings becomes one of round(n factor), at least one; past its last reading that one holds.
    """
    lengths = np.maximum(1, np.floor(split.lengths * factor + 0.5).astype(np.int64))
    x = np.zeros((len(split), int(lengths.max()), *split.x.shape[2:]))
    for row, (recording, length, new) in enumerate(zip(split.x, split.lengths, lengths, strict=True)):
        place = np.minimum(np.arange(new) / factor, length - 1)
        before = np.floor(place).astype(np.int64)
        share = (place - before).reshape(-1, *(1,) * (x.ndim - 2))
        x[row, :new] = recording[before] * (1 - share) + recording[np.minimum(before + 1, length - 1)] * share
    return replace(split, x=_limited(x), lengths=lengths)


def scaled(split: Split, factor: float) -> Split:
    """Every reading times `factor`, about the sensor's zero."""
    return replace(split, x=_limited(split.x * factor))


def shifted(split: Split, by: Real) -> Split:
    """Every reading of channel c plus by[c]; by: float64 [channels]."""
    return replace(split, x=_limited(split.x + by))


def noisy(split: Split, by: Real) -> Split:
    """Every reading of channel c plus a normal number of mean 0 and standard deviation by[c], drawn anew for each."""
    x = split.x.copy()
    for recording, length, draws in zip(x, split.lengths, _draws("noise", len(split)), strict=True):
        recording[:length] = _limited(recording[:length] + by * _normal(draws, recording[:length].shape))
    return replace(split, x=x)


def dropped(split: Split, one_of: int) -> Split:
    """Every reading lost with probability 1 / one_of, all channels of it; the others close up. A recording keeps its first reading."""
    x, lengths = np.zeros_like(split.x), split.lengths.copy()
    for row, draws in enumerate(_draws("dropped", len(split))):
        kept = draws.integers(0, one_of - 1, (int(split.lengths[row]),)) != 0
        kept[0] = True
        lengths[row] = kept.sum()
        x[row, : lengths[row]] = split.x[row, : len(kept)][kept]
    return replace(split, x=x, lengths=lengths)


def held(split: Split, readings: Int64Array) -> Split:
    """Recordings of fewer readings than these, int [sequences], go on with their last one until they have so many; zeros fill up the rest,
    whatever was done to them.
    """
    lengths = np.maximum(split.lengths, readings)
    x = np.zeros((len(split), max(int(lengths.max()), split.x.shape[1]), *split.x.shape[2:]), np.int16)
    x[:, : split.x.shape[1]] = np.where(split.valid[..., None], split.x, 0)
    for row in np.flatnonzero(split.lengths < lengths):
        x[row, split.lengths[row] : lengths[row]] = split.x[row, split.lengths[row] - 1]
    return replace(split, x=x, lengths=lengths)


def dead(split: Split, channel: int) -> Split:
    """Channel `channel` reads 0 all the time."""
    x = split.x.copy()
    x[..., channel] = 0
    return replace(split, x=x)


def turned(split: Split, bits: FractionBits = 0) -> Split:
    """Every three successive channels (x, y, z of one sensor) turned by ten degrees about an axis that is drawn for each recording.

    bits: fraction bits of the integers, of all channels or of each. By the formula of Rodrigues: v cos a + (k x v) sin a +
    k (k v)(1 - cos a) for the unit vector k.
    """
    axis = np.stack([_normal(draws, (3,)) for draws in _draws("turned", len(split))])
    axis /= np.sqrt((axis**2).sum(axis=1, keepdims=True))
    units = np.exp2(np.max(bits) - bits_along(bits, split.channels))
    v = (split.x * units).reshape(*split.x.shape[:2], -1, 3)
    k = np.broadcast_to(axis[:, None, None, :], v.shape)
    along = (k * v).sum(axis=3, keepdims=True)
    found = v * COSINE + np.cross(k, v) * SINE + k * along * (1 - COSINE)
    return replace(split, x=_limited(found.reshape(split.x.shape) / units))


def perturbed(split: Split, scales: Real, is_image: bool, bits: FractionBits = 0) -> dict[Perturbation, list[Callable[[], Split]] | str]:
    """By perturbation how to make the split anew (of a dead channel: once a channel), or why that cannot be asked.

    split: device integers [sequences, time, channels], or images. scales: s_c, float64 [channels]. bits: their fraction bits.
    """
    time = "images have no time" if is_image else ""
    triples = counted(split.channels, "channel is no triple", "channels are no triples")
    axes = "images have no axes" if is_image else "" if split.channels % 3 == 0 else f"{triples} of axes"
    found: dict[Perturbation, list[Callable[[], Split]] | str] = {
        "rate_plus": time or [lambda: resampled(split, 1 + RATE)],
        "rate_minus": time or [lambda: resampled(split, 1 - RATE)],
        "gain_plus": [lambda: scaled(split, GAIN)],
        "gain_minus": [lambda: scaled(split, 1 / GAIN)],
        "offset": [lambda: shifted(split, OFFSET * scales)],
        "noise": [lambda: noisy(split, NOISE * scales)],
        "dropped": time or [lambda: dropped(split, DROPPED)],
        "dead_channel": [partial(dead, split, channel) for channel in range(split.channels)],
        "turned": axes or [lambda: turned(split, bits)],
    }
    return found


def _limited(x: Real) -> npt.NDArray[np.int16]:
    """Rounded half up into int16."""
    limited: npt.NDArray[np.int16] = np.floor(x + 0.5).clip(INT16_LOW, INT16_HIGH).astype(np.int16)
    return limited


def _draws(done: _Drawn, count: int) -> Iterator[Draws]:
    """For each recording its own."""
    for number in range(count):
        yield Draws((_SEED << 64) + (_DRAWN.index(done) << 48) + number)


def _normal(draws: Draws, shape: tuple[int, ...]) -> Real:
    """Nearly normal numbers: sums of twelve uniform ones, which need no function that differs between machines."""
    total = draws.integers(0, (1 << 40) - 1, (12, *shape)).sum(axis=0)
    return np.asarray((total - 6 * ((1 << 40) - 1)) / (1 << 40), np.float64)
