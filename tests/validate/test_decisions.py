"""A model that decides, through every witness: its decisions, its layers on values of their own, and its header."""

from dataclasses import replace

import numpy as np
import pytest

from rescomp.errors import ParityError
from rescomp.graph.decide import Decision, with_decision
from rescomp.graph.evaluate import evaluate
from rescomp.graph.ops.decide import MEMORY
from rescomp.targets.kernel_choice import Target
from rescomp.validate.c_program import write_export
from rescomp.validate.compare import LayerReference, compare, compare_layers, expected_count
from rescomp.validate.coverage import CoverageMeter
from rescomp.validate.registry import load_witness
from rescomp.validate.stress import stress_vectors
from rescomp.validate.witness import Job

LIVELY = Decision(smoothing=2, margin=30, hold=2, refractory=3, thresholds=(-400, 0, 100, -9000))
CORES = ["cortex-m0", "cortex-m55", "riscv32imc", "atmega328p"]
FORMS = {
    "fastgrnn": (("fastgrnn", {}), LIVELY),
    "int8 scores": (("mixed", {}), Decision(smoothing=1, margin=3, hold=1, refractory=1, thresholds=(0, 1, -2, 5))),
    "two states": (("lstm", {"layers": 2}), Decision()),
}


@pytest.fixture
def deciding(request):
    """A function (cell, form, decision) -> model."""

    def make(cell="fastgrnn", decision=LIVELY, **form):
        return with_decision(request.getfixturevalue(f"random_{cell}")(np.random.default_rng(6), **form), decision)

    return make


@pytest.fixture
def deciding_job(deciding, random_sequences, export_job):
    def make(cell="fastgrnn", decision=LIVELY, **form):
        model = deciding(cell, decision, **form)
        x, lengths = random_sequences(np.random.default_rng(3), model, count=8, longest=24)
        return export_job(model, x, lengths)

    return make


def compared(job, name):
    """Of each variant of a witness for how many steps decisions and what they keep were compared, and the first mismatch."""
    reference = evaluate(job.model, job.x.astype(np.int64), job.lengths)
    assert len(np.unique(reference.decisions)) > 2
    found, values = {}, job.model.output.type.size + MEMORY + 1
    for answer in load_witness(name).answers(job):
        result = compare(job, reference, answer.trajectory)
        found[answer.variant] = ((result.compared - expected_count(job, decisions=False)) / values, result.first)
    return found


@pytest.mark.parametrize("form", FORMS)
def test_the_generated_c_decides_as_numpy_does(form, deciding_job):
    (cell, shape), decision = FORMS[form]
    job = deciding_job(cell, decision, **shape)
    assert compared(job, "c") == {variant: (job.lengths.sum(), None) for variant in ("gcc -O2", "gcc -O1 sanitized")}
    (answer,) = load_witness("c").run_uses(job)
    assert (answer.mismatches, answer.first) == (0, "")


@pytest.mark.parametrize("form", FORMS)
def test_onnxruntime_decides_as_numpy_does(form, deciding_job):
    (cell, shape), decision = FORMS[form]
    job = deciding_job(cell, decision, **shape)
    count = job.lengths.sum()
    assert compared(job, "onnxruntime") == {"step": (count, None), "step without optimization": (count, None), "sequence": (0, None)}


@pytest.mark.parametrize("core", CORES)
def test_a_core_decides_as_numpy_does(core, emulated, deciding_job):
    job, target = deciding_job(), Target(emulated(core))
    write_export(job.directory / target.core.export_folder, job.model, target)
    job, witness = replace(job, argument=core), target.core.family.witness
    ((count, first),) = compared(job, witness).values()
    assert (count, first) == (job.lengths.sum(), None)
    (answer,) = load_witness(witness).run_uses(job)
    assert (answer.mismatches, answer.first) == (0, "")


