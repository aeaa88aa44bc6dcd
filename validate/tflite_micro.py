"""The witness tflite-micro: runs model.tflite in the interpreter for microcontrollers, on this machine."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

import numpy as np

from ..errors import InputError, MissingToolError
from ..export.tflite import FILE, graph_to_tflite
from ..graph.fixed_point import IntArray
from ..graph.ir import Graph
from ..graph.passes import compose
from .tflite import damaged, read_model, run_samples, trace
from .variants import refuse_argument
from .witness import Answer, Job

ARENA_BYTES = 8 << 20
_MODULE = "tflite_micro.python.tflite_micro.runtime"


class TfliteMicro:
    """The Python package `tflite-micro`: the reference kernels of TensorFlow Lite for Microcontrollers."""

    name: ClassVar[str] = "tflite-micro"

    def check(self, argument: str) -> None:
        """See Witness."""
        refuse_argument(self.name, argument)
        try:
            importlib.import_module(_MODULE)
        except ImportError as error:
            raise MissingToolError("the Python package tflite_micro is not installed: pip install tflite-micro") from error

    def answers(self, job: Job) -> Iterator[Answer]:
        """See Witness."""
        path = job.directory / FILE
        interpreter = MicroInterpreter(read_model(path), path, compose(job.model))
        yield Answer("reference kernels", version("tflite-micro"), trace(job, interpreter))

    def run_graph(self, graph: Graph, inputs: Mapping[str, IntArray]) -> dict[str, IntArray]:
        """See Witness."""
        data = graph_to_tflite(graph, expose=True)
        names = tuple(name for node in graph.nodes for name in node.outputs)
        return run_samples(MicroInterpreter(data, Path(f"{graph.name}.tflite"), graph, names), graph, inputs)


class MicroInterpreter:
    """What tflite.Interpreter offers, over an interpreter that knows its tensors by position only."""

    def __init__(self, data: bytes, path: Path, graph: Graph, outputs: tuple[str, ...] = ()) -> None:
        runtime = importlib.import_module(_MODULE)
        self._path = path
        self._inputs = {value.name: i for i, value in enumerate(graph.inputs)}
        self._outputs = {name: i for i, name in enumerate(outputs or graph.outputs)}
        try:
            self._interpreter = runtime.Interpreter.from_bytes(data, arena_size=ARENA_BYTES)
        except (ValueError, RuntimeError) as error:
            raise damaged(path, str(error).splitlines()[0]) from error

    def write(self, name: str, value: IntArray) -> None:
        """Set an input from an array [*shape] of its dtype."""
        self._interpreter.set_input(np.ascontiguousarray(value[None]), self._inputs[name])

    def invoke(self) -> None:
        """Run the model. Raises InputError."""
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise InputError(f"tflite-micro cannot run {self._path} ({error}): write it again with `rescomp export`") from error

    def read(self, name: str) -> IntArray:
        """A copy of an output [*shape]."""
        array: IntArray = np.array(self._interpreter.get_output(self._outputs[name])[0])
        return array

    def expect(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Raise InputError unless there are boundary tensors [1, *shape] of these names."""
        for name, shape in shapes.items():
            known = self._inputs if name in self._inputs else self._outputs
            details = self._interpreter.get_input_details if name in self._inputs else self._interpreter.get_output_details
            found = tuple(details(known[name])["shape"]) if name in known else None
            if found != (1, *shape):
                raise damaged(self._path, f"its tensor {name!r} has shape {found}, not {(1, *shape)}")
