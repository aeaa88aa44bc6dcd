"""Every number of a small model, changed: an output of the forced layers differs, or it is proved that none can."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np
import pytest

from rescomp.graph.fixed_point import Requantization
from rescomp.graph.formats import Format
from rescomp.graph.ops.requantizing import Requantizing
from rescomp.graph.ops.saturating import Saturating
from rescomp.graph.ranges import Range
from rescomp.validate.stress import stress_vectors

GEOMETRY = {"kernel_size", "stride", "padding", "shape", "start", "size"}
"""What says where entries lie: a change makes another shape, or moves every entry."""


@dataclass(frozen=True, eq=False)
class Matrix:
    """A weight that no rule of storage holds."""

    matrix: np.ndarray
    lanes: int = 1


@dataclass(frozen=True)
class Limits:
    """A format that no rule holds."""

    low: int
    high: int
    fraction_bits: int
    dtype: str
    bound: int
    nonnegative: bool


def neighbours(value) -> Iterator[tuple[str, object]]:
    """What becomes of a constant when one number in it changes by one, or, of a weight, its sign or its place."""
    if isinstance(value, np.ndarray):
        yield from (
            (f"{list(place)} {by:+}", changed(value, place, value[place] + by)) for place in np.ndindex(value.shape) for by in (-1, 1)
        )
    elif isinstance(value, Requantization):
        yield from ((f"multiplier{what}", replace(value, multiplier=other)) for what, other in neighbours(value.multiplier))
        yield from ((f"shift{what}", replace(value, shift=other)) for what, other in neighbours(value.shift))
    elif isinstance(value, Format):
        for low, high in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            limits = value.low + low, value.high + high
            yield f"low {low:+} high {high:+}", Limits(*limits, value.fraction_bits, value.dtype, value.bound, value.nonnegative)
    elif hasattr(value, "matrix"):
        yield from ((what, Matrix(other)) for what, other in weight_neighbours(value.matrix.astype(np.int64)))
    elif isinstance(value, int) and not isinstance(value, bool):
        yield from ((f"{by:+}", value + by) for by in (-1, 1))


def weight_neighbours(matrix):
    yield from neighbours(matrix)
    for row, column in zip(*np.nonzero(matrix), strict=True):
        yield f"sign of {row, column}", changed(matrix, (row, column), -matrix[row, column])
        if column and matrix[row, column] != matrix[row, column - 1]:
            swapped = matrix[row].copy()
            swapped[[column - 1, column]] = matrix[row, [column, column - 1]]
            yield f"{row, column} and the one before", changed(matrix, row, swapped)
    for row in range(1, len(matrix)):
        if not np.array_equal(matrix[row], matrix[row - 1]):
            yield f"row {row} like the one before", changed(matrix, row, matrix[row - 1])


def changed(array, place, value):
    other = array.astype(np.int64)
    other[place] = value
    return other


def mutants(op):
    for field in fields(op):
        if field.name not in GEOMETRY:
            for what, value in neighbours(getattr(op, field.name)):
                yield f"{field.name} {what}", field.name, replace(op, **{field.name: value})


def differs(op, mutant, inputs, right):
    try:
        results = mutant.evaluate(*inputs)
    except (ValueError, IndexError):  # a bound below zero, an entry past the table's end: nobody could export it
        return True
    return not all(np.array_equal(a, b) for a, b in zip(results, right, strict=True))


def proved_equal(op, mutant, field, types):
    """By the range analysis for limits; by trying all integers, or all sums, for other constants."""
    if isinstance(getattr(mutant, field), Limits):
        return not limits_matter(op, mutant, types)
    if len(types) == 1 and not isinstance(op, Requantizing):
        every = np.arange(types[0].format.low, types[0].format.high + 1)[:, None]
        return not differs(op, mutant, [every], op.evaluate(every))
    return isinstance(op, Requantizing) and field != "weight" and all(equal_for_every_sum(op, mutant, types[0]))


def limits_matter(op, mutant, types):
    """Whether any result before it is clamped lies where the two clamps differ."""
    ranges = [Range.full(t) for t in types]
    if isinstance(op, Saturating):
        low, high = op.extremes(*ranges)
        before, after = op.limits, mutant.limits
    else:
        ends = op.accumulator_ends(*ranges)
        low, high = (op.row_scales(end.shape[-1]).unclamped(end) for end in ends)
        before, after = op.output, mutant.output
    low_end = before.low != after.low and low.min() < max(before.low, after.low)
    return low_end or (before.high != after.high and high.max() > min(before.high, after.high))


def equal_for_every_sum(op, mutant, t):
    """For each row, whether all sums that it can have give the same result under its constants and the mutant's."""
    ends = op.accumulator_ends(Range.full(t))
    rows = ends[0].shape[-1]
    low, high, steps, offsets = (each.reshape(-1, rows) for each in np.broadcast_arrays(*ends, *op.lattice(t)))
    moved = mutant.lattice(t)[1] - op.lattice(t)[1]
    for row in range(rows):
        step = int(np.gcd.reduce(steps[:, row])) or 1
        least, most = int(low[:, row].min()), int(high[:, row].max())
        sums = np.arange(least + (int(offsets[0, row]) - least) % step, most + 1, step)
        mine, other = (each.row_scales(rows) for each in (op, mutant))
        results = [
            np.clip(Requantization(by.multiplier[row], by.shift[row]).unclamped(sums + add), op.output.low, op.output.high)
            for by, add in ((mine, 0), (other, np.broadcast_to(moved, (rows,))[row]))
        ]
        yield np.array_equal(*results)


MODELS = {
    "fastgrnn ternary": ("fastgrnn", {}),
    "fastgrnn int4": ("fastgrnn", {"weights": "int4", "power_of_two": False, "table": False}),
    "fastrnn sparse": ("fastrnn", {"weights": "sparse_delta_int8", "power_of_two": False}),
    "gru": ("gru", {"power_of_two": False}),
    "lstm": ("lstm", {"low_rank": True}),
    "block": ("block", {"size": (3, 4), "channels": 2, "power_of_two": False}),
    "block of sparse rows": ("block", {"size": (2, 2), "channels": 2, "weights": "sparse_rows_int8", "power_of_two": False}),
    "int8_block": ("int8_block", {}),
    "int8_block over time": ("int8_block", {"shape": (5, 2)}),
    "mixed": ("mixed", {}),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_changed_number_is_seen_or_proved_to_change_nothing(name, request):
    fixture, options = MODELS[name]
    model = request.getfixturevalue(f"random_{fixture}")(np.random.default_rng(11), **options)
    survivors, tried = [], 0
    for graph_name, forced in stress_vectors(model).layers.items():
        graph = model.graphs[graph_name]
        types = graph.types()
        for node in graph.nodes:
            inputs = [forced[read].astype(np.int64) for read in node.inputs]
            check = partial(differs, node.op, inputs=inputs, right=node.op.evaluate(*inputs))
            for what, field, mutant in mutants(node.op):
                tried += 1
                if not check(mutant) and not proved_equal(node.op, mutant, field, [types[read] for read in node.inputs]):
                    survivors.append(f"{node.name}: {what}")
    assert tried > 200
    assert survivors == []
