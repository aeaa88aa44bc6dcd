"""The witness tflite: runs model.tflite step by step in tflite-runtime, or in ai-edge-litert where that does not install."""

from __future__ import annotations

import contextlib
import importlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

import numpy as np

from ..errors import InputError, MissingToolError
from ..export.flatbuffer import check_flatbuffer
from ..export.tflite import FILE, FILE_OF_FRONTEND, graph_to_tflite
from ..graph.evaluate import Trajectory
from ..graph.fixed_point import IntArray
from ..graph.formats import TensorType
from ..graph.ir import Graph, IntegerModel
from ..graph.passes import compose
from ..graph.sound import NOTHING, FrameStates
from ..model_directory import ModelDirectory
from .composed import composed_graphs
from .declared import check_tflite
from .interpreter_process import PROCESS, InterpreterError, Results, boundary_tensor
from .interpreter_task import Task
from .tflite_layers import TfliteLayers, cut_tflite, cut_tflite_frontend
from .variants import beside, choose, read_artefact, with_features
from .witness import Answer, Forced, Job, LayerAnswer, RunLength, op_names

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
    default_argument: ClassVar[str] = ""
    is_board: ClassVar[bool] = False
    long_run: ClassVar[RunLength] = "as budgeted"

    resolver: str = "default"

    def reads(self, directory: ModelDirectory, model: IntegerModel, argument: str) -> Sequence[str]:  # noqa: ARG002
        """See Witness."""
        return files_of(model)

    def takes_decisions(self, variant: str) -> bool:  # noqa: ARG002
        """See Witness."""
        return False

    def check(self, argument: str) -> None:
        """See Witness."""
        _interpreter_package()
        choose(self.name, RESOLVERS, argument)

    def answers(self, job: Job) -> Iterator[Answer]:
        """See Witness. The argument chooses one variant."""
        package = _interpreter_package()
        path = job.directory / FILE
        for variant in choose(self.name, RESOLVERS, job.argument):
            data = read_model(path)
            check_tflite(data, job.model, path)
            if job.sound is not None:
                check_tflite(*read_frontend(job), job.model.graphs["frontend"])
            answer = run_job(job, (package, RESOLVERS[variant]), data, path)
            yield Answer(variant, f"{package.replace('_', '-')} {version(package)}", answer)

    def run_layers(self, job: Job, forced: Forced) -> Iterator[LayerAnswer]:
        """See Witness."""
        package = _interpreter_package()
        for variant in choose(self.name, RESOLVERS, job.argument):
            values = run_cut((package, RESOLVERS[variant]), job, forced)
            yield LayerAnswer(variant, f"{package.replace('_', '-')} {version(package)}", graphs_of(job.model, forced), values)

    def run_graph(self, graph: Graph, inputs: Mapping[str, IntArray]) -> dict[str, IntArray]:
        """See Witness."""
        return run_samples((_interpreter_package(), RESOLVERS[self.resolver]), graph_to_tflite(graph, expose=True), graph, inputs)

    def kernels(self, job: Job, role: str) -> Mapping[str, str]:
        """See Witness."""
        return op_names(job, role)


def files_of(model: IntegerModel) -> Sequence[str]:
    """Names of the files that hold a model."""
    return (FILE, FILE_OF_FRONTEND) if model.reads_samples else (FILE,)


def graphs_of(model: IntegerModel, forced: Forced) -> Mapping[str, Graph]:
    """The graphs in these files, of those on whose layers something is forced."""
    graphs = {**composed_graphs(model), **({"frontend": model.graphs["frontend"]} if model.reads_samples else {})}
    return {role: graph for role, graph in graphs.items() if role in forced}


def read_frontend(job: Job) -> tuple[bytes, IntegerModel, Path]:
    """(the checked file of the job's front-end, its model, its path)."""
    path = job.directory / FILE_OF_FRONTEND
    return read_model(path), job.model, path


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


def run_samples(interpreter: tuple[str, str], data: bytes, graph: Graph, inputs: Mapping[str, IntArray]) -> dict[str, IntArray]:
    """Every value that a node of `graph` defines, int64 [batch, *shape], sample after sample; the file's outputs are these.

    interpreter: package and resolver.
    """
    types, names = graph.types(), tuple(name for node in graph.nodes for name in node.outputs)
    outputs = tuple(boundary_tensor(name, types[name]) for name in names)
    task = Task(*interpreter, tuple(boundary_tensor(value.name, value.type) for value in graph.inputs), outputs, {}, names)
    fed = {value.name: np.asarray(inputs[value.name])[:, None] for value in graph.inputs}
    results = _run(task, data, Path(f"{graph.name}.tflite"), fed, np.ones(len(next(iter(fed.values()))), np.int64), {})
    return {name: array.astype(np.int64) for name, array in results.answers.items()}


