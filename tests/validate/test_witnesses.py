"""Whole models agree with numpy on every witness of their exports: every state of every step, and every score."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from rescomp.export.onnx import export_onnx
from rescomp.export.tflite import export_tflite
from rescomp.graph.evaluate import evaluate, evaluate_graph, split_state
from rescomp.graph.fixed_point import Requantization
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ir import Graph, IntegerModel, Node, Value
from rescomp.graph.ops import Add, Conv2d
from rescomp.graph.weights import Int8Weight
from rescomp.validate.compare import compare, expected_count
from rescomp.validate.registry import load_witness

COMBINATIONS = list(itertools.product(("ternary", "int8"), (False, True), (False, True), (False, True)))


def assert_agrees(witness, job):
    reference = evaluate(job.model, job.x.astype(np.int64), job.lengths)
    variants = []
    for answer in witness.answers(job):
        result = compare(job, reference, answer.trajectory)
        assert result.mismatches == 0, f"{answer.variant}: {result.first}"
        assert result.compared == expected_count(job)
        assert answer.trajectory.states.dtype == job.model.state_dtype
        assert answer.version
        variants.append(answer.variant)
    assert len(variants) == len(set(variants)) >= 1


@pytest.mark.parametrize(("weights", "low_rank", "table", "power_of_two"), COMBINATIONS)
def test_fastgrnn(weights, low_rank, table, power_of_two, exporting_witness, random_fastgrnn, random_sequences, export_job):
    rng = np.random.default_rng(COMBINATIONS.index((weights, low_rank, table, power_of_two)))
    model = random_fastgrnn(rng, weights=weights, low_rank=low_rank, table=table, power_of_two=power_of_two)
    x, lengths = random_sequences(rng, model)
    states = evaluate(model, x, lengths).states
    assert len(np.unique(states)) > 100, "a model whose states hardly move proves nothing"
    assert_agrees(exporting_witness, export_job(model, x, lengths))


CELLS = [
    ("fastrnn", {"weights": "int4", "low_rank": True, "power_of_two": False}),
    ("gru", {"weights": "sparse_bitmap_int8", "power_of_two": False}),
    ("lstm", {"weights": "sparse_delta_int8"}),
    ("fastrnn", {"layers": 2, "weights": "sparse_delta_int4", "table": False}),
    ("gru", {"layers": 2, "weights": "ternary", "low_rank": True}),
    ("lstm", {"layers": 2, "weights": "sparse_bitmap_int4", "low_rank": True, "table": False, "power_of_two": False}),
    ("fastgrnn", {"readings": 3}),
    ("fastgrnn", {"readings": 6, "table": False}),
    ("gru", {"readings": 2, "inputs": 10, "power_of_two": False}),
]


@pytest.mark.parametrize(("cell", "form"), CELLS, ids=str)
def test_the_other_cells_and_readings_side_by_side(cell, form, exporting_witness, request, random_sequences, export_job):
    rng = np.random.default_rng(CELLS.index((cell, form)))
    model = request.getfixturevalue(f"random_{cell}")(rng, **form)
    x, lengths = random_sequences(rng, model, longest=6)
    states = evaluate(model, x, lengths).states
    count = form.get("layers", 1) * (2 if cell == "lstm" else 1)
    assert states.shape[2] == count * model.graphs["head"].inputs[0].type.size
    assert all(len(np.unique(state)) > 50 for state in np.split(states, count, axis=2)), "a state hardly moves"
    assert_agrees(exporting_witness, export_job(model, x, lengths))


READOUTS = [
    ("lstm", {"readout": "last_mean", "weights": "ternary"}),
    ("fastrnn", {"readout": "mean", "layers": 2}),
    ("gru", {"readout": "max", "readout_steps": 1}),
]


@pytest.mark.parametrize(("cell", "form"), READOUTS, ids=str)
def test_readouts_over_blocks(cell, form, exporting_witness, request, random_sequences, random_states, export_job):
    """Over the ends of blocks of four steps, and of one; the witnesses that can begin anywhere also from any states."""
    rng = np.random.default_rng(3)
    model = request.getfixturevalue(f"random_{cell}")(rng, **form)
    x, lengths = random_sequences(rng, model, longest=11)
    states = evaluate(model, x, lengths).states
    read = split_state(model, states.reshape(-1, states.shape[2]))
    moving = [len(np.unique(read[value.name])) for value in model.graphs["head"].inputs if value.type.size > 1]
    assert min(moving) > 50, "a state hardly moves"
    job = export_job(model, x, lengths)
    assert_agrees(exporting_witness, job)
    job = replace(job, initial=random_states(rng, model, len(x)), argument="step" if exporting_witness.name == "onnxruntime" else "")
    reference = evaluate(model, x.astype(np.int64), lengths, job.initial)
    found = [compare(job, reference, answer.trajectory).mismatches for answer in exporting_witness.answers(job)]
    assert found == [0] * len(found) != []


@pytest.mark.parametrize("weights", ["ternary", "int8", "int4"])
@pytest.mark.parametrize("power_of_two", [False, True])
def test_convolution_relu_add_block(weights, power_of_two, exporting_witness, random_block, export_job):
    rng = np.random.default_rng(5)
    model = random_block(rng, weights=weights, power_of_two=power_of_two)
    t = model.input.type
    x = rng.integers(t.format.low, t.format.high + 1, (10, *t.shape))
    assert np.unique(evaluate(model, x).scores).size > 100
    assert_agrees(exporting_witness, export_job(model, x))


@pytest.mark.parametrize("name", ["onnxruntime", "tflite"])
def test_int8_inputs_and_states(name, export_job, random_sequences):
    """h' = W (x + h) and scores = V h, all [time, channels]."""
    rng, t = np.random.default_rng(4), TensorType((5, 6), Format(5, "int8"))

    def pointwise():
        power = np.full(6, 14 + 6, np.int32)
        weight = Int8Weight(rng.integers(-31, 32, (6, 6), dtype=np.int8))
        return Conv2d(weight, np.zeros(0, np.int32), Requantization(np.full(6, 1 << 14, np.int32), power), t.format, (1, 1))

    h = Value("h", t)
    nodes = (Node("sum", Add("int8"), ("x", "h"), ("sum",)), Node("product", pointwise(), ("sum",), ("product",)))
    step = Graph("step", (Value("x", t), h), nodes, ("product",), {"h": "product"})
    head = Graph("head", (h,), (Node("scores", pointwise(), ("h",), ("scores",)),), ("scores",))
    model = IntegerModel("states", {"step": step, "head": head})
    x, lengths = random_sequences(rng, model)
    assert len(np.unique(evaluate(model, x, lengths).states)) > 100
    job = export_job(model, x, lengths, exports=lambda model: export_onnx(model) | export_tflite(model))
    assert_agrees(load_witness(name), job)


