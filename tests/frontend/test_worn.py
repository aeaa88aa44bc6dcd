"""An alignment before a front-end: samples are turned, in every witness, by what stands in the state, which no step changes."""

from dataclasses import replace

import numpy as np
import pytest

from rescomp.errors import UnsupportedError
from rescomp.export.c import export_c
from rescomp.graph.alignment import ALIGNMENT_STATE, align_of, alignment_of, with_alignment
from rescomp.graph.evaluate import evaluate, evaluate_graph, split_state
from rescomp.graph.ir import StreamPolicy
from rescomp.graph.ops.align import IDENTITY
from rescomp.graph.serialize import decode, digest, encode
from rescomp.graph.sound import Pcm, evaluate_frontend, hear, numpy_features
from rescomp.graph.verify import FRAME_INPUT, verify_model
from rescomp.targets.kernel_choice import Target
from rescomp.tests.frontend.summing_net import summing_net
from rescomp.tests.frontend.test_witnesses import MODELS, WORN, job_of
from rescomp.validate.c_program import write_export
from rescomp.validate.compare import compare, expected_count
from rescomp.validate.coverage import CoverageMeter
from rescomp.validate.fault import locate
from rescomp.validate.listener_calls import ListenerCall, ListenerCalls
from rescomp.validate.parity_firmware import build_parity_firmware
from rescomp.validate.registry import load_witness
from rescomp.validate.serial_machines import serial_machine
from rescomp.validate.serial_port import SerialPort
from rescomp.validate.stress import stress_vectors
from rescomp.validate.witness import Job

NAME = "statistics of a worn device"
MODEL = MODELS[NAME]
AXES, UP = align_of(MODEL).axes, align_of(MODEL).reference
CORES = ["cortex-m0", "cortex-m55", "riscv32imc", "atmega2560"]


@pytest.fixture
def samples():
    """Of somebody who walks with the device upside left, int [samples, 7]."""
    rng = np.random.default_rng(3)
    sensors = np.array([9000, 500, 3000, 40, -7, 3, 11]) + rng.integers(-4000, 4000, (331, 7))
    return sensors.astype(np.int64)


def states_of(alignment):
    """Rows of the model's states, zeros but for the alignment, int64 [1, entries]."""
    rows = np.zeros((1, sum(value.type.size for value in MODEL.states("step"))), np.int64)
    split_state(MODEL, rows)[ALIGNMENT_STATE][:] = alignment
    return rows


def test_features_are_those_of_the_turned_samples(samples):
    found = alignment_of(samples[:, AXES[:3]].sum(axis=0), UP)
    rotation = (found + IDENTITY).reshape(3, 3)
    turned = samples.copy()
    for sensor in (AXES[:3], AXES[3:]):
        turned[:, sensor] = np.clip((samples[:, sensor] @ rotation.T + (1 << 13)) >> 14, -32768, 32767)
    initial = states_of(found)
    plain = summing_net(WORN, 1)
    assert np.array_equal(evaluate_frontend(MODEL, samples, initial[0]), evaluate_frontend(plain, turned))
    assert np.array_equal(evaluate_frontend(MODEL, samples), evaluate_frontend(plain, samples))
    assert not np.array_equal(evaluate_frontend(plain, turned), evaluate_frontend(plain, samples))


def test_a_step_leaves_the_alignment_as_it_is_whatever_its_bits():
    bits = np.array([-32768, 32767, 5, 0, -1, 20000, -20000, 3, 9])
    states = evaluate(MODEL, np.zeros((1, 3, MODEL.input.type.size), np.int64), initial=states_of(bits)).states
    assert [split_state(MODEL, row)[ALIGNMENT_STATE].tolist() for row in states.transpose(1, 0, 2)] == [[bits.tolist()]] * 3


