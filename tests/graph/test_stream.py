"""Streamed nets: a few readings at a time give the scores of the whole window, bit for bit, on every witness."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from rescomp.compress import calibrate, constrain, widen_unproved
from rescomp.errors import UnsupportedError
from rescomp.graph.evaluate import evaluate, evaluate_graph, initial_state, split_state
from rescomp.graph.serialize import decode, encode
from rescomp.graph.stream import stream, streaming_states
from rescomp.lowering.lower import lower
from rescomp.models import FeedForwardNet, build_net
from rescomp.models import trace as plan_of
from rescomp.recipe import ModelSection, Quantize, Ternary
from rescomp.validate.compare import compare, expected_count
from rescomp.validate.torch_net import evaluate_net

BITS, CLASSES = 10, 3
FORMATS = {
    "int16": [Quantize()],
    "ternary": [Ternary(scale="power_of_two")],
    "int8": [Quantize(bits=6, scale="power_of_two", activations="int8")],
    "ternary int8": [Ternary(scale="power_of_two", activations="int8")],
}
NETS = {
    "resnet": ({"kind": "resnet1d", "widths": (3, 4)}, (8, 2)),
    "resnet of three stages": ({"kind": "resnet1d", "widths": (2, 3, 4), "kernel_size": 4}, (16, 2)),
    "resnet of one stage": ({"kind": "resnet1d", "widths": (3,), "norm": "none"}, (6, 2)),
    "dscnn": ({"kind": "dscnn1d", "widths": (4, 4), "blocks": 1, "stem_kernel": (5,)}, (12, 2)),
    "dscnn of points": ({"kind": "dscnn1d", "widths": (4,), "blocks": 1, "kernel_size": 1, "stem_stride": 1}, (5, 2)),
}


def readings(shape, seed, count=14):
    return np.random.default_rng(seed).integers(-3000, 3000, (count, *shape)).astype(np.int16)


def compressed(net, constraints):
    shape = net.plan.input_shape
    x = torch.from_numpy(readings(shape, 1, 40)).float() * 2.0**-BITS
    with torch.no_grad():
        for layer in net.by_name.values():
            if layer.norm is not None:
                layer.norm.bias.normal_(0, 0.5)
                layer.norm.running_mean.normal_(0, 0.5)
            if layer.scale is not None:
                layer.scale.fill_(0.7)
    net = constrain(net, constraints)
    calibrate(net, x, torch.zeros(0), BITS)
    widen_unproved(net)
    return net


def trained(name, constraints="int16", *, streaming=True):
    torch.manual_seed(0)
    section, shape = NETS[name]
    net = build_net(ModelSection(**section, streaming=streaming), shape, CLASSES, torch.tensor([0.3, -0.2]), torch.tensor([1.0, 0.4]))
    return compressed(net, FORMATS[constraints])


def in_steps(model, x):
    """x [windows, time, channels] as the streamed model reads it: [windows, steps, readings a step, channels]."""
    return x.reshape(len(x), -1, *model.input.type.shape)


@pytest.mark.parametrize("constraints", FORMATS)
@pytest.mark.parametrize("name", NETS)
def test_scores_are_those_of_the_whole_window(name, constraints):
    net = trained(name, constraints)
    whole, model = lower(net, "tiny"), lower(net, "tiny", streaming=True)
    time, decimation = (
        net.plan.input_shape[0],
        net.plan.input_shape[0] // min(step.shape[1] for step in net.plan.steps if step.shape[1] > 1),
    )
    assert model.input.type.shape == (decimation, 2)
    x = readings(net.plan.input_shape, 2)
    streamed = evaluate(model, in_steps(model, x))
    assert len(np.unique(streamed.scores)) > 8
    np.testing.assert_array_equal(streamed.scores, evaluate(whole, x).scores)
    theirs = evaluate_net(net, in_steps(model, x), np.zeros(0), kept=tuple(streaming_states(model)))
    np.testing.assert_array_equal(theirs.scores, streamed.scores)
    np.testing.assert_array_equal(theirs.states, streamed.states)
    assert streamed.states.shape == (len(x), time // decimation, sum(v.type.size for v in model.graphs["step"].state_inputs))
    every = split_state(model, streamed.states.reshape(-1, streamed.states.shape[2]))
    assert all(len(np.unique(state)) > 3 for state in every.values()), "rows that hardly move prove nothing"


@pytest.mark.parametrize("name", ["resnet", "dscnn"])
def test_forced_wide_layers_keep_their_own_rows(name):
    net = trained(name, "int8")
    for step in net.plan.steps:
        if step.kind in ("convolution", "average_pool"):
            net.arithmetic.set_wide(step.name)
    whole, model = lower(net, "tiny"), lower(net, "tiny", streaming=True)
    assert any(value.endswith("_widened") for value, _ in streaming_states(model))
    x = readings(net.plan.input_shape, 2)
    streamed, theirs = (
        evaluate(model, in_steps(model, x)),
        evaluate_net(net, in_steps(model, x), np.zeros(0), kept=tuple(streaming_states(model))),
    )
    np.testing.assert_array_equal(streamed.scores, evaluate(whole, x).scores)
    np.testing.assert_array_equal(theirs.states, streamed.states)
    np.testing.assert_array_equal(theirs.scores, streamed.scores)


def test_names_that_hold_other_names():
    """Layers called like what lowering calls the normalised input."""
    torch.manual_seed(0)
    net = own(nn.Sequential(Named(renormalize=causal(2, 3), input_2=causal(3, 3)), *pooled(3)))
    model = lower(net, "tiny", streaming=True)
    x = readings(net.plan.input_shape, 2)
    streamed, theirs = (
        evaluate(model, in_steps(model, x)),
        evaluate_net(net, in_steps(model, x), np.zeros(0), kept=tuple(streaming_states(model))),
    )
    np.testing.assert_array_equal(theirs.states, streamed.states)


def test_further_steps_slide_on():
    """After two windows the scores are those of the second, if the net has forgotten the first; here it can only see one window back."""
    net = trained("dscnn of points")
    whole, model = lower(net, "tiny"), lower(net, "tiny", streaming=True)
    x = readings((10, 2), 3)
    twice = evaluate(model, in_steps(model, x))
    np.testing.assert_array_equal(twice.scores, evaluate(whole, x[:, 5:]).scores)


def test_states_begin_at_zero_and_hold_what_windows_need():
    model = lower(trained("resnet"), "tiny", streaming=True)
    rows = dict(streaming_states(model))
    assert rows == {
        "normalize": 4,
        "stem": 4,
        "stage1_block1_branch_conv1": 4,
        "stage1_block1_add": 3,
        "stage2_block1_branch_conv1": 3,
        "stage2_block1_add": 4,
    }
    assert all(not value.any() for value in initial_state(model, 2).values())


@pytest.mark.parametrize("constraints", ["int16", "int8"])
@pytest.mark.parametrize("name", ["resnet", "dscnn"])
def test_every_witness_agrees(name, constraints, exporting_witness, export_job):
    net = trained(name, constraints)
    model = lower(net, "tiny", streaming=True)
    x = in_steps(model, readings(net.plan.input_shape, 2))
    job = export_job(model, x, np.full(len(x), x.shape[1]))
    reference = evaluate(model, x.astype(np.int64))
    for answer in exporting_witness.answers(job):
        result = compare(job, reference, answer.trajectory)
        assert result.mismatches == 0, f"{answer.variant}: {result.first}"
        assert result.compared == expected_count(job)


def test_a_streamed_model_comes_back_from_its_files():
    net = trained("resnet", "int8")
    model = lower(net, "tiny", ["a", "b", "c"], streaming=True)
    x = in_steps(model, readings(net.plan.input_shape, 2))
    again = evaluate(decode(*encode(model)), x)
    np.testing.assert_array_equal(again.states, evaluate(model, x).states)
    np.testing.assert_array_equal(again.scores, evaluate(model, x).scores)


def test_one_row_kept_wrongly_is_noticed():
    net = trained("resnet")
    model = lower(net, "tiny", streaming=True)
    x = in_steps(model, readings(net.plan.input_shape, 2))
    step = model.graphs["step"]
    ops = {node.name: node.op for node in step.nodes}
    node = next(node for node in step.nodes if node.name == "stem")
    assert node.inputs == ("normalize_rows_next",)
    wrong = dataclasses.replace(node, inputs=("normalize_rows",))
    changed = dataclasses.replace(
        model, graphs={**model.graphs, "step": dataclasses.replace(step, nodes=tuple(wrong if n is node else n for n in step.nodes))}
    )
    assert ops["normalize_keep"].name == "shift_in"
    assert (evaluate(changed, x).states != evaluate_net(net, x, np.zeros(0), kept=tuple(streaming_states(model))).states).any()


def causal(inputs, outputs, kernel=3):
    return nn.Sequential(nn.ConstantPad1d((kernel - 1, 0), 0.0), nn.Conv1d(inputs, outputs, kernel))


def pooled(channels):
    return nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(channels, CLASSES)


class Named(nn.Sequential):
    def __init__(self, **modules):
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)


def own(module, shape=(8, 2)):
    return compressed(FeedForwardNet.of(plan_of(module, shape, CLASSES)), FORMATS["int16"])


@pytest.mark.parametrize("pool", [nn.MaxPool1d(2), nn.AvgPool1d(2)])
def test_pools_within_a_step(pool):
    torch.manual_seed(0)
    net = own(nn.Sequential(causal(2, 3), nn.ReLU(), pool, causal(3, 4), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(4, CLASSES)))
    whole, model = lower(net, "tiny"), lower(net, "tiny", streaming=True)
    assert model.input.type.shape == (2, 2)
    x = readings((8, 2), 2)
    np.testing.assert_array_equal(evaluate(model, in_steps(model, x)).scores, evaluate(whole, x).scores)


class Beside(nn.Module):
    """Causal layers whose values stand side by side."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = causal(2, 3), causal(5, 3), nn.Linear(8, CLASSES)

    def forward(self, x):
        y = torch.cat([torch.relu(self.a(x)), x.abs()], 1)
        return self.c(torch.cat([y, self.b(y)], 1).mean(2))


