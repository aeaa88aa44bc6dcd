"""One long run on every witness: every state and every score, the state never reset."""

from collections import Counter
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from rescomp.errors import UnsupportedError
from rescomp.export.c import export_c
from rescomp.export.onnx import export_onnx
from rescomp.graph.decide import Decision, with_decision
from rescomp.graph.evaluate import Trajectory, evaluate, follow_decisions
from rescomp.graph.long_run import evaluate_long_run
from rescomp.graph.ops.decide import MEMORY
from rescomp.tests.validate.lying_line import ANSWER, lying_line
from rescomp.validate import host_c
from rescomp.validate.compare import compare, expected_count
from rescomp.validate.host_c import HostC
from rescomp.validate.parity_protocol import Command
from rescomp.validate.registry import load_witness
from rescomp.validate.replay import replay
from rescomp.validate.serial_machines import serial_machine
from rescomp.validate.serial_port import FRAME_BYTES, SerialPort, describe_estimate
from rescomp.validate.stream_inputs import stream_inputs
from rescomp.validate.witness import Job


@pytest.fixture
def long_run(export_job, random_sequences):
    """A function (model, steps) -> a job that asks for every score of one run."""

    def make(model, steps, **parts):
        x, lengths = random_sequences(np.random.default_rng(3), model)
        job = export_job(model, stream_inputs(model.input.type, x, lengths, steps)[None], np.array([steps]), **parts)
        return replace(job, every_score=True)

    return make


def whole(job, answer):
    """The comparison, every value being there."""
    run = evaluate_long_run(job.model, job.x[0], guess=answer.trajectory.states[0])
    found = compare(job, reference_of(job.model, run), answer.trajectory)
    decided = 0 if answer.trajectory.decisions is None else len(run.states) * (job.model.output.type.size + MEMORY + 1)
    assert found.compared == run.states.size + run.scores.size + decided
    return found


def reference_of(model, run):
    return Trajectory(run.states[None], run.scores[None], *(follow_decisions(model, run.scores[None]) if model.decides else ()))


@pytest.mark.parametrize("cell", ["deciding gru", "mixed", "mean of a gru", "deciding max of a gru"])
def test_every_witness_gives_every_state_and_score(cell, request, exporting_witness, long_run):
    readout = {"readout": next(kind for kind in ("mean", "max") if kind in cell), "readout_steps": 29} if "of a" in cell else {}
    model = request.getfixturevalue(f"random_{cell.split()[-1]}")(np.random.default_rng(4), **readout)
    job = long_run(with_decision(model, Decision(smoothing=1, hold=2) if "deciding" in cell else None), 80)
    answers = exporting_witness.answers(replace(job, argument="step" if exporting_witness.name == "onnxruntime" else ""))
    answers = list(answers)
    assert [whole(job, answer).mismatches for answer in answers] == [0] * {"tflite": 3, "c": 2}.get(exporting_witness.name, 1)
    assert (answers[0].trajectory.decisions is not None) == (job.model.decides and exporting_witness.name in ("c", "onnxruntime"))


def test_the_loop_of_onnx_is_not_asked(random_gru, long_run):
    job = replace(long_run(random_gru(np.random.default_rng(4)), 5, exports=export_onnx), argument="sequence")
    with pytest.raises(UnsupportedError, match=r"model_sequence\.onnx gives scores at the end of a sequence alone"):
        list(load_witness("onnxruntime").answers(job))


def test_a_hundred_thousand_steps_on_this_machine(random_fastgrnn, long_run, monkeypatch):
    """The last step follows from every one before it: numpy evaluates them block by block from the states that the C gave."""
    monkeypatch.setattr(host_c, "VARIANTS", host_c.VARIANTS[:1])
    job = long_run(random_fastgrnn(np.random.default_rng(4)), 100_000, exports=host_c_only)
    (answer,) = HostC().answers(job)
    assert whole(job, answer).first is None
    at = 99_990
    tail = evaluate(job.model, job.x[:, at:], initial=answer.trajectory.states[:, at - 1])
    assert np.array_equal(tail.states[0], answer.trajectory.states[0, at:])
    assert np.array_equal(tail.scores[0], answer.trajectory.scores[0, -1])


