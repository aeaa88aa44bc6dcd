"""PCM at every witness: features, states and scores of recordings, and of what a front-end hardly ever hears."""

from dataclasses import replace

import numpy as np
import pytest

from rescomp.export.c import export_c
from rescomp.export.onnx import export_onnx
from rescomp.export.tflite import export_tflite
from rescomp.frontend.description import FrontEnd
from rescomp.frontend.lowering import with_front_end
from rescomp.graph.alignment import direction, with_alignment
from rescomp.graph.evaluate import evaluate, evaluate_graph
from rescomp.graph.formats import TensorType
from rescomp.graph.ir import Graph, IntegerModel, Node, Value
from rescomp.graph.ops import Reshape
from rescomp.graph.sound import Pcm, evaluate_frontend
from rescomp.graph.verify import FRAME_INPUT
from rescomp.tests.frontend.summing_net import Q10, product, summing_net
from rescomp.validate import parity_device
from rescomp.validate.c_program import write_export
from rescomp.validate.c_vectors import PUSHED
from rescomp.validate.compare import compare, expected_count
from rescomp.validate.coverage import CoverageMeter
from rescomp.validate.fault import locate
from rescomp.validate.parity_firmware import build_parity_firmware
from rescomp.validate.registry import load_witness
from rescomp.validate.serial_machines import serial_machine
from rescomp.validate.serial_port import SerialPort
from rescomp.validate.stress import stress_sequences, stress_vectors
from rescomp.validate.witness import Job

SMALL = FrontEnd("log_mel", 8000, 200, 80, 256, 5, 60.0, 3800.0)
TWO = replace(SMALL, kind="spectrum", channels=2, length=64, hop=90)


def whole(front_end, frames):
    """Scores of so many frames at once."""
    rng, x = np.random.default_rng(0), Value("x", TensorType((frames, front_end.features), Q10))
    flat = Node("flat", Reshape((x.type.size,)), ("x",), ("flat",))
    scores = Node("scores", product(rng, 3, x.type.size), ("flat",), ("scores",))
    return with_front_end(IntegerModel("ear", {"whole": Graph("whole", (x,), (flat, scores), ("scores",))}), front_end)


WORN = FrontEnd("statistics", 50, 40, 20, channels=7, statistics=("mean", "log_deviation"))
"""Two sensors of three axes, and a channel beside them that no rotation turns."""


def worn(front_end, frames, axes):
    return with_alignment(summing_net(front_end, frames), front_end.channels, axes, direction(np.array([0.2, -0.95, 0.25])))


MODELS = {
    "a frame a step": summing_net(SMALL, 1),
    "frames side by side, two channels": summing_net(TWO, 2),
    "statistics of a worn device": worn(WORN, 1, (0, 1, 2, 6, 4, 3)),
    "spectra of a worn device": worn(replace(SMALL, kind="spectrum", channels=3), 2, (2, 0, 1)),
    "a window": whole(replace(SMALL, pre_emphasis=0), 3),
}


def job_of(model, path):
    """The stress set's recordings, and sequences that are fed to the net itself."""
    for files in (export_onnx(model), export_tflite(model), {f"c/{name}": data for name, data in export_c(model).items()}):
        for name, data in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
    stress = stress_sequences(model, "quick")
    rows = np.r_[:4, len(stress.x) - 15 : len(stress.x)]
    sound = stress.sound.take(rows)
    assert sound.heard.sum() == 15
    return Job(model, path, stress.x[rows], stress.lengths[rows], initial=stress.initial[rows], sound=sound)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("witness", ["c", "onnxruntime", "tflite", "tflite-micro", "qemu:cortex-m4"])
def test_every_witness_begins_with_samples(witness, name, tmp_path, request):
    witness, _, argument = witness.partition(":")
    if argument:
        request.getfixturevalue("emulated")(argument)
    job = replace(job_of(MODELS[name], tmp_path), argument=argument)
    job = job if job.model.is_recurrent else replace(job, initial=None)
    answers = list(load_witness(witness).answers(job))
    for answer in answers:
        run = job.from_zero() if answer.from_zero else job
        reference = evaluate(job.model, run.x, run.lengths, run.initial)
        comparison = compare(run, reference, answer.trajectory)
        assert (comparison.compared, comparison.mismatches) == (expected_count(job), 0), comparison.first
    features = int(job.lengths[job.heard].sum()) if job.model.is_recurrent else 15
    assert expected_count(job) - expected_count(replace(job, sound=None)) == features * job.model.input.type.size > 50


@pytest.mark.parametrize("witness", ["c", "onnxruntime", "tflite"])
def test_the_layers_of_the_front_end_are_run_by_themselves(witness, tmp_path):
    job = job_of(MODELS["a frame a step"], tmp_path)
    forced = {"frontend": stress_vectors(job.model).layers["frontend"]}
    graph = job.model.graphs["frontend"]
    for answer in load_witness(witness).run_layers(job, forced):
        if "sequence" not in answer.variant:
            assert answer.graphs == {"frontend": graph}
            assert {name for node in graph.nodes for name in node.outputs} <= set(answer.values["frontend"])


def plant(path):
    """A fault in the fourth band of every channel, past the clamp."""
    source = path / "c" / "rescomp" / "log2_int32.c"
    text = source.read_text()
    changed = text.replace(
        "(int16_t)rescomp_clamp(result, floor, INT16_MAX)", "(int16_t)(rescomp_clamp(result, floor, INT16_MAX) - (j == 3))"
    )
    assert changed != text
    source.write_text(changed)


