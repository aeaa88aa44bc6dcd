"""Nets of layers and cells in any order: the torch net, numpy and the exports agree on every state and score of drawn ones."""

from collections import OrderedDict

import numpy as np
import pytest
import torch

from rescomp.compress import anneal, calibrate, constrain
from rescomp.errors import InputError, UnsupportedError
from rescomp.export.onnx import export_onnx
from rescomp.graph.evaluate import evaluate
from rescomp.graph.ops import ShiftIn
from rescomp.lowering.lower import lower
from rescomp.models import CellShape, CountedSteps, FastGrnnCell, GruCell, LstmCell, RecurrentNet, TimedLayers, build_net, use_loop
from rescomp.recipe import load_recipe
from rescomp.validate.c_program import write_export
from rescomp.validate.compare import compare, expected_count
from rescomp.validate.registry import load_witness
from rescomp.validate.torch_net import evaluate_net

CHANNELS, CLASSES, LONGEST, BITS = 3, 4, 6, 9
CELLS, WEIGHTS = ("fastrnn", "fastgrnn", "gru", "mgu", "lstm"), ("ternary", "int8", "int4")


def layer(rng, *, moves):
    """A stage of layers. moves: whether it may divide time."""
    kind = str(rng.choice(["convolution", "depthwise", "dense", *(["pool"] if moves else [])]))
    stage = {"kind": kind}
    if kind == "pool":
        return stage | {"size": int(rng.integers(2, 4)), "function": str(rng.choice(["max", "average"]))}
    stage |= {"norm": str(rng.choice(["batch", "none"])), "activation": str(rng.choice(["relu", "none"]))}
    if kind != "dense":
        stage |= {"kernel_size": int(rng.integers(1, 5)), "stride": int(rng.integers(1, 3)) if moves else 1}
    return stage if kind == "depthwise" else stage | {"width": int(rng.integers(1, 7))}


def cell(rng):
    size = int(rng.integers(2, 8))
    ranks = {key: int(rng.integers(1, 3)) for key in ("rank_w", "rank_u") if rng.random() < 0.3}
    return {"kind": str(rng.choice(CELLS)), "hidden_size": size, **(ranks if size > 2 else {})}


def program(rng):
    """Stages in a drawn order: layers before, between and behind one to four cells."""
    stages = [layer(rng, moves=True) for _ in range(rng.integers(0, 4))]
    for number in range(rng.integers(1, 5)):
        stages += [layer(rng, moves=False) for _ in range(rng.integers(0, 3) if number else 0)] + [cell(rng)]
    head = [{"kind": "dense", "width": int(rng.integers(1, 6)), "activation": "relu"} for _ in range(rng.integers(0, 3))]
    return stages + head


def toml(stages):
    return f"model.stages=[{','.join('{' + ','.join(f'{key}={value!r}' for key, value in stage.items()) + '}' for stage in stages)}]"


