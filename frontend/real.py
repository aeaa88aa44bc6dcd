"""The same front-end in real numbers, for reports of the integers' error alone."""

from __future__ import annotations

from typing import get_args

import numpy as np

from ..graph.fixed_point import LOG2_BITS, FloatArray, IntArray
from .bands import cosines, real_window, triangles
from .description import FrontEnd, Statistic


def real_features(frames: IntArray, front_end: FrontEnd) -> FloatArray:
    """float64 [frames, features] of frames [frames, span, channels], in the unit of the integers times 2^-10."""
    samples = np.moveaxis(frames.astype(np.float64), 1, 2)
    features = _logarithms(samples, front_end) if front_end.takes_spectra else _statistics(samples, front_end)
    return features.reshape(len(frames), -1)


def _logarithms(samples: FloatArray, front_end: FrontEnd) -> FloatArray:
    """float64 [frames, channels, bands or coefficients] of samples [frames, channels, span]."""
    if front_end.pre_emphasis:
        samples = samples[..., 1:] - samples[..., :-1] * (1 - 2.0**-front_end.pre_emphasis)
    magnitude = 16 / front_end.size * np.abs(np.fft.rfft(samples * real_window(front_end), front_end.size))[..., :-1]
    weights = triangles(front_end)
    sums = 2.0**10 * magnitude @ weights.T / (weights.sum(axis=1) if front_end.norm == "area" else 1)
    logarithms: FloatArray = np.log2(np.maximum(sums, 2.0**front_end.floor))
    if front_end.kind != "mfcc":
        return logarithms
    scale = np.full(front_end.coefficients, 2 / front_end.bands)
    scale[0] /= 2
    transformed: FloatArray = scale * (logarithms @ cosines(front_end.bands, front_end.coefficients).T)
    return transformed


def _statistics(samples: FloatArray, front_end: FrontEnd) -> FloatArray:
    """float64 [frames, channels, statistics] of samples [frames, channels, length]."""
    mean = samples.mean(axis=-1)
    deviations = samples - mean[..., None]
    below, least = deviations < 0, 2.0**front_end.floor
    unit = 2.0**-LOG2_BITS
    values = {
        "mean": mean * unit,
        "deviation": np.abs(deviations).mean(axis=-1) * unit,
        "minimum": samples.min(axis=-1) * unit,
        "maximum": samples.max(axis=-1) * unit,
        "zero_crossings": (below[..., 1:] != below[..., :-1]).sum(axis=-1) * unit,
        "log_deviation": np.log2(np.maximum(np.abs(deviations).mean(axis=-1), least)),
        "log_energy": np.log2(np.maximum((deviations**2).mean(axis=-1), least)),
    }
    return np.stack([values[name] for name in get_args(Statistic) if name in front_end.statistics], axis=-1)
