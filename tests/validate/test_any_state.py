"""A state of any bit pattern: nothing is read or written outside, and the states are soon back in their formats, on every core."""

import numpy as np
import pytest
import torch

from rescomp.compress import calibrate, constrain
from rescomp.lowering.lower import lower
from rescomp.models import build_net
from rescomp.recipe import ModelSection, Quantize, Ternary
from rescomp.targets.kernel_choice import Target
from rescomp.validate.c_program import write_export
from rescomp.validate.registry import load_witness
from rescomp.validate.witness import Job

CELLS = [
    ("fastgrnn", {"weights": "ternary"}),
    ("fastgrnn", {"weights": "int8", "low_rank": True, "table": False}),
    ("fastgrnn", {"weights": "int4", "readings": 3, "power_of_two": False}),
    ("fastrnn", {"layers": 2, "weights": "sparse_delta_int4", "power_of_two": False}),
    ("gru", {"weights": "ternary", "layers": 2}),
    ("gru", {"weights": "sparse_bitmap_int8", "table": False, "power_of_two": False}),
    ("lstm", {"weights": "int8", "layers": 2}),
    ("lstm", {"weights": "ternary", "low_rank": True, "table": False}),
    ("mixed", {}),
    ("gru", {"readout": "last_mean", "readout_steps": 32767}),
    ("lstm", {"readout": "max"}),
]
NETS = {
    "dscnn": ({"kind": "dscnn1d", "widths": (4, 4), "blocks": 1, "stem_kernel": (5,)}, (12, 2)),
    "resnet": ({"kind": "resnet1d", "widths": (3, 4)}, (8, 2)),
}
WEIGHTS = {
    "int16": Quantize(scale="power_of_two"),
    "int8": Quantize(bits=6, scale="power_of_two", activations="int8"),
    "ternary int8": Ternary(scale="power_of_two", activations="int8"),
}
CORES = ["cortex-m0", "cortex-m4", "cortex-m55", "riscv32imc", "atmega2560"]


def wild_states(rng, model, count=24):
    """[count, state entries] of any bits: the ends and everything one first."""
    rows = []
    for value in model.graphs["step"].state_inputs:
        ends = np.iinfo(value.type.format.numpy_dtype)
        row = rng.integers(ends.min, ends.max + 1, (count, value.type.size))
        row[:3] = [[ends.max], [ends.min], [-1]]
        row[3] = np.where(np.arange(value.type.size) % 2, ends.max, ends.min)
        row[4:8] = np.where(rng.integers(0, 2, (4, value.type.size)), ends.max, ends.min)
        rows.append(row)
    return np.concatenate(rows, axis=1).astype(model.state_dtype)


def history_of(model):
    """Steps after which every row of every state is new: one for cells, whose states have no rows."""
    return max([1, *(value.type.shape[0] for value in model.graphs["step"].state_inputs if len(value.type.shape) == 2)])


def wild_job(model, folder, name, target=None):
    rng, t, steps = np.random.default_rng(9), model.input.type, history_of(model) + 1
    core = target.core.name if target else ""
    write_export(folder / name, model, target)
    x = rng.integers(t.format.low, t.format.high + 1, (24, steps, *t.shape)).astype(np.int16)
    x[::3], x[1::3] = t.format.low, t.format.high
    return Job(model, folder, x, np.full(24, steps), core, initial=wild_states(rng, model))


def assert_back_in_range(job, witness):
    low, high = (
        np.concatenate([np.full(value.type.size, getattr(value.type.format, end)) for value in job.model.graphs["step"].state_inputs])
        for end in ("low", "high")
    )
    assert ((job.initial < low) | (job.initial > high)).any() or (low.min(), high.max()) in {(-128, 127), (-32768, 32767)}
    for answer in witness.answers(job):
        states = answer.trajectory.states[:, history_of(job.model) - 1 :]
        assert np.all((states >= low) & (states <= high)), answer.variant


@pytest.fixture(params=CELLS, ids=str)
def cell(request):
    name, form = request.param
    return request.getfixturevalue(f"random_{name}")(np.random.default_rng(5), **form)


def streamed(name, weights):
    torch.manual_seed(0)
    section, shape = NETS[name]
    net = build_net(ModelSection(**section, streaming=True), shape, 5, torch.zeros(2), torch.ones(2))
    net = constrain(net, [WEIGHTS[weights]])
    calibrate(net, torch.randn(40, *shape), torch.zeros(0), 9)
    return lower(net, "streamed", streaming=True)


def test_a_cell_is_back_in_its_range_after_one_step(cell, tmp_path):
    assert_back_in_range(wild_job(cell, tmp_path, "c"), load_witness("c"))


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("name", NETS)
def test_a_streamed_net_is_after_its_histories_length(name, weights, tmp_path):
    assert_back_in_range(wild_job(streamed(name, weights), tmp_path, "c"), load_witness("c"))


@pytest.mark.parametrize("core", CORES)
def test_the_same_holds_on_every_core(core, emulated, tmp_path, random_fastgrnn, random_lstm):
    target = Target(emulated(core))
    for i, model in enumerate(
        (random_fastgrnn(np.random.default_rng(5)), random_lstm(np.random.default_rng(5), readout="last_mean"), streamed("dscnn", "int8"))
    ):
        folder = tmp_path / f"{i}"
        assert_back_in_range(wild_job(model, folder, target.core.export_folder, target), load_witness(target.core.family.witness))


def test_a_state_that_comes_back_too_late_is_seen(tmp_path, random_fastgrnn):
    job = wild_job(random_fastgrnn(np.random.default_rng(5)), tmp_path, "c")
    path = tmp_path / "c" / "tiny.c"
    text = path.read_text()
    path.write_text(
        text.replace(
            "    TAP(TINY_LAYER_STATE,", "    if (input[0] > 0) { memset(state->h, 0x7f, sizeof state->h); }\n    TAP(TINY_LAYER_STATE,"
        )
    )
    with pytest.raises(AssertionError, match="gcc"):
        assert_back_in_range(job, load_witness("c"))