def fine_tuned(recipe, seed=0, steps=3):
    """(the net after a few steps of fine-tuning with large weights, readings, lengths)."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = build_net(recipe.model, (CHANNELS,), CLASSES, torch.randn(CHANNELS), 0.5 + torch.rand(CHANNELS))
    x = rng.integers(-1500, 1500, (24, LONGEST, CHANNELS * recipe.model.readings_a_step)).astype(np.int16)
    lengths = rng.integers(1, LONGEST + 1, 24)
    readings, of = torch.from_numpy(x).float() * 2.0**-BITS, torch.from_numpy(lengths)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    net = constrain(net, recipe.compress)
    calibrate(net, readings, of, BITS, streams=True)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    anneal(net, 0, steps)
    for step in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(readings, of), torch.arange(24) % CLASSES).backward()
        optimizer.step()
        anneal(net, step + 1, steps)
    return net.eval(), x, lengths


@pytest.mark.parametrize("seed", range(8))
def test_a_drawn_program_is_one_model_to_every_witness(seed, export_job):
    rng = np.random.default_rng(seed)
    net, x, lengths = fine_tuned(load_recipe(None, [toml(program(rng))], weights=WEIGHTS[seed % 3]), seed)
    model = lower(net, "drawn", tuple("abcd"))
    x = x.reshape(*x.shape[:2], *model.input.type.shape)
    agrees_everywhere(net, model, x, lengths, export_job)


def agrees_everywhere(net, model, x, lengths, export_job):
    """Every state and score: of the torch net, numpy, onnxruntime and the C."""
    reference = evaluate(model, x.astype(np.int64), lengths)
    ours = evaluate_net(net, x, lengths)
    np.testing.assert_array_equal(ours.states, reference.states)
    np.testing.assert_array_equal(ours.scores, reference.scores)
    assert len(np.unique(reference.states)) > 20, "a model whose states hardly move proves nothing"
    job = export_job(model, x, lengths, exports=export_onnx)
    write_export(job.directory / "c", model)
    for witness in (load_witness("onnxruntime"), load_witness("c")):
        for answer in witness.answers(job):
            result = compare(job, reference, answer.trajectory)
            assert (result.compared, result.mismatches) == (expected_count(job), 0), (answer.variant, result.first)


def test_a_function_of_each_entry_is_a_stage_wherever_layers_stand():
    """Before, between and behind cells; without cells, also where no time is left."""
    layers = '{kind="convolution",width=5,activation="none"},{kind="abs"}'
    recipe = load_recipe(None, [f'model.stages=[{layers},{{kind="gru",hidden_size=4}},{{kind="abs"}},{{kind="lstm"}},{{kind="abs"}}]'])
    net, x, lengths = fine_tuned(recipe)
    model = lower(net, "magnitudes", tuple("abcd"))
    assert [node.op.name for graph in model.graphs.values() for node in graph.nodes].count("abs") == 3
    reference = evaluate(model, x.reshape(*x.shape[:2], *model.input.type.shape).astype(np.int64), lengths)
    ours = evaluate_net(net, x, lengths)
    np.testing.assert_array_equal(ours.states, reference.states)
    np.testing.assert_array_equal(ours.scores, reference.scores)
    recipe = load_recipe(None, [f'model.stages=[{layers},{{kind="pool"}},{{kind="abs"}},{{kind="dense",width=3}},{{kind="abs"}}]'])
    still = constrain(build_net(recipe.model, (LONGEST, CHANNELS), CLASSES), recipe.compress)
    calibrate(still, torch.from_numpy(np.ldexp(x.astype(np.float32), -BITS)), torch.from_numpy(lengths), BITS)
    model = lower(still, "magnitudes", tuple("abcd"))
    assert [node.op.name for node in model.graphs["whole"].nodes].count("abs") == 3
    np.testing.assert_array_equal(evaluate_net(still.eval(), x, lengths).scores, evaluate(model, x.astype(np.int64), lengths).scores)


CRNN = load_recipe(None, [
    'model.stages=[{kind="convolution",width=5,kernel_size=5,stride=2},{kind="depthwise",kernel_size=3},{kind="gru",hidden_size=6},'
    '{kind="convolution",width=4},{kind="lstm",hidden_size=5},{kind="dense",width=7}]'
], weights="int8")  # fmt: skip


def test_what_windows_reach_back_to_is_a_state_with_a_name():
    net, _, _ = fine_tuned(CRNN, steps=0)
    step, head = (lower(net, "crnn", tuple("abcd")).graphs[name] for name in ("step", "head"))
    assert {value.name: value.type.shape for value in step.state_inputs} == {
        "h": (6,),
        "h_2": (5,),
        "c_2": (5,),
        "normalize_rows": (5, 3),
        "convolution1_rows": (3, 5),
        "h_rows": (3, 6),
    }
    assert [node.name for node in step.nodes if isinstance(node.op, ShiftIn)] == ["normalize_keep", "convolution1_keep", "h_keep"]
    assert [node.name for node in head.nodes] == ["dense6", "classifier"]


def test_a_step_at_a_time_is_what_the_whole_sequence_is():
    net, x, lengths = fine_tuned(CRNN)
    exact, readings = net.double(), torch.from_numpy(np.ldexp(x.astype(float), -BITS))
    with torch.no_grad():
        every = exact.states(readings, torch.from_numpy(lengths))
        now = {name: torch.zeros(len(x), size, dtype=torch.float64) for name, size in exact.state_sizes.items()}
        for t in range(LONGEST):
            now = exact.step(exact.arithmetic, readings[:, t], now)
            running = torch.from_numpy(lengths > t)
            assert all(torch.equal(now[name][running], every[name][running, t]) for name in now)


def test_a_sequence_goes_on_where_another_ended():
    """Carried states are those of one long sequence, the rows of convolutions among them; they begin with zeros."""
    net, x, _ = fine_tuned(CRNN)
    exact, readings, full = net.double(), torch.from_numpy(np.ldexp(x.astype(float), -BITS)), torch.full((24,), LONGEST)
    with torch.no_grad():
        _, ends = exact.answer(readings, full, CountedSteps.of(full, 0.0))
        again, _ = exact.answer(readings, full, CountedSteps.of(full, 0.0), ends)
        assert torch.equal(again, exact(torch.cat([readings, readings], dim=1), 2 * full))
        assert not torch.equal(again, exact(readings, full))
        zeros = {name: torch.zeros(24, size, dtype=torch.float64) for name, size in exact.state_sizes.items()}
        assert torch.equal(exact.answer(readings, full, CountedSteps.of(full, 0.0), zeros)[0], exact(readings, full))


def test_batch_normalisation_counts_running_steps_alone():
    net = build_net(CRNN.model, (CHANNELS,), CLASSES)
    x, lengths = torch.randn(9, LONGEST, 2 * CHANNELS), torch.tensor([LONGEST, 1, 2, 3, 4, 1, 2, 3, 1])
    noisy = torch.where((torch.arange(LONGEST) < lengths[:, None])[..., None], x, 100 * torch.randn_like(x))
    found = []
    for each in (x, noisy):
        torch.manual_seed(0)
        fresh = build_net(CRNN.model, (CHANNELS,), CLASSES)
        fresh.load_state_dict(net.state_dict())
        scores = fresh(each, lengths)
        found.append([scores, *(value for name, value in fresh.state_dict().items() if "running" in name)])
    assert len(found[0]) == 7
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))


def test_the_compiled_loop_runs_the_cells_between_layers():
    net, x, lengths = fine_tuned(CRNN)
    exact, readings = net.double(), torch.from_numpy(np.ldexp(x.astype(float), -BITS))
    scores = exact(readings, torch.from_numpy(lengths))
    use_loop(exact, "compiled")
    assert torch.equal(exact(readings, torch.from_numpy(lengths)), scores)


class Residual(torch.nn.Module):
    """x + conv(x), no later readings seen."""

    def __init__(self, channels):
        super().__init__()
        self.pad, self.conv = torch.nn.ZeroPad1d((2, 0)), torch.nn.Conv1d(channels, channels, 3)

    def forward(self, x):
        return torch.relu(x + self.conv(self.pad(x)))


def own_net():
    """Of parts that a user wrote: a residual block of torch's layers, cells, a linear layer."""
    parts = [
        torch.nn.Sequential(torch.nn.ZeroPad1d((1, 0)), torch.nn.Conv1d(CHANNELS, 4, 3, stride=2), torch.nn.ReLU(), Residual(4)),
        FastGrnnCell(CellShape(4, 5)),
        torch.nn.Conv1d(5, 3, 1),
        GruCell(CellShape(3, 4, suffix="_3")),
        torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.ReLU()),
    ]
    return RecurrentNet(parts, CLASSES, torch.zeros(2 * CHANNELS), torch.ones(2 * CHANNELS), readings=2)


