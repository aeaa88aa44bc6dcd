"""Nets without state: the trained net's own float64 arithmetic equals the lowered integer graph, value for value."""

from __future__ import annotations

import copy
import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from rescomp.compress import anneal, calibrate, constrain, matrices, widen_unproved
from rescomp.errors import InputError, UnsupportedError
from rescomp.export.c import constant_bytes, translate
from rescomp.graph.evaluate import evaluate, evaluate_graph
from rescomp.graph.ir import Graph, IntegerModel
from rescomp.graph.serialize import decode, encode
from rescomp.lowering.lower import lower
from rescomp.models import FeedForwardNet, NetShape, build_net
from rescomp.models import trace as plan_of
from rescomp.models.arithmetic import NORMALIZED
from rescomp.models.layered.plan import DERIVED
from rescomp.models.layered.resnet import resnet
from rescomp.recipe import ModelSection, PiecewiseLinearActivations, Quantize, Ternary
from rescomp.validate.torch_net import evaluate_net

CLASSES, BITS = 4, 10
NETS = {
    "resnet1d": ({"kind": "resnet1d", "widths": (4, 6)}, (12, 3)),
    "dscnn1d": ({"kind": "dscnn1d", "widths": (6,), "blocks": 2}, (12, 3)),
    "resnet2d": ({"kind": "resnet2d", "widths": (4, 6)}, (6, 8, 3)),
}
FORMATS = {
    **{f"int8 {scale}": [Quantize(scale=scale)] for scale in ("multiplier", "power_of_two")},
    **{f"int4 {scale}": [Quantize(bits=4, scale=scale)] for scale in ("multiplier", "power_of_two")},
    **{f"ternary {scale}": [Ternary(scale=scale)] for scale in ("multiplier", "power_of_two")},
    "ternary, one scale": [Ternary(per="tensor")],
    "ternary, int8 values": [Ternary(scale="power_of_two", activations="int8")],
    "int6, int8 values": [Quantize(bits=6, scale="power_of_two", activations="int8")],
    "int4, int8 values": [Quantize(bits=4, scale="power_of_two", activations="int8")],
}
INT8 = FORMATS["int6, int8 values"]


def readings(shape, seed, count=40):
    """int16 [count, *shape]: channels of different sizes and centres."""
    rng = np.random.default_rng(seed)
    real = rng.normal(size=(count, *shape)) * np.geomspace(0.3, 2, shape[-1]) + np.linspace(-1, 1, shape[-1])
    return np.clip(np.floor(real * 2.0**BITS + 0.5), -32768, 32767).astype(np.int16)


def real(x):
    return torch.from_numpy(x).float() * 2.0**-BITS


@torch.no_grad()
def stir(net):
    """Random normalisations and scales, as if trained."""
    for layer in net.by_name.values():
        if layer.norm is not None:
            layer.norm.weight.uniform_(0.5, 1.5)
            layer.norm.bias.normal_(0, 0.5)
            layer.norm.running_mean.normal_(0, 0.5)
            layer.norm.running_var.uniform_(0.5, 2)
        if layer.bias is not None:
            layer.bias.normal_(0, 0.3)
        if layer.scale is not None:
            layer.scale.fill_(0.7)


def tuned(net, constraints, steps=0):
    """The net compressed, calibrated, and trained for a few steps."""
    x = real(readings(net.plan.input_shape, 1))
    net = constrain(net, constraints)
    calibrate(net, x, torch.full((len(x),), x.shape[1]), BITS)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    anneal(net.train(), 0, steps or 1)
    for step in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x), torch.arange(len(x)) % CLASSES).backward()
        optimizer.step()
        anneal(net, step + 1, steps)
    widen_unproved(net)
    return net


def trained(kind, constraints, steps=0, **keys):
    torch.manual_seed(0)
    section, shape = NETS[kind]
    x = real(readings(shape, 1)).reshape(-1, shape[-1])
    net = build_net(ModelSection(**section, **keys), shape, CLASSES, x.mean(dim=0), x.std(dim=0))
    stir(net)
    return tuned(net, constraints, steps)


