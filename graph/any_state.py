"""States of any bits: what a step makes of a state that was never written, or was written by somebody else, stays inside 32 bits."""

from __future__ import annotations

import numpy as np

from ..errors import UnsupportedError
from .formats import Format
from .ir import Graph, Value
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
        if any(_is_wild(x) for x in inputs):
            largest = node.op.largest_sum(*inputs)
            if largest >= PAST_INT32:
                raise UnsupportedError(
                    f"layer {node.name!r} of graph {graph.name!r}: a sum may reach {largest}, past 2^31, from a state that holds any bits: "
                    "use fewer inputs or smaller weights"
                )
        if node.op.hands_on:
            ranges.update(zip(node.outputs, node.op.ranges(*inputs), strict=True))
        else:
            ranges.update({name: Range.full(types[name]) for name in node.outputs})


def _any_bits(value: Value) -> Range:
    """All integers of the dtype, whatever the format allows."""
    whole = Format(0, value.type.format.dtype)
    return Range(value.type, np.full(value.type.shape, whole.low, np.int64), np.full(value.type.shape, whole.high, np.int64))


def _is_wild(x: Range) -> bool:
    return bool(x.low.min() < x.type.format.low or x.high.max() > x.type.format.high)
