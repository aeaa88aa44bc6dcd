"""Layers from a frame's samples to logarithms of bands of frequencies, and to their cosine transform."""

from __future__ import annotations

import numpy as np

from ..graph.fixed_point import LOG2_BITS, IntArray, Requantization, split_scale
from ..graph.ir import Node
from ..graph.ops import Conv2d, Log2, Spectrum
from ..graph.ops.log2 import FEATURE
from ..graph.verify import FRAME_INPUT
from ..graph.weights import Int8Weight
from .bands import band_sum, cosines, half_window, offsets
from .description import FrontEnd

COSINE_SCALE = 127
"""1 in a row of the cosine transform."""


def spectra_nodes(front_end: FrontEnd) -> list[Node]:
    """From FRAME_INPUT to features of each channel, the output of the last node: int16 [channels, features of one] in Q10."""
    triangles, bits = band_sum(front_end)
    spectrum = Spectrum(front_end.size, front_end.length, half_window(front_end), front_end.pre_emphasis)
    logarithm = Log2(offsets(front_end, bits), max(front_end.floor << LOG2_BITS, FEATURE.low))
    nodes = [
        Node("spectrum", spectrum, (FRAME_INPUT,), ("magnitudes", "doublings")),
        Node("band_sums", triangles, ("magnitudes",), ("band_sums",)),
        Node("logarithms", logarithm, ("band_sums", "doublings"), ("logarithms",)),
    ]
    if front_end.kind == "mfcc":
        nodes.append(Node("coefficients", cosine_transform(front_end.bands, front_end.coefficients), ("logarithms",), ("coefficients",)))
    return nodes


def cosine_transform(bands: int, coefficients: int) -> Conv2d:
    """The mean of the logarithms of each channel, then twice the mean of each cosine times them: within the format of a logarithm."""
    rows = np.floor(COSINE_SCALE * cosines(bands, coefficients) + 0.5).astype(np.int8)
    scale = np.full(coefficients, 2 / (bands * COSINE_SCALE))
    scale[0] /= 2
    none: IntArray = np.zeros(0, np.int32)
    return Conv2d(Int8Weight(rows), none, Requantization(*split_scale(scale)), FEATURE, (1, 1))
