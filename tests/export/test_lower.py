"""The fifth witness: the trained net's own float64 arithmetic equals the lowered integer graph, value for value."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from rescomp.compress import anneal, calibrate, compress, matrices
from rescomp.errors import UnsupportedError
from rescomp.export.lower import lower
from rescomp.graph.evaluate import evaluate
from rescomp.graph.ir import Graph, IntegerModel
from rescomp.models import build
from rescomp.recipe import ModelSection, Quantize, Ternary
from rescomp.validate.torch_net import trace

CONSTRAINTS = [kind(scale=scale) for kind in (Ternary, Quantize) for scale in ("multiplier", "power_of_two")]
HIDDEN, CHANNELS, CLASSES, LONGEST, BITS = 13, 6, 5, 11, 11


def recordings(seed, count=40, bits=BITS, spread=1.0):
    """(x int16 [count, longest, channels], lengths): a random walk, its channels of very different sizes."""
    rng = np.random.default_rng(seed)
    walk = rng.normal(0, 0.4, (count, LONGEST, CHANNELS)).cumsum(axis=1) * np.geomspace(0.2, 2, CHANNELS) + np.linspace(-1, 1, CHANNELS)
    x = np.clip(np.floor(walk * spread * 2.0**bits + 0.5), -32768, 32767).astype(np.int16)
    return x, rng.integers(1, LONGEST + 1, count)


def trained(constraint, nonlinearity="table", rank=None, *, bits=BITS, spread=1.0, steps=12):
    """A compressed net after a few steps of training with large weights, so that every range is used."""
    torch.manual_seed(0)
    x, lengths = recordings(1, bits=bits, spread=spread)
    readings, steps_of = torch.from_numpy(x).float() * 2.0**-bits, torch.from_numpy(lengths)
    flat = readings[torch.arange(LONGEST) < steps_of[:, None]]
    section = ModelSection(hidden_size=HIDDEN, rank_w=rank, rank_u=rank, nonlinearity=nonlinearity)
    net = build(section, CHANNELS, CLASSES, flat.mean(dim=0), flat.std(dim=0, unbiased=False))
    with torch.no_grad():
        for matrix in matrices(net):
            matrix.weight.mul_(6)
        net.bias.normal_()
        net.cell.gate_bias.normal_()
    net = compress(net, [constraint])
    calibrate(net, readings, steps_of, bits)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    target = torch.arange(len(x)) % CLASSES
    for step in range(steps):
        anneal(net, step / steps)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(readings, steps_of), target).backward()
        optimizer.step()
    return net


def mismatches(model, net, x, lengths):
    """(compared, differing) states and scores."""
    ours, theirs = trace(net, x, lengths), evaluate(model, x, lengths)
    differing = int((ours.states != theirs.states).sum() + (ours.scores != theirs.scores).sum())
    return int(lengths.sum()) * HIDDEN + ours.scores.size, differing


@pytest.mark.parametrize("rank", [None, 4])
@pytest.mark.parametrize("nonlinearity", ["table", "piecewise_linear"])
@pytest.mark.parametrize("constraint", CONSTRAINTS, ids=lambda c: f"{c.kind}-{c.scale}")
def test_every_state_and_score_equals_the_integer_graph(constraint, nonlinearity, rank):
    net = trained(constraint, nonlinearity, rank)
    x, lengths = recordings(2, count=300)
    result = trace(net, x, lengths)
    assert np.abs(result.states).max() > 2000
    assert mismatches(lower(net, "model"), net, x, lengths) == (int(lengths.sum()) * HIDDEN + 300 * CLASSES, 0)


@pytest.mark.parametrize("rank", [None, 4])
@pytest.mark.parametrize("constraint", CONSTRAINTS, ids=lambda c: f"{c.kind}-{c.scale}")
def test_inputs_at_the_ends_of_int16_saturate_alike(constraint, rank):
    net = trained(constraint, rank=rank)
    rng = np.random.default_rng(4)
    x = rng.choice(np.array([-32768, -32767, 32767, 0, 1], np.int16), (100, LONGEST, CHANNELS))
    assert mismatches(lower(net, "model"), net, x, np.full(100, LONGEST))[1] == 0


@pytest.mark.parametrize(("bits", "spread"), [(0, 3000.0), (0, 1.0), (15, 0.0004), (15, 0.2)])
def test_readings_that_are_integers_or_tiny(bits, spread):
    net = trained(Ternary(), bits=bits, spread=spread)
    x, lengths = recordings(3, bits=bits, spread=spread)
    assert mismatches(lower(net, "model"), net, x, lengths)[1] == 0


def test_float32_training_sees_nearly_the_integers():
    net = trained(Ternary(scale="power_of_two")).eval()
    x, lengths = recordings(2)
    scores = net(torch.from_numpy(x).float() * 2.0**-BITS, torch.from_numpy(lengths)).detach().numpy()
    exact = np.ldexp(trace(net, x, lengths).scores.astype(float), -net.arithmetic.formats.scores)
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
    net = trained(Ternary(scale="power_of_two"))
    model = lower(net, "model")
    step = swapped(model.graphs["step"], "gate_bias", "candidate_bias", "bias")
    x, lengths = recordings(2)
    compared, differing = mismatches(IntegerModel("model", {**model.graphs, "step": step}), net, x, lengths)
    assert differing > compared // 2


@pytest.mark.parametrize("field", ["zeta", "nu"])
def test_one_unit_in_a_gate_constant_is_noticed(field):
    net = trained(Ternary(scale="power_of_two"))
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
    model = lower(trained(Ternary(), rank=rank, steps=0), "model", [f"speaker {i}" for i in range(CLASSES)])
    tail = ["preactivation", "gate_bias", "gate", "candidate_bias", "candidate", "state"]
    assert [node.name for node in model.graphs["step"].nodes] == expected + tail
    assert model.graphs["step"].state == {"h": "h_next"}
    assert [node.name for node in model.graphs["head"].nodes] == ["classifier"]
    assert (model.input.name, model.output.name) == ("input", "scores")
    assert model.classes[2] == "speaker 2"


def test_lowering_leaves_the_net_alone():
    net = trained(Ternary(), steps=0)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    lower(net, "model")
    trace(net, *recordings(2))
    assert net.training
    assert all(torch.equal(value, before[name]) and value.dtype == before[name].dtype for name, value in net.state_dict().items())


def test_a_float_net_is_refused():
    net = build(ModelSection(hidden_size=HIDDEN), CHANNELS, CLASSES)
    with pytest.raises(UnsupportedError, match="compress"):
        lower(net, "model")
    with pytest.raises(UnsupportedError, match="compress"):
        trace(net, *recordings(2))