def test_each_recording_is_heard_by_its_own_state(samples):
    """Recordings are computed together, a long one by itself."""
    alignments = np.random.default_rng(4).integers(-9000, 9000, (3, 9))
    rows = np.concatenate([states_of(each) for each in alignments])
    sound = Pcm(np.stack([samples.astype(np.int16)] * 3), np.array([331, 0, 300]))
    fed = np.full((3, 16, *MODEL.input.type.shape), 7)
    heard = hear(MODEL, sound, fed, numpy_features(MODEL.graphs["frontend"]), rows)
    assert np.array_equal(heard[0, :15], evaluate_frontend(MODEL, samples, rows[0]))
    assert np.array_equal(heard[2, :14], evaluate_frontend(MODEL, samples[:300], rows[2]))
    assert (heard[1] == 7).all()
    long = np.tile(samples, (300, 1))
    whole = evaluate_frontend(MODEL, long, rows[0])
    assert len(whole) > 4096
    heard = hear(
        MODEL, Pcm(long[None].astype(np.int16), np.array([len(long)])), whole[None] * 0, numpy_features(MODEL.graphs["frontend"]), rows[:1]
    )
    assert np.array_equal(heard[0], whole)


def test_the_model_is_read_as_it_was_written():
    document, arrays = encode(MODEL)
    assert digest(decode(document, arrays)) == digest(MODEL)
    assert digest(MODEL) != digest(summing_net(WORN, 1))


def test_a_front_end_reads_states_of_the_step_alone_and_replaces_none():
    frontend, step = MODEL.graphs["frontend"], MODEL.graphs["step"]
    for graph in (replace(frontend, state={ALIGNMENT_STATE: f"{ALIGNMENT_STATE}_used"}), replace(frontend, state={})):
        with pytest.raises(UnsupportedError, match="graph 'frontend' reads"):
            verify_model(replace(MODEL, graphs={**MODEL.graphs, "frontend": graph}))
    with pytest.raises(UnsupportedError, match="no state of the step"):
        verify_model(replace(MODEL, graphs={**MODEL.graphs, "step": summing_net(WORN, 1).graphs["step"]}))
    assert step.state[ALIGNMENT_STATE] == f"{ALIGNMENT_STATE}_next"
    streamed = replace(summing_net(WORN, 1), policy=StreamPolicy(gap=2))
    with pytest.raises(UnsupportedError, match=r"no \[stream\]"):
        with_alignment(streamed, 7, AXES, UP)


def test_a_step_copies_nothing_of_the_alignment():
    text = export_c(MODEL)["ear.c"].decode()
    assert text.count("memcpy") == export_c(summing_net(WORN, 1))["ear.c"].decode().count("memcpy")


@pytest.mark.parametrize("witness", ["c", "onnxruntime", "tflite"])
def test_every_layer_is_run_by_itself(witness, tmp_path):
    job = job_of(MODEL, tmp_path)
    forced = stress_vectors(MODEL).layers
    for answer in load_witness(witness).run_layers(job, forced):
        if "sequence" not in answer.variant:
            for role in ("frontend", "step"):
                graph, values = answer.graphs[role], {name: forced[role][name] for name in (v.name for v in MODEL.graphs[role].inputs)}
                first = graph.nodes[0]
                expected = evaluate_graph(replace(MODEL.graphs[role], nodes=MODEL.graphs[role].nodes[:1]), values)
                for name in first.outputs:
                    if name in answer.values[role]:
                        assert np.array_equal(answer.values[role][name], expected[name]), (role, name)
            assert f"{FRAME_INPUT}_aligned" in answer.values["frontend"]


@pytest.mark.parametrize("core", CORES)
def test_cores_turn_samples_as_numpy_does(core, tmp_path, emulated):
    emulated(core)
    job = job_of(MODEL, tmp_path)
    rows = np.r_[2, 4:9]
    job = replace(job, x=job.x[rows], lengths=job.lengths[rows], initial=job.initial[rows], sound=job.sound.take(rows), argument=core)
    if not core.startswith("at"):
        write_export(tmp_path / f"c-{core}", MODEL, Target(emulated(core)))
    (answer,) = load_witness("simavr" if core.startswith("at") else "qemu").answers(job)
    comparison = compare(job, evaluate(MODEL, job.x, job.lengths, job.initial), answer.trajectory)
    assert (comparison.compared, comparison.mismatches) == (expected_count(job), 0), comparison.first


