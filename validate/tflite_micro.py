"""The witness tflite-micro: runs model.tflite in the interpreter for microcontrollers, on this machine."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import ClassVar

from ..errors import MissingToolError
from ..export.tflite import FILE, graph_to_tflite
from ..graph.fixed_point import IntArray
from ..graph.ir import Graph, IntegerModel
from ..model_directory import ModelDirectory
from .interpreters import MICRO
from .tflite import files_of, graphs_of, read_model, run_cut, run_job, run_samples
from .variants import refuse_argument
from .witness import Answer, Forced, Job, LayerAnswer, RunLength, op_names


class TfliteMicro:
    """The Python package `tflite-micro`: the reference kernels of TensorFlow Lite for Microcontrollers."""

    name: ClassVar[str] = "tflite-micro"
    default_argument: ClassVar[str] = ""
    is_board: ClassVar[bool] = False
    long_run: ClassVar[RunLength] = "as budgeted"

    def reads(self, directory: ModelDirectory, model: IntegerModel, argument: str) -> Sequence[str]:  # noqa: ARG002
        """See Witness."""
        return files_of(model)

    def takes_decisions(self, variant: str) -> bool:  # noqa: ARG002
        """See Witness."""
        return False

    def check(self, argument: str) -> None:
        """See Witness."""
        refuse_argument(self.name, argument)
        try:
            importlib.import_module(f"{MICRO}.runtime")
        except ImportError as error:
            raise MissingToolError("the Python package tflite_micro is not installed: pip install tflite-micro") from error

    def answers(self, job: Job) -> Iterator[Answer]:
        """See Witness."""
        path = job.directory / FILE
        yield Answer("reference kernels", version("tflite-micro"), run_job(job, (MICRO, ""), read_model(path), path))

    def run_layers(self, job: Job, forced: Forced) -> Iterator[LayerAnswer]:
        """See Witness."""
        yield LayerAnswer("reference kernels", version("tflite-micro"), graphs_of(job.model, forced), run_cut((MICRO, ""), job, forced))

    def run_graph(self, graph: Graph, inputs: Mapping[str, IntArray]) -> dict[str, IntArray]:
        """See Witness."""
        return run_samples((MICRO, ""), graph_to_tflite(graph, expose=True), graph, inputs)

    def kernels(self, job: Job, role: str) -> Mapping[str, str]:
        """See Witness."""
        return op_names(job, role)
