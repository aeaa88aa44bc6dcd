"""The witness tflite: runs model.tflite step by step in tflite-runtime, or in ai-edge-litert where that does not install."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np

from ..errors import InputError, MissingToolError
from ..export.flatbuffer import check_flatbuffer
from ..export.tflite import FILE, graph_to_tflite
from ..graph.evaluate import Trace
from ..graph.fixed_point import IntArray
from ..graph.ir import Graph
from ..graph.passes import compose
from .variants import beside, choose, read_artefact
from .witness import Answer, Job

RESOLVERS: Mapping[str, str] = {
    "reference": "BUILTIN_REF",
    "default without delegate": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "default": "AUTO",
}
"""Variants: which kernels the interpreter resolves operators to (OpResolverType); the default one delegates to XNNPACK."""
INTERPRETERS = ("tflite_runtime", "ai_edge_litert") if np.lib.NumpyVersion(np.__version__) < "2.0.0" else ("ai_edge_litert",)
"""Packages in order of preference; tflite-runtime was built for numpy 1."""


@dataclass(frozen=True)
class TfliteWitness:
    """resolver: the variant that run_graph uses."""

    name: ClassVar[str] = "tflite"

    resolver: str = "default"

    def check(self, argument: str) -> None:
        """See Witness."""
        _interpreter_package()
        choose(self.name, RESOLVERS, argument)

    def answers(self, job: Job) -> Iterator[Answer]:
        """See Witness. The argument chooses one variant."""
        package = _interpreter_package()
        path = job.directory / FILE
        for variant in choose(self.name, RESOLVERS, job.argument):
            interpreter = _Interpreter(read_model(path), path, variant)
            yield Answer(variant, f"{package.replace('_', '-')} {version(package)}", trace(job, interpreter))

    def run_graph(self, graph: Graph, inputs: Mapping[str, IntArray]) -> dict[str, IntArray]:
        """See Witness."""
        interpreter = _Interpreter(graph_to_tflite(graph, expose=True), Path(f"{graph.name}.tflite"), self.resolver)
        return run_samples(interpreter, graph, inputs)


class NamedTensors(Protocol):
    """An interpreter whose boundary tensors have names."""

    def write(self, name: str, value: IntArray) -> None:
        """Set an input from [*shape] of its dtype."""
        ...

    def invoke(self) -> None:
        """Run the model once."""
        ...

    def read(self, name: str) -> IntArray:
        """A copy of an output: [*shape]."""
        ...

    def expect(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Raise InputError unless there are boundary tensors [1, *shape] of these names."""
        ...


def run_samples(interpreter: NamedTensors, graph: Graph, inputs: Mapping[str, IntArray]) -> dict[str, IntArray]:
    """Every value that a node of `graph` defines, int64 [batch, *shape], sample after sample; the interpreter's outputs are these."""
    feeds = {value.name: np.asarray(inputs[value.name], value.type.format.numpy_dtype) for value in graph.inputs}
    batch = len(next(iter(feeds.values())))
    values = {name: np.zeros((batch, *t.shape), np.int64) for name, t in graph.types().items() if name not in feeds}
    for row in range(batch):
        for name, array in feeds.items():
            interpreter.write(name, array[row])
        interpreter.invoke()
        for name in values:
            values[name][row] = interpreter.read(name)
    return dict(values)