def test_a_user_s_parts_are_a_net_like_any_other():
    torch.manual_seed(3)
    net = own_net()
    assert [part.plan.steps[0].name for part in net.layer_modules] == ["layers1_layer_1", "layers2_layer_0", "layers3_layer_0"]
    net = constrain(net, CRNN.compress)
    x = np.random.default_rng(1).integers(-900, 900, (12, LONGEST, 2 * CHANNELS)).astype(np.int16)
    lengths = np.arange(12) % LONGEST + 1
    calibrate(net, torch.from_numpy(x).float() * 2.0**-BITS, torch.from_numpy(lengths), BITS)
    model = lower(net.eval(), "own", tuple("abcd"))
    reference = evaluate(model, x.reshape(12, LONGEST, 2, CHANNELS).astype(np.int64), lengths)
    ours = evaluate_net(net, x, lengths)
    assert (ours.states == reference.states).all()
    assert (ours.scores == reference.scores).all()


class Branches(torch.nn.Module):
    """The sum of two convolutions over one value."""

    def __init__(self, kernels, stride):
        super().__init__()
        self.pads = torch.nn.ModuleList(torch.nn.ZeroPad1d((kernel - stride, 0)) for kernel in kernels)
        self.convs = torch.nn.ModuleList(torch.nn.Conv1d(CHANNELS, 4, kernel, stride=stride) for kernel in kernels)

    def forward(self, x):
        return self.convs[0](self.pads[0](x)) + self.convs[1](self.pads[1](x))


