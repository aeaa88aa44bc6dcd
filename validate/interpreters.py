"""The interpreters of ONNX and TFLite files, behind one interface."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from .interpreter_task import Array, Task, Tensor

ARENA_BYTES = 8 << 20
"""Of tflite-micro."""
MICRO = "tflite_micro.python.tflite_micro"
ONNX = "onnxruntime"


class Interpreter(Protocol):
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
        """See Interpreter."""
        self._interpreter.set_tensor(self._details[tensor.name]["index"], value)

    def read(self, tensor: Tensor) -> Array:
        """See Interpreter."""
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
        """See Interpreter."""
        self._interpreter.set_input(np.ascontiguousarray(value), self._inputs[tensor.name])

    def read(self, tensor: Tensor) -> Array:
        """See Interpreter."""
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
        """See Interpreter."""
        self._feeds[tensor.name] = np.ascontiguousarray(value.swapaxes(0, 1) if tensor.time_first else value)
        self._rows, self._steps = value.shape[:2] if tensor.time_first else (len(value), 1)

    def invoke(self) -> None:
        """See Interpreter."""
        self._results = dict(zip(self._names, self._session.run(self._names, self._feeds), strict=True))

    def read(self, tensor: Tensor) -> Array:
        """See Interpreter. Raises ValueError for an output of another type or shape."""
        array = self._results[tensor.name]
        if array.dtype != tensor.dtype:
            raise ValueError(f"its output {tensor.name!r} is of {array.dtype}, not {tensor.dtype}")
        before = (self._steps, self._rows) if tensor.time_first else (self._rows,)
        if array.shape != (*before, *tensor.shape):
            raise ValueError(f"its output {tensor.name!r} has shape {array.shape}, not {(*before, *tensor.shape)}")
        return array.swapaxes(0, 1) if tensor.time_first else array


_INTERPRETERS: Mapping[str, Callable[[Task, bytes], Interpreter]] = {MICRO: _Micro, ONNX: _Onnx}
"""By package, where it is not the one of tflite-runtime and ai-edge-litert."""


def interpreter_of(task: Task, data: bytes) -> Interpreter:
    """The one that the task names, with the model of a file's bytes. Raises what the interpreter's package does, and ValueError."""
    return _INTERPRETERS.get(task.package, _Lite)(task, data)