def own(module, shape, constraints):
    torch.manual_seed(0)
    net = FeedForwardNet.of(plan_of(module, shape, CLASSES))
    stir(net)
    return tuned(net, constraints)


def ops(model):
    return {node.name: node.op for node in model.graphs["whole"].nodes}


def assert_equal(net, model=None, count=60, least=13):
    """Every score of inputs like the training's and of inputs at the ends of int16, and every value that has the name of a step."""
    model = model or lower(net, "tiny")
    shape = net.plan.input_shape
    extreme = np.random.default_rng(3).choice(np.array([-32768, -32767, 32767, 0, 1], np.int16), (8, *shape))
    x = np.concatenate([readings(shape, 2, count), extreme])
    scores = evaluate(model, x).scores
    assert len(np.unique(scores)) >= least, "scores that hardly move prove nothing"
    np.testing.assert_array_equal(evaluate_net(net, x, np.zeros(0)).scores, scores)
    theirs = evaluate_graph(model.graphs["whole"], {"input": x})
    exact = net_values(net, x)
    for step in net.plan.steps:
        if step.name in theirs:
            integers = exact[step.name].permute(0, 2, 3, 1).numpy() * 2.0 ** net.arithmetic.bits(step.name)
            np.testing.assert_array_equal(integers.reshape(len(x), -1), theirs[step.name].reshape(len(x), -1), err_msg=step.name)


@torch.no_grad()
def net_values(net, x):
    return copy.deepcopy(net).double().eval().values(torch.from_numpy(x).double() * 2.0**-BITS)


@pytest.mark.parametrize(("kind", "name", "norm"), list(itertools.product(NETS, FORMATS, ("batch", "none"))), ids=str)
def test_every_value_equals_the_integer_graph(kind, name, norm):
    assert_equal(trained(kind, FORMATS[name], norm=norm))


@pytest.mark.parametrize("name", ["int8 multiplier", "ternary multiplier", "ternary, int8 values", "int6, int8 values"])
@pytest.mark.parametrize(("kind", "norm"), [("resnet1d", "batch"), ("dscnn1d", "none"), ("resnet2d", "batch")])
def test_after_fine_tuning(kind, name, norm):
    before, net = trained(kind, FORMATS[name], norm=norm), trained(kind, FORMATS[name], steps=6, norm=norm)
    assert net.folds == (norm == "batch")
    assert all(not torch.equal(a.weight, b.weight) for a, b in zip(matrices(before), matrices(net), strict=True))
    assert_equal(net)


def test_normalisation_is_live_first_and_folded_last():
    torch.manual_seed(0)
    net = trained("resnet1d", FORMATS["int8 multiplier"])
    x = real(readings(net.plan.input_shape, 5))
    statistics = [layer.norm.running_mean for layer in net.by_name.values() if layer.norm is not None]
    total, moved, folded = 10, [], []
    for step in range(total):
        anneal(net.train(), step, total)
        before = [value.clone() for value in statistics]
        net(x)
        moved.append(all(not torch.equal(a, b) for a, b in zip(before, statistics, strict=True)))
        folded.append(net.folds)
    assert moved == [True] * 7 + [False] * 3
    assert folded == [False] * 7 + [True] * 3


@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("kind", NETS)
def test_layers_forced_to_int16_between_int8_values(kind, norm):
    net = trained(kind, INT8, norm=norm)
    wide = [step.name for step in net.plan.steps if step.kind in ("convolution", "average_pool")]
    for name in wide:
        net.arithmetic.set_wide(name)
    model = lower(net, "tiny")
    found = ops(model)
    for name in wide:
        assert found[f"{name}_wide"].output.dtype == "int16"
        assert found[f"{name}_wide"].output.fraction_bits == net.arithmetic.bits(name) + 6
        assert found[name].kernel == "requantize_int16_int8"
    kinds = {found[f"{name}_wide"].name for name in wide}
    assert kinds >= {"conv2d", "average_pool", "fully_connected"} | ({"depthwise_conv2d"} if kind == "dscnn1d" else set())
    assert_equal(net, model)


