"""The same front-end in real numbers, for reports of the integers' error alone."""

from __future__ import annotations

import numpy as np

from ..graph.fixed_point import FloatArray, IntArray
from .bands import real_window, triangles
from .description import FrontEnd
from .lowering import cosines


def real_features(frames: IntArray, front_end: FrontEnd) -> FloatArray:
    """float64 [frames, features] of frames [frames, span, channels], in the unit of the integers times 2^-10."""
    samples = np.moveaxis(frames.astype(np.float64), 1, 2)
    if front_end.pre_emphasis:
        samples = samples[..., 1:] - samples[..., :-1] * (1 - 2.0**-front_end.pre_emphasis)
    magnitude = 16 / front_end.size * np.abs(np.fft.rfft(samples * real_window(front_end), front_end.size))[..., :-1]
    weights = triangles(front_end)
    sums = 2.0**10 * magnitude @ weights.T / (weights.sum(axis=1) if front_end.norm == "area" else 1)
    logarithms: FloatArray = np.log2(np.maximum(sums, 2.0**front_end.floor)).reshape(len(frames), -1)
    if front_end.kind != "mfcc":
        return logarithms
    scale = np.full(front_end.coefficients, 2 / front_end.bands)
    scale[0] /= 2
    transformed: FloatArray = scale * (logarithms @ cosines(front_end.bands, front_end.coefficients).T)
    return transformed