def run_cut(interpreter: tuple[str, str], job: Job, forced: Forced) -> dict[str, dict[str, IntArray]]:
    """What each layer of the job's file makes of the values forced on it, by graph and value. interpreter: package and resolver."""
    path = job.directory / FILE
    parts = [(path, part) for part in cut_tflite(read_model(path), path, job.model)]
    if "frontend" in forced:
        data, model, beside = read_frontend(job)
        parts.append((beside, cut_tflite_frontend(data, beside, model)))
    asked = [(where, part) for where, part in parts if part.graph in forced]
    types = {role: graph.types() for role, graph in job.model.graphs.items()}
    return {part.graph: _run_part(interpreter, part, where, forced[part.graph], types[part.graph]) for where, part in asked}


def _run_part(
    interpreter: tuple[str, str], part: TfliteLayers, path: Path, forced: Mapping[str, IntArray], types: Mapping[str, TensorType]
) -> dict[str, IntArray]:
    batch = len(next(iter(forced.values())))
    for name, tensor in (*part.reads.items(), *part.makes.items()):
        if math.prod(tensor.shape) != types[name].size:
            raise damaged(path, f"its tensor {tensor.name!r} has shape {tensor.shape}, not {types[name].shape}")
    inputs, outputs = ({tensor.name: tensor for tensor in side.values()} for side in (part.reads, part.makes))
    task = Task(*interpreter, tuple(inputs.values()), tuple(outputs.values()), {}, tuple(outputs))
    fed = {tensor.name: forced[name].reshape(batch, 1, *tensor.shape) for name, tensor in part.reads.items()}
    results = _run(task, part.data, path, fed, np.ones(batch, np.int64), {})
    return {name: results.answers[tensor.name].astype(np.int64).reshape(batch, *types[name].shape) for name, tensor in part.makes.items()}


def run_job(job: Job, interpreter: tuple[str, str], data: bytes, path: Path) -> Trajectory:
    """Every feature, state and score of a job. interpreter: package and resolver."""
    if job.sound is not None:
        job = job.heard_by(partial(_run_frontend, interpreter, *read_frontend(job)))
    return with_features(_run_features(job, interpreter, data, path), job)


def _run_frontend(
    interpreter: tuple[str, str], data: bytes, model: IntegerModel, path: Path, frames: IntArray, kept: FrameStates = NOTHING
) -> IntArray:
    """Features [frames, features] of frames, one after the other."""
    *read, made = (boundary_tensor(value.name, value.type) for value in (*model.graphs["frontend"].inputs, model.features))
    task = Task(*interpreter, tuple(read), (made,), {}, (made.name,))
    fed = {name: array[:, None] for name, array in {model.samples.name: frames, **kept}.items()}
    return _run(task, data, path, fed, np.ones(len(frames), np.int64), {}).answers[made.name]


def _run_features(job: Job, interpreter: tuple[str, str], data: bytes, path: Path) -> Trajectory:
    """From features on."""
    model, n = job.model, len(job.x)
    *following, answer = compose(model).outputs
    inputs = model.graphs["step"].state_inputs if model.is_recurrent else ()
    carried = {value.name: name for value, name in zip(inputs, following, strict=True)}
    types = {**{after: value.type for value, after in zip(inputs, following, strict=True)}, answer: model.output.type}
    outputs = tuple(boundary_tensor(name, types[name]) for name in (*following, answer))
    inputs_of_file = tuple(boundary_tensor(value.name, value.type) for value in compose(model).inputs)
    recorded = dict.fromkeys((*following, answer) if job.every_score else following)
    task = Task(*interpreter, inputs_of_file, outputs, carried, (answer,), tuple(recorded))
    x, lengths = (job.x, job.lengths) if model.is_recurrent else (job.x[:, None], np.ones(n, np.int64))
    results = _run(task, data, path, {model.input.name: x}, lengths, job.states() if model.is_recurrent else {})
    states = beside([results.recorded[name] for name in following], 2) if following else np.zeros((n, 0, 0))
    return Trajectory(states.astype(model.state_dtype), results.scores(answer, every=job.every_score).astype(np.int64))


def _run(task: Task, data: bytes, path: Path, fed: Mapping[str, IntArray], lengths: IntArray, first: Mapping[str, IntArray]) -> Results:
    try:
        return PROCESS.run(task, data, fed, lengths, first)
    except InterpreterError as error:
        raise damaged(path, str(error)) from error
