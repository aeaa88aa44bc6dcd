"""The process that a TFLite interpreter runs in: one that a damaged file ends (SIGSEGV) is nobody else's end.

It reads one request after the other from standard input and answers on standard output; it ends with either, and by SIGALRM when one
run of a model takes longer than INVOKE_SECONDS. A request is a line of JSON (Task, then `model`: bytes of the file, `sequences`, `steps`),
the file, and as raw arrays the lengths int64 [sequences], of each fed input [sequences, steps, *shape] and of each carried one its
first values [sequences, *shape]. The answer to each sequence is OK, the carried outputs after every step [length, *shape] and the
answers after the last one [*shape]; or FAILED, the length of a text (4 bytes, little-endian) and the text, which ends the request.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader, BufferedWriter
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

INVOKE_SECONDS = 60
"""How long one run of a model may take."""
MEMORY_BYTES = 1 << 30
"""What the process may allocate beside four times the request."""
ARENA_BYTES = 8 << 20
"""Of tflite-micro."""
MICRO = "tflite_micro.python.tflite_micro"
OK, FAILED = b"\0", b"\1"

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Tensor:
    """A boundary tensor [1, *shape] of a model."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Task:
    """What to run. package: the interpreter's; resolver: which kernels (an OpResolverType), empty for tflite-micro.

    inputs, outputs: all of the model, in its order. carried: inputs that after a step take the value of an output; the others are
    fed. answers: outputs that are read after the last step.
    """

    package: str
    resolver: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    carried: Mapping[str, str]
    answers: tuple[str, ...]

    @property
    def fed(self) -> tuple[Tensor, ...]:
        """Inputs that are not carried."""
        return tuple(tensor for tensor in self.inputs if tensor.name not in self.carried)

    @property
    def first(self) -> tuple[Tensor, ...]:
        """Inputs that are carried."""
        return tuple(tensor for tensor in self.inputs if tensor.name in self.carried)

    def output(self, name: str) -> Tensor:
        """The output of that name."""
        return next(tensor for tensor in self.outputs if tensor.name == name)


class _Interpreter(Protocol):
    """An interpreter whose boundary tensors have names."""

    def found(self, tensor: Tensor) -> tuple[str, tuple[int, ...]] | None:
        """Type and shape of what the model has under that name."""
        ...

    def write(self, name: str, value: Array) -> None:
        """Set an input from [*shape] of its dtype."""
        ...

    def invoke(self) -> None:
        """Run the model once."""
        ...

    def read(self, name: str) -> Array:
        """An output: [*shape]."""
        ...


class _Lite:
    """tflite-runtime and ai-edge-litert, on one thread."""

    def __init__(self, task: Task, data: bytes) -> None:
        module = importlib.import_module(f"{task.package}.interpreter")
        resolver = getattr(module.OpResolverType, task.resolver)
        self._interpreter = module.Interpreter(model_content=data, num_threads=1, experimental_op_resolver_type=resolver)
        self._interpreter.allocate_tensors()
        details = self._interpreter.get_input_details() + self._interpreter.get_output_details()
        self._details = {entry["name"]: entry for entry in details}
        self.invoke = self._interpreter.invoke

    def found(self, tensor: Tensor) -> tuple[str, tuple[int, ...]] | None:
        """See _Interpreter."""
        entry = self._details.get(tensor.name)
        return entry and (np.dtype(entry["dtype"]).name, tuple(map(int, entry["shape"])))

    def write(self, name: str, value: Array) -> None:
        """See _Interpreter."""
        self._interpreter.set_tensor(self._details[name]["index"], value[None])

    def read(self, name: str) -> Array:
        """See _Interpreter."""
        array: Array = self._interpreter.get_tensor(self._details[name]["index"])[0]
        return array


class _Micro:
    """tflite-micro, which knows its tensors by position only."""

    def __init__(self, task: Task, data: bytes) -> None:
        runtime = importlib.import_module(f"{task.package}.runtime")
        self._inputs = {tensor.name: i for i, tensor in enumerate(task.inputs)}
        self._outputs = {tensor.name: i for i, tensor in enumerate(task.outputs)}
        self._interpreter = runtime.Interpreter.from_bytes(data, arena_size=ARENA_BYTES)
        self.invoke = self._interpreter.invoke

    def found(self, tensor: Tensor) -> tuple[str, tuple[int, ...]] | None:
        """See _Interpreter."""
        is_input = tensor.name in self._inputs
        details = self._interpreter.get_input_details if is_input else self._interpreter.get_output_details
        entry = details((self._inputs if is_input else self._outputs)[tensor.name])
        return np.dtype(entry["dtype"]).name, tuple(map(int, entry["shape"]))

    def write(self, name: str, value: Array) -> None:
        """See _Interpreter."""
        self._interpreter.set_input(np.ascontiguousarray(value[None]), self._inputs[name])

    def read(self, name: str) -> Array:
        """See _Interpreter."""
        array: Array = self._interpreter.get_output(self._outputs[name])[0]
        return array


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
    interpreter = (_Micro if task.package == MICRO else _Lite)(task, data)
    for tensor in (*task.inputs, *task.outputs):
        found, expected = interpreter.found(tensor), (tensor.dtype, (1, *tensor.shape))
        if found != expected:
            text = f"{found[0]} {found[1]}" if found else "no such tensor"
            raise ValueError(f"its tensor {tensor.name!r} has shape {text}, not {expected[0]} {expected[1]}")
    for row, length in enumerate(lengths):
        state = {name: array[row] for name, array in first.items()}
        rows = _run_steps(interpreter, task, {name: array[row, :length] for name, array in fed.items()}, state)
        answers.write(OK + b"".join(np.ascontiguousarray(array).tobytes() for array in rows))
        answers.flush()


def _run_steps(interpreter: _Interpreter, task: Task, fed: Mapping[str, Array], state: Mapping[str, Array]) -> list[Array]:
    """One sequence: of each carried output [steps, *shape], then of each answer [*shape]."""
    steps = len(next(iter(fed.values())))
    history = {after: np.zeros((steps, *task.output(after).shape), task.output(after).dtype) for after in task.carried.values()}
    for t in range(steps):
        # Inputs may lie where outputs do: everything is read before anything is written.
        for name, value in state.items():
            interpreter.write(name, value)
        for name, array in fed.items():
            interpreter.write(name, array[t])
        signal.alarm(INVOKE_SECONDS)
        interpreter.invoke()
        for after, array in history.items():
            array[t] = interpreter.read(after)
        state = {before: history[after][t] for before, after in task.carried.items()}
    return [*history.values(), *(interpreter.read(name) for name in task.answers)]


def _limit_memory(size: int) -> None:
    """Allow so many bytes; where the system does not offer it, anything."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (size, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def read_task(header: Mapping[str, Any]) -> Task:
    """The task of a request's header."""
    tensors = {key: tuple(Tensor(name, dtype, tuple(shape)) for name, dtype, shape in header[key]) for key in ("inputs", "outputs")}
    return Task(header["package"], header["resolver"], tensors["inputs"], tensors["outputs"], header["carried"], tuple(header["answers"]))


def read_array(stream: BufferedReader, dtype: str, shape: Sequence[int]) -> Array:
    """The next array. Raises EOFError when the stream ends within it."""
    array = np.empty(tuple(shape), dtype)
    if stream.readinto(array.reshape(-1).view(np.uint8).data) != array.nbytes:
        raise EOFError
    return array
