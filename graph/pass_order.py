"""The passes, in the order in which a graph meets them, each with the reason why it stands there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .alignment import with_alignment
from .decide import with_decision
from .passes import compose, fuse_fastgrnn_update
from .stream import stream
from .verify import verify_model


@dataclass(frozen=True)
class Pass:
    """run: from a model or a graph to one, or to an error. at: the command that runs it; export keeps nothing of it in graph.json."""

    run: Callable[..., Any]
    at: Literal["quantize", "export"]
    why: str


PASS_ORDER: Sequence[Pass] = (
    Pass(verify_model, "quantize", "first, of what lowering made: names, types, bounds; what it refuses is neither written nor rewritten"),
    Pass(stream, "quantize", "on a proved graph, since it moves whole layers from a window into steps; what it makes is verified again"),
    Pass(
        with_alignment,
        "quantize",
        "of a device that is worn: before what a step reads, and proved again; scores are those of turned readings",
    ),
    Pass(with_decision, "quantize", "last, since it is chosen on the finished model's scores, and exchanged without training it anew"),
    Pass(compose, "export", "for ONNX and TFLite: a step and the head in one file, of which the directory's model need not know"),
    Pass(fuse_fastgrnn_update, "export", "for cores, on each graph by itself: layers that a core computes in one pass; no bit changes"),
)
"""Another rewrite of graphs has a line here, and nowhere else a reason for its place."""