def test_a_board_begins_recordings_in_any_state(tmp_path):
    job = job_of(MODEL, tmp_path)
    rows = np.r_[2, 4:9]
    job = replace(job, x=job.x[rows], lengths=job.lengths[rows], initial=job.initial[rows], sound=job.sound.take(rows))
    assert job.initial[job.heard].any(axis=1).sum() >= 3
    elf = build_parity_firmware(None, MODEL, tmp_path / "c", tmp_path)
    with serial_machine(None, elf) as port:
        (answer,) = SerialPort(hello_seconds=3).answers(replace(job, argument=port))
    comparison = compare(job, evaluate(MODEL, job.x, job.lengths, job.initial), answer.trajectory)
    assert (comparison.compared, comparison.mismatches) == (expected_count(job), 0), comparison.first


def plant(folder, right, wrong):
    path = folder / "c" / "ear.c"
    text = path.read_text()
    assert text.count(right) == 1
    path.write_text(text.replace(right, wrong))


def test_a_front_end_that_turns_wrongly_is_told_by_layer_frame_and_channel(tmp_path):
    job = job_of(MODEL, tmp_path)
    path = tmp_path / "c" / "rescomp" / "align_int16.c"
    text = path.read_text()
    assert text.count("by[1] * y") == 1
    path.write_text(text.replace("by[1] * y", "by[1] * -y"))
    witness, reference = load_witness("c"), evaluate(MODEL, job.x, job.lengths, job.initial)
    answer = next(witness.answers(job))
    first = compare(job, reference, answer.trajectory).first
    fault = locate(job, witness, answer, reference, first).fault
    assert (fault.graph, fault.layer, fault.kernel) == ("frontend", "samples_aligned", "rescomp_align_int16")


@pytest.mark.parametrize("core", ["", "cortex-m0"])
def test_what_sets_and_finds_the_alignment_is_called_as_the_header_says(core, tmp_path, request):
    if core:
        request.getfixturevalue("emulated")(core)
    write_export(tmp_path / "c", MODEL)
    x = np.random.default_rng(5).integers(-3000, 3000, (4, 9, *MODEL.input.type.shape)).astype(np.int16)
    job = Job(MODEL, tmp_path, x, np.full(4, 9), core)
    witness = load_witness("qemu" if core else "c")
    (answer,) = witness.run_uses(job)
    assert (answer.mismatches, answer.first) == (0, "")
    if not core:
        plant(tmp_path, "samples += EAR_CHANNELS) {\n        ++calibration", "samples += 0) {\n        ++calibration")
        (answer,) = witness.run_uses(job)
        assert answer.mismatches > 0
        assert "add_calibration" in answer.first


def test_listeners_are_turned_in_the_middle_of_frames():
    """The program pushes on where a rotation was set, which the features that follow are of."""
    calls = ListenerCalls(MODEL, 60)
    kinds = [call.what for call in calls.made]
    assert kinds.count(ListenerCall.TURN) > 5
    assert ListenerCall.TURN not in [call.what for call in ListenerCalls(summing_net(WORN, 1), 60).made]
    states = [array["alignment"] for what, array in calls.expected if what.startswith("the state of listener")]
    assert len({state.tobytes() for state in states}) > 3


def test_recordings_of_the_stress_set_reach_the_clamps_of_a_turn(tmp_path):
    job = job_of(MODEL, tmp_path)
    found = CoverageMeter(MODEL).vectors(job.x, job.lengths, job.initial, job.sound)
    places = [place for place in found.reached if place[:2] == ("frontend", ALIGNMENT_STATE)]
    assert places
    assert sum(int(found.reached[place].sum()) for place in places) > 6
