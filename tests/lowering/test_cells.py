"""The fifth witness: the trained net's own float64 arithmetic equals the lowered integer graph, value for value."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from rescomp.compress import anneal, calibrate, constrain, matrices
from rescomp.errors import UnsupportedError
from rescomp.graph.evaluate import evaluate
from rescomp.graph.ir import Graph, IntegerModel
from rescomp.lowering.lower import lower
from rescomp.models import CELLS, build
from rescomp.recipe import LowRank, ModelSection, PiecewiseLinearActivations, Quantize, Sparse, Ternary
from rescomp.validate.torch_net import evaluate_net
from rescomp.validate.witness import Job

SCALES, NONLINEARITIES = ("multiplier", "power_of_two"), ("table", "piecewise_linear")
CONSTRAINTS = {
    "ternary": lambda scale: [Ternary(scale=scale)],
    "ternary, one scale": lambda scale: [Ternary(scale=scale, per="tensor")],
    "int8": lambda scale: [Quantize(scale=scale)],
    "int4": lambda scale: [Quantize(bits=4, scale=scale)],
    "sparse int8": lambda scale: [Sparse(density=0.3, project_every=2), Quantize(scale=scale)],
    "sparse int4": lambda scale: [Sparse(density=0.1, project_every=2), Quantize(bits=4, scale=scale)],
}
CHOICES = [
    [(0, 0, 0, 0), (0, 1, 1, 0), (1, 0, 1, 1), (1, 1, 0, 1)],
    [(0, 0, 1, 1), (0, 1, 0, 1), (1, 0, 0, 0), (1, 1, 1, 0)],
]
CASES = [
    (kind, name, choice)
    for (i, kind), (j, name) in itertools.product(enumerate(CELLS), enumerate(CONSTRAINTS))
    for choice in CHOICES[(i + j) % 2]
]
"""Every cell with every constraint, each with one half of CHOICES of scale, non-linearity, rank and layers: in a half the first three
meet in pairs, in both in every combination."""
HIDDEN, CHANNELS, CLASSES, LONGEST, BITS = 13, 6, 5, 9, 11


def recordings(seed, count=40, bits=BITS, spread=1.0):
    """(x int16 [count, longest, channels], lengths): a random walk, its channels of very different sizes."""
    rng = np.random.default_rng(seed)
    walk = rng.normal(0, 0.4, (count, LONGEST, CHANNELS)).cumsum(axis=1) * np.geomspace(0.2, 2, CHANNELS) + np.linspace(-1, 1, CHANNELS)
    x = np.clip(np.floor(walk * spread * 2.0**bits + 0.5), -32768, 32767).astype(np.int16)
    return x, rng.integers(1, LONGEST + 1, count)


def trained(constraints, nonlinearity="table", rank=None, *, kind="fastgrnn", layers=1, bits=BITS, spread=1.0, steps=12):
    """A compressed net after a few steps of training with large weights, so that every range is used."""
    torch.manual_seed(0)
    x, lengths = recordings(1, bits=bits, spread=spread)
    readings, steps_of = torch.from_numpy(x).float() * 2.0**-bits, torch.from_numpy(lengths)
    flat = readings[torch.arange(LONGEST) < steps_of[:, None]]
    section = ModelSection(kind=kind, layers=layers, hidden_size=HIDDEN, rank_w=rank, rank_u=rank, nonlinearity=nonlinearity)
    net = build(section, CHANNELS, CLASSES, flat.mean(dim=0), flat.std(dim=0, unbiased=False))
    with torch.no_grad():
        for matrix in matrices(net):
            matrix.weight.mul_(6)
        for name, parameter in net.named_parameters():
            if name.endswith("bias"):
                parameter.normal_()
            if name.endswith("alpha"):
                parameter.zero_()
    net = constrain(net, constraints)
    calibrate(net, readings, steps_of, bits)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    target = torch.arange(len(x)) % CLASSES
    anneal(net, 0, steps or 1)
    for step in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(readings, steps_of), target).backward()
        optimizer.step()
        anneal(net, step + 1, steps)
    return net


def mismatches(model, net, x, lengths):
    """(compared, differing) states and scores."""
    ours, theirs = evaluate_net(net, x, lengths), evaluate(model, x, lengths)
    differing = int((ours.states != theirs.states).sum() + (ours.scores != theirs.scores).sum())
    return int(lengths.sum()) * ours.states.shape[2] + ours.scores.size, differing


@pytest.mark.parametrize(("kind", "name", "choice"), CASES, ids=str)
def test_every_state_and_score_equals_the_integer_graph(kind, name, choice):
    scale, nonlinearity, rank, layers = SCALES[choice[0]], NONLINEARITIES[choice[1]], (None, 4)[choice[2]], 1 + choice[3]
    net = trained(CONSTRAINTS[name](scale), nonlinearity, rank, kind=kind, layers=layers, steps=3)
    x, lengths = recordings(2, count=60)
    result = evaluate_net(net, x, lengths)
    states = layers * (2 if kind == "lstm" else 1)
    assert result.states.shape == (60, LONGEST, states * HIDDEN)
    assert np.abs(result.states).max() > 2000
    assert mismatches(lower(net, "model"), net, x, lengths) == (int(lengths.sum()) * states * HIDDEN + 60 * CLASSES, 0)


@pytest.mark.parametrize(("kind", "layers"), [("fastgrnn", 1), ("gru", 2), ("lstm", 2)], ids=str)
def test_the_net_begins_with_the_states_given(kind, layers):
    net = trained(CONSTRAINTS["int8"](SCALES[0]), NONLINEARITIES[0], None, kind=kind, layers=layers, steps=3)
    model, (x, lengths) = lower(net, "model"), recordings(2, count=60)
    rng, values = np.random.default_rng(1), model.graphs["step"].state_inputs
    rows = [rng.integers(value.type.format.low, value.type.format.high + 1, (60, value.type.size)) for value in values]
    job = Job(model, Path(), x, lengths, initial=np.concatenate(rows, axis=1).astype(np.int16))
    ours, reference = evaluate_net(net, x, lengths, job.states()), evaluate(model, x, lengths, job.initial)
    np.testing.assert_array_equal(ours.states, reference.states)
    np.testing.assert_array_equal(ours.scores, reference.scores)
    assert (reference.states[:, 0] != evaluate(model, x, lengths).states[:, 0]).any(axis=1).all()


@pytest.mark.parametrize("name", ["int8", "ternary"])
@pytest.mark.parametrize("kind", CELLS)
def test_everything_that_compress_knows_at_once(kind, name):
    constraints = [
        LowRank(rank_w=3, rank_u=5),
        PiecewiseLinearActivations(),
        *([Sparse()] if name == "int8" else []),
        *CONSTRAINTS[name]("multiplier"),
    ]
    net = trained(constraints, kind=kind, layers=2)
    assert mismatches(lower(net, "model"), net, *recordings(2))[1] == 0


@pytest.mark.parametrize(("scale", "rank"), [("multiplier", 4), ("power_of_two", None)])
@pytest.mark.parametrize("name", ["ternary", "int8"])
@pytest.mark.parametrize("kind", CELLS)
def test_inputs_at_the_ends_of_int16_saturate_alike(kind, name, scale, rank):
    net = trained(CONSTRAINTS[name](scale), rank=rank, kind=kind, steps=3)
    rng = np.random.default_rng(4)
    x = rng.choice(np.array([-32768, -32767, 32767, 0, 1], np.int16), (50, LONGEST, CHANNELS))
    assert mismatches(lower(net, "model"), net, x, np.full(50, LONGEST))[1] == 0


def test_an_lstm_cell_at_its_bound():
    net = trained([Quantize()], kind="lstm", steps=0)
    with torch.no_grad():
        net.cell.bias[: 3 * HIDDEN] = 7.9  # every gate open, the candidate at 1: the cell grows by 1 a step up to 7
    x, lengths = recordings(2)
    assert evaluate_net(net, x, lengths).states.max() == 28672
    assert mismatches(lower(net, "model"), net, x, lengths)[1] == 0


@pytest.mark.parametrize("bits", [8, 4])
def test_storage_of_a_sparse_net(bits):
    net = trained([Sparse(density=0.1), Quantize(bits=bits)], kind="gru", steps=4)
    model = lower(net, "model")
    weights = {node.name: node.op.weight for node in model.graphs["step"].nodes if hasattr(node.op, "weight")}
    assert {name: weight.kind for name, weight in weights.items()} == {"input_product": "sparse", "recurrent_product": "sparse"}
    kept = {name: int((weight.matrix != 0).sum()) for name, weight in weights.items()}
    assert kept["recurrent_product"] <= round(0.1 * 3 * HIDDEN * HIDDEN)
    assert model.graphs["head"].nodes[0].op.weight.kind == f"int{bits}"


@pytest.mark.parametrize(("bits", "spread"), [(0, 3000.0), (0, 1.0), (15, 0.0004), (15, 0.2)])
def test_readings_that_are_integers_or_tiny(bits, spread):
    net = trained([Ternary()], bits=bits, spread=spread)
    x, lengths = recordings(3, bits=bits, spread=spread)
    assert mismatches(lower(net, "model"), net, x, lengths)[1] == 0


def test_float32_training_sees_nearly_the_integers():
    net = trained([Ternary(scale="power_of_two")]).eval()
    x, lengths = recordings(2)
    scores = net(torch.from_numpy(x).float() * 2.0**-BITS, torch.from_numpy(lengths)).detach().numpy()
    exact = np.ldexp(evaluate_net(net, x, lengths).scores.astype(float), -net.arithmetic.bits("scores"))
    assert np.abs(scores - exact).max() < 0.05


def swapped(graph, first, second, *names):
    """`graph` with the named fields of two layers' ops exchanged."""
    ops = {node.name: node.op for node in graph.nodes}
    fields = {a: {name: getattr(ops[b], name) for name in names} for a, b in ((first, second), (second, first))}
    nodes = tuple(
        dataclasses.replace(node, op=dataclasses.replace(node.op, **fields[node.name])) if node.name in fields else node
        for node in graph.nodes
    )
    return Graph(graph.name, graph.inputs, nodes, graph.outputs, graph.state)


