"""What a decision keeps between steps is compared, not only what comes of it: a state that is spoiled late shows in no decision."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rescomp.export.c import export_c
from rescomp.export.onnx import DECIDE_FILE, export_onnx
from rescomp.graph.decide import AVERAGE, Decision, with_decision
from rescomp.graph.evaluate import Trajectory, evaluate, follow_decisions
from rescomp.graph.long_run import evaluate_long_run
from rescomp.validate import host_c
from rescomp.validate.compare import compare
from rescomp.validate.fault import locate
from rescomp.validate.host_c import HostC
from rescomp.validate.registry import load_witness
from rescomp.validate.serial_machines import serial_machine
from rescomp.validate.serial_port import SerialPort
from rescomp.validate.stream_inputs import stream_inputs
from rescomp.validate.witness import Job

DECISION = Decision(smoothing=3, margin=40, hold=3)
STEPS, SPOILED = 500, 490
RUNS = ["the long run", "vectors"]
FAULT = """    static unsigned long calls;
    if (++calls == %d) {
        state->decide_average[1] ^= 1;
    }
    return decision[0];"""
"""Counted in one process, from 1 on: the step of the one sequence, or of the last of several."""


def decided(model, run, x, lengths, directory=None, port=""):
    """A job, numpy's answer, and the step of the last sequence at which a state is spoiled, counted over all."""
    if run == "vectors":
        job = Job(model, directory, x, lengths, port)
        return job, evaluate(model, x.astype(np.int64), lengths), int(lengths.sum()) - 1
    job = Job(model, directory, stream_inputs(model.input.type, x, lengths, STEPS)[None], np.array([STEPS]), port, every_score=True)
    found = evaluate_long_run(model, job.x[0])
    return job, Trajectory(found.states[None], found.scores[None], *follow_decisions(model, found.scores[None])), SPOILED


def check_spoiled(job, reference, answer, step):
    """Nothing but the state differs, which is what is named."""
    assert np.array_equal(answer.trajectory.decisions, reference.decisions)
    found = compare(job, reference, answer.trajectory)
    last = len(job.x) - 1
    at = step - int(job.lengths[:-1].sum())
    assert (found.first.kind, found.first.tensor, found.first.sequence, found.first.step) == ("decision", AVERAGE, last, at)
    assert found.mismatches == (reference.decide_states != answer.trajectory.decide_states).sum() > 0
    return found


def spoil_c(folder, step):
    path = folder / "tiny.c"
    text = path.read_text()
    assert text.count("    return decision[0];") == 1
    path.write_text(text.replace("    return decision[0];", FAULT % (step + 1)))


@pytest.fixture
def deciding(random_fastgrnn, random_sequences):
    """A model that decides, and sequences."""
    rng = np.random.default_rng(17)
    model = with_decision(random_fastgrnn(rng), DECISION)
    x, lengths = random_sequences(rng, model, count=4, longest=9)
    lengths[-1] = 9
    return model, x.astype(np.int16), lengths


@pytest.mark.parametrize("run", RUNS)
def test_the_c_on_this_machine(run, deciding, export_job, monkeypatch):
    monkeypatch.setattr(host_c, "VARIANTS", host_c.VARIANTS[:1])
    exported = export_job(*deciding, exports=lambda model: {f"c/{name}": data for name, data in export_c(model).items()})
    job, reference, step = decided(deciding[0], run, *deciding[1:], exported.directory)
    spoil_c(job.directory / "c", step)
    (answer,) = HostC().answers(job)
    found = check_spoiled(job, reference, answer, step)
    finding = locate(job, HostC(), answer, reference, found.first)
    assert (finding.fault, finding.of_files) == (None, True)  # no layer of it is wrong by itself


@pytest.mark.parametrize("run", RUNS)
def test_onnxruntime(run, deciding, export_job):
    exported = export_job(*deciding, exports=export_onnx)
    job, reference, step = decided(deciding[0], run, *deciding[1:], exported.directory)
    at = step - int(job.lengths[:-1].sum())
    spoil_onnx(job.directory / DECIDE_FILE, reference.decide_states[-1, at - 1, : deciding[0].output.type.size])
    for answer in load_witness("onnxruntime").answers(replace(job, argument="step")):
        check_spoiled(job, reference, answer, step)


def spoil_onnx(path, average):
    """Where the averages were these, the first of the next is one more."""
    model = onnx.load(path)
    after = f"{AVERAGE}_next"
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = ["right" if name == after else name for name in names]
    for name, array in (("these", average[None].astype(np.int32)), ("first", np.eye(1, len(average), dtype=np.int32))):
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    model.graph.node.extend(
        [
            helper.make_node("Equal", [AVERAGE, "these"], ["equal"]),
            helper.make_node("Cast", ["equal"], ["ones"], to=TensorProto.INT32),
            helper.make_node("ReduceMin", ["ones"], ["every"], axes=[1], keepdims=1),
            helper.make_node("Mul", ["every", "first"], ["more"]),
            helper.make_node("Add", ["right", "more"], [after]),
        ]
    )
    onnx.save(model, path)


@pytest.mark.parametrize("run", RUNS)
def test_a_board_over_a_line(run, deciding, build_board):
    _, _, step = decided(deciding[0], run, *deciding[1:])
    board = build_board(count=4, longest=9, decision=DECISION, plant=lambda folder: spoil_c(folder, step))
    with serial_machine(None, board.elf) as port:
        job, reference, _ = decided(board.model, run, *deciding[1:], board.directory, port)
        (answer,) = SerialPort().answers(job)
    check_spoiled(job, reference, answer, step)