@pytest.mark.parametrize("name", ["stem", "pool", "stage1_block1_depthwise", "classifier"])
def test_one_forced_layer(name):
    net = trained("dscnn1d", INT8)
    before = widened(net)
    assert name not in before
    net.arithmetic.set_wide(name)
    assert widened(net) == sorted([*before, name])
    assert_equal(net)


def widened(net):
    return sorted(widen_unproved(net))


@pytest.mark.parametrize("gain", [0.0, 1e-6, 1e-3])
@pytest.mark.parametrize("name", [name for name in FORMATS if name != "ternary, one scale"])
def test_a_dead_channel_keeps_its_bias(name, gain):
    """Its normalisation has learned a gain of next to nothing, so that its scale alone could not express the bias."""
    torch.manual_seed(0)
    net = FeedForwardNet.of(plan_of(chain(nn.Conv1d(3, 5, 3, bias=False), nn.BatchNorm1d(5), nn.ReLU()), (12, 3), CLASSES))
    norm = net.by_name["layer_0"].norm
    with torch.no_grad():
        norm.weight[1], norm.bias[1] = gain, 1.0
    net = tuned(net, FORMATS[name])
    values = net_values(net, readings((12, 3), 2))["layer_0"]
    assert (values[:, 1] - 1).abs().max() < 0.02
    assert_equal(net)


class Suffixed(nn.Module):
    """Layers called like the values that lowering makes of `pool`."""

    def __init__(self):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool1d(1)
        self.pool_vector, self.pool_map, self.pool_wide = nn.Linear(36, 3), nn.Linear(3, CLASSES), nn.Linear(3, CLASSES)

    def forward(self, x):
        before = self.pool_vector(torch.flatten(x, 1))
        pooled = torch.flatten(self.pool(x), 1)
        return self.pool_map(pooled) + self.pool_wide(before)


def test_layers_called_like_derived_values():
    assert_equal(own(Suffixed(), (12, 3), FORMATS["int8 multiplier"]))


@pytest.mark.parametrize("streaming", [False, True])
def test_every_derived_name_is_known(streaming):
    net = trained("resnet1d", INT8, streaming=streaming)
    for step in net.plan.steps:
        if step.kind in ("convolution", "average_pool"):
            net.arithmetic.set_wide(step.name)
    model = lower(net, "tiny", streaming=streaming)
    steps = {NORMALIZED, "input", *(step.name for step in net.plan.steps)}
    names = {name for graph in model.graphs.values() for node in graph.nodes for name in (node.name, *node.outputs, *node.inputs)}
    assert len(names - steps) > 5
    for name in names - steps:
        while name not in steps:
            assert DERIVED.search(name), name
            name = DERIVED.sub("", name)


def chain(*layers):
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(5, CLASSES))


def power(net, name):
    """k of the largest scale 2^-k among a layer's rows."""
    found = ops(lower(net, "tiny"))
    return int(found.get(f"{name}_wide", found[name]).requantization.shift.min()) - 14


@pytest.mark.parametrize("wanted", [1, 0, -1, -3, -5])
@pytest.mark.parametrize("constraints", [INT8, FORMATS["ternary, int8 values"]], ids=["int6", "ternary"])
def test_a_scale_of_one_or_more_widens(constraints, wanted):
    """One weight of one is one or many units of the output."""
    net = own(chain(nn.Conv1d(3, 5, 3)), (9, 3), constraints)
    name, before = net.plan.steps[0].name, widened(net)
    assert name not in before
    net.arithmetic.set_bits(name, net.arithmetic.bits(name) + power(net, name) - wanted)
    assert widened(net) == sorted([*before, *([name] if wanted < 1 else [])])
    assert_equal(net, least=1)
    if wanted < 1:
        extra = ops(lower(net, "tiny"))[f"{name}_wide"].output.fraction_bits - net.arithmetic.bits(name)
        assert extra == 6 + wanted, "as many as the smallest shift leaves"


