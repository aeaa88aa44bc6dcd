"""C generated for a core, with its own kernels and layouts, equals numpy on that core, and its layers can be looked at."""

import itertools

import numpy as np
import pytest

from rescomp.export.c import export_c
from rescomp.graph.evaluate import evaluate, evaluate_graph
from rescomp.targets.cores import CORES
from rescomp.targets.kernel_choice import Target
from rescomp.validate.compare import compare, expected_count
from rescomp.validate.registry import load_witness
from rescomp.validate.witness import Job

FORMS = (
    ("fastgrnn", {"weights": "ternary", "hidden": 19, "low_rank": True, "power_of_two": False}),
    ("fastgrnn", {"weights": "int8", "hidden": 20, "table": False}),
    ("block", {"weights": "ternary", "power_of_two": False}),
    ("int8_block", {}),
)


@pytest.fixture(params=CORES)
def core(request, emulated):
    return emulated(request.param)


@pytest.fixture
def models(request):
    rng = np.random.default_rng(4)
    return [request.getfixturevalue(f"random_{kind}")(rng, **form) for kind, form in FORMS]


def run(model, core, prefer, folder):
    """Mismatches of the export for the core, with every value of it compared; and the witness."""
    for name, data in export_c(model, Target(core, prefer)).items():
        path = folder / core.export_folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    rng, t = np.random.default_rng(1), model.input.type
    shape = (7, 4, *t.shape) if model.is_recurrent else (7, *t.shape)
    x, lengths = rng.integers(t.format.low, t.format.high + 1, shape), np.full(7, 4 if model.is_recurrent else 1)
    x[0], x[1] = t.format.low, t.format.high
    job, witness = Job(model, folder, x.astype(np.int16), lengths, core.name), load_witness(core.family.witness)
    (answer,) = witness.answers(job)
    assert core.export_folder in answer.variant
    result = compare(job, evaluate(model, x, lengths), answer.trajectory)
    assert result.compared == expected_count(job)
    return result.mismatches, witness


def test_every_value_agrees(core, models, tmp_path):
    for i, (model, prefer) in enumerate(zip(models, itertools.cycle(("speed", "size")))):
        assert run(model, core, prefer, tmp_path / str(i))[0] == 0, (model.name, prefer)


@pytest.mark.parametrize("name", ["cortex-m4", "atmega328p"])
def test_the_layers_are_those_of_the_core(name, emulated, models, tmp_path):
    """What the update computes in one pass has no values of its own; all others are there, and right."""
    core, model = emulated(name), models[0]
    mismatches, witness = run(model, core, "speed", tmp_path)
    assert mismatches == 0
    graph = model.graphs["step"]
    rng = np.random.default_rng(2)
    inputs = {v.name: rng.integers(v.type.format.low, v.type.format.high + 1, (5, *v.type.shape)) for v in graph.inputs}
    values, expected = witness.run_graph(graph, inputs), evaluate_graph(graph, inputs)
    assert {"input_product", "recurrent_product", "state"} <= set(values)
    assert not {"gate", "candidate"} & set(values)
    for value in values:
        np.testing.assert_array_equal(values[value], expected[value], err_msg=value)


def test_a_fault_in_an_own_kernel_is_found(emulated, models, tmp_path):
    core, model = emulated("cortex-m3"), models[0]
    assert run(model, core, "speed", tmp_path)[0] == 0
    path = tmp_path / core.export_folder / "tiny.c"
    source = path.read_text()
    start = source.index("recurrent_product_weight[")
    entry = source.index("{", start) + 1
    digits = source[entry:].lstrip().split(",")[0]
    path.write_text(source[:entry] + source[entry:].replace(digits, str(int(digits) ^ 1), 1))
    rng, t = np.random.default_rng(1), model.input.type
    x = rng.integers(t.format.low, t.format.high + 1, (7, 4, *t.shape))
    job = Job(model, tmp_path, x.astype(np.int16), np.full(7, 4), core.name)
    (answer,) = load_witness("qemu").answers(job)
    assert compare(job, evaluate(model, x, job.lengths), answer.trajectory).mismatches > 0
