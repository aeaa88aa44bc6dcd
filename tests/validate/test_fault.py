"""Where a witness goes wrong: the layer, what computes it, how many channels differ and since which step."""

import re
from dataclasses import replace

import numpy as np
import pytest

from rescomp.errors import UnsupportedError, counted
from rescomp.export.c import export_c
from rescomp.graph.decide import Decision, with_decision
from rescomp.graph.evaluate import Trajectory, evaluate, evaluate_graph
from rescomp.targets.kernel_choice import Target
from rescomp.validate.compare import compare
from rescomp.validate.fault import locate
from rescomp.validate.registry import load_witness
from rescomp.validate.replay import replay
from rescomp.validate.witness import Answer, op_names


class Wrong:
    """A witness without the values `missing`, whose layers `differs` are wrong in entries 1 and 4, from step `since` of those asked on."""

    def __init__(self, missing=(), differs=(), since=0):
        self.missing, self.differs, self.since = missing, differs, since

    def run_layers(self, job, forced):
        raise UnsupportedError("it cannot")

    def run_graph(self, graph, inputs):
        values = evaluate_graph(graph, inputs)
        for name in values.keys() & set(self.differs):
            values[name].reshape(len(values[name]), -1)[self.since :, [1, -1]] += 1
        return {name: value for name, value in values.items() if name not in (*inputs, *self.missing)}

    kernels = staticmethod(op_names)


class Silent(Wrong):
    """A witness that cannot be asked for layers."""

    def run_graph(self, graph, inputs):
        raise UnsupportedError("it cannot")


def find(job, witness, reference, answer, **steps):
    mismatch = compare(job, reference, answer).first
    return locate(job, witness, Answer("", "", answer), reference, mismatch, **steps)


@pytest.fixture
def run(random_fastgrnn, random_sequences, export_job):
    """A function (longest) -> (job, the reference, an answer whose state differs in step 4 of the longest sequence)."""

    def make(longest=7, **form):
        rng = np.random.default_rng(0)
        model = random_fastgrnn(rng, **form)
        x, lengths = random_sequences(rng, model, longest=longest)
        job, reference = export_job(model, x, lengths, exports=lambda model: {}), evaluate(model, x, lengths)
        answer = Trajectory(reference.states.copy(), reference.scores)
        answer.states[1, 4:, 1] += 1
        return job, reference, answer

    return make


@pytest.mark.parametrize(
    ("missing", "differs", "found"),
    [
        ((), ("gate", "state"), "gate"),
        (("preactivation", "gate_bias", "gate", "candidate_bias", "candidate"), ("gate", "state"), "state"),
        ((), (), None),
    ],
)
def test_values_that_the_witness_lacks_are_passed_over(missing, differs, found, run):
    job, reference, answer = run()
    finding = find(job, Wrong(missing, differs), reference, answer)
    assert (finding.fault and (finding.fault.layer, finding.fault.value.channel)) == (found and (found, 1))
    assert not finding.of_files


def test_channels_and_steps_are_counted_over_the_steps_about_the_first_that_differs(run):
    job, reference, answer = run()
    said = str(find(job, Wrong(differs=("gate",), since=2), reference, answer).fault)
    channels = job.model.graphs["step"].types()["gate"].shape[0]
    looked_at = "of 7 steps looked at, from step 0 on, 5 differ, since step 2"
    assert said.startswith(f"gate (lookup, graph step), {looked_at}, in 2 of {channels} channels; the first is gate[1]: ")


def test_of_a_long_sequence_the_steps_about_the_first_that_differs_are_asked(run):
    job, reference, answer = run(longest=12)
    fault = find(job, Wrong(differs=("gate",), since=1), reference, answer, steps=6).fault
    assert (fault.first_step, fault.last_step, fault.value.step, fault.steps, fault.value.sequence) == (1, 6, 2, 5, 1)
    assert "of 6 steps looked at, from step 1 on, 5 differ, since step 2, in 2 of " in str(fault)


def test_where_no_layer_can_be_asked_the_states_say_how_many_channels_and_since_when(run):
    job, reference, answer = run()
    fault = find(job, Silent(), reference, answer).fault
    entries = job.model.graphs["step"].state_inputs[0].type.size
    assert not fault.computed
    looked_at = "of 7 steps looked at, from step 0 on, 3 differ, since step 4"
    assert str(fault).startswith(f"h (fastgrnn_gate, graph step), {looked_at}, in 1 of {entries} channels; the first is h[1]: ")


