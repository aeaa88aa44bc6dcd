"""A state of any bits: sums stay inside 32 bits, and what is written is back in its range."""

import numpy as np
import pytest

from rescomp.errors import UnsupportedError
from rescomp.graph.any_state import prove_any_state
from rescomp.graph.fixed_point import Requantization
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ir import Graph, Node, Value
from rescomp.graph.ops import Conv2d, FullyConnected, ShiftIn
from rescomp.graph.weights import Int8Weight

STATE = Format(12, bound=10922)
NO_BIAS = np.zeros(0, np.int32)
SHIFT = 25


def step_anyhow(graph, values):
    """Every value of one step, the inputs within no format."""
    values = dict(values)
    for node in graph.nodes:
        values.update(zip(node.outputs, node.op.evaluate(*(values[name] for name in node.inputs)), strict=True))
    return values


@pytest.mark.parametrize("cell", ["fastgrnn", "fastrnn", "gru", "lstm", "mixed"])
@pytest.mark.parametrize("seed", range(3))
def test_a_cells_state_is_back_in_range_after_one_step(cell, seed, request):
    rng = np.random.default_rng(seed)
    graph = request.getfixturevalue(f"random_{cell}")(rng, **({} if cell == "mixed" else {"power_of_two": seed % 2 == 0})).graphs["step"]
    values = {
        value.name: rng.integers(value.type.format.low, value.type.format.high + 1, (300, *value.type.shape)) for value in graph.inputs
    }
    for value in graph.state_inputs:
        whole = Format(0, value.type.format.dtype)
        wild = rng.integers(whole.low, whole.high + 1, (300, *value.type.shape))
        wild[0], wild[1] = whole.low, whole.high
        values[value.name] = wild
    after = step_anyhow(graph, values)
    for before, following in graph.state.items():
        t = graph.types()[before]
        assert t.format.low <= after[following].min()
        assert after[following].max() <= t.format.high


def reading(op, entries, *before):
    state = Value("h", TensorType((entries,), STATE))
    return Graph("step", (state,), (*before, Node("product", op, ("h",), ("after",))), ("after",), {"h": "after"})


def dense(columns, weight, shift=SHIFT, rows=None):
    matrix = np.full((rows or columns, columns), weight, np.int8)
    scale = Requantization(np.full(len(matrix), 3 << 13, np.int32), np.full(len(matrix), shift, np.int32))
    return FullyConnected(Int8Weight(matrix), NO_BIAS, scale, STATE)


def test_a_product_that_could_leave_32_bits_is_refused():
    """2^31 = 65,536 x 32,768: a row of 512 times 127 stays below, with its rounding constant; 520 times 127 does not."""
    prove_any_state(reading(dense(512, 127), 512))
    with pytest.raises(UnsupportedError, match=r"layer 'product' of graph 'step': a sum may reach 21639[0-9]+, past 2\^31, from a state"):
        prove_any_state(reading(dense(520, 127), 520))


def test_the_rounding_constant_counts():
    """2^24 are left of 2^31: shifts of 39 and 41 add 2^23 and 2^25."""
    prove_any_state(reading(dense(512, 127, shift=39), 512))
    with pytest.raises(UnsupportedError, match=r"past 2\^31"):
        prove_any_state(reading(dense(512, 127, shift=41), 512))


@pytest.mark.parametrize(("channels", "refused"), [(154, False), (156, True)])
def test_rows_that_are_only_moved_still_hold_any_bits(channels, refused):
    """Three of the four rows: 2^31 = 127 x 154.8 x (3 x 32,768 + 10,922)."""
    rows, new = (Value(name, TensorType((count, channels), STATE)) for name, count in (("rows", 4), ("x", 1)))
    kernel = Conv2d(*(lambda op: (op.weight, op.bias, op.requantization, op.output))(dense(4 * channels, 127, rows=2)), (1, 4))
    nodes = Node("keep", ShiftIn(), ("rows", "x"), ("kept",)), Node("convolution", kernel, ("kept",), ("y",))
    graph = Graph("step", (new, rows), nodes, ("kept",), {"rows": "kept"})
    if not refused:
        prove_any_state(graph)
        return
    with pytest.raises(UnsupportedError, match="layer 'convolution'"):
        prove_any_state(graph)


@pytest.mark.parametrize("reads", ["int16", "int8"])
def test_streamed_rows_are_new_after_as_many_steps_as_there_are(reads):
    rng = np.random.default_rng(1)
    rows, new = (TensorType((count, 2), Format(4, reads, nonnegative=True)) for count in (5, 2))
    graph = Graph("step", (Value("x", new), Value("rows", rows)), (Node("keep", ShiftIn(reads), ("rows", "x"), ("kept",)),), ("kept",))
    state = np.full((1, 5, 2), -100)
    for _ in range(5):
        state = step_anyhow(graph, {"rows": state, "x": rng.integers(0, 100, (1, 2, 2))})["kept"]
    assert state.min() >= 0