@pytest.mark.parametrize("witness", ["c", "onnxruntime", "tflite"])
@pytest.mark.parametrize("form", ["fastgrnn", "int8 scores"])
def test_every_layer_of_a_decision_agrees_on_values_of_its_own(form, witness, deciding, export_job):
    (cell, shape), decision = FORMS[form]
    model = deciding(cell, decision, **shape)
    stress = stress_vectors(model)
    assert stress.layers["decide"]["decide_average"].dtype == np.int32
    reference = LayerReference(stress.layers)
    answers = list(load_witness(witness).run_layers(export_job(model, stress.x, stress.lengths), stress.layers))
    assert all("decide" in answer.graphs for answer in answers if "sequence" not in answer.variant) == (witness != "tflite")
    assert [compare_layers(reference, answer).first for answer in answers] == [None] * len(answers)


def test_the_stress_set_reaches_every_branch_of_a_decision(deciding):
    model = deciding()
    stress, meter = stress_vectors(model), CoverageMeter(model)
    coverage = meter.layers(stress.layers) | meter.vectors(stress.x, stress.lengths, stress.initial)
    counts = coverage.counts()
    assert (counts["branch"].reached, counts["threshold"].reached) == (9, 8)
    assert [place for place, _ in coverage.missed() if place[0] == "decide"] == []


@pytest.mark.parametrize("core", [None, "cortex-m0", "atmega328p"])
def test_a_decision_from_any_bits_is_numpys(core, deciding, emulated):
    """Of the averages too, which no format holds: the kernels clamp what they read as the ops do."""
    rng, graph = np.random.default_rng(4), deciding().graphs["decide"]
    ends = np.iinfo(np.int32)
    wild = {
        "scores": rng.integers(-(1 << 15), 1 << 15, (60, 4)),
        "decide_average": rng.integers(ends.min, ends.max + 1, (60, 4)),
        "decide_memory": rng.integers(-(1 << 15), 1 << 15, (60, 4)),
    }
    wild["decide_average"][:2] = [[ends.min], [ends.max]]
    wild["decide_memory"][:4] = [[-(1 << 15)], [(1 << 15) - 1], [0], [-1]]
    wanted = dict(wild)
    for node in graph.nodes:
        wanted.update(zip(node.outputs, node.op.evaluate(*(wanted[name] for name in node.inputs)), strict=True))
    witness = load_witness("c") if core is None else type(load_witness(emulated(core).family.witness))(core)
    for name, values in witness.run_graph(graph, wild).items():
        np.testing.assert_array_equal(values, wanted[name])
        assert np.abs(wanted[name]).max() <= graph.types()[name].format.bound


FAULTS = [
    ("average[i] > average[best]", "average[i] >= average[best]"),
    ("average[best] < rule->threshold", "average[best] <= rule->threshold"),
    ("<= rule->margin", "< rule->margin"),
    ("rest > 0 ? rest - 1 : 0", "rest"),
    ("wanted >= FIRST ? rule.refractory : 0", "rule.refractory"),
    ("count == rule.hold &&", "count >= rule.hold - 1 &&"),
    ("&& rest == 0", ""),
    ("wanted == candidate ?", "wanted != candidate ?"),
    ("rescomp_clamp(memory[DECISION], 0, most)", "memory[DECISION]"),
    ("rescomp_clamp(memory[REST], 0, rule.refractory)", "memory[REST]"),
]


@pytest.mark.parametrize(("right", "wrong"), FAULTS)
def test_a_fault_in_the_kernel_shows_in_a_layer(right, wrong, deciding, tmp_path):
    model = deciding()
    write_export(tmp_path / "c", model)
    path = tmp_path / "c" / "rescomp" / "decide_int32.c"
    text = path.read_text()
    assert right in text
    path.write_text(text.replace(right, wrong))
    stress = stress_vectors(model)
    job = Job(model, tmp_path, stress.x, stress.lengths)
    try:
        (answer,) = load_witness("c").run_layers(job, stress.layers)
    except ParityError as error:  # a sanitizer's report
        assert "failed on this machine" in str(error)  # noqa: PT017
    else:
        assert compare_layers(LayerReference(stress.layers), answer).mismatches > 0
