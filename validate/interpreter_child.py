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
import importlib
import json
import os
import resource
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader, BufferedWriter
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

INVOKE_SECONDS = 60
"""How long one run of a model may take: a step, or up to STEPS of them where the file holds the loop over time."""
STEPS = 1024
MEMORY_BYTES = 640 << 20
"""What the process may allocate beside four times the request."""
ARENA_BYTES = 8 << 20
"""Of tflite-micro."""
MICRO = "tflite_micro.python.tflite_micro"
ONNX = "onnxruntime"
OK, FAILED = b"\0", b"\1"

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Tensor:
    """A boundary tensor [rows, *shape] of a model; with `time_first` [steps, rows, *shape], whole sequences of one length."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    time_first: bool = False


@dataclass(frozen=True)
class Task:
    """What to run. package: the interpreter's; resolver: which kernels (an OpResolverType, for onnxruntime a GraphOptimizationLevel),
    empty for tflite-micro.

    inputs, outputs: all of the model, in its order. carried: inputs that after a step take the value of an output; the others are
    fed. answers: outputs that are read after the last step. recorded: outputs that are kept of every step, those carried among them.
    rows: how many sequences one run takes.
    """

    package: str
    resolver: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    carried: Mapping[str, str]
    answers: tuple[str, ...]
    recorded: tuple[str, ...] = ()
    rows: int = 1

    @property
    def whole_sequences(self) -> bool:
        """Whether one run takes all steps."""
        return any(tensor.time_first for tensor in self.inputs)

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


def blocks(task: Task, lengths: Array) -> Iterator[tuple[Any, int]]:
    """Which sequences are run together, an index of rows, and the longest; where one run takes all steps, they are of one length."""
    if task.whole_sequences:
        for length in np.unique(lengths):
            together = np.flatnonzero(lengths == length)
            yield from ((together[start : start + task.rows], int(length)) for start in range(0, len(together), task.rows))
        return
    for start in range(0, len(lengths), task.rows):
        rows = slice(start, start + task.rows)
        yield rows, int(lengths[start] if task.rows == 1 else lengths[rows].max())


class _Interpreter(Protocol):
    """An interpreter whose boundary tensors have names."""

    def write(self, tensor: Tensor, value: Array) -> None:
        """Set an input from [rows, *shape] of its dtype."""
        ...

    def invoke(self) -> None:
        """Run the model once."""
        ...

    def read(self, tensor: Tensor) -> Array:
        """An output: [rows, *shape]."""
        ...


class _Lite:
    """tflite-runtime and ai-edge-litert, on one thread, a sequence at a time."""

    def __init__(self, task: Task, data: bytes) -> None:
        module = importlib.import_module(f"{task.package}.interpreter")
        resolver = getattr(module.OpResolverType, task.resolver)
        self._interpreter = module.Interpreter(model_content=data, num_threads=1, experimental_op_resolver_type=resolver)
        self._interpreter.allocate_tensors()
        details = self._interpreter.get_input_details() + self._interpreter.get_output_details()
        self._details = {entry["name"]: entry for entry in details}
        for tensor in (*task.inputs, *task.outputs):
            _check_tensor(tensor, self._details.get(tensor.name))
        self.invoke = self._interpreter.invoke

    def write(self, tensor: Tensor, value: Array) -> None:
        """See _Interpreter."""
        self._interpreter.set_tensor(self._details[tensor.name]["index"], value)

    def read(self, tensor: Tensor) -> Array:
        """See _Interpreter."""
        array: Array = self._interpreter.get_tensor(self._details[tensor.name]["index"])
        return array


class _Micro:
    """tflite-micro, which knows its tensors by position only, a sequence at a time."""

    def __init__(self, task: Task, data: bytes) -> None:
        runtime = importlib.import_module(f"{task.package}.runtime")
        self._inputs = {tensor.name: i for i, tensor in enumerate(task.inputs)}
        self._outputs = {tensor.name: i for i, tensor in enumerate(task.outputs)}
        self._interpreter = runtime.Interpreter.from_bytes(data, arena_size=ARENA_BYTES)
        for i, tensor in enumerate(task.inputs):
            _check_tensor(tensor, self._interpreter.get_input_details(i))
        for i, tensor in enumerate(task.outputs):
            _check_tensor(tensor, self._interpreter.get_output_details(i))
        self.invoke = self._interpreter.invoke

    def write(self, tensor: Tensor, value: Array) -> None:
        """See _Interpreter."""
        self._interpreter.set_input(np.ascontiguousarray(value), self._inputs[tensor.name])

    def read(self, tensor: Tensor) -> Array:
        """See _Interpreter."""
        array: Array = self._interpreter.get_output(self._outputs[tensor.name])
        return array


def _check_tensor(tensor: Tensor, entry: Mapping[str, Any] | None) -> None:
    """Raise ValueError unless TFLite's details are those of the tensor."""
    found = entry and (np.dtype(entry["dtype"]).name, tuple(map(int, entry["shape"])))
    if found != (tensor.dtype, (1, *tensor.shape)):
        text = f"{found[0]} {found[1]}" if found else "no such tensor"
        raise ValueError(f"its tensor {tensor.name!r} has shape {text}, not {tensor.dtype} {(1, *tensor.shape)}")