class Dense(torch.nn.Module):
    """A map beside what layers with a window and magnitudes make of it, `widths` channels each."""

    def __init__(self, channels, *widths, kernel=3):
        super().__init__()
        reads = [channels + sum(widths[:place]) for place in range(len(widths))]
        self.convs = torch.nn.ModuleList(torch.nn.Conv1d(size, width, kernel) for size, width in zip(reads, widths, strict=True))
        self.pad = torch.nn.ZeroPad1d((kernel - 1, 0))

    def forward(self, x):
        for place, conv in enumerate(self.convs):
            y = conv(self.pad(x))
            x = torch.cat([torch.relu(y) if place else y.abs(), x], 1)
        return x


@pytest.mark.parametrize("seed", range(2))
def test_concatenated_maps_and_magnitudes_are_one_model_to_every_witness(seed, export_job):
    """Their rows are kept where windows reach back to them, with and without negative entries, and beside cells in all places."""
    torch.manual_seed(seed)
    before = torch.nn.Sequential(torch.nn.ReLU(), Dense(CHANNELS, 4, 3)) if seed else Dense(CHANNELS, 4, 3)
    parts = [before, GruCell(CellShape(7 + CHANNELS, 5)), Dense(5, 3), LstmCell(CellShape(8, 4, suffix="_3")), Head(4, 6)]
    net = RecurrentNet(parts, CLASSES, torch.zeros(CHANNELS), torch.ones(CHANNELS))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    net = constrain(net, CRNN.compress)
    x = np.random.default_rng(seed).integers(-1500, 1500, (12, LONGEST, CHANNELS)).astype(np.int16)
    lengths = np.arange(12) % LONGEST + 1
    calibrate(net, torch.from_numpy(x).float() * 2.0**-BITS, torch.from_numpy(lengths), BITS, streams=True)
    model = lower(net.eval(), "joined", tuple("abcd"))
    kinds = [node.op.name for graph in model.graphs.values() for node in graph.nodes]
    assert (kinds.count("concat"), kinds.count("abs")) == (4, 3)
    assert kinds.count("requantize") > 1, "formats that are equal already prove little"
    (kept,) = (value for value in model.graphs["step"].state_inputs if value.name.endswith("_cat_rows"))
    assert kept.type.format.nonnegative == bool(seed)
    agrees_everywhere(net, model, x[:, :, None], lengths, export_job)


