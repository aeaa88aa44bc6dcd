"""Every op means the same to every witness as to numpy: random and edge values, no tolerance."""

import itertools

import numpy as np
import pytest

from rescomp.errors import UnsupportedError
from rescomp.graph import ops
from rescomp.graph.evaluate import evaluate_graph
from rescomp.graph.fixed_point import Requantization, tanh_table
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ir import Graph, Node, Value
from rescomp.graph.ops.activation import UNIT_Q15
from rescomp.graph.weights import Int8Weight, SeededWeight

SEEDS, FEW = 25, 8
LARGE = {"spectrum"}
"""Ops of so many operators that fewer of them are drawn."""


def edge_values(rng, t, batch=12):
    """All low, all high, all zero, 1, -1, alternating extremes, then random samples."""
    low, high = t.format.low, t.format.high
    x = rng.integers(low, high + 1, (batch, *t.shape))
    for row, fill in enumerate((low, high, 0, 1, max(low, -1))):
        x[row] = fill
    x[5].reshape(-1)[::2], x[5].reshape(-1)[1::2] = low, high
    return x


def graph_of(*instances):
    """One graph of independent (op, input types): one export and one compilation serve them all."""
    inputs, nodes = [], []
    for i, (op, types) in enumerate(instances):
        values = [Value(f"x{i}_{k}", t) for k, t in enumerate(types)]
        outputs = tuple(f"y{i}_{k}" for k in range(len(op.infer(*types))))
        nodes.append(Node(f"layer{i}", op, tuple(value.name for value in values), outputs))
        inputs += values
    return Graph("single", tuple(inputs), tuple(nodes), tuple(name for node in nodes for name in node.outputs))


def assert_equal(witness, graph, inputs):
    expected = evaluate_graph(graph, inputs)
    values = witness.run_graph(graph, inputs)
    assert set(values) == set(expected) - set(inputs)
    for name, value in values.items():
        assert value.dtype == np.int64
        np.testing.assert_array_equal(value, expected[name])


NOT_IN_TFLITE = {"decide", "exponential_average"}


@pytest.mark.parametrize("name", sorted(NOT_IN_TFLITE))
def test_the_ops_of_a_decision_are_refused_by_the_tflite_export(name):
    with pytest.raises(UnsupportedError, match="tflite-micro has neither ARG_MAX nor REDUCE_MAX, so decide in C"):
        ops.REGISTRY[name].random(np.random.default_rng(0))[0].tflite(None, None, None)


@pytest.mark.parametrize("name", ops.REGISTRY)
def test_op_equals_numpy(name, witness):
    if name in NOT_IN_TFLITE and witness.name.startswith("tflite"):
        return
    graph = graph_of(*(ops.REGISTRY[name].random(np.random.default_rng(seed)) for seed in range(FEW if name in LARGE else SEEDS)))
    rng = np.random.default_rng(SEEDS)
    assert_equal(witness, graph, {value.name: edge_values(rng, value.type) for value in graph.inputs})


def test_non_linearities_equal_numpy_on_all_of_int16(witness):
    every = np.arange(-(1 << 15), 1 << 15).reshape(16, -1)
    t = TensorType(every.shape[1:], Format(12))
    non_linearities = [op for f in ("sigmoid", "tanh") for op in (ops.Lookup(f, tanh_table()), ops.PiecewiseLinear(f))]
    graph = graph_of(*((op, (t,)) for op in non_linearities))
    assert_equal(witness, graph, {value.name: every for value in graph.inputs})


def test_bias_add_and_requantize_read_images(witness):
    rng, t = np.random.default_rng(0), TensorType((3, 4, 6), Format(7))
    bias_add = ops.BiasAdd(rng.integers(-(1 << 15), 1 << 15, 6, dtype=np.int16))
    drawn = [ops.Requantize.random(np.random.default_rng(seed))[0] for seed in range(99)]
    whole, cyclic, single = (next(op for op in drawn if op.bias.size == channels) for channels in (6, 2, 1))
    graph = graph_of((bias_add, (t,)), *((requantize, (t,)) for requantize in (whole, cyclic, single)))
    assert_equal(witness, graph, {value.name: edge_values(rng, t) for value in graph.inputs})


