"""TFLite interpreters run in a child process: what ends it there is one sentence here, and it does not outlive its parent."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from rescomp.errors import InputError
from rescomp.export.tflite import export_tflite
from rescomp.graph.evaluate import evaluate
from rescomp.validate import interpreter_process
from rescomp.validate.compare import compare
from rescomp.validate.interpreter_process import PROCESS, InterpreterError, InterpreterProcess
from rescomp.validate.interpreter_task import Task, Tensor
from rescomp.validate.registry import load_witness
from rescomp.validate.tflite import INTERPRETERS

SECONDS = 60
"""After which what should have ended has not."""


@pytest.fixture
def job(random_fastgrnn, random_sequences, export_job):
    rng = np.random.default_rng(1)
    model = random_fastgrnn(rng)
    return export_job(model, *random_sequences(rng, model), exports=export_tflite)


@pytest.mark.parametrize("name", ["tflite", "tflite-micro"])
@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "it ended the interpreter by SIGSEGV"),
        ("os.abort()", "it ended the interpreter by SIGABRT"),
        ("signal.alarm(1); signal.pause()", "one run took more than 60 seconds"),
        ("os._exit(7)", "the interpreter ended with status 7"),
    ],
)
def test_a_crash_is_one_sentence_and_the_next_run_is_served(name, code, cause, job, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(interpreter_process, "_CHILD", f"import os, signal, sys; sys.stdin.buffer.read(1); {code}")
        PROCESS.close()
        with pytest.raises(InputError, match=rf"cannot run .*model\.tflite .*{cause}.*rescomp export") as caught:
            list(load_witness(name).answers(job))
    assert caught.value.exit_code == 2
    for answer in load_witness(name).answers(job):
        assert compare(job, evaluate(job.model, job.x, job.lengths), answer.trajectory).mismatches == 0


@pytest.mark.parametrize("name", ["tflite", "tflite-micro"])
def test_files_with_changed_bytes_end_nothing_but_their_own_run(name, job):
    """Some of these 40 end tflite-runtime by a signal; ai-edge-litert refuses more of them itself."""
    rng, path, causes = np.random.default_rng(3), job.directory / "model.tflite", []
    whole = path.read_bytes()
    for _ in range(40):
        data = bytearray(whole)
        data[rng.integers(8, len(data))] = rng.integers(256)
        path.write_bytes(data)
        try:
            list(load_witness(name).answers(job))
        except InputError as error:
            causes.append(str(error))
    assert causes
    assert all(str(path) in cause for cause in causes)


def test_a_file_of_another_type_is_named(job):
    wide = Task(INTERPRETERS[0], "BUILTIN_REF", (Tensor(job.model.input.name, "int8", job.model.input.type.shape),), (), {}, ())
    data = (job.directory / "model.tflite").read_bytes()
    with pytest.raises(InterpreterError, match=r"its tensor 'input' has shape int16 .* not int8"):
        PROCESS.run(wide, data, {job.model.input.name: job.x}, job.lengths, {})


def test_one_process_serves_all_runs(job):
    list(load_witness("tflite").answers(job))
    first = PROCESS._process.pid
    list(load_witness("tflite-micro").answers(job))
    assert PROCESS._process.pid == first


def test_a_fork_has_a_process_of_its_own(job):
    process = InterpreterProcess()
    first = process._started()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            other = process._started().pid
            process.close()
            os._exit(0 if other != first.pid else 1)
        os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert first.poll() is None
    process.close()
    assert first.returncode == -signal.SIGKILL


def test_the_process_ends_with_its_parent(tmp_path):
    program = (
        "import time; from rescomp.validate.interpreter_process import PROCESS; print(PROCESS._started().pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=tmp_path) as parent:
        child = int(parent.stdout.readline())
        os.kill(child, 0)
        parent.kill()
    until = time.monotonic() + SECONDS
    while is_running(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_running(child)


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
