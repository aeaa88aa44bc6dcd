"""A device that is worn at an angle: an alignment before a model's step, and the calibration that finds it.

What calibration means is here; the generated C does the same. docs/contract.md, "An alignment".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import isqrt

import numpy as np

from ..errors import UnsupportedError
from .fixed_point import FloatArray, IntArray, round_half_up_shift, saturate
from .ir import Graph, IntegerModel, Node, Value
from .ops import Align, Reshape
from .ops.align import ALIGNMENT, IDENTITY, ROTATION_BITS, ROTATION_ONE
from .verify import FRAME_INPUT, verify_model

ALIGNMENT_STATE = "alignment"
"""The state's name, and that of the layer."""
FOLLOWING = f"{ALIGNMENT_STATE}_next"
"""What replaces it behind a step."""
MOST_CALIBRATED = 1 << 15
"""Readings that a calibration adds up: three sums of them stay within +-2^30."""
LENGTH_BITS = 13
WIDEST_TURN = -(ROTATION_ONE >> 1)
"""The cosine of 120 degrees: a calibration turns by less."""


def with_alignment(model: IntegerModel, channels: int, axes: Sequence[int], reference: Sequence[int]) -> IntegerModel:
    """The model with a rotation before its step, or before its front-end, which turns nothing until it is set.

    channels: of a reading or a sample, of which a step's input or a frame is one or more; axes: those that are turned, three of each
    sensor, the first sensor an accelerometer; reference: the direction in Q14 that its mean has in the training data. Raises
    UnsupportedError.
    """
    if not model.is_recurrent or model.policy is not None:
        raise UnsupportedError("an alignment stands before a model that has steps, and that has no [stream]")
    read = model.samples if model.reads_samples else model.input
    x, y, z = reference
    op = Align(channels, tuple(axes), read.type.format, (x, y, z))
    turned = {"frontend": turned_frontend(op, model.graphs["frontend"])} if model.reads_samples else {}
    step = _keeping(model.graphs["step"]) if turned else _turning(model.graphs["step"], read.name, op, FOLLOWING)
    aligned = replace(model, graphs={**model.graphs, **turned, "step": step})
    verify_model(aligned)
    return aligned


def turned_frontend(op: Align, frontend: Graph) -> Graph:
    """A graph `frontend` behind an alignment, whose state it reads and leaves as it is."""
    return _turning(frontend, FRAME_INPUT, op, ALIGNMENT_STATE)


def _turning(graph: Graph, read: str, op: Align, following: str) -> Graph:
    """The graph with an alignment of what it reads. following: what replaces the state; where that is itself, the graph only reads it."""
    turned, kept = f"{read}_aligned", FOLLOWING if following == FOLLOWING else f"{ALIGNMENT_STATE}_used"
    nodes = (replace(node, inputs=tuple(turned if name == read else name for name in node.inputs)) for node in graph.nodes)
    first = Node(ALIGNMENT_STATE, op, (read, ALIGNMENT_STATE), (turned, kept))
    outputs = (*graph.outputs, *([kept] if following == kept else []))
    return _with_state(graph, (first, *nodes), outputs, following)


def _keeping(step: Graph) -> Graph:
    """The step with the state that the front-end reads, which it leaves as it is."""
    view = Node(ALIGNMENT_STATE, Reshape(ALIGNMENT.shape), (ALIGNMENT_STATE,), (FOLLOWING,))
    return _with_state(step, (view, *step.nodes), (*step.outputs, FOLLOWING), FOLLOWING)


def _with_state(graph: Graph, nodes: tuple[Node, ...], outputs: tuple[str, ...], following: str) -> Graph:
    inputs, state = (*graph.inputs, Value(ALIGNMENT_STATE, ALIGNMENT)), {**graph.state, ALIGNMENT_STATE: following}
    return Graph(graph.name, inputs, nodes, outputs, state)