@pytest.mark.parametrize("shape", [(6,), (5, 6), (2, 3, 6)])
def test_int8_values_keep_their_axes(shape, witness):
    """Every way into int8 and out of it, in one chain."""
    rng = np.random.default_rng(2)

    def requantize(reads, writes):
        bias, power = rng.integers(-50, 50, 6, dtype=np.int32), {"int16": 6, "int8": 14}[writes] - {"int16": 0, "int8": 8}[reads] + 1
        scale = Requantization(np.full(6, 1 << 14, np.int32), 14 + power + np.arange(6, dtype=np.int32) % 2)
        return ops.Requantize(4, bias, scale, Format(3, writes), reads)

    nodes = (
        Node("a", requantize("int16", "int8"), ("wide",), ("a",)),
        Node("b", requantize("int8", "int8"), ("narrow",), ("b",)),
        Node("c", ops.Add("int8"), ("a", "b"), ("c",)),
        Node("d", ops.Relu("int8"), ("c",), ("d",)),
        Node("e", requantize("int8", "int16"), ("d",), ("e",)),
    )
    inputs = (Value("wide", TensorType(shape, Format(7))), Value("narrow", TensorType(shape, Format(4, "int8"))))
    graph = Graph("axes", inputs, nodes, ("c", "e"))
    drawn = {value.name: edge_values(rng, value.type, batch=50) for value in inputs}
    assert all(np.unique(array).size > 20 for array in evaluate_graph(graph, drawn).values())
    assert_equal(witness, graph, drawn)


def test_relu_of_what_is_non_negative_already(witness):
    t = TensorType((6,), Format(3))
    nodes = (Node("a", ops.Relu(), ("x",), ("once",)), Node("b", ops.Relu(), ("once",), ("again",)))
    assert_equal(witness, Graph("twice", (Value("x", t),), nodes, ("again",)), {"x": edge_values(np.random.default_rng(1), t)})


def test_products_at_the_edge_of_32_bits(witness):
    """2^30 - 2^15 and -2^30 through shifts on both sides of 15, where the int32 spelling halves first; and ties."""
    extremes = [0, 1, -1, 2, 3, 127, 181, 255, 16384, 32767, -32767, -32768]
    a, b = (np.array(pair).reshape(1, -1) for pair in zip(*itertools.product(extremes, extremes), strict=True))
    size = a.size
    types = TensorType((size,), Format(15)), TensorType((size,), Format(15, bound=32767))
    b = np.maximum(b, -32767)
    outputs = (Format(15), Format(14), Format(13, bound=10922), Format(0), Format(1))
    graph = graph_of(*((ops.Mul(output, 30 - output.fraction_bits), types) for output in outputs))
    assert_equal(witness, graph, {value.name: (a, b)[int(value.name[-1])] for value in graph.inputs})


def test_int8_products_at_the_edge_of_24_bits(witness):
    """4 * 1057 * 31 * 128 + 1 < 2^24, and a scale of 1/2: one row all the way up, one down, one about 0."""
    matrix = np.array([[31] * 1057, [-31] * 1057, [31, -31] * 528 + [1], [1] + [0] * 1056], np.int8)
    powers = [np.full(4, power) for power in (1, 2, 15, 22)] + [np.array([16, 17, 1, 2])]
    scales = [Requantization(np.full(4, 1 << 14, np.int32), (14 + power).astype(np.int32)) for power in powers]
    t = TensorType((1057,), Format(4, "int8"))
    layers = [(ops.FullyConnected(Int8Weight(matrix), np.zeros(0, np.int32), scale, Format(3, "int8")), (t,)) for scale in scales]
    graph = graph_of(*layers)
    x = edge_values(np.random.default_rng(0), t, batch=20)
    assert_equal(witness, graph, {value.name: x for value in graph.inputs})


@pytest.mark.parametrize("dtype", ["int16", "int8"])
def test_seeded_products_around_the_words_of_their_signs(dtype, witness):
    instances = []
    for columns in (1, 31, 32, 33, 64, 65):
        by = Requantization(np.full(5, 1 << 14, np.int32), np.full(5, 14 + 3, np.int32))
        op = ops.FullyConnected(SeededWeight(5, columns, columns), np.zeros(0, np.int32), by, Format(3, dtype))
        instances.append((op, (TensorType((columns,), Format(4, dtype)),)))
    graph = graph_of(*instances)
    assert_equal(witness, graph, {value.name: edge_values(np.random.default_rng(0), value.type) for value in graph.inputs})


def test_gated_sums_at_their_bounds(witness):
    ends = {"UNIT": (0, 1, 16384, 32767), "Q15": (-32768, -32767, -1, 0, 1, 32767)}
    cells = {
        ops.LstmCellState(Format(12, bound=28672)): 28672,
        ops.LstmCellState(Format(0, bound=28672)): 28672,
        ops.GruState(Format(14, bound=10922)): 10922,
    }
    graphs, inputs = [], {}
    for i, (op, bound) in enumerate(cells.items()):
        spans = [ends["UNIT" if allowed == (UNIT_Q15,) else "Q15"] for allowed in op.reads] + [(-bound, -1, 0, 1, bound)]
        columns = np.array(list(itertools.product(*spans))).T
        formats = [*(allowed[0] for allowed in op.reads), op.state]
        graphs.append((op, tuple(TensorType((columns.shape[1],), format) for format in formats)))
        inputs |= {f"x{i}_{k}": column[None] for k, column in enumerate(columns)}
    assert_equal(witness, graph_of(*graphs), inputs)


