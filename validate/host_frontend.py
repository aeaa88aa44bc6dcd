"""A front-end compiled for this machine, which makes the features that nets are trained on."""

from __future__ import annotations

import numpy as np

from ..errors import MissingToolError
from ..graph.fixed_point import IntArray
from ..graph.ir import Graph
from ..graph.sound import NOTHING, Features, FrameStates, numpy_features, with_zeros
from .c_program import probe_model, workspace, write_export
from .c_vectors import encode_samples
from .host_c import build_and_run, find_compiler


def compiled_features(graph: Graph) -> Features:
    """The graph `frontend` as C. Raises MissingToolError without a compiler."""
    compiler, model, (read,) = find_compiler(), probe_model(graph), graph.data_inputs

    def features(frames: IntArray, kept: FrameStates = NOTHING) -> IntArray:
        with workspace() as folder:
            write_export(folder, model)
            output = build_and_run(compiler, model, folder, ("-O2",), encode_samples(graph, with_zeros(graph, {read.name: frames, **kept})))
        return np.frombuffer(output, "<i2").astype(np.int64).reshape(len(frames), *model.output.type.shape)

    return features


def trained_features(graph: Graph) -> Features:
    """What nets are trained on: the front-end compiled for this machine, or where there is no compiler numpy, which gives the same."""
    try:
        return compiled_features(graph)
    except MissingToolError:
        return numpy_features(graph)
