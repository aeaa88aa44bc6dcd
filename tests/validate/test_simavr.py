"""The generated C on the AVRs that libsimavr emulates: 16-bit int, constants in an address space of their own."""

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rescomp.errors import BudgetError, InputError
from rescomp.export.c import translate
from rescomp.graph import ops
from rescomp.graph.evaluate import evaluate, evaluate_graph
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ir import Graph, Node, Value
from rescomp.graph.weights import Int8Weight
from rescomp.targets.cores import AVR, CORES
from rescomp.validate.c_program import WARNINGS, write_export
from rescomp.validate.compare import compare, expected_count
from rescomp.validate.emulation import build_firmware
from rescomp.validate.simavr import Simavr
from rescomp.validate.witness import Job

EMULATED = [name for name, core in CORES.items() if core.family is AVR]
KERNELS = Path(__file__).parents[2] / "firmware_templates" / "kernels"
MODELS = [
    ("fastgrnn", {"weights": "ternary"}),
    ("fastgrnn", {"weights": "int8", "power_of_two": False, "low_rank": True}),
    ("gru", {"weights": "sparse_delta_int4", "power_of_two": False}),
    ("fastgrnn", {"weights": "ternary_rows"}),
    ("int8_block", {"shape": (5, 4, 3)}),
    ("mixed", {}),
]


@pytest.fixture
def job(request, random_sequences, tmp_path):
    def make(argument, cell="fastgrnn", **form):
        rng = np.random.default_rng(6)
        model = request.getfixturevalue(f"random_{cell}")(rng, **form)
        write_export(tmp_path / "c", model)
        if model.is_recurrent:
            x, lengths = random_sequences(rng, model, count=10, longest=9)
        else:
            t = model.input.type
            x, lengths = rng.integers(t.format.low, t.format.high + 1, (10, *t.shape)), np.ones(10, np.int64)
        return Job(model, tmp_path, x.astype(np.int16), lengths, argument)

    return make


@pytest.mark.parametrize(("cell", "form"), MODELS, ids=str)
@pytest.mark.parametrize("name", EMULATED)
def test_every_core_agrees(emulated, job, random_states, name, cell, form):
    job = job(emulated(name).name, cell, **form)
    if job.model.is_recurrent:
        job = replace(job, initial=random_states(np.random.default_rng(3), job.model, len(job.x)))
    (answer,) = Simavr().answers(job)
    result = compare(job, evaluate(job.model, job.x.astype(np.int64), job.lengths, job.initial), answer.trajectory)
    assert (result.mismatches, result.compared) == (0, expected_count(job))
    assert answer.variant == f"{name} -O2, c/"
    assert "libsimavr " in answer.version
    assert "avr-gcc" in answer.version


@pytest.mark.parametrize("seed", range(4))
def test_every_op_equals_numpy(emulated, seed):
    """All of them in one program: random inputs behind all low, all high and zero."""
    nodes, inputs, drawn = [], [], {}
    rng = np.random.default_rng(seed)
    for i, name in enumerate(ops.REGISTRY):
        op, types = ops.REGISTRY[name].random(np.random.default_rng(100 * i + seed))
        values = [Value(f"x{i}_{k}", t) for k, t in enumerate(types)]
        outputs = tuple(f"y{i}_{k}" for k in range(len(op.infer(*types))))
        nodes.append(Node(f"{name}_{i}", op, tuple(value.name for value in values), outputs))
        inputs += values
    for value in inputs:
        low, high = value.type.format.low, value.type.format.high
        drawn[value.name] = rng.integers(low, high + 1, (8, *value.type.shape))
        for row, fill in enumerate((low, high, 0)):
            drawn[value.name][row] = fill
    graph = Graph("all", tuple(inputs), tuple(nodes), nodes[-1].outputs)
    expected = evaluate_graph(graph, drawn)
    values = Simavr(emulated("atmega2560").name).run_graph(graph, drawn)
    assert len(values) >= len(ops.REGISTRY)
    for name, value in values.items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


def test_constants_stay_in_flash(emulated, random_fastgrnn, tmp_path):
    model = random_fastgrnn(np.random.default_rng(0), power_of_two=False)
    write_export(tmp_path / "c", model)
    elf = build_firmware(emulated("atmega328p"), model, tmp_path / "c", (), tmp_path)
    listed = subprocess.run([f"{AVR.prefix}nm", elf], capture_output=True, text=True, check=True, timeout=120).stdout
    addresses = {name: int(address, 16) for address, _, name in (line.split() for line in listed.splitlines())}
    constants = [constant.identifier for constant in translate(model).constants]
    assert len(constants) > 10
    assert all(addresses[name] < 32 * 1024 for name in constants)
    assert addresses["__data_load_start"] == addresses["__data_load_end"]


@pytest.mark.parametrize("flags", [("-std=gnu99", "-Os"), ("-std=gnu11", "-O3"), ("-std=c99", "-O2")], ids=" ".join)
def test_all_kernels_compile_without_a_warning(emulated, flags, tmp_path):
    """-std=c99 knows no __flash: constants then lie in RAM, and the code is the same."""
    emulated("atmega328p")
    command = [AVR.compiler, "-mmcu=atmega328p", *flags, *WARNINGS, "-c", *map(str, sorted(KERNELS.glob("*.c")))]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120).stderr == ""


def test_a_model_beyond_the_ram_is_a_budget_error(emulated):
    emulated("atmega328p")
    t = TensorType((500,), Format(3))
    graph = Graph("whole", (Value("x", t),), (Node("relu", ops.Relu(), ("x",), ("y",)),), ("y",))
    with pytest.raises(BudgetError, match="its ram is too small"):
        Simavr().run_graph(graph, {"x": np.zeros((1, 500), int)})


def dense(columns, rows, rng):
    weight = Int8Weight(rng.integers(-127, 128, (rows, columns), dtype=np.int8))
    by = ops.FullyConnected.random(np.random.default_rng(0))[0].requantization
    scale = type(by)(np.full(rows, 1 << 14, np.int32), np.full(rows, 30, np.int32))
    return ops.FullyConnected(weight, np.zeros(0, np.int32), scale, Format(3))


@pytest.mark.parametrize(("name", "layers", "said"), [("atmega328p", 2, "its flash is too small"), ("atmega2560", 4, "65536 bytes")])
def test_constants_beyond_the_flash_are_a_budget_error(emulated, name, layers, said):
    rng, t = np.random.default_rng(0), TensorType((150,), Format(3))
    nodes = tuple(Node(f"l{i}", dense(150, 150, rng), (f"x{i}",), (f"x{i + 1}",)) for i in range(layers))
    graph = Graph("whole", (Value("x0", t),), nodes, (f"x{layers}",))
    with pytest.raises(BudgetError, match=said):
        Simavr(emulated(name).name).run_graph(graph, {"x0": np.zeros((1, 150), int)})


def test_an_unknown_core_names_the_nearest(job):
    with pytest.raises(InputError, match="no core 'atmega32' of the witness simavr; the nearest one is 'atmega328p'"):
        list(Simavr().answers(job("atmega32")))
