"""The process that interpreters of ONNX and TFLite files run in: one that a file ends (SIGSEGV, memory) is nobody else's end.

It reads one request after the other from standard input and answers on standard output; it ends with either, and by SIGALRM when one
run of a model takes longer than INVOKE_SECONDS. A request is a line of JSON (`task`, `model`: bytes of the file, `sequences`, `steps`),
the file, and as raw arrays the lengths int64 [sequences], of each fed input [sequences, steps, *shape] and of each carried one its
first values [sequences, *shape]. The answer to each block of sequences (`blocks`) is OK, the carried outputs after every step
[rows, longest, *shape] and the answers after the last one [rows, *shape]; or FAILED, the length of a text (4 bytes, little-endian) and
the text, which ends the request.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
from collections.abc import Mapping
from io import BufferedReader, BufferedWriter
from typing import Any

import numpy as np

from .interpreter_task import Array, Task, blocks, read_array, read_task
from .interpreters import Interpreter, interpreter_of

INVOKE_SECONDS = 60
"""How long one run of a model may take: a step, or up to STEPS_OF_A_RUN of them where the file holds the loop over time."""
STEPS_OF_A_RUN = 1024
MEMORY_BYTES = 640 << 20
"""What the process may allocate beside four times the request."""
OK, FAILED = b"\0", b"\1"


def serve() -> None:
    """Answer requests until there are none."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with os.fdopen(os.dup(0), "rb") as requests, os.fdopen(os.dup(1), "wb") as answers:
        null = os.open(os.devnull, os.O_RDWR)  # Interpreters print what they like.
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        while line := requests.readline():
            try:
                _answer(json.loads(line), requests, answers)
            except Exception as error:  # Whatever an interpreter raises is its answer.
                text = (str(error) or type(error).__name__).splitlines()[0].encode()[:1000]
                answers.write(FAILED + len(text).to_bytes(4, "little") + text)
            signal.alarm(0)
            answers.flush()


def _answer(header: Mapping[str, Any], requests: BufferedReader, answers: BufferedWriter) -> None:
    n, steps, size = header["sequences"], header["steps"], header["model"]
    task = read_task(header)
    data = requests.read(size)
    lengths = read_array(requests, "int64", (n,))
    fed = {tensor.name: read_array(requests, tensor.dtype, (n, steps, *tensor.shape)) for tensor in task.fed}
    first = {tensor.name: read_array(requests, tensor.dtype, (n, *tensor.shape)) for tensor in task.first}
    _limit_memory(MEMORY_BYTES + 4 * (size + sum(array.nbytes for array in (*fed.values(), *first.values()))))
    signal.alarm(INVOKE_SECONDS)
    interpreter = interpreter_of(task, data)
    run = _run_whole if task.whole_sequences else _run_one if task.rows == 1 else _run_steps
    for rows, longest in blocks(task, lengths):
        values = {name: array[rows, :longest] for name, array in fed.items()} | {name: array[rows] for name, array in first.items()}
        results = run(interpreter, task, values, lengths[rows])
        answers.write(OK + b"".join(np.ascontiguousarray(array).tobytes() for array in results))
        answers.flush()


def _run_whole(interpreter: Interpreter, task: Task, values: Mapping[str, Array], lengths: Array) -> list[Array]:
    """Sequences of one length in one run: of each recorded output [rows, length, *shape], then of each answer [rows, *shape]."""
    for tensor in task.inputs:
        interpreter.write(tensor, values[tensor.name])
    signal.alarm(INVOKE_SECONDS * (1 + int(lengths[0]) // STEPS_OF_A_RUN))
    interpreter.invoke()
    return [interpreter.read(task.output(name)) for name in (*task.recorded, *task.answers)]


def _run_one(interpreter: Interpreter, task: Task, values: Mapping[str, Array], lengths: Array) -> list[Array]:
    """The same as _run_steps of one sequence: short ones by the thousand are what layers are asked for."""
    steps = int(lengths[0])
    history = {name: np.zeros((1, steps, *task.output(name).shape), task.output(name).dtype) for name in task.recorded}
    recorded = [(task.output(name), array) for name, array in history.items()]
    fed = [(tensor, values[tensor.name]) for tensor in task.fed]
    state = [(tensor, values[tensor.name]) for tensor in task.first]
    for t in range(steps):
        # Inputs may lie where outputs do: everything is read before anything is written.
        for tensor, array in state:
            interpreter.write(tensor, array)
        for tensor, array in fed:
            interpreter.write(tensor, array[:, t])
        signal.alarm(INVOKE_SECONDS)
        interpreter.invoke()
        for tensor, array in recorded:
            array[:, t] = interpreter.read(tensor)
        state = [(tensor, history[task.carried[tensor.name]][:, t]) for tensor, _ in state]
    return [*history.values(), *(interpreter.read(task.output(name)) for name in task.answers)]


def _run_steps(interpreter: Interpreter, task: Task, values: Mapping[str, Array], lengths: Array) -> list[Array]:
    """A block step by step: of each recorded output [rows, longest, *shape], then of each answer [rows, *shape]."""
    rows, steps = len(lengths), int(lengths.max())
    recorded, answers = ([task.output(name) for name in names] for names in (task.recorded, task.answers))
    history = {tensor.name: np.zeros((rows, steps, *tensor.shape), tensor.dtype) for tensor in recorded}
    last = {tensor.name: np.zeros((rows, *tensor.shape), tensor.dtype) for tensor in answers}
    for t in range(steps):
        running = np.flatnonzero(lengths > t)
        for tensor in task.fed:
            interpreter.write(tensor, values[tensor.name][running, t])
        for tensor in task.first:
            interpreter.write(tensor, history[task.carried[tensor.name]][running, t - 1] if t else values[tensor.name])
        signal.alarm(INVOKE_SECONDS)
        interpreter.invoke()
        for tensor in recorded:
            history[tensor.name][running, t] = interpreter.read(tensor)
        ending = lengths[running] == t + 1
        for tensor in answers if ending.any() else ():
            last[tensor.name][running[ending]] = interpreter.read(tensor)[ending]
    return [*history.values(), *last.values()]


def _limit_memory(size: int) -> None:
    """Allow so many bytes; where the system does not offer it, anything."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (size, resource.getrlimit(resource.RLIMIT_DATA)[1]))
