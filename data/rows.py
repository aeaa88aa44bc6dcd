"""Single recordings put in a row to be like a continuous one, and continuous ones cut into single ones."""

from __future__ import annotations

import numpy as np

from ..graph.draws import Draws
from .split import Int64Array, Split, ValueArray, equal_runs
from .streams import Streams

ORDERS = 5
"""Seeded orders in which single recordings are put in a row."""
_ORDER_SEED = 20270115
ROW_STEPS = 2048
"""About as many steps has a row; an order of more is cut into several, which are run side by side."""


def row_orders(y: Int64Array, count: int = ORDERS, seed: int = _ORDER_SEED) -> Int64Array:
    """Orders of single recordings in which neighbours differ in class wherever possible: int64 [count, recordings].

    y: int64 [recordings], the class. Drawn from `seed`; the same on every machine.
    """
    draws = Draws(seed)
    return np.array([_spread_order(y, draws) for _ in range(count)], np.int64).reshape(count, len(y))


def in_a_row(split: Split, orders: Int64Array, row_steps: int = ROW_STEPS) -> Streams:
    """The recordings of a split one behind the other, nothing between them, in each of some orders.

    orders: int64 [orders, recordings]. An order with more than `row_steps` steps becomes several streams of about as many, which end where
    recordings do. The streams' groups number the orders.
    """
    rows = [(number, row) for number, order in enumerate(orders) for row in _rows(split.lengths[order], order, row_steps)]
    x = [np.concatenate([split.x[i, : split.lengths[i]] for i in row]) for _, row in rows]
    lengths = np.array([len(row) for row in x], np.int64)
    shape = (len(rows), int(lengths.max(initial=0)))
    padded: ValueArray = np.zeros((*shape, *split.x.shape[2:]), split.x.dtype)  # type: ignore[assignment]
    y, ends = np.zeros(shape, np.int64), np.zeros(shape, bool)
    for place, (_, row) in enumerate(rows):
        padded[place, : lengths[place]] = x[place]
        y[place, : lengths[place]] = np.repeat(split.y[row], split.lengths[row])
        ends[place, np.cumsum(split.lengths[row]) - 1] = True
    return Streams(padded, y, lengths, np.array([number for number, _ in rows], np.int64), ends)


def cut_recordings(streams: Streams, size: int) -> Split:
    """Single recordings out of streams: each segment of one label in pieces of `size` steps, a shorter one as it is."""
    pieces = []
    for stream, length in enumerate(map(int, streams.lengths)):
        for begin, end in equal_runs(streams.y[stream, :length]):
            starts = range(begin, max(begin + 1, end - size + 1), size)
            pieces += [(stream, start, min(start + size, end)) for start in starts]
    lengths = np.array([end - begin for _, begin, end in pieces], np.int64)
    x: ValueArray = np.zeros((len(pieces), int(lengths.max()), *streams.x.shape[2:]), streams.x.dtype)  # type: ignore[assignment]
    for place, (stream, begin, end) in enumerate(pieces):
        x[place, : end - begin] = streams.x[stream, begin:end]
    return Split(x, np.array([streams.y[stream, begin] for stream, begin, _ in pieces], np.int64), lengths)


def _spread_order(y: Int64Array, draws: Draws) -> list[int]:
    """One order: any recording of another class than the one before; of the class that more than half of what is left are of, if any."""
    left: dict[int, list[int]] = {}
    for label in np.unique(y):
        rows = np.flatnonzero(y == label)
        left[int(label)] = rows[draws.order(rows.shape)].tolist()
    words = draws.integers(0, (1 << 40) - 1, (len(y),))
    order: list[int] = []
    last = -1
    for word in map(int, words):
        last = _next_class({label: len(rows) for label, rows in left.items()}, last, word)
        order.append(left[last].pop())
    return order


def _next_class(left: dict[int, int], last: int, word: int) -> int:
    """The class of the next recording. left: recordings by class; word: a random number."""
    total = sum(left.values())
    for label, count in left.items():
        if label != last and 2 * count > total:
            return label
    others = {label: count for label, count in left.items() if label != last and count}
    if not others:
        return last
    place = word % sum(others.values())
    for label, count in others.items():
        if place < count:
            return label
        place -= count
    raise AssertionError("the place is below the sum")


def _rows(lengths: Int64Array, order: Int64Array, most: int) -> list[Int64Array]:
    """The order cut into rows of about equal steps, `most` or so. lengths: in the order."""
    total = int(lengths.sum())
    count = max(1, round(total / most))
    member = (np.cumsum(lengths) - 1) * count // total
    return [order[member == row] for row in np.unique(member)]