def test_a_front_end_that_differs_is_told_by_layer_frame_and_channel(tmp_path):
    job = job_of(MODELS["frames side by side, two channels"], tmp_path)
    plant(tmp_path)
    witness, reference = load_witness("c"), evaluate(job.model, job.x, job.lengths, job.initial)
    answer = next(witness.answers(job))
    comparison = compare(job, reference, answer.trajectory)
    assert str(comparison.first).startswith("sequence 4, frame 0, features[3]: expected ")
    fault = locate(job, witness, answer, reference, comparison.first).fault
    assert (fault.graph, fault.layer, fault.value.channel, fault.value.unit) == ("frontend", "logarithms", 3, "frame")
    assert "differ, since frame 0, in " in str(fault)


def test_recordings_reach_places_of_the_front_end_that_no_feature_does(tmp_path):
    job = job_of(MODELS["a frame a step"], tmp_path)
    meter = CoverageMeter(job.model)
    fed, heard = meter.vectors(job.x, job.lengths, job.initial), meter.vectors(job.x, job.lengths, job.initial, job.sound)
    places = [place for place in heard.reached if place[0] == "frontend"]
    assert sum(int(heard.reached[place].sum()) for place in places) > sum(int(fed.reached[place].sum()) for place in places) == 0


@pytest.mark.parametrize(("name", "frame_bytes"), [("a frame a step", 1024), ("frames side by side, two channels", 128), ("a window", 128)])
def test_a_board_is_pushed_the_samples_in_the_sensor_s_order(name, frame_bytes, tmp_path, monkeypatch):
    job = job_of(MODELS[name], tmp_path)
    rows = np.r_[0, 4:9]
    initial = job.initial[rows] if job.model.is_recurrent else None
    job = replace(job, x=job.x[rows], lengths=job.lengths[rows], initial=initial, sound=job.sound.take(rows))
    elf = build_parity_firmware(None, job.model, tmp_path / "c", tmp_path, frame_bytes=frame_bytes)
    reference = evaluate(job.model, job.x, job.lengths, job.initial)
    monkeypatch.setattr(parity_device, "REQUESTS_A_SESSION", 31)  # a session ends in the middle of a recording, which goes on
    with serial_machine(None, elf) as port:
        witness, job = SerialPort(hello_seconds=3), replace(job, argument=port)
        (answer,) = witness.answers(job)
        graph = job.model.graphs["frontend"]
        frames = stress_vectors(job.model).layers["frontend"][FRAME_INPUT][:2]
        layers = witness.run_graph(graph, {FRAME_INPUT: frames})
    comparison = compare(job, reference, answer.trajectory)
    assert (comparison.compared, comparison.mismatches) == (expected_count(job), 0), comparison.first
    for name, values in evaluate_graph(graph, {FRAME_INPUT: frames}).items():
        assert name == FRAME_INPUT or np.array_equal(layers[name], values), name


def test_a_board_that_hears_wrongly_is_told_by_layer_frame_and_channel(tmp_path):
    job = job_of(MODELS["a frame a step"], tmp_path)
    job = replace(job, x=job.x[8:9], lengths=job.lengths[8:9], initial=None, sound=job.sound.take(np.array([8])))
    plant(tmp_path)
    elf = build_parity_firmware(None, job.model, tmp_path / "c", tmp_path)
    reference = evaluate(job.model, job.x, job.lengths)
    with serial_machine(None, elf) as port:
        witness, job = SerialPort(hello_seconds=3), replace(job, argument=port)
        (answer,) = witness.answers(job)
        first = compare(job, reference, answer.trajectory).first
        fault = locate(job, witness, answer, reference, first, 2).fault
    assert (fault.graph, fault.layer, fault.value.channel, fault.value.step) == ("frontend", "logarithms", 3, 0)


@pytest.mark.parametrize("where", ["c", "qemu:cortex-m4", "serial"])
def test_a_long_recording_pushed_in_parts_of_any_size_is_the_recording(where, tmp_path, request):
    """Three quarters of a second, once in parts of each size; benchmarks/front_ends.py pushes a minute."""
    name, _, argument = where.partition(":")
    if argument:
        request.getfixturevalue("emulated")(argument)
    model, rng = summing_net(SMALL, 1), np.random.default_rng(6)
    recording = rng.integers(-32768, 32768, (6000, 1)) >> (np.arange(6000)[:, None] // 500 % 16)
    rows = 1 if where == "serial" else len(PUSHED)
    heard = evaluate_frontend(model, recording)
    x, sound = np.stack([heard] * rows), Pcm(np.stack([recording.astype(np.int16)] * rows), np.full(rows, 6000))
    job = Job(model, tmp_path, x, np.full(rows, len(heard)), argument, sound=sound)
    write_export(tmp_path / "c", model)
    if where == "serial":
        with serial_machine(None, build_parity_firmware(None, model, tmp_path / "c", tmp_path)) as port:
            answers = list(SerialPort(hello_seconds=3).answers(replace(job, argument=port)))
    else:
        answers = list(load_witness(name).answers(job))
    for answer in answers:
        comparison = compare(job, evaluate(model, x, job.lengths), answer.trajectory)
        assert (comparison.compared, comparison.mismatches) == (rows * (len(heard) * 9 + 3), 0), comparison.first
    assert sorted(PUSHED) == [1, 2, 7, 33, 61, 64]