class Head(torch.nn.Module):
    """What two linear layers make of one value, side by side."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.a, self.b = torch.nn.Linear(inputs, outputs), torch.nn.Linear(inputs, 1)

    def forward(self, x):
        return torch.cat([self.a(x), 30 * self.b(x).abs()], dim=1)


def of_branches(branches, stride):
    return RecurrentNet(
        [branches, GruCell(CellShape(4, 5))], CLASSES, torch.zeros(stride * CHANNELS), torch.ones(stride * CHANNELS), readings=stride
    )


def test_two_layers_may_read_the_same_rows_of_a_value():
    branches = Branches((5, 5), 2)
    net = of_branches(branches, 2).double()
    x = torch.randn(3, 2 * LONGEST, CHANNELS, dtype=torch.float64)
    frames, (layers,) = x.reshape(3, LONGEST, -1), net.layer_modules
    found, _ = layers.over_time(net.arithmetic, net.normalize(frames.transpose(0, 1), net.arithmetic))
    torch.testing.assert_close(found.permute(1, 2, 0), branches.double()(x.transpose(1, 2)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("kernels", "stride", "rows"), [((5, 4), 2, "5 rows and 4"), ((5, 3), 1, "5 rows and 3")])
def test_two_layers_that_read_different_stretches_of_a_value_are_refused(kernels, stride, rows):
    reason = f"^layers layers1_convs_0 and layers1_convs_1 read different stretches of normalize, {rows}, and one is kept: give them"
    with pytest.raises(UnsupportedError, match=reason):
        of_branches(Branches(kernels, stride), stride)


def test_layers_of_their_own_have_names_of_their_part():
    layers = TimedLayers.of(torch.nn.Sequential(OrderedDict(h=torch.nn.Conv1d(CHANNELS, 4, 1))), (1, CHANNELS))
    with pytest.raises(
        InputError, match=r"^one of its steps is called 'h', as another value could be: let it begin with its part, layers1_"
    ):
        of_branches(layers, 1)


@pytest.mark.parametrize(
    ("parts", "error", "reason"),
    [
        ([torch.nn.Conv1d(3, 4, 3), GruCell(CellShape(4, 5))], InputError, "windows of 1 x 3 over a map of 1 x 1"),
        ([torch.nn.Sequential(torch.nn.Conv1d(3, 4, 3, padding=1)), GruCell(CellShape(4, 5))], UnsupportedError, "looks ahead"),
        ([torch.nn.Conv1d(3, 4, 1), torch.nn.Conv1d(4, 4, 1), GruCell(CellShape(4, 5))], InputError, "two parts of layers follow"),
        ([GruCell(CellShape(3, 5)), torch.nn.Conv1d(5, 4, 1)], InputError, "reads what is flattened"),
        ([torch.nn.Conv1d(3, 4, 1)], InputError, "0 cells"),
        ([torch.nn.Identity(), GruCell(CellShape(3, 5))], InputError, "^layers beside cells give their input as it is: leave them out"),
        ([torch.nn.GELU(), GruCell(CellShape(3, 5))], UnsupportedError, r"\(GELU\) is not supported: use nn\.ReLU"),
        ([torch.nn.GRU(3, 4), LstmCell(CellShape(4, 5))], UnsupportedError, "a GRU is no cell of a RecurrentNet"),
        ([torch.nn.Conv1d(3, 4, 1), GruCell(CellShape(5, 5))], InputError, "a GruCell reads 5 entries, and the Conv1d before it has 4"),
    ],
)
def test_parts_that_are_no_net_are_refused(parts, error, reason):
    with pytest.raises(error, match=reason):
        RecurrentNet(parts, CLASSES, torch.zeros(3), torch.ones(3))


def test_layers_over_two_readings_make_one_row_of_them():
    with pytest.raises(InputError, match="make one row of what a step reads, 2 readings, and these give 2 rows"):
        TimedLayers.of(torch.nn.Sequential(torch.nn.Conv1d(3, 4, 1)), (2, 3))
