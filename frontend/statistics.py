"""Layers from a frame's samples to statistics of each channel."""

from __future__ import annotations

from typing import get_args

import numpy as np

from ..graph.fixed_point import LOG2_BITS, IntArray, to_fixed
from ..graph.ir import Node
from ..graph.ops import Concat, DeviationSum, FrameStatistics, Log2
from ..graph.ops.deviations import DEVIATION_BITS, FINE_BITS
from ..graph.ops.log2 import FEATURE
from ..graph.verify import FRAME_INPUT
from .description import FrontEnd, Statistic

POWERS: dict[Statistic, int] = {"log_deviation": 1, "log_energy": 2}
"""Logarithms of the mean of such powers of what the samples deviate from their mean."""


def statistics_nodes(front_end: FrontEnd) -> list[Node]:
    """From FRAME_INPUT to statistics of each channel, the output of the last node: int16 [channels, statistics] in Q10."""
    plain = {name: name in front_end.statistics for name in get_args(Statistic) if name not in POWERS}
    nodes = [Node("plain", FrameStatistics(**plain), (FRAME_INPUT,), ("plain",))] if any(plain.values()) else []
    parts = [node.outputs[0] for node in nodes]
    for name, power in POWERS.items():
        if name in front_end.statistics:
            nodes += _logarithm(front_end, name, power)
            parts.append(name)
    joined = parts[0]
    for count, part in enumerate(parts[1:], 2):
        nodes.append(Node(f"first_{count}", Concat(), (joined, part), (f"first_{count}",)))
        joined = f"first_{count}"
    return nodes


def _logarithm(front_end: FrontEnd, name: str, power: int) -> list[Node]:
    deviations = DeviationSum(power)
    floor = max(front_end.floor << LOG2_BITS, FEATURE.low)
    sums, doublings = f"{name}_sums", f"{name}_doublings"
    return [
        Node(sums, deviations, (FRAME_INPUT,), (sums, doublings)),
        Node(name, Log2(offset(deviations, front_end.length), floor), (sums, doublings), (name,)),
    ]


def offset(deviations: DeviationSum, samples: int) -> IntArray:
    """From the logarithm of a sum to that of the mean, in units of a sample: int16 [1] in Q10."""
    bits = DEVIATION_BITS - deviations.bits(samples) - FINE_BITS
    real = np.array([deviations.power * bits - np.log2(samples)])
    return to_fixed(real, LOG2_BITS, FEATURE.low, FEATURE.high).astype(np.int16)
