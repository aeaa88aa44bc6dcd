"""Interpreters of ONNX and TFLite files in a process of their own (interpreter_child.py), started again after a file has ended it."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import cast

import numpy as np

from ..graph.fixed_point import IntArray
from ..graph.formats import TensorType
from .interpreter_child import INVOKE_SECONDS, OK, serve
from .interpreter_task import Array, Task, Tensor, blocks, read_array

_CHILD = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {module} import serve; serve()"


def start_child() -> subprocess.Popen[bytes]:
    """A new process that answers requests."""
    paths = json.dumps([str(Path(entry).resolve()) for entry in sys.path])
    command = [sys.executable, "-c", _CHILD.format(module=serve.__module__), paths]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/")


def boundary_tensor(name: str, type: TensorType) -> Tensor:
    """The boundary tensor `name` of a file that holds values of this type."""
    return Tensor(name, type.format.numpy_dtype.name, type.shape)


class InterpreterError(Exception):
    """Why a model did not run: what the interpreter says, or how it ended."""


@dataclass(frozen=True, eq=False)
class Results:
    """recorded: of each recorded output [sequences, longest, *shape], zero past a sequence's end; answers: [sequences, *shape]."""

    recorded: Mapping[str, Array]
    answers: Mapping[str, Array]

    def scores(self, answer: str, *, every: bool) -> Array:
        """An answer after the last step, or after every one, where it was recorded."""
        return self.recorded[answer] if every else self.answers[answer]


@dataclass
class InterpreterProcess:
    """Runs tasks. The process ends with this one: it reads its requests from a pipe."""

    _process: subprocess.Popen[bytes] | None = None
    _owner: int = field(default=0)

    def run(self, task: Task, model: bytes, fed: Mapping[str, IntArray], lengths: IntArray, first: Mapping[str, IntArray]) -> Results:
        """Run a model on sequences. fed: int [sequences, longest, *shape]; lengths: int [sequences]; first: int [sequences, *shape].

        Raises InterpreterError when it does not run, or takes more than INVOKE_SECONDS a step.
        """
        lengths = lengths.astype(np.int64)
        n, steps = len(lengths), next(iter(fed.values())).shape[1]
        header = {"task": asdict(task), "model": len(model), "sequences": n, "steps": steps}
        arrays = [lengths, *(fed[t.name].astype(t.dtype) for t in task.fed), *(first[t.name].astype(t.dtype) for t in task.first)]
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(header).encode() + b"\n" + model)
            for array in arrays:
                process.stdin.write(np.ascontiguousarray(array).tobytes())
            process.stdin.flush()
            return _read_results(task, lengths, steps, cast(BufferedReader, process.stdout))
        except (EOFError, OSError) as error:
            raise InterpreterError(self._how_it_ended()) from error
        except InterpreterError:
            raise
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the process."""
        if self._process is not None and self._owner == os.getpid():
            self._process.kill()
            self._process.communicate()
        self._process = None

    def _started(self) -> subprocess.Popen[bytes]:
        """The running process, which is not shared with a fork of this one."""
        if self._process is None or self._owner != os.getpid() or self._process.poll() is not None:
            self._process = start_child()
            self._owner = os.getpid()
        return self._process

    def _how_it_ended(self) -> str:
        assert self._process is not None
        try:
            status = self._process.wait(timeout=INVOKE_SECONDS)
        except subprocess.TimeoutExpired:
            status = -signal.SIGKILL
        self.close()
        if status == -signal.SIGALRM:
            return f"one run took more than {INVOKE_SECONDS} seconds"
        return (
            f"it ended the interpreter by {signal.Signals(-status).name}" if status < 0 else f"the interpreter ended with status {status}"
        )


def _read_results(task: Task, lengths: IntArray, steps: int, stream: BufferedReader) -> Results:
    recorded, answers = ([task.output(name) for name in names] for names in (task.recorded, task.answers))
    results = Results(
        {t.name: np.zeros((len(lengths), steps, *t.shape), t.dtype) for t in recorded},
        {t.name: np.zeros((len(lengths), *t.shape), t.dtype) for t in answers},
    )
    for rows, longest in blocks(task, lengths):
        _read_status(stream)
        count = len(lengths[rows])
        for t in recorded:
            results.recorded[t.name][rows, :longest] = read_array(stream, t.dtype, (count, longest, *t.shape))
        for t in answers:
            results.answers[t.name][rows] = read_array(stream, t.dtype, (count, *t.shape))
    return results


def _read_status(stream: BufferedReader) -> None:
    """Raise InterpreterError for a failure, EOFError at the stream's end."""
    status = stream.read(1)
    if not status:
        raise EOFError
    if status != OK:
        raise InterpreterError(stream.read(int.from_bytes(stream.read(4), "little")).decode(errors="replace"))


PROCESS = InterpreterProcess()
"""The one of this process."""
atexit.register(PROCESS.close)