def test_a_decision_that_differs_is_looked_for_in_the_decision_s_own_layers(random_fastgrnn, random_sequences, export_job):
    rng = np.random.default_rng(0)
    model = with_decision(random_fastgrnn(rng), Decision(2, 30, 2, 1))
    x, lengths = random_sequences(rng, model)
    job, reference = export_job(model, x, lengths, exports=lambda model: {}), evaluate(model, x, lengths)
    (sequence,) = np.flatnonzero(lengths == lengths.max())[:1]
    answer = reference.take(np.arange(len(x)))
    answer.decisions[sequence, 5] += 1
    found = compare(job, reference, answer)
    wanted = int(reference.decisions[sequence, 5])
    assert (found.mismatches, str(found.first)) == (1, f"sequence {sequence}, step 5, decision[0]: expected {wanted}, got {wanted + 1}")
    assert find(job, Wrong(), reference, answer).fault is None
    assert find(job, Silent(), reference, answer) is None
    assert find(job, Wrong(differs=("decide_average_next",)), reference, answer).fault.layer == "decide_average_next"
    assert np.array_equal(
        replay(job, reference, found.first).forced["decide"]["decision"][:, 0], reference.decisions[sequence, : lengths[sequence]]
    )


def plant(data, bias):
    """A file of ONNX or TFLite with another bias in channels 1 and 3, whatever its entries are stored as."""
    other = bias.copy()
    other[[1, 3]] += 1
    (dtype,) = [dtype for dtype in ("<i2", "<i4") if data.count(bias.astype(dtype).tobytes()) == 1]
    return data.replace(bias.astype(dtype).tobytes(), other.astype(dtype).tobytes())


def plant_c(path):
    """Generated C with another bias in channel 1."""
    pattern = r"(candidate_bias_bias\[\d+\] = \{\s*-?\d+,)(\s*-?\d+)"
    text, count = re.subn(pattern, lambda match: f"{match[1]} {int(match[2]) + 1}", path.read_text())
    assert count == 1
    path.write_text(text)


def assert_found(witness, job, kernel, wrong):
    reference, variants = evaluate(job.model, job.x, job.lengths), 0
    channels = job.model.graphs["step"].types()["candidate_bias"].shape[0]
    for answer in witness.answers(job):
        mismatch = compare(job, reference, answer.trajectory).first
        finding = locate(job, witness, answer, reference, mismatch)
        steps = int(job.lengths[mismatch.sequence])
        differ = f"{steps} differ{'s' if steps == 1 else ''}"
        where = rf"of {counted(steps, 'step')} looked at, from step 0 on, {differ}, since step 0, in {wrong} of {channels} channels"
        first = r"candidate_bias\[1\]: expected -?\d+, got -?\d+"
        assert finding.of_files
        assert re.fullmatch(rf"candidate_bias \({kernel}, graph step\), {where}; the first is {first}", str(finding.fault))
        variants += 1
    assert variants


@pytest.fixture
def job(random_fastgrnn, random_sequences, export_job):
    rng = np.random.default_rng(3)
    model = random_fastgrnn(rng, weights="int8")
    return export_job(model, *random_sequences(rng, model))


def test_a_wrong_constant_in_a_file_is_found_in_that_file(exporting_witness, job):
    (bias,) = [node.op.bias for node in job.model.graphs["step"].nodes if node.name == "candidate_bias"]
    for path in (*job.directory.glob("*.onnx"), *job.directory.glob("*.tflite")):
        if path.name != "decide.onnx":
            path.write_bytes(plant(path.read_bytes(), bias))
    plant_c(job.directory / "c/tiny.c")
    runs_c = exporting_witness.name == "c"
    assert_found(exporting_witness, job, "rescomp_bias_add_int16" if runs_c else "bias_add", 1 if runs_c else 2)


@pytest.mark.parametrize("prefer", ["speed", "size"])
def test_of_a_core_s_own_export_the_functions_are_named_that_it_calls(prefer, emulated, random_fastgrnn, random_sequences, export_job):
    rng, core = np.random.default_rng(3), emulated("cortex-m4")
    model = random_fastgrnn(rng, weights="ternary", hidden=24)
    target = Target(core, prefer)
    files = {f"{core.export_folder}/{name}": data for name, data in export_c(model, target).items()}
    main = f"{core.export_folder}/tiny.c"
    pattern = r"(recurrent_product_shift\[\d+\] = \{\s*)(\d+)"
    text, count = re.subn(pattern, lambda match: f"{match[1]}{int(match[2]) - 1}", files[main].decode())
    assert count == 1
    job = replace(export_job(model, *random_sequences(rng, model), exports=lambda _: files | {main: text.encode()}), argument=core.name)
    witness = load_witness("qemu")
    (answer,) = witness.answers(job)
    reference = evaluate(model, job.x, job.lengths)
    fault = locate(job, witness, answer, reference, compare(job, reference, answer.trajectory).first).fault
    product, rescaled, _ = re.findall(r"(rescomp_\w+)\([^;]*recurrent_product", text)
    assert (fault.layer, fault.kernel) == ("recurrent_product", f"{product}, {rescaled}")
