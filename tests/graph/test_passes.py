"""Rewrites of graphs: what is fused computes what it computed before, and what somebody else reads is left alone."""

from dataclasses import replace

import numpy as np
import pytest

from rescomp.graph import ops
from rescomp.graph.evaluate import evaluate_graph
from rescomp.graph.fixed_point import tanh_table
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ir import Graph, Node, Value
from rescomp.graph.passes import fuse_fastgrnn_update
from rescomp.graph.verify import verify_graph
from rescomp.validate.host_c import HostC

SIZE = 12
STATE = Format(12, bound=10922)


def function(name, form):
    return ops.PiecewiseLinear(name) if form == "piecewise_linear" else ops.Lookup(name, tanh_table())


def update_nodes(form="lookup", suffix="", projected="a", recurrent="b", state="h", shape=(SIZE,), format=STATE):
    """The nodes that a cell.s update is lowered to for an update, after its two products."""
    rng = np.random.default_rng(len(suffix))
    gate_bias, candidate_bias = (rng.integers(-5000, 5000, shape[-1]).astype(np.int16) for _ in range(2))
    p, gb, z, cb, c = (name + suffix for name in ("preactivation", "gate_bias", "gate", "candidate_bias", "candidate"))
    return [
        Node(p, ops.Add(), (projected, recurrent), (p,)),
        Node(gb, ops.BiasAdd(gate_bias), (p,), (gb,)),
        Node(z, function("sigmoid", form), (gb,), (z,)),
        Node(cb, ops.BiasAdd(candidate_bias), (p,), (cb,)),
        Node(c, function("tanh", form), (cb,), (c,)),
        Node("state" + suffix, ops.FastGrnnGate(20000, 700, format), (z, c, state), ("h_next" + suffix,)),
    ]


def step(nodes, outputs=("h_next",), shape=(SIZE,), format=STATE):
    p = TensorType(shape, Format(12))
    inputs = (Value("a", p), Value("b", p), Value("h", TensorType(shape, format)))
    graph = Graph("step", inputs, tuple(nodes), outputs, {"h": "h_next"})
    verify_graph(graph)
    return graph


def assert_equal(graph, fused):
    """On random inputs, every value that both have."""
    verify_graph(fused)
    rng = np.random.default_rng(0)
    formats = {value.name: value.type for value in graph.inputs}
    inputs = {name: rng.integers(t.format.low, t.format.high + 1, (50, *t.shape)) for name, t in formats.items()}
    expected, values = evaluate_graph(graph, inputs), evaluate_graph(fused, inputs)
    assert set(graph.outputs) <= set(values)
    for name, value in values.items():
        np.testing.assert_array_equal(value, expected[name])


@pytest.mark.parametrize(
    ("form", "mirrored", "kernel"),
    [
        ("lookup", False, "fastgrnn_update_lookup_int16"),
        ("lookup", True, "fastgrnn_update_mirrored_lookup_int16"),
        ("piecewise_linear", True, "fastgrnn_update_piecewise_linear_int16"),
    ],
)
def test_an_update_becomes_one_node(form, mirrored, kernel):
    graph = step(update_nodes(form))
    fused = fuse_fastgrnn_update(graph, mirrored=mirrored)
    (node,) = fused.nodes
    assert (node.name, node.inputs, node.outputs, node.op.kernel) == ("state", ("a", "b", "h"), ("h_next",), kernel)
    assert (fused.name, fused.inputs, fused.outputs, fused.state) == (graph.name, graph.inputs, graph.outputs, graph.state)
    assert_equal(graph, fused)


def test_each_of_several_updates_is_fused_and_the_nodes_around_them_stay():
    second = update_nodes(suffix="_2", projected="between", recurrent="b")
    graph = step([*update_nodes(), Node("between", ops.Relu(), ("h_next",), ("between",)), *second], ("h_next", "h_next_2"))
    fused = fuse_fastgrnn_update(graph)
    assert [node.name for node in fused.nodes] == ["state", "between", "state_2"]
    assert_equal(graph, fused)