def align_of(model: IntegerModel) -> Align | None:
    """The alignment before the model's step or front-end; None: there is none."""
    if not model.is_recurrent:
        return None
    nodes, read = (model.graphs["frontend"].nodes, model.samples) if model.reads_samples else (model.graphs["step"].nodes, model.input)
    reads = (read.name, ALIGNMENT_STATE)
    return next((node.op for node in nodes if isinstance(node.op, Align) and node.inputs == reads), None)


def direction(vector: FloatArray) -> tuple[int, int, int]:
    """A vector of any length as a direction in Q14."""
    x, y, z = np.floor(np.asarray(vector) / np.linalg.norm(vector) * ROTATION_ONE + 0.5).astype(int).tolist()
    return x, y, z


def calibrate(readings: IntArray, op: Align) -> IntArray | None:
    """The alignment int64 [9] after readings int [readings, channels] of somebody who walks.

    None: they have no direction, or it is 120 degrees or more away from the reference.
    """
    return alignment_of(calibration_sums(readings, op.axes), op.reference)


def calibration_sums(readings: IntArray, axes: Sequence[int]) -> IntArray:
    """What a calibration adds up of readings int [readings, channels]: int64 [3], of the accelerometer. axes: as of with_alignment."""
    sums: IntArray = readings[:MOST_CALIBRATED, list(axes[:3])].astype(np.int64).sum(axis=0)
    return sums


@dataclass
class Calibration:
    """What <model>_calibration holds: sums int64 [3], which wrap to 32 bits, of so many readings. Any bits may stand in it."""

    sums: IntArray = field(default_factory=lambda: np.zeros(3, np.int64))
    readings: int = 0

    def add(self, readings: IntArray, axes: Sequence[int]) -> None:
        """More readings int [readings, channels], as far as there is room for them. axes: as of with_alignment."""
        taken = readings[: max(0, MOST_CALIBRATED - self.readings)]
        self.sums = (self.sums + calibration_sums(taken, axes)).astype(np.int32).astype(np.int64)
        self.readings += len(taken)


def set_alignment(rotation: IntArray) -> IntArray:
    """The alignment int64 [9] that <model>_set_alignment makes of a rotation int [9] in Q14, each entry clamped to +-1."""
    alignment: IntArray = saturate(rotation.astype(np.int64), -ROTATION_ONE, ROTATION_ONE) - IDENTITY
    return alignment


def alignment_of(sums: IntArray, reference: Sequence[int]) -> IntArray | None:
    """The alignment that turns the direction of three sums of 32 bits to the reference, by the least rotation that does.

    sums: int64 [3]. None: they have no direction, or it is 120 degrees or more away from the reference.
    """
    u, g = unit(sums), np.array(reference, np.int64)
    if u is None:
        return None
    cosine = int(round_half_up_shift(u @ g, ROTATION_BITS))
    if cosine <= WIDEST_TURN:
        return None
    v = np.array([round_half_up_shift(u[i - 2] * g[i - 1] - u[i - 1] * g[i - 2], ROTATION_BITS) for i in range(3)])
    divisor = ROTATION_ONE + cosine
    squares = (np.outer(v, v) + divisor // 2) // divisor
    cross = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    rotation = cosine * np.eye(3, dtype=np.int64) + cross + squares
    return set_alignment(rotation.reshape(9))


def unit(vector: IntArray) -> IntArray | None:
    """A vector of three, of 32 bits, as a direction in Q14, int64 [3]; None: it is zero.

    Its largest entry is brought to 2^12 .. 2^13, the latter by rounding; twice the length is the root of 4 times the squares.
    """
    sizes = np.abs(vector.astype(np.int64))
    by = int(sizes.max()).bit_length() - LENGTH_BITS
    if by == -LENGTH_BITS:
        return None
    scaled = round_half_up_shift(sizes, by) if by > 0 else sizes << -by
    twice = isqrt(4 * int((scaled**2).sum()))
    entries = np.minimum(((scaled << (ROTATION_BITS + 1)) + twice // 2) // twice, ROTATION_ONE)
    directed: IntArray = np.sign(vector) * entries
    return directed
