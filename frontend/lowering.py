"""The graph `frontend` of a description: from a frame's samples to its features."""

from __future__ import annotations

from dataclasses import replace

from ..graph.evaluate import cut_frames
from ..graph.fixed_point import IntArray
from ..graph.formats import Format, TensorType
from ..graph.ir import Graph, IntegerModel, Node, Sampling, Value
from ..graph.ops import Reshape
from ..graph.verify import FRAME_INPUT, verify_model
from .description import FrontEnd
from .spectra import spectra_nodes
from .statistics import statistics_nodes

FEATURES = "features"
"""The graph's output; its input is FRAME_INPUT."""


def frontend_graph(front_end: FrontEnd) -> Graph:
    """samples int16 [span, channels] -> features int16 [features] in Q10. Raises UnsupportedError for bounds that cannot be proved."""
    nodes = (spectra_nodes if front_end.takes_spectra else statistics_nodes)(front_end)
    nodes.append(Node(FEATURES, Reshape((front_end.features,)), nodes[-1].outputs[:1], (FEATURES,)))
    samples = Value(FRAME_INPUT, TensorType((front_end.span, front_end.channels), Format(15)))
    graph = Graph("frontend", (samples,), tuple(nodes), (FEATURES,))
    graph.types()  # refuses what the ops do not take
    return graph


def with_front_end(model: IntegerModel, front_end: FrontEnd, sampling: Sampling | None = None) -> IntegerModel:
    """The model with that front-end before it, in the place of another one. sampling: of what it reads, where it is known.

    Raises UnsupportedError where what it reads are no such features.
    """
    behind = {name: graph for name, graph in model.graphs.items() if name != "frontend"}
    graphs = {"frontend": frontend_graph(front_end), **behind}
    whole = replace(model, graphs=graphs, hop=front_end.hop, sampling=sampling)
    verify_model(whole)
    return whole


def frames_of(samples: IntArray, front_end: FrontEnd) -> IntArray:
    """The frames [frames, span, channels] of a recording [samples, channels]."""
    return cut_frames(samples, front_end.span, front_end.hop)