def test_swapping_the_two_biases_is_noticed():
    net = trained([Ternary(scale="power_of_two")])
    model = lower(net, "model")
    step = swapped(model.graphs["step"], "gate_bias", "candidate_bias", "bias")
    x, lengths = recordings(2)
    compared, differing = mismatches(IntegerModel("model", {**model.graphs, "step": step}), net, x, lengths)
    assert differing > compared // 2


def test_swapping_two_layers_biases_is_noticed():
    net = trained([Quantize(scale="power_of_two")], kind="lstm", layers=2)
    model = lower(net, "model")
    step = swapped(model.graphs["step"], "preactivation_bias", "preactivation_bias_2", "bias")
    x, lengths = recordings(2)
    compared, differing = mismatches(IntegerModel("model", {**model.graphs, "step": step}), net, x, lengths)
    assert differing > compared // 2


@pytest.mark.parametrize(
    ("kind", "first", "second", "field"),
    [("gru", "reset", "update", "start"), ("lstm", "input_gate", "forget_gate", "start")],
)
def test_swapping_gates_or_biases_is_noticed(kind, first, second, field):
    net = trained([Quantize()], kind=kind)
    model = lower(net, "model")
    step = swapped(model.graphs["step"], first, second, field)
    x, lengths = recordings(2)
    compared, differing = mismatches(IntegerModel("model", {**model.graphs, "step": step}), net, x, lengths)
    assert differing > compared // 2