def test_a_scale_beyond_int16_is_refused_by_name():
    net = own(chain(nn.Conv1d(3, 5, 3)), (9, 3), INT8)
    name = net.plan.steps[0].name
    net.arithmetic.set_bits(name, net.arithmetic.bits(name) + power(net, name) + 6)
    widen_unproved(net)
    with pytest.raises(UnsupportedError, match=rf"^layer '{name}_wide': a requantization shift lies outside \[8, 45\]"):
        lower(net, "tiny")


def test_many_columns_widen():
    """Sums past what float32 holds exactly."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(60 * 40, CLASSES))
    with torch.no_grad():
        module[1].weight.copy_(module[1].weight.sign())
    net = own(module, (60, 40), INT8)
    assert widened(net) == [net.plan.output]
    assert_equal(net)


def test_a_layer_stays_wide_and_finds_room_when_its_weights_grow():
    """Fine-tuning may leave a wide layer less room than calibration saw."""
    net = own(chain(nn.Conv1d(3, 5, 3)), (9, 3), INT8)
    name = net.plan.steps[0].name
    net.arithmetic.set_wide(name)
    assert_equal(net)
    with torch.no_grad():
        net.parameters_of(name).matrix.weight.mul_(2.0 ** (power(net, name) + 14 - 8 + 3))
    with pytest.raises(UnsupportedError, match="shift lies outside"):
        lower(net, "tiny")
    assert name in widen_unproved(net)
    assert_equal(net)


@pytest.mark.parametrize("name", ["int8 multiplier", "ternary, int8 values", "int6, int8 values"])
def test_a_branch_that_is_nothing(name):
    """SkipInit begins at 0, and so do the last normalisations of some residual nets: rows of zeros."""
    net = trained("resnet1d", FORMATS[name], norm="none")
    with torch.no_grad():
        for layer in net.by_name.values():
            if layer.scale is not None:
                layer.scale.zero_()
    assert_equal(tuned(net_of_floats(net), FORMATS[name]))


def net_of_floats(net):
    """The float net with the same parameters."""
    torch.manual_seed(0)
    fresh = FeedForwardNet(net.plan, net.mean, net.std)
    fresh.load_state_dict({name: value for name, value in net.state_dict().items() if name in fresh.state_dict()})
    return fresh


@pytest.mark.parametrize("shape", [(12, 3), (6, 6, 3)])
def test_folding_is_exact(shape):
    """Folded, in evaluation, against torch's own normalisation in evaluation."""
    torch.manual_seed(0)
    module = resnet(NetShape(shape, CLASSES, (4, 6)))
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.1, 3)
    net = FeedForwardNet.of(plan_of(module, shape, CLASSES)).double().eval()
    x = torch.randn(9, *shape, dtype=torch.float64)
    with torch.no_grad():
        wanted = module.double().eval()(x.movedim(-1, 1))
        assert (net(x) - wanted).abs().max() <= 1e-12 * wanted.abs().max()


