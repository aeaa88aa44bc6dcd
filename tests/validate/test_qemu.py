"""The generated C on an emulated Cortex-M0."""

import shutil

import numpy as np
import pytest

from rescomp.errors import BudgetError, DeviceError, InputError, MissingToolError
from rescomp.graph.evaluate import evaluate, evaluate_graph
from rescomp.graph.ir import Format, Graph, Node, TensorType, Value
from rescomp.graph.ops import Relu
from rescomp.validate.c_program import write_export
from rescomp.validate.compare import compare, expected_count
from rescomp.validate.qemu import CORES, PACKAGES, Qemu, find_core
from rescomp.validate.witness import Job

FORMS = [
    {"weights": "ternary", "power_of_two": False},
    {"weights": "ternary", "power_of_two": True, "low_rank": True, "table": False},
    {"weights": "int8", "power_of_two": False, "low_rank": True, "table": False},
    {"weights": "int8", "power_of_two": True},
    {"cell": "gru", "weights": "sparse_bitmap_int4", "power_of_two": False},
    {"cell": "lstm", "weights": "sparse_delta_int8", "layers": 2},
    {"window": 3, "power_of_two": False},
    {"cell": "mixed", "reads": "int16", "answers": "int8"},
    {"cell": "mixed", "reads": "int8", "answers": "int16"},
]


@pytest.fixture
def job(request, random_sequences, tmp_path):
    def make(argument="", cell="fastgrnn", **form):
        rng = np.random.default_rng(6)
        model = request.getfixturevalue(f"random_{cell}")(rng, **form)
        write_export(tmp_path / "c", model)
        x, lengths = random_sequences(rng, model, count=20, longest=9)
        return Job(model, tmp_path, x.astype(np.int16), lengths, argument)

    return make


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_cortex_m0_agrees(job, form):
    job = job("cortex-m0", **form)
    (answer,) = Qemu().answers(job)
    result = compare(job, evaluate(job.model, job.x.astype(np.int64), job.lengths), answer.trace)
    assert (result.mismatches, result.compared) == (0, expected_count(job))
    assert answer.variant == "cortex-m0 -O2"
    assert "qemu-system-arm" in answer.version
    assert "arm-none-eabi-gcc" in answer.version


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("weights", ["ternary", "int8", "int4"])
def test_run_graph_gives_every_layer(random_block, weights):
    rng = np.random.default_rng(7)
    graph = random_block(rng, weights=weights, power_of_two=False).graphs["whole"]
    t = graph.inputs[0].type
    inputs = {graph.inputs[0].name: rng.integers(t.format.low, t.format.high + 1, (5, *t.shape))}
    expected, values = evaluate_graph(graph, inputs), Qemu().run_graph(graph, inputs)
    for name, value in values.items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


@pytest.mark.usefixtures("emulator")
def test_a_fault_is_a_device_error(job):
    job = job()
    path = job.directory / "c" / "tiny.c"
    path.write_text(path.read_text().replace("memset(state->h,", "memset((char *)0x60000001u,"))
    with pytest.raises(DeviceError, match="microbit failed"):
        list(Qemu().answers(job))


@pytest.mark.usefixtures("emulator")
def test_a_model_beyond_the_ram_is_a_budget_error():
    t = TensorType((5000,), Format(3))
    graph = Graph("whole", (Value("x", t),), (Node("relu", Relu(), ("x",), ("y",)),), ("y",))
    with pytest.raises(BudgetError, match=r"ram is \d+ bytes too small"):
        Qemu().run_graph(graph, {"x": np.zeros((1, 5000), int)})


def test_an_unknown_core_names_the_nearest(job):
    with pytest.raises(InputError, match="'cortex-m0'"):
        list(Qemu().answers(job("cortex-m1")))


def test_every_core_names_known_tools():
    for name in CORES:
        family = find_core(name).family
        assert {family.emulator, family.compiler} <= set(PACKAGES)


@pytest.mark.parametrize("missing", list(PACKAGES))
def test_a_missing_tool_names_its_package(job, monkeypatch, missing):
    monkeypatch.setattr(shutil, "which", lambda name: None if name == missing else "/bin/true")
    monkeypatch.setattr("rescomp.validate.qemu.tool_version", lambda path: "1")
    with pytest.raises(MissingToolError, match=f"apt-get install {PACKAGES[missing]}"):
        list(Qemu().answers(job()))
