"""Readouts over blocks of steps: the net's own float64 arithmetic equals the lowered graph, from any states, at every step."""

import numpy as np
import pytest
import torch

from rescomp.compress import anneal, calibrate, constrain
from rescomp.graph.evaluate import evaluate, initial_state, scores_of_every_step
from rescomp.graph.formats import Format
from rescomp.lowering.lower import lower
from rescomp.models import build
from rescomp.recipe import BLOCK_READOUTS, LowRank, ModelSection, Quantize, Ternary
from rescomp.validate.torch_net import evaluate_net

BITS, HIDDEN, LONGEST, COUNT = 11, 9, 10, 50
CASES = [
    ("fastgrnn", 1, [Ternary(scale="power_of_two")]),
    ("fastrnn", 2, [Quantize(bits=4)]),
    ("gru", 1, [LowRank(rank_w=2, rank_u=3), Quantize(scale="power_of_two")]),
    ("lstm", 2, [Ternary()]),
]


def net_of(kind, layers, constraints, readout, steps):
    torch.manual_seed(1)
    section = ModelSection(kind=kind, layers=layers, hidden_size=HIDDEN, readout=readout, readout_steps=steps)
    net = build(section, 3, 4, torch.zeros(3), torch.ones(3))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(4)
    net = constrain(net, constraints)
    calibrate(net, torch.randn(COUNT, LONGEST, 3), torch.full((COUNT,), LONGEST), BITS)
    anneal(net, 1, 1)
    return net.eval()


@pytest.mark.parametrize("readout", BLOCK_READOUTS)
@pytest.mark.parametrize(("kind", "layers", "constraints"), CASES, ids=[case[0] for case in CASES])
def test_every_state_and_every_score_equal_the_graph(kind, layers, constraints, readout, random_states):
    net = net_of(kind, layers, constraints, readout, 4)
    model = lower(net, "model")
    rng = np.random.default_rng(2)
    x, lengths = rng.integers(-6000, 6000, (COUNT, LONGEST, 3)).astype(np.int16), rng.integers(1, LONGEST + 1, COUNT)
    assert model.state_dtype == (np.int16 if readout == "max" else np.int32)
    for initial in (None, random_states(rng, model, COUNT)):
        begin = initial_state(model, COUNT, initial)
        ours, reference = evaluate_net(net, x, lengths, begin), evaluate(model, x, lengths, initial)
        assert ours.states.dtype == reference.states.dtype == model.state_dtype
        np.testing.assert_array_equal(ours.states, reference.states)
        np.testing.assert_array_equal(ours.scores, reference.scores)
        full = np.full(COUNT, LONGEST)
        every, states = evaluate_net(net, x, full, begin, every_score=True), evaluate(model, x, full, initial).states
        np.testing.assert_array_equal(every.scores, scores_of_every_step(model, states))


def test_the_head_reads_the_states_that_it_needs_and_no_other():
    reads = {"last": ["h_2"], "mean": ["readout_count", "readout_sum"], "max": ["readout_maximum"]}
    reads["last_mean"] = ["h_2", *reads["mean"]]
    for readout, wanted in reads.items():
        graphs = lower(net_of("lstm", 2, [Ternary()], readout, 3 if readout != "last" else None), "model").graphs
        assert [value.name for value in graphs["head"].inputs] == wanted
        assert list(graphs["step"].state)[:4] == ["h", "c", "h_2", "c_2"]
        assert graphs["head"].nodes[-1].op.weight.matrix.shape[1] == HIDDEN * (2 if readout == "last_mean" else 1)


def test_the_formats_of_a_block_hold_what_it_can_come_to():
    types = {value.name: value.type for value in lower(net_of("gru", 1, [Ternary()], "mean", 32767), "model").graphs["step"].inputs}
    assert types["readout_sum"].format == Format(13, "int32", 32767 * 10922)
    assert types["readout_sum"].format.high < 1 << 30
    assert types["readout_count"].format == Format(0, bound=32767, nonnegative=True)