def test_order_of_the_branches_does_not_matter():
    p, gate_bias, gate, candidate_bias, candidate, state = update_nodes()
    graph = step([p, candidate_bias, gate_bias, candidate, gate, state])
    assert len(fuse_fastgrnn_update(graph).nodes) == 1
    assert_equal(graph, fuse_fastgrnn_update(graph))


@pytest.mark.parametrize("value", ["preactivation", "gate_bias", "gate", "candidate_bias", "candidate"])
@pytest.mark.parametrize("reader", ["a node", "the caller"])
def test_what_somebody_else_reads_is_not_fused(value, reader):
    nodes = update_nodes()
    graph = step(nodes, ("h_next", value)) if reader == "the caller" else step([*nodes, Node("relu", ops.Relu(), (value,), ("relu",))])
    assert fuse_fastgrnn_update(graph) == graph


def changed(nodes, name, **fields):
    return [replace(node, op=replace(node.op, **fields)) if node.name == name else node for node in nodes]


def other_table():
    table = tanh_table()
    table[1:4] -= 1
    return table


@pytest.mark.parametrize(
    "nodes",
    [
        changed(update_nodes(), "preactivation", bound=10922),
        changed(update_nodes(), "preactivation", nonnegative=True),
        changed(update_nodes(), "candidate", table=other_table()),
        [node if node.name != "candidate" else replace(node, op=ops.PiecewiseLinear("tanh")) for node in update_nodes()],
        [replace(node, inputs=("a",)) if node.name == "gate_bias" else node for node in update_nodes()],
        update_nodes()[:1] + [replace(node, inputs=("b",)) if "bias" in node.name else node for node in update_nodes()[1:]],
    ],
    ids=["clamped sum", "sum with a relu", "two tables", "two forms", "two sums", "no sum"],
)
def test_other_arithmetic_is_not_fused(nodes):
    graph = step(nodes)
    assert fuse_fastgrnn_update(graph) == graph


@pytest.mark.parametrize(("shape", "format"), [((2, SIZE), STATE), ((SIZE,), Format(14, bound=10922))])
def test_states_that_the_kernel_does_not_take_are_not_fused(shape, format):
    graph = step(update_nodes(shape=shape, format=format), shape=shape, format=format)
    assert fuse_fastgrnn_update(graph) == graph


def test_a_table_that_cannot_be_mirrored_is_read_as_it_is():
    table = np.minimum(tanh_table(), 30000).astype(np.int16)
    table[64:] = 32700  # the last interval of sigmoid rises by 2700
    nodes = changed(changed(update_nodes(), "gate", table=table), "candidate", table=table)
    graph = step(nodes)
    fused = fuse_fastgrnn_update(graph, mirrored=True)
    assert fused.nodes[0].op.kernel == "fastgrnn_update_lookup_int16"
    assert_equal(graph, fused)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("form", [{}, {"low_rank": True}, {"table": False}, {"weights": "ternary", "low_rank": True}])
def test_the_step_of_a_model_keeps_its_products_and_one_update(form, mirrored, random_fastgrnn):
    step = random_fastgrnn(np.random.default_rng(0), **form).graphs["step"]
    fused = fuse_fastgrnn_update(step, mirrored=mirrored)
    products = [node for node in step.nodes if isinstance(node.op, ops.FullyConnected | ops.Requantize)]
    assert fused.nodes[:-1] == tuple(products)
    assert isinstance(fused.nodes[-1].op, ops.FastGrnnUpdate)
    assert_equal(step, fused)
    rng = np.random.default_rng(1)
    inputs = {v.name: rng.integers(v.type.format.low, v.type.format.high + 1, (20, *v.type.shape)) for v in step.inputs}
    expected, values = evaluate_graph(step, inputs), HostC().run_graph(fused, inputs)
    assert set(values) == {name for node in fused.nodes for name in node.outputs}
    for name, value in values.items():
        np.testing.assert_array_equal(value, expected[name])


@pytest.mark.parametrize("cell", ["fastrnn", "gru", "lstm"])
def test_other_cells_stay_as_they_are(cell, request):
    step = request.getfixturevalue(f"random_{cell}")(np.random.default_rng(0)).graphs["step"]
    assert fuse_fastgrnn_update(step) == step