@pytest.mark.parametrize("field", ["alpha", "beta"])
def test_one_unit_in_a_fastrnn_constant_is_noticed(field):
    net = trained([Quantize(scale="power_of_two")], kind="fastrnn")
    model = lower(net, "model")
    step = model.graphs["step"]
    last = step.nodes[-1]
    changed = dataclasses.replace(last, op=dataclasses.replace(last.op, **{field: getattr(last.op, field) + 1}))
    step = Graph("step", step.inputs, (*step.nodes[:-1], changed), step.outputs, step.state)
    assert mismatches(IntegerModel("model", {**model.graphs, "step": step}), net, *recordings(2))[1] > 0


@pytest.mark.parametrize("field", ["zeta", "nu"])
def test_one_unit_in_a_gate_constant_is_noticed(field):
    net = trained([Ternary(scale="power_of_two")])
    model = lower(net, "model")
    step = model.graphs["step"]
    last = step.nodes[-1]
    changed = dataclasses.replace(last, op=dataclasses.replace(last.op, **{field: getattr(last.op, field) + 1}))
    step = Graph("step", step.inputs, (*step.nodes[:-1], changed), step.outputs, step.state)
    assert mismatches(IntegerModel("model", {**model.graphs, "step": step}), net, *recordings(2))[1] > 0


@pytest.mark.parametrize(
    ("rank", "expected"),
    [
        (None, ["normalize", "input_product", "recurrent_product"]),
        (4, ["normalize", "input_factor", "input_product", "recurrent_factor", "recurrent_product"]),
    ],
)
def test_layer_names(rank, expected):
    model = lower(trained([Ternary()], rank=rank, steps=0), "model", [f"speaker {i}" for i in range(CLASSES)])
    tail = ["preactivation", "gate_bias", "gate", "candidate_bias", "candidate", "state"]
    assert [node.name for node in model.graphs["step"].nodes] == expected + tail
    assert model.graphs["step"].state == {"h": "h_next"}
    assert [node.name for node in model.graphs["head"].nodes] == ["classifier"]
    assert (model.input.name, model.output.name) == ("input", "scores")
    assert model.classes[2] == "speaker 2"