def test_values_side_by_side_are_kept_and_streamed():
    torch.manual_seed(0)
    net = own(Beside())
    whole, model = lower(net, "tiny"), lower(net, "tiny", streaming=True)
    x = in_steps(model, readings((8, 2), 2))
    np.testing.assert_array_equal(evaluate(model, x).scores, evaluate(whole, readings((8, 2), 2)).scores)
    np.testing.assert_array_equal(evaluate_net(net, x, np.zeros(0), kept=tuple(streaming_states(model))).states, evaluate(model, x).states)
    assert [name for name, _ in streaming_states(model)] == ["normalize", "cat", "cat_2"]


class Pools(nn.Module):
    """Two global pools, of one value or of two."""

    def __init__(self, *, of_two):
        super().__init__()
        self.a, self.b = causal(2, 3), causal(3, 3)
        self.mean, self.largest = nn.AdaptiveAvgPool1d(1), nn.AdaptiveMaxPool1d(1)
        self.c, self.of_two = nn.Linear(3, CLASSES), of_two

    def forward(self, x):
        y = self.a(x)
        z = self.b(y)
        return self.c(torch.flatten(self.mean(z) + self.largest(y if self.of_two else z), 1))


def test_two_pools_of_one_value():
    torch.manual_seed(0)
    net = own(Pools(of_two=False))
    whole, model = lower(net, "tiny"), lower(net, "tiny", streaming=True)
    x = readings((8, 2), 2)
    streamed = evaluate(model, in_steps(model, x))
    np.testing.assert_array_equal(streamed.scores, evaluate(whole, x).scores)
    np.testing.assert_array_equal(
        evaluate_net(net, in_steps(model, x), np.zeros(0), kept=tuple(streaming_states(model))).states, streamed.states
    )