def test_the_first_rounding_of_a_gated_sum(witness):
    """Its ties, where they decide the result: one unit less there and each of these is a 0."""
    cases = [
        (ops.FastRnnState(2, 1, Format(12, bound=10922)), (25534, 10000)),  # 6383.5 + 10000
        (ops.GruState(Format(13, bound=10922)), (1, 2, 0)),  # 32767 * 2 / 4 = 16383.5
        (ops.LstmCellState(Format(12, bound=28672)), (1, 1, 4, 16383)),  # 0.5 + 16383
    ]
    graph = graph_of(
        *((op, tuple(TensorType((1,), format) for format in (*(allowed[0] for allowed in op.reads), op.state))) for op, _ in cases)
    )
    inputs = {f"x{i}_{k}": np.array([[value]]) for i, (_, values) in enumerate(cases) for k, value in enumerate(values)}
    assert [int(evaluate_graph(graph, inputs)[f"y{i}_0"][0, 0]) for i in range(3)] == [1, 1, 1]
    assert_equal(witness, graph, inputs)


def scale(rows, factor):
    return Requantization.from_scale(np.full(rows, factor))


@pytest.mark.parametrize("shape", [(6, 5, 3), (9, 3)], ids=["image", "time"])
def test_a_small_net_of_convolutions_and_pools(witness, shape):
    """Every value of it: a padded depthwise convolution, a padded pool, a pool of the whole map, and what reads it as a vector."""
    rng, x = np.random.default_rng(2), TensorType(shape, Format(10))
    high, edge = (3, 1) if len(shape) == 3 else (1, 0)
    map_size = (3, 3) if len(shape) == 3 else (1, 5)
    depthwise = Int8Weight(rng.integers(-127, 128, (3, 3 * high), dtype=np.int8))
    classifier = Int8Weight(rng.integers(-127, 128, (4, 3), dtype=np.int8))
    bias, no_bias = rng.integers(-9999, 9999, 3, dtype=np.int32), np.zeros(0, np.int32)
    ops_in_order = {
        "filtered": ops.DepthwiseConv2d(depthwise, bias, scale(3, 2.0**-8), Format(9), (high, 3), padding=(edge, edge, 1, 1)),
        "positive": ops.Relu(),
        "largest": ops.MaxPool((min(2, high), 2), (min(2, high), 2), (0, 0, 1, 0)),
        "mean": ops.AveragePool(scale(1, 0.25), Format(9), map_size),
        "vector": ops.Reshape((3,)),
        "scores": ops.FullyConnected(classifier, no_bias, scale(4, 2.0**-7), Format(8)),
    }
    names = ["x", *ops_in_order]
    nodes = tuple(Node(name, op, (before,), (name,)) for before, (name, op) in zip(names, ops_in_order.items(), strict=False))
    graph = Graph("net", (Value("x", x),), nodes, ("scores",))
    assert graph.types()["mean"].shape == ((1, 1, 3) if len(shape) == 3 else (1, 3))
    assert_equal(witness, graph, {"x": edge_values(rng, x)})


def test_reshapes_of_inputs_of_slices_and_of_reshapes(witness):
    t = TensorType((2, 3, 4), Format(12))
    nodes = (
        Node("flat", ops.Reshape((24,)), ("x",), ("flat",)),
        Node("part", ops.Slice(4, 12), ("flat",), ("part",)),
        Node("image", ops.Reshape((3, 2, 2)), ("part",), ("image",)),
        Node("again", ops.Reshape((3, 2, 2)), ("image",), ("again",)),
        Node("bent", ops.Relu(), ("again",), ("bent",)),
        Node("sum", ops.Add(), ("bent", "image"), ("sum",)),
        Node("wide", ops.Reshape((2, 6)), ("sum",), ("wide",)),
        Node("late", ops.Relu(), ("wide",), ("late",)),
        Node("out", ops.Reshape((12,)), ("late",), ("out",)),
    )
    assert_equal(witness, Graph("reshapes", (Value("x", t),), nodes, ("out",)), {"x": edge_values(np.random.default_rng(1), t)})


def test_slices_of_slices_of_inputs_and_of_results(witness):
    t = TensorType((9,), Format(12))
    nodes = (
        Node("part", ops.Slice(2, 6), ("x",), ("part",)),
        Node("inner", ops.Slice(1, 3), ("part",), ("inner",)),
        Node("sum", ops.Add(), ("part", "part"), ("sum",)),
        Node("left", ops.Slice(0, 3), ("sum",), ("left",)),
        Node("right", ops.Slice(3, 3), ("sum",), ("right",)),
        Node("bent", ops.Lookup("sigmoid", tanh_table()), ("left",), ("bent",)),
        Node("both", ops.Mul(Format(12), 15), ("bent", "right"), ("both",)),
        Node("out", ops.Add(), ("both", "inner"), ("out",)),
    )
    assert_equal(witness, Graph("slices", (Value("x", t),), nodes, ("out",)), {"x": edge_values(np.random.default_rng(1), t)})