LAYERS = {
    "fastrnn": ["preactivation", "candidate_bias", "candidate", "state"],
    "fastgrnn": ["preactivation", "gate_bias", "gate", "candidate_bias", "candidate", "state"],
    "gru": [
        *("input_bias", "gates_input", "gates_recurrent", "gates_preactivation", "gates", "reset", "update"),
        *("candidate_recurrent", "recurrent_bias", "reset_product"),
        *("candidate_input", "candidate_preactivation", "candidate", "state"),
    ],
    "mgu": [
        *("input_bias", "gate_input", "candidate_input", "gate_recurrent", "gate_preactivation", "gate"),
        *("candidate_recurrent", "reset_product", "candidate_preactivation", "candidate", "state"),
    ],
    "lstm": [
        *("preactivation", "preactivation_bias", "gates_preactivation", "gates", "input_gate", "forget_gate"),
        *("candidate_preactivation", "candidate", "output_preactivation", "output_gate", "cell", "cell_tanh", "state"),
    ],
}


@pytest.mark.parametrize("kind", CELLS)
def test_a_second_layer_has_the_names_of_the_first_with_a_suffix(kind):
    step = lower(trained([Quantize()], kind=kind, layers=2, steps=0), "model").graphs["step"]
    names = ["input_product", "recurrent_product", *LAYERS[kind]]
    assert [node.name for node in step.nodes] == ["normalize", *names, *(f"{name}_2" for name in names)]
    states = ["h", "c"] if kind == "lstm" else ["h"]
    every = [*states, *(f"{name}_2" for name in states)]
    assert [value.name for value in step.state_inputs] == every
    assert step.state == {name: f"{name[0]}_next{name[1:]}" for name in every}
    by_name = {node.name: node for node in step.nodes}
    assert by_name["input_product_2"].inputs == ("h_next",)
    assert by_name["recurrent_product_2"].inputs == ("h_2",)


@pytest.mark.parametrize(("layers", "read"), [(1, "h"), (2, "h_2")])
def test_the_head_reads_the_last_h(layers, read):
    (value,) = lower(trained([Ternary()], kind="lstm", layers=layers, steps=0), "model").graphs["head"].inputs
    assert (value.name, str(value.type)) == (read, f"{HIDDEN} int16 Q13, -10922..10922")


@pytest.mark.parametrize(
    ("mean", "std", "stored"),
    [([1.0, -2.0], [3.0, 0.7], 2), ([1.0, -2.0], [3.0, 3.0], 2), ([0.5, 0.5], [3.0, 0.7], 2), ([0.5, 0.5], [0.7, 0.7], 1)],
)
def test_frames_are_the_input(mean, std, stored):
    net = build(ModelSection(kind="gru", hidden_size=5, readings=3), 2, CLASSES, torch.tensor(mean), torch.tensor(std))
    net = constrain(net, [Quantize()])
    calibrate(net, torch.randn(4, 6, 6), torch.tensor([6, 2, 1, 4]), 9)
    model = lower(net, "model")
    assert model.input.type.shape == (6,)
    normalize = model.graphs["step"].nodes[0].op
    assert len(normalize.bias) == len(normalize.requantization.shift) == stored
    x = np.random.default_rng(0).integers(-2000, 2000, (9, 5, 6)).astype(np.int16)
    assert mismatches(model, net, x, np.full(9, 5))[1] == 0


def test_lowering_leaves_the_net_alone():
    net = trained([Ternary()], steps=0)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    lower(net, "model")
    evaluate_net(net, *recordings(2))
    assert net.training
    assert all(torch.equal(value, before[name]) and value.dtype == before[name].dtype for name, value in net.state_dict().items())


def test_a_float_net_is_refused():
    net = build(ModelSection(hidden_size=HIDDEN), CHANNELS, CLASSES)
    with pytest.raises(UnsupportedError, match="compress"):
        lower(net, "model")
    with pytest.raises(UnsupportedError, match="compress"):
        evaluate_net(net, *recordings(2))


@pytest.mark.parametrize("kind", CELLS)
def test_the_program_of_a_step_is_what_the_loop_over_time_runs(kind):
    """One program in three arithmetics: the training's loop, the same net a step at a time, and the graph."""
    net = constrain(build(ModelSection(kind=kind, hidden_size=5, layers=2), 3, 4), [Ternary()])
    x = torch.randn(6, 7, 3)
    calibrate(net, x, torch.full((6,), 7), 10)
    anneal(net, 1, 1)
    exact = net.double().eval()
    readings = torch.round(x.double() * 1024) / 1024
    with torch.no_grad():
        states = exact.states(readings, torch.full((6,), 7))
        now = {name: torch.zeros(6, size, dtype=torch.float64) for name, size in exact.state_sizes.items()}
        for t in range(7):
            now = exact.step(exact.arithmetic, readings[:, t], now)
            assert all(torch.equal(now[name], states[name][:, t]) for name in now)
        assert torch.equal(exact.answers(exact.arithmetic, now[exact.last_state]), exact.scores(now[exact.last_state]))