REFUSED = {
    "pools of two values": (Pools(of_two=True), "layer largest reads a_1 past the global pool of b_1: a streamed net ends there"),
    "ahead": (nn.Sequential(nn.Conv1d(2, 3, 3, padding=1), *pooled(3)), "layer layer_0 looks ahead: train the net with model.streaming"),
    "valid": (nn.Sequential(nn.Conv1d(2, 3, 3), *pooled(3)), "looks ahead"),
    "no pool": (
        nn.Sequential(causal(2, 3), nn.Flatten(), nn.Linear(24, CLASSES)),
        "ends in a global average or max pool over time: this one has none",
    ),
    "time left early": (
        nn.Sequential(Named(a=causal(2, 8)), nn.Flatten(), nn.Linear(64, CLASSES)),
        "ends in a global average or max pool",
    ),
    "one value in two stretches": (None, "two layers read different stretches of a: a streamed net keeps one"),
}


class Stretches(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv1d(2, 3, 1), causal(3, 3, 2), causal(3, 3, 3)
        self.d = nn.Linear(3, CLASSES)

    def forward(self, x):
        x = self.a(x)
        return self.d((self.b(x) + self.c(x)).mean(2))


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_streamed(name):
    torch.manual_seed(0)
    module, message = REFUSED[name]
    net = own(module or Stretches())
    with pytest.raises(UnsupportedError, match=message) as caught:
        lower(net, "tiny", streaming=True)
    assert caught.value.exit_code == 5


def test_a_net_that_is_not_causal_is_refused():
    with pytest.raises(UnsupportedError, match=r"looks ahead: train the net with model\.streaming, whose padding lies before"):
        lower(trained("resnet", streaming=False), "tiny", streaming=True)


def test_images_and_cells_are_refused(random_gru):
    images = FeedForwardNet.of(
        plan_of(nn.Sequential(nn.Conv2d(2, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, CLASSES)), (4, 4, 2), CLASSES)
    )
    with pytest.raises(UnsupportedError, match="tiny does not read a window of time: only such a model can be streamed"):
        lower(compressed(images, FORMATS["int16"]), "tiny", streaming=True)
    with pytest.raises(UnsupportedError, match="does not read a window of time"):
        stream(random_gru(np.random.default_rng(0)))


def test_steps_alone_give_what_one_call_gives():
    """The step graph, run by hand."""
    model = lower(trained("resnet"), "tiny", streaming=True)
    x = in_steps(model, readings((8, 2), 2))
    state = initial_state(model, len(x))
    step = model.graphs["step"]
    for t in range(x.shape[1]):
        values = evaluate_graph(step, {model.input.name: x[:, t], **state})
        state = {name: values[following] for name, following in step.state.items()}
    together = np.concatenate([state[value.name].reshape(len(x), -1) for value in step.state_inputs], axis=1)
    np.testing.assert_array_equal(together, evaluate(model, x).states[:, -1])