def area_of_nine(before_add):
    """An average pool of 9 whose reader is an addition, or a convolution."""

    class Module(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Conv2d(3, 5, 3, padding=1), nn.AvgPool2d(3, 1, padding=1), nn.Conv2d(5, 5, 3, padding=1)
            self.d = nn.Linear(5, CLASSES)

        def forward(self, x):
            x = self.a(x).relu()
            y = self.b(x) + self.c(x) if before_add else self.c(self.b(x))
            return self.d(y.mean((2, 3)))

    return Module()


@pytest.mark.parametrize("name", ["int8 multiplier", "int8 power_of_two", "ternary, int8 values", "int6, int8 values"])
@pytest.mark.parametrize("before_add", [True, False])
def test_an_average_of_nine(before_add, name):
    net = own(area_of_nine(before_add), (4, 4, 3), FORMATS[name])
    pool, reader = net.plan.step("b"), net.plan.step("c")
    assert pool.factor == (1 / 9 if before_add else 1 / 16)
    assert reader.gain_in == (1.0 if before_add else 16 / 9)
    if net.fixed.format("b").dtype == "int8":
        assert net.arithmetic.is_wide("b") == before_add
    assert_equal(net)


class Twice(nn.Module):
    """Two convolutions in a row, which may be one."""

    def __init__(self, shared):
        super().__init__()
        self.a, self.c = nn.Conv1d(8, 8, 3, padding=1), nn.Linear(8, CLASSES)
        self.b = self.a if shared else nn.Conv1d(8, 8, 3, padding=1)

    def forward(self, x):
        return self.c(self.b(self.a(x).relu()).relu().mean(2))


class Magnitudes(nn.Module):
    """Of a convolution's values and, beside them, of the input."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv1d(3, 5, 3), nn.Conv1d(3, 5, 3), nn.Linear(5, CLASSES)

    def forward(self, x):
        return self.c((torch.abs(self.a(x)) + self.b(x.abs())).abs().mean(2))


@pytest.mark.parametrize("name", ["int8 multiplier", "ternary, int8 values", "int6, int8 values"])
def test_magnitudes_have_the_formats_of_what_they_are_of(name):
    net = own(Magnitudes(), (12, 3), FORMATS[name])
    model = lower(net, "tiny")
    assert_equal(net, model)
    types = model.graphs["whole"].types()
    magnitudes = [node for node in model.graphs["whole"].nodes if node.op.name == "abs"]
    assert len(magnitudes) == 3
    for node in magnitudes:
        assert types[node.name].format == dataclasses.replace(types[node.inputs[0]].format, nonnegative=True)
    lowest = evaluate_graph(model.graphs["whole"], {"input": np.full((1, 12, 3), -32768, np.int16)})
    assert lowest[NORMALIZED].min() == types[NORMALIZED].format.low, "whose magnitude int8 does not hold"


@pytest.mark.parametrize("name", ["int8 multiplier", "ternary multiplier", "int6, int8 values"])
def test_a_shared_layer_is_stored_once(name):
    net = own(Twice(shared=True), (8, 8), FORMATS[name])
    assert_equal(net)
    once, apart = (lower(each, "tiny") for each in (net, own(Twice(shared=False), (8, 8), FORMATS[name])))
    stored, twice = ([c.array.nbytes for c in translate(model).constants if c.kind == "weights"] for model in (once, apart))
    assert (len(stored), len(twice)) == (2, 3)
    assert constant_bytes(once)["weights"] == sum(stored) == constant_bytes(apart)["weights"] - twice[1]


def test_one_unit_in_a_bias_is_noticed():
    net = trained("resnet1d", FORMATS["int8 multiplier"])
    model = lower(net, "tiny")
    graph = model.graphs["whole"]
    nodes = []
    for node in graph.nodes:
        op = node.op
        if node.name == "stem":
            op = dataclasses.replace(op, bias=op.bias + (1 << 14))
        nodes.append(dataclasses.replace(node, op=op))
    changed = IntegerModel("tiny", {"whole": Graph("whole", graph.inputs, tuple(nodes), graph.outputs)})
    with pytest.raises(AssertionError):
        assert_equal(net, changed)


@pytest.mark.parametrize("name", ["int8 multiplier", "int6, int8 values"])
def test_a_model_comes_back_from_its_files(name):
    net = trained("resnet2d", FORMATS[name])
    model = lower(net, "tiny", ["a", "b", "c", "d"])
    assert_equal(net, decode(*encode(model)))


def test_lowering_leaves_the_net_alone():
    net = trained("resnet1d", INT8)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    lower(net, "tiny")
    evaluate_net(net, readings((12, 3), 2), np.zeros(0))
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_float_net_is_refused():
    net = build_net(ModelSection(kind="resnet1d", widths=(3,)), (8, 3), CLASSES)
    with pytest.raises(UnsupportedError, match="compress"):
        lower(net, "tiny")
    with pytest.raises(UnsupportedError, match="compress"):
        evaluate_net(net, readings((8, 3), 2), np.zeros(0))


def test_piecewise_linear_is_for_cells():
    net = build_net(ModelSection(kind="resnet1d", widths=(3,)), (8, 3), CLASSES)
    with pytest.raises(
        InputError,
        match="piecewise_linear in compress is for recurrent cells: a net without state takes quantize, ternary, low_rank, sparse",
    ):
        constrain(net, [PiecewiseLinearActivations(), Quantize()])
