"""Every op means the same to every witness as to numpy: random and edge values, no tolerance."""

import numpy as np
import pytest

from rescomp.graph import ops
from rescomp.graph.evaluate import evaluate_graph
from rescomp.graph.fixed_point import tanh_table
from rescomp.graph.ir import Format, Graph, Node, TensorType, Value

SEEDS = 25


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


@pytest.mark.parametrize("name", ops.REGISTRY)
def test_op_equals_numpy(name, witness):
    graph = graph_of(*(ops.REGISTRY[name].random(np.random.default_rng(seed)) for seed in range(SEEDS)))
    rng = np.random.default_rng(SEEDS)
    assert_equal(witness, graph, {value.name: edge_values(rng, value.type) for value in graph.inputs})


def test_non_linearities_equal_numpy_on_all_of_int16(witness):
    every = np.arange(-(1 << 15), 1 << 15).reshape(16, -1)
    t = TensorType(every.shape[1:], Format(12))
    non_linearities = [op for f in ("sigmoid", "tanh") for op in (ops.Lookup(f, tanh_table()), ops.PiecewiseLinear(f))]
    graph = graph_of(*((op, (t,)) for op in non_linearities))
    assert_equal(witness, graph, {value.name: every for value in graph.inputs})


def test_bias_add_and_requantize_read_images(witness):
    rng, t = np.random.default_rng(0), TensorType((3, 4, 5), Format(7))
    bias_add = ops.BiasAdd(rng.integers(-(1 << 15), 1 << 15, 5, dtype=np.int16))
    requantize = next(op for op, _ in (ops.Requantize.random(np.random.default_rng(seed)) for seed in range(99)) if op.bias.size == 5)
    graph = graph_of((bias_add, (t,)), (requantize, (t,)))
    assert_equal(witness, graph, {value.name: edge_values(rng, t) for value in graph.inputs})


def test_relu_of_what_is_non_negative_already(witness):
    t = TensorType((6,), Format(3))
    nodes = (Node("a", ops.Relu(), ("x",), ("once",)), Node("b", ops.Relu(), ("once",), ("again",)))
    assert_equal(witness, Graph("twice", (Value("x", t),), nodes, ("again",)), {"x": edge_values(np.random.default_rng(1), t)})