class _Interpreter:
    """An interpreter on one thread whose tensors have names, and whose failures are InputErrors that name the artefact."""

    def __init__(self, data: bytes, path: Path, variant: str) -> None:
        module = importlib.import_module(f"{_interpreter_package()}.interpreter")
        resolver = getattr(module.OpResolverType, RESOLVERS[variant])
        self._path = path
        try:
            with _silent_stderr():
                self._interpreter = module.Interpreter(model_content=data, num_threads=1, experimental_op_resolver_type=resolver)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise damaged(self._path, str(error).splitlines()[0]) from error
        details = self._interpreter.get_input_details() + self._interpreter.get_output_details()
        self._index = {entry["name"]: entry["index"] for entry in details}
        self._shape = {entry["name"]: tuple(entry["shape"]) for entry in details}
        self.invoke = self._interpreter.invoke

    def write(self, name: str, value: IntArray) -> None:
        """Set an input from [*shape] of its dtype."""
        self._interpreter.set_tensor(self._index[name], value[None])

    def read(self, name: str) -> IntArray:
        """A copy of an output: [*shape]."""
        array: IntArray = self._interpreter.get_tensor(self._index[name])[0]
        return array

    def expect(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Raise InputError unless there are boundary tensors [1, *shape] of these names."""
        for name, shape in shapes.items():
            if self._shape.get(name) != (1, *shape):
                raise damaged(self._path, f"its tensor {name!r} has shape {self._shape.get(name)}, not {(1, *shape)}")


def read_model(path: Path) -> bytes:
    """A TFLite file, checked for what an interpreter would follow blindly. Raises InputError."""
    data = read_artefact(path)
    try:
        check_flatbuffer(data)
    except ValueError as error:
        raise damaged(path, str(error)) from error
    return data


def damaged(path: Path, cause: str) -> InputError:
    """What to tell a user whose file an interpreter refuses."""
    return InputError(f"the TFLite interpreter cannot run {path} as this model ({cause}): write it again with `rescomp export`")


def _interpreter_package() -> str:
    """The first installed interpreter. Raises MissingToolError."""
    for package in INTERPRETERS:
        with contextlib.suppress(ImportError):
            importlib.import_module(f"{package}.interpreter")
            return package
    raise MissingToolError(f"no TFLite interpreter is installed ({' or '.join(INTERPRETERS)}): pip install ai-edge-litert")


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Without what the interpreter's C++ writes to file descriptor 2 (it announces its delegate there, whatever the log level)."""
    sys.stderr.flush()
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


def trace(job: Job, interpreter: NamedTensors) -> Trace:
    """Every state and score of a job."""
    model = job.model
    answer, shape = compose(model).outputs[-1], model.output.type.shape
    interpreter.expect({model.input.name: model.input.type.shape, answer: shape})
    x = job.x.astype(model.input.type.format.numpy_dtype)
    scores = np.zeros((len(x), *shape), np.int64)
    if model.is_recurrent:
        return Trace(_run_steps(job, interpreter, x, scores), scores)
    for sample, row in zip(x, scores, strict=True):
        interpreter.write(model.input.name, sample)
        interpreter.invoke()
        row[...] = interpreter.read(answer)
    return Trace(np.zeros((len(x), 0, 0), np.int16), scores)


def _run_steps(job: Job, interpreter: NamedTensors, x: IntArray, scores: IntArray) -> IntArray:
    """Sequence after sequence, step after step; the state travels through numpy. Fills `scores`, returns the states."""
    inputs, (*following, answer) = job.model.graphs["step"].state_inputs, compose(job.model).outputs
    pairs = [(value.name, name) for value, name in zip(inputs, following, strict=True)]
    interpreter.expect({name: value.type.shape for value, pair in zip(inputs, pairs, strict=True) for name in pair})
    states = np.zeros((*x.shape[:2], sum(value.type.size for value in inputs)), np.int16)
    name = job.model.input.name
    for row, length in enumerate(job.lengths):
        state = [np.zeros(value.type.shape, value.type.format.numpy_dtype) for value in inputs]
        for t in range(length):
            # Inputs may lie where outputs do: everything is read before anything is written.
            for (before, _), value in zip(pairs, state, strict=True):
                interpreter.write(before, value)
            interpreter.write(name, x[row, t])
            interpreter.invoke()
            state = [interpreter.read(after) for _, after in pairs]
            states[row, t] = beside(state, 0)
        scores[row] = interpreter.read(answer)
    return states
