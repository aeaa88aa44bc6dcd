"""Hourglass and score nets: what they are built of, what the device stores of them, and that every witness computes them alike."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from rescomp.compress import SeededStorage, anneal, calibrate, constrain, widen_unproved
from rescomp.compress.format_owners import format_owners
from rescomp.errors import InputError, UnsupportedError
from rescomp.export.c import constant_bytes, export_c
from rescomp.graph.evaluate import evaluate
from rescomp.graph.stream import streaming_states
from rescomp.graph.weights import SeededWeight
from rescomp.lowering.lower import lower
from rescomp.models import Blueprint, FeedForwardNet, RandomProjection, build_net, decimation, factory, trace
from rescomp.recipe import MODEL_KINDS, ModelSection, Quantize, Recipe, Ternary, load_recipe
from rescomp.stages.inspection import inspect_model
from rescomp.validate.torch_net import evaluate_net

BITS, CLASSES = 10, 4
WINDOW, IMAGE = (12, 3), (6, 5, 3)
CONSTRAINTS = {
    "ternary": Ternary(),
    "int8": Quantize(),
    "int4": Quantize(bits=4, scale="power_of_two"),
    "int6, int8 activations": Quantize(bits=6, scale="power_of_two", activations="int8"),
    "ternary, int8 activations": Ternary(scale="power_of_two", activations="int8"),
}
NETS = {
    "hourglass": (WINDOW, {"kind": "hourglass", "widths": (40, 7), "blocks": 2}),
    "hourglass of images": (IMAGE, {"kind": "hourglass", "widths": (9, 5), "blocks": 1, "norm": "none"}),
    "fixed hourglass": (WINDOW, {"kind": "hourglass", "widths": (40, 7), "blocks": 2, "fixed_projection": True}),
    "fixed hourglass of images": (IMAGE, {"kind": "hourglass", "widths": (10, 4), "blocks": 1, "fixed_projection": True}),
    "score1d": (WINDOW, {"kind": "score1d", "widths": (8,), "blocks": 3}),
    "score1d in other steps": (WINDOW, {"kind": "score1d", "widths": (8,), "blocks": 2, "dt": 0.3, "norm": "none"}),
    "score1d in whole steps": (WINDOW, {"kind": "score1d", "widths": (8,), "blocks": 2, "dt": 1.0}),
    "score2d": (IMAGE, {"kind": "score2d", "widths": (5,), "blocks": 2}),
}


def readings(shape, seed=0, count=40):
    """int16 [count, *shape], small ones and a few at the ends of the range."""
    rng = np.random.default_rng(seed)
    x = np.clip(rng.normal(size=(count, *shape)) * np.linspace(0.3, 2, shape[-1]) * 2.0**BITS, -32768, 32767).astype(np.int16)
    x[0], x[1], x[2] = 32767, -32768, rng.choice(np.array([-32768, 32767], np.int16), shape)
    return x


def fresh(name, **changes):
    torch.manual_seed(1)
    shape, section = NETS[name]
    return build_net(ModelSection(**{**section, **changes}), shape, CLASSES, torch.zeros(shape[-1]), torch.linspace(0.3, 2, shape[-1]))


def trained(name, constraint, steps=6, **changes):
    """A compressed net after a few steps of training, some before its normalisation is folded and some after."""
    net = fresh(name, **changes)
    x = torch.from_numpy(readings(NETS[name][0])).float() * 2.0**-BITS
    net.train()(x[3:])
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.dim() < 2:
                parameter.add_(0.3 * torch.randn_like(parameter))
    net = constrain(net, [constraint])
    calibrate(net, x[3:], torch.full((len(x) - 3,), x.shape[1]), BITS)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    anneal(net.train(), 0, steps)
    for step in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), torch.arange(len(x)) % CLASSES).backward()
        optimizer.step()
        anneal(net, step + 1, steps)
    widen_unproved(net)
    return net.eval()


@pytest.mark.parametrize("constraint", CONSTRAINTS)
@pytest.mark.parametrize("name", NETS)
def test_the_net_equals_its_integer_graph(name, constraint):
    net = trained(name, CONSTRAINTS[constraint])
    x = readings(NETS[name][0], seed=2)
    lengths = np.full(len(x), x.shape[1])
    wanted = evaluate(lower(net, "tiny"), x, lengths).scores
    np.testing.assert_array_equal(evaluate_net(net, x, lengths).scores, wanted)
    assert np.unique(wanted).size > 20


@pytest.mark.parametrize(
    ("name", "constraint"),
    [
        ("hourglass", "ternary"),
        ("fixed hourglass", "int8"),
        ("fixed hourglass", "ternary, int8 activations"),
        ("fixed hourglass of images", "int6, int8 activations"),
        ("score1d", "int6, int8 activations"),
        ("score1d in other steps", "ternary, int8 activations"),
        ("score2d", "int4"),
    ],
)
def test_every_witness_equals_the_integer_graph(name, constraint, exporting_witness, export_job):
    model = lower(trained(name, CONSTRAINTS[constraint]), "tiny")
    x = readings(NETS[name][0], seed=3)
    wanted = evaluate(model, x, np.full(len(x), x.shape[1])).scores
    answers = list(exporting_witness.answers(export_job(model, x)))
    assert answers
    for answer in answers:
        np.testing.assert_array_equal(answer.trajectory.scores, wanted, err_msg=answer.variant)


@pytest.mark.parametrize("name", NETS)
def test_a_traced_net_is_its_module(name):
    shape, section = NETS[name]
    torch.manual_seed(0)
    module = factory._module(ModelSection(**section), shape, CLASSES, None)
    for each in module.modules():
        if isinstance(each, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(each.running_mean)
            nn.init.uniform_(each.running_var, 0.5, 2)
    x = torch.randn(5, *shape)
    ours = FeedForwardNet.of(trace(module, shape, CLASSES)).eval()(x)
    torch.testing.assert_close(ours, module.eval()(x.movedim(-1, 1)), rtol=1e-4, atol=1e-5)


# ---- hourglass


def test_the_shape_of_a_hourglass():
    net = fresh("hourglass", blocks=None, widths=None)
    sizes = {layer.name: (layer.rows, layer.columns) for layer in net.plan.layers}
    assert sizes["project"] == (128, 36)
    assert sizes["classifier"] == (CLASSES, 128)
    assert [sizes[f"block{n}_branch_reduce"] for n in range(1, 5)] == [(16, 128)] * 4
    assert [sizes[f"block{n}_branch_expand"] for n in range(1, 5)] == [(128, 16)] * 4
    assert len(sizes) == 10


def test_a_fixed_projection_costs_its_scale_and_bias_alone():
    sizes = {}
    for fixed in (False, True):
        model = lower(trained("hourglass", Quantize(), fixed_projection=fixed), "tiny")
        sizes[fixed] = constant_bytes(model)["weights"]
    assert sizes[False] - sizes[True] == 40 * 36
    weight = next(node.op.weight for node in model.graphs["whole"].nodes if node.name == "project")
    assert isinstance(weight, SeededWeight)
    source = export_c(model)["tiny.c"].decode()
    assert f"0x{weight.seed:08x}u" in source
    assert "project_weight" not in source
    (report,) = [layer for layer in inspect_model(model).layers if layer.layer == "project"]
    assert (report.weights, report.bits, report.matrix) == ("seeded", 0.0, "40x36")
    assert report.bytes == 4 * 40 + 2 + 1


@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_compress_leaves_the_signs_alone_and_training_too(constraint):
    net = trained("fixed hourglass", CONSTRAINTS[constraint])
    matrix = net.parameters_of("project").matrix
    assert isinstance(matrix.storage, SeededStorage)
    seed = net.plan.layer("project").seed
    entries, mantissa, exponent = matrix.integers()
    np.testing.assert_array_equal(entries, SeededWeight(40, 36, seed).matrix)
    scale = np.ldexp(mantissa.astype(float), -exponent)
    wanted = 1 / 6 if CONSTRAINTS[constraint].scale == "multiplier" else 1 / 8
    np.testing.assert_allclose(scale, np.full(40, wanted), rtol=2.0**-15)
    np.testing.assert_array_equal(matrix().detach().double(), entries * scale[:, None].astype(np.float32))
    assert not [name for name, _ in net.named_parameters() if name.startswith("layers.project.matrix")]
    assert not [name for name in net.state_dict() if name.startswith("layers.project.matrix.weight")]


def test_net_json_holds_the_seed_and_nothing_absurd():
    net = fresh("fixed hourglass")
    written = Blueprint.of(net).to_json()
    again = Blueprint.from_json(written, "net.json").net()
    assert again.plan == net.plan
    assert torch.equal(again.parameters_of("project").matrix.weight, net.parameters_of("project").matrix.weight)
    for key, value, reason in (("seed", 0, "a seed of 0"), ("columns", 1 << 40, "columns cannot be"), ("seed", "7", "damaged")):
        document = json.loads(written)
        document["parts"][0]["layers"][0][key] = value
        with pytest.raises((InputError, UnsupportedError), match=reason):
            Blueprint.from_json(json.dumps(document).encode(), "net.json")


def test_the_seed_follows_torch_s_generator():
    seeds = []
    for manual in (1, 1, 2):
        torch.manual_seed(manual)
        net = build_net(ModelSection(kind="hourglass", fixed_projection=True), WINDOW, CLASSES)
        seeds.append(net.plan.layer("project").seed)
    assert seeds[0] == seeds[1] != seeds[2]


def test_a_lost_sign_is_refused():
    matrix = fresh("fixed hourglass").parameters_of("project").matrix
    with pytest.raises(UnsupportedError, match="lost the signs of its seed"):
        SeededStorage(5).integers(matrix.weight)
    seed = fresh("fixed hourglass").plan.layer("project").seed
    with pytest.raises(UnsupportedError, match="lost the signs of its seed"):
        SeededStorage(seed).integers(-matrix.weight)


class Scaled(nn.Module):
    """A random projection times something."""

    def __init__(self, factor):
        super().__init__()
        self.project, self.factor = RandomProjection(36, CLASSES, 3), factor

    def forward(self, x):
        return self.project(x) * self.factor


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Sequential(RandomProjection(36, 8, 1), nn.BatchNorm1d(8), nn.Linear(8, CLASSES)), "follows a random projection"),
        (nn.Sequential(nn.Flatten(), RandomProjection(36, CLASSES, 1)), "follows a Flatten: leave that out"),
        (nn.Sequential(RandomProjection(35, CLASSES, 1)), "reads 35 features, and there are 36"),
        (Scaled(-1.0), "the factor must be positive"),
        (Scaled(nn.Parameter(torch.ones(()))), "cannot fold"),
    ],
)
def test_what_a_random_projection_cannot_be_part_of(module, message):
    with pytest.raises((InputError, UnsupportedError), match=message):
        trace(module, WINDOW, CLASSES)


def test_a_random_projection_may_be_scaled_and_follow_a_pool():
    module = nn.Sequential(nn.Conv1d(3, 5, 3), nn.AdaptiveAvgPool1d(1), nn.Flatten(), RandomProjection(5, CLASSES, 9)).eval()
    x = torch.randn(3, *WINDOW)
    for each in (module, Scaled(0.5).eval()):
        torch.testing.assert_close(FeedForwardNet.of(trace(each, WINDOW, CLASSES)).eval()(x), each(x.movedim(-1, 1)))


# ---- what the tracer knows of flattened maps


class Added(nn.Module):
    """The sum of two vectors that were maps."""

    def __init__(self, second):
        super().__init__()
        self.first, self.second, self.linear = nn.Conv1d(3, 4, 1), second, nn.Linear(48, CLASSES)

    def forward(self, x):
        return self.linear(torch.relu(self.first(x).flatten(1) + self.second(x).flatten(1)))


@pytest.mark.parametrize(
    "module", [nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Dropout(), nn.Linear(36, CLASSES)), Added(nn.Conv1d(3, 4, 3, padding=1))]
)
def test_steps_between_flatten_and_linear_keep_the_order_of_the_features(module):
    x = torch.randn(5, *WINDOW)
    net = FeedForwardNet.of(trace(module, WINDOW, CLASSES)).eval()
    torch.testing.assert_close(net(x), module.eval()(x.movedim(-1, 1)))


def test_vectors_of_maps_of_different_shapes_cannot_be_added():
    with pytest.raises(InputError, match="they must be equal"):
        trace(Added(nn.Conv1d(3, 8, 2, stride=2)), WINDOW, CLASSES)


# ---- score


@pytest.mark.parametrize("constraint", CONSTRAINTS)
@pytest.mark.parametrize("name", ["score1d", "score1d in other steps", "score1d in whole steps", "score2d"])
def test_flash_does_not_grow_with_the_blocks(name, constraint):
    """Each repetition of a score step adds a few bytes for its scale by 1 - dt, and nothing for the convolutions."""
    two, six = (constant_bytes(lower(trained(name, CONSTRAINTS[constraint], blocks=n), "tiny")) for n in (2, 6))
    assert six["weights"] == two["weights"]
    assert six["biases"] == two["biases"]
    assert abs(six["model"] - two["model"]) <= 4 * 8


def test_repetitions_share_their_formats():
    plan = fresh("score1d").plan
    owners = format_owners(plan)
    steps = {layer.name: [step.name for step in plan.uses(layer.name)] for layer in plan.layers}
    (first, second) = [names for names in steps.values() if len(names) == 3]
    sums, kept = ([step.name for step in plan.steps if step.kind == kind] for kind in ("add", "scale"))
    for repeated in (first, second, sums, kept):
        assert len(repeated) == 3
        assert len({owners[name] for name in repeated}) == 1
    assert owners[sums[0]] == owners["stem"]
    assert len({owners[names[0]] for names in (first, second, sums, kept)}) == 4


def test_layers_of_their_own_keep_their_formats():
    net = build_net(ModelSection(kind="resnet1d", blocks=2), WINDOW, CLASSES)
    owners = format_owners(net.plan)
    passing = {step.name for step in net.plan.steps if step.kind in ("relu", "max_pool", "flatten")}
    assert all(owners[step.name] == step.name for step in net.plan.steps if step.name not in passing)


def test_a_repeated_layer_takes_the_statistics_of_its_first_application():
    """So that training and evaluation see one function."""
    net = fresh("score1d").train()
    with torch.no_grad():
        for parameters in net.by_name.values():
            if parameters.norm is not None:
                parameters.norm.momentum = 1.0
    x = torch.randn(64, *WINDOW)
    with torch.no_grad():
        in_training = net(x)
        torch.testing.assert_close(net.eval()(x), in_training, rtol=0.02, atol=0.01)


def test_a_streamed_score_net_equals_the_whole_one():
    net = trained("score1d", Quantize(), streaming=True)
    whole, streamed = lower(net, "tiny"), lower(net, "tiny", streaming=True)
    x = readings(WINDOW, seed=4)
    parts = x.reshape(len(x), -1, *streamed.input.type.shape)
    answer = evaluate(streamed, parts, np.full(len(x), parts.shape[1]))
    np.testing.assert_array_equal(answer.scores, evaluate(whole, x, np.full(len(x), len(x[0]))).scores)
    ours = evaluate_net(net, parts, np.zeros(0), kept=tuple(streaming_states(streamed)))
    np.testing.assert_array_equal(ours.scores, answer.scores)
    np.testing.assert_array_equal(ours.states, answer.states)


# ---- the recipe


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"kind": "hourglass", "widths": (64,)}, "the wide and the narrow one, 128,16 for instance"),
        ({"kind": "hourglass", "streaming": True}, "leave model.streaming out"),
        ({"kind": "score1d", "widths": (16, 32)}, "is a single one"),
    ],
)
def test_sizes_that_do_not_fit(section, message):
    with pytest.raises(InputError, match=message):
        build_net(ModelSection(**section), WINDOW, CLASSES)


def test_samples_that_do_not_fit():
    for kind, shape in (("score1d", IMAGE), ("score2d", WINDOW)):
        with pytest.raises(InputError, match=f"model.kind {kind} reads samples of"):
            build_net(ModelSection(kind=kind), shape, CLASSES)


@pytest.mark.parametrize("override", ["model.dt=0", "model.dt=1.5", "model.fixed_projection=yes"])
def test_keys_out_of_range_are_refused(override):
    with pytest.raises(InputError, match=override.partition("=")[0].replace(".", r"\.")):
        load_recipe(None, [override])


def test_kinds_and_defaults():
    assert {"hourglass", "score1d", "score2d"} <= set(MODEL_KINDS)
    assert (Recipe().model.dt, Recipe().model.fixed_projection) == (0.5, False)
    assert decimation(ModelSection(kind="hourglass", widths=(64, 8))) == 1
    assert decimation(ModelSection(kind="score1d")) == 1
    assert decimation(ModelSection(kind="score1d", stem_stride=2)) == 2