class _Onnx:
    """onnxruntime on one thread."""

    def __init__(self, task: Task, data: bytes) -> None:
        runtime = importlib.import_module(task.package)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        # Else it makes int8 activations uint8, whose products its kernels for AVX2 without VNNI saturate in the middle of a sum.
        options.add_session_config_entry("session.qdqisint8allowed", "1")
        options.graph_optimization_level = getattr(runtime.GraphOptimizationLevel, task.resolver)
        self._session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        self._names = [tensor.name for tensor in task.outputs]
        self._feeds: dict[str, Array] = {}
        self._results: dict[str, Array] = {}

    def write(self, tensor: Tensor, value: Array) -> None:
        """See _Interpreter."""
        self._feeds[tensor.name] = np.ascontiguousarray(value.swapaxes(0, 1) if tensor.time_first else value)
        self._rows, self._steps = value.shape[:2] if tensor.time_first else (len(value), 1)

    def invoke(self) -> None:
        """See _Interpreter."""
        self._results = dict(zip(self._names, self._session.run(self._names, self._feeds), strict=True))

    def read(self, tensor: Tensor) -> Array:
        """See _Interpreter. Raises ValueError for an output of another type or shape."""
        array = self._results[tensor.name]
        if array.dtype != tensor.dtype:
            raise ValueError(f"its output {tensor.name!r} is of {array.dtype}, not {tensor.dtype}")
        before = (self._steps, self._rows) if tensor.time_first else (self._rows,)
        if array.shape != (*before, *tensor.shape):
            raise ValueError(f"its output {tensor.name!r} has shape {array.shape}, not {(*before, *tensor.shape)}")
        return array.swapaxes(0, 1) if tensor.time_first else array


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
    interpreter = _INTERPRETERS.get(task.package, _Lite)(task, data)
    run = _run_whole if task.whole_sequences else _run_one if task.rows == 1 else _run_steps
    for rows, longest in blocks(task, lengths):
        values = {name: array[rows, :longest] for name, array in fed.items()} | {name: array[rows] for name, array in first.items()}
        results = run(interpreter, task, values, lengths[rows])
        answers.write(OK + b"".join(np.ascontiguousarray(array).tobytes() for array in results))
        answers.flush()


_INTERPRETERS: Mapping[str, Callable[[Task, bytes], _Interpreter]] = {MICRO: _Micro, ONNX: _Onnx}
"""By package, where it is not the one of tflite-runtime and ai-edge-litert."""


def _run_whole(interpreter: _Interpreter, task: Task, values: Mapping[str, Array], lengths: Array) -> list[Array]:
    """Sequences of one length in one run: of each recorded output [rows, length, *shape], then of each answer [rows, *shape]."""
    for tensor in task.inputs:
        interpreter.write(tensor, values[tensor.name])
    signal.alarm(INVOKE_SECONDS * (1 + int(lengths[0]) // STEPS))
    interpreter.invoke()
    return [interpreter.read(task.output(name)) for name in (*task.recorded, *task.answers)]


def _run_one(interpreter: _Interpreter, task: Task, values: Mapping[str, Array], lengths: Array) -> list[Array]:
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


def _run_steps(interpreter: _Interpreter, task: Task, values: Mapping[str, Array], lengths: Array) -> list[Array]:
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


def read_task(header: Mapping[str, Any]) -> Task:
    """The task of a request's header."""
    parts: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in header["task"].items()}
    for side in ("inputs", "outputs"):
        parts[side] = tuple(Tensor(**{**entry, "shape": tuple(entry["shape"])}) for entry in parts[side])
    return Task(**parts)


def read_array(stream: BufferedReader, dtype: str, shape: Sequence[int]) -> Array:
    """The next array. Raises EOFError when the stream ends within it."""
    array = np.empty(tuple(shape), dtype)
    if stream.readinto(array.reshape(-1).view(np.uint8).data) != array.nbytes:
        raise EOFError
    return array
