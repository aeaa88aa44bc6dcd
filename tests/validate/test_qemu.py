"""The generated C on the cores that QEMU emulates."""

from dataclasses import replace

import numpy as np
import pytest

from rescomp.errors import BudgetError, DeviceError, InputError
from rescomp.graph.evaluate import evaluate, evaluate_graph
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ir import Graph, Node, Value
from rescomp.graph.ops import Relu
from rescomp.targets.cores import CORES
from rescomp.validate.c_program import write_export
from rescomp.validate.compare import compare, expected_count
from rescomp.validate.qemu import Qemu
from rescomp.validate.witness import Job

EMULATED = [name for name, core in CORES.items() if core.family.witness == "qemu"]
FORMS = [
    {"weights": "ternary", "power_of_two": False},
    {"weights": "ternary", "power_of_two": True, "low_rank": True, "table": False},
    {"weights": "int8", "power_of_two": False, "low_rank": True, "table": False},
    {"weights": "int8", "power_of_two": True},
    {"cell": "gru", "weights": "sparse_bitmap_int4", "power_of_two": False},
    {"cell": "lstm", "weights": "sparse_delta_int8", "layers": 2},
    {"weights": "ternary_rows", "power_of_two": False},
    {"readings": 3, "power_of_two": False},
    {"cell": "mixed", "reads": "int16", "answers": "int8"},
    {"cell": "mixed", "reads": "int8", "answers": "int16"},
]
"""What a Cortex-M0 runs; the other cores run the next ones."""
EVERYWHERE = [
    {"weights": "ternary"},
    {"weights": "int8", "power_of_two": False, "low_rank": True},
    {"cell": "int8_block", "shape": (5, 4, 3)},
]
RELU_BY_HAND = """
.syntax unified
.thumb
.global rescomp_relu_int16
.thumb_func
rescomp_relu_int16:                 @ r0: input, r1: output, r2: count
1:  subs    r2, r2, #1
    bmi     3f
    movs    r3, #0
    ldrsh   r3, [r0, r3]
    cmp     r3, #0
    bge     2f
    movs    r3, #0
2:  strh    r3, [r1]
    adds    r0, r0, #2
    adds    r1, r1, #2
    b       1b
3:  bx      lr
"""


@pytest.fixture
def job(request, random_sequences, tmp_path):
    def make(argument="", cell="fastgrnn", **form):
        rng = np.random.default_rng(6)
        model = request.getfixturevalue(f"random_{cell}")(rng, **form)
        write_export(tmp_path / "c", model)
        if model.is_recurrent:
            x, lengths = random_sequences(rng, model, count=20, longest=9)
        else:
            t = model.input.type
            x, lengths = rng.integers(t.format.low, t.format.high + 1, (20, *t.shape)), np.ones(20, np.int64)
        return Job(model, tmp_path, x.astype(np.int16), lengths, argument)

    return make


def assert_agrees(job):
    (answer,) = Qemu().answers(job)
    result = compare(job, evaluate(job.model, job.x.astype(np.int64), job.lengths, job.initial), answer.trajectory)
    assert (result.mismatches, result.compared) == (0, expected_count(job))
    return answer


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_cortex_m0_agrees(emulated, job, form):
    emulated("cortex-m0")
    answer = assert_agrees(job("cortex-m0", **form))
    assert answer.variant == "cortex-m0 -O2, c/"
    assert "qemu-system-arm" in answer.version
    assert "arm-none-eabi-gcc" in answer.version


@pytest.mark.parametrize("name", EMULATED)
def test_sequences_begin_with_the_states_given(emulated, job, random_states, name):
    begun = job(emulated(name).name, weights="ternary")
    assert_agrees(replace(begun, initial=random_states(np.random.default_rng(3), begun.model, len(begun.x))))


@pytest.mark.parametrize("form", EVERYWHERE, ids=str)
@pytest.mark.parametrize("name", [name for name in EMULATED if name != "cortex-m0"])
def test_the_other_cores_agree(emulated, job, name, form):
    assert_agrees(job(emulated(name).name, **form))


@pytest.mark.parametrize(("name", "weights"), [("cortex-m0", "ternary"), ("cortex-m0", "int8"), ("riscv32imc", "int4")])
def test_run_graph_gives_every_layer(emulated, random_block, name, weights):
    rng = np.random.default_rng(7)
    graph = random_block(rng, weights=weights, power_of_two=False).graphs["whole"]
    t = graph.inputs[0].type
    inputs = {graph.inputs[0].name: rng.integers(t.format.low, t.format.high + 1, (5, *t.shape))}
    expected, values = evaluate_graph(graph, inputs), Qemu(emulated(name).name).run_graph(graph, inputs)
    for value, entries in values.items():
        np.testing.assert_array_equal(entries, expected[value], err_msg=value)


def test_the_export_for_the_core_comes_first(emulated, job):
    """And assembly in it replaces C."""
    emulated("cortex-m4")
    job = job("cortex-m4", cell="block")
    write_export(job.directory / "c-cortex-m4", job.model)
    kernels = job.directory / "c-cortex-m4" / "rescomp"
    (kernels / "relu_int16.c").unlink()
    (kernels / "relu_int16.S").write_text(RELU_BY_HAND)
    assert assert_agrees(job).variant == "cortex-m4 -O2, c-cortex-m4/"
    (kernels / "relu_int16.S").write_text(RELU_BY_HAND.replace("bge", "ble"))
    (answer,) = Qemu().answers(job)
    assert compare(job, evaluate(job.model, job.x.astype(np.int64), job.lengths), answer.trajectory).mismatches > 0


@pytest.mark.parametrize(("name", "nowhere"), [("cortex-m0", "0x60000001u"), ("cortex-m33", "0x60000001u"), ("riscv32imc", "1u")])
def test_a_fault_is_a_device_error(emulated, job, name, nowhere):
    job = job(emulated(name).name)
    path = job.directory / "c" / "tiny.c"
    text = path.read_text()
    path.write_text(text.replace("memset(state->h,", f"volatile uintptr_t nowhere = {nowhere};\n    memset((char *)nowhere,"))
    with pytest.raises(DeviceError, match=f"{CORES[name].machine} failed .* a fault"):
        list(Qemu().answers(job))


def test_a_model_beyond_the_ram_is_a_budget_error(emulated):
    emulated("cortex-m0")
    t = TensorType((5000,), Format(3))
    graph = Graph("whole", (Value("x", t),), (Node("relu", Relu(), ("x",), ("y",)),), ("y",))
    with pytest.raises(BudgetError, match=r"ram is \d+ bytes too small"):
        Qemu().run_graph(graph, {"x": np.zeros((1, 5000), int)})


@pytest.mark.parametrize(("wrong", "known"), [("cortex-m1", "cortex-m"), ("atmega328p", "cortex-m")])
def test_an_unknown_core_names_the_nearest(job, wrong, known):
    with pytest.raises(InputError, match=f"no core '{wrong}' of the witness qemu; the nearest one is '{known}"):
        list(Qemu().answers(job(wrong)))
