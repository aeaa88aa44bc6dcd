"""States of any bits: what a step makes of a state that was never written, or was written by somebody else, stays inside 32 bits."""

from __future__ import annotations

import numpy as np

from ..errors import UnsupportedError
from .fixed_point import MULTIPLIER_BITS, IntArray, Requantization
from .formats import Format
from .ir import Graph, Value
from .ops.base import Increasing
from .ops.requantizing import Requantizing
from .ranges import Range

PAST_INT32 = 1 << 31


def prove_any_state(graph: Graph) -> None:
    """Raise UnsupportedError, naming the layer, where a state outside its format could take a sum out of 32 bits.

    Sums and products of two int16 values stay inside whatever they are; weighted sums are checked from the weights. Both are clamped to
    their formats, so that what follows reads what it always reads; only ops that move or compare entries hand a state of any bits on.
    """
    types = graph.types()
    ranges = {value.name: _any_bits(value) if value.name in graph.state else Range.full(value.type) for value in graph.inputs}
    for node in graph.nodes:
        inputs = [ranges[name] for name in node.inputs]
        if isinstance(node.op, Requantizing) and any(_is_wild(x) for x in inputs):
            largest = _largest(node.op, inputs[0])
            if largest >= PAST_INT32:
                raise UnsupportedError(
                    f"layer {node.name!r} of graph {graph.name!r}: a sum may reach {largest}, past 2^31, from a state that holds any bits: "
                    "use fewer inputs or smaller weights"
                )
        if isinstance(node.op, Increasing):
            ranges.update(zip(node.outputs, node.op.ranges(*inputs), strict=True))
        else:
            ranges.update({name: Range.full(types[name]) for name in node.outputs})


def _any_bits(value: Value) -> Range:
    """All integers of the dtype, whatever the format allows."""
    whole = Format(0, value.type.format.dtype)
    return Range(value.type, np.full(value.type.shape, whole.low, np.int64), np.full(value.type.shape, whole.high, np.int64))


def _is_wild(x: Range) -> bool:
    return bool(x.low.min() < x.type.format.low or x.high.max() > x.type.format.high)


def _largest(op: Requantizing, x: Range) -> int:
    """The magnitude that no sum of the op exceeds on its way through the C kernels, rounding constant included."""
    ends = op.accumulator_ends(x)
    reach = np.maximum(np.abs(ends[0]), np.abs(ends[1])).reshape(-1, ends[0].shape[-1]).max(axis=0)
    return int((reach + _rounding(op.row_scales(len(reach)))).max())


def _rounding(by: Requantization) -> IntArray:
    """What is added to a sum, or to the part of its product that is kept, before the last shift."""
    last = by.shift.astype(np.int64) - np.where(by.multiplier == 1 << (MULTIPLIER_BITS - 1), MULTIPLIER_BITS - 1, MULTIPLIER_BITS)
    return np.where(last > 0, np.int64(1) << np.maximum(last - 1, 0), 0)
