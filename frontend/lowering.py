"""The graph `frontend` of a description: from a frame's samples to its features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..graph.evaluate import cut_frames
from ..graph.fixed_point import LOG2_BITS, FloatArray, IntArray, Requantization, split_scale
from ..graph.formats import Format, TensorType
from ..graph.ir import Graph, IntegerModel, Node, Value
from ..graph.ops import FullyConnected, Log2, Reshape, Spectrum
from ..graph.ops.log2 import OUTPUT
from ..graph.verify import FRAME_INPUT, verify_model
from ..graph.weights import Int8Weight
from .bands import band_sum, half_window, offsets
from .description import FrontEnd

FEATURES = "features"
"""The graph's output; its input is FRAME_INPUT."""
COSINE = 127
"""1 in a row of the cosine transform."""


def frontend_graph(front_end: FrontEnd) -> Graph:
    """samples int16 [span, channels] -> features int16 [features] in Q10. Raises UnsupportedError for bounds that cannot be proved."""
    triangles, bits = band_sum(front_end)
    spectrum = Spectrum(front_end.size, front_end.length, half_window(front_end), front_end.pre_emphasis)
    logarithm = Log2(offsets(front_end, bits), max(front_end.floor << LOG2_BITS, OUTPUT.low))
    last = "bands" if front_end.kind == "mfcc" else FEATURES
    nodes = [
        Node("spectrum", spectrum, (FRAME_INPUT,), ("magnitudes", "doublings")),
        Node("band_sums", triangles, ("magnitudes",), ("band_sums",)),
        Node("logarithms", logarithm, ("band_sums", "doublings"), ("logarithms",)),
        Node(last, Reshape((front_end.channels * front_end.bands,)), ("logarithms",), (last,)),
    ]
    if front_end.kind == "mfcc":
        nodes.append(Node(FEATURES, cosine_transform(front_end.bands, front_end.coefficients), (last,), (FEATURES,)))
    samples = Value(FRAME_INPUT, TensorType((front_end.span, front_end.channels), Format(15)))
    graph = Graph("frontend", (samples,), tuple(nodes), (FEATURES,))
    graph.types()  # refuses what the ops do not take
    return graph


def cosines(bands: int, coefficients: int) -> FloatArray:
    """cos(pi r (j + 1/2) / bands), float64 [coefficients, bands]."""
    rows: FloatArray = np.cos(np.pi * np.arange(coefficients)[:, None] * (np.arange(bands) + 0.5) / bands)
    return rows


def cosine_transform(bands: int, coefficients: int) -> FullyConnected:
    """The mean of the logarithms, then twice the mean of each cosine times them: all within the format of a logarithm."""
    rows = np.floor(COSINE * cosines(bands, coefficients) + 0.5).astype(np.int8)
    scale = np.full(coefficients, 2 / (bands * COSINE))
    scale[0] /= 2
    none: IntArray = np.zeros(0, np.int32)
    return FullyConnected(Int8Weight(rows), none, Requantization(*split_scale(scale)), OUTPUT)


def with_front_end(model: IntegerModel, front_end: FrontEnd) -> IntegerModel:
    """The model with that front-end before it. Raises UnsupportedError where what it reads are no such features."""
    graphs = {"frontend": frontend_graph(front_end), **model.graphs}
    whole = replace(model, graphs=graphs, hop=front_end.hop)
    verify_model(whole)
    return whole


def frames_of(samples: IntArray, front_end: FrontEnd) -> IntArray:
    """The frames [frames, span, channels] of a recording [samples, channels]."""
    return cut_frames(samples, front_end.span, front_end.hop)