def host_c_only(model):
    return {f"c/{name}": data for name, data in export_c(model).items()}


@pytest.mark.parametrize("core", ["cortex-m0", "atmega2560"])
@pytest.mark.parametrize("readout", ["last", "last_mean"])
def test_cores_give_every_state_and_score(core, readout, emulated, random_gru, long_run):
    core = emulated(core)
    model = random_gru(np.random.default_rng(4), readout=readout, readout_steps=7)
    job = replace(long_run(model, 60, exports=host_c_only), argument=core.name)
    (answer,) = load_witness("simavr" if core.name.startswith("atmega") else "qemu").answers(job)
    assert whole(job, answer).first is None


def test_a_score_that_differs_is_named_by_its_step_and_asked_for_in_the_head(random_gru, long_run):
    job = long_run(random_gru(np.random.default_rng(4)), 30, exports=host_c_only)
    run = evaluate_long_run(job.model, job.x[0])
    reference = Trajectory(run.states[None], run.scores[None])
    scores = reference.scores.copy()
    scores[0, 7, 2] += 1
    found = compare(job, reference, Trajectory(reference.states, scores))
    assert str(found.first) == f"sequence 0, step 7, scores[2]: expected {scores[0, 7, 2] - 1}, got {scores[0, 7, 2]}"

    forced = replay(job, reference, found.first).forced["head"]
    assert np.array_equal(np.concatenate([forced[value.name][7] for value in job.model.graphs["head"].inputs]), run.states[7])
    states = reference.states.copy()
    states[0, 5, 1] += 1
    assert compare(job, reference, Trajectory(states, scores)).first.step == 5


@contextmanager
def lying(port, at):
    """The port of a line to the board at `port` on which the answers to these STEP requests are wrong; and a count of them."""
    counts = Counter()

    def lies(command):
        counts["steps"] += command == Command.STEP | ANSWER
        return command == Command.STEP | ANSWER and counts["steps"] in at

    with lying_line(port, lies) as other:
        yield other, counts


@pytest.mark.parametrize(("every_score", "requests"), [(True, 2010), (False, 1010)])
def test_over_a_line_a_lost_conversation_goes_on_from_the_last_state_that_arrived(build_board, every_score, requests):
    """Steps are asked for one by one where every score is compared, else as many as a frame holds."""
    steps = 2000
    form = {"cell": "gru", "readout": "last_mean", "readout_steps": 29, "weights": "ternary"}
    board = build_board(**form, count=8, longest=9, decision=Decision(smoothing=2, hold=3), firmware={"frame_bytes": 256})
    x = stream_inputs(board.model.input.type, board.x, board.lengths, steps)
    run = evaluate_long_run(board.model, x)
    witness = SerialPort()
    with serial_machine(None, board.elf) as good, lying(good, at=(300, 650)) as (port, counts):
        job = Job(board.model, board.directory, x[None], np.array([steps]), port, every_score=every_score)
        (answer,) = witness.answers(job)
    reference = reference_of(board.model, run)
    reference = reference if every_score else replace(reference, scores=run.scores[-1:])
    assert compare(job, reference, answer.trajectory).first is None
    assert compare(job, reference, answer.trajectory).compared == expected_count(job)
    assert witness.report.restarts == 2
    assert counts["steps"] <= requests


def test_the_time_of_a_stream_over_a_line_is_told(build_board):
    board = build_board(weights="ternary", count=8, longest=9)
    job = Job(board.model, board.directory, np.zeros((1, 1000, *board.x.shape[2:])), np.array([1000]), "/dev/ttyACM0@9600")
    alone, every = (int(describe_estimate([each]).split()[1].replace(",", "")) for each in (job, replace(job, every_score=True)))
    assert every > 1000 * 2 * FRAME_BYTES + alone