@pytest.mark.parametrize("cell", ["fastgrnn", "lstm", "mixed"])
def test_sequences_begin_with_the_states_given(cell, exporting_witness, request, random_sequences, random_states, export_job):
    rng = np.random.default_rng(11)
    model = request.getfixturevalue(f"random_{cell}")(rng)
    x, lengths = random_sequences(rng, model)
    job = replace(export_job(model, x, lengths), initial=random_states(rng, model, len(x)))
    elsewhere, zeros = evaluate(model, x, lengths, job.initial), evaluate(model, x, lengths)
    assert (elsewhere.states != zeros.states).any(axis=(1, 2))[[0, 1, *range(3, len(x))]].all()
    for answer in exporting_witness.answers(job):
        assert compare(job, zeros if answer.from_zero else elsewhere, answer.trajectory).mismatches == 0, answer.variant
        assert answer.from_zero == (answer.variant == "sequence")


def test_run_graph_gives_every_layer(witness, random_fastgrnn):
    rng = np.random.default_rng(3)
    step = random_fastgrnn(rng, low_rank=True).graphs["step"]
    inputs = {v.name: rng.integers(v.type.format.low, v.type.format.high + 1, (7, *v.type.shape)) for v in step.inputs}
    expected = evaluate_graph(step, inputs)
    values = witness.run_graph(step, inputs)
    assert set(values) == {name for node in step.nodes for name in node.outputs}
    for name, value in values.items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


def test_a_table_entry_off_by_one_is_seen(exporting_witness, random_fastgrnn, random_sequences, export_job):
    rng = np.random.default_rng(7)
    model = random_fastgrnn(rng)
    x, lengths = random_sequences(rng, model)
    reference = evaluate(model, x, lengths)
    tables = {id(node.op.table): node.op.table for node in model.graphs["step"].nodes if node.op.name == "lookup"}
    for table in tables.values():
        table[5] += 1
    job = export_job(model, x, lengths)
    for answer in exporting_witness.answers(job):
        assert compare(job, reference, answer.trajectory).mismatches > 0
