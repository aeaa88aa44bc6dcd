"""The witness onnxruntime: runs model.onnx (a step, or a whole net) and model_sequence.onnx on the CPU, in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..errors import InputError, UnsupportedError
from ..export.onnx import DECIDE_FILE, FRONTEND_FILE, SEQUENCE_FILE, STEP_FILE, graph_to_onnx
from ..export.optional_package import import_optional
from ..graph.evaluate import Trajectory, rows_at_a_time
from ..graph.fixed_point import IntArray
from ..graph.ir import Graph, IntegerModel, Value
from ..graph.passes import compose
from ..graph.sound import NOTHING, FrameStates
from ..model_directory import ModelDirectory
from .composed import COMPUTED
from .declared import check_metadata
from .interpreter_process import PROCESS, InterpreterError, Results, boundary_tensor
from .interpreter_task import Task, Tensor
from .interpreters import ONNX
from .onnx_files import metadata_of, read_onnx
from .onnx_layers import FileTensor, Layers, cut_alone, cut_sequence, cut_step
from .variants import beside, choose, with_features
from .witness import Answer, Forced, Job, LayerAnswer, RunLength, op_names

RECURRENT: Mapping[str, tuple[str, bool]] = {
    "step": (STEP_FILE, True),
    "step without optimization": (STEP_FILE, False),
    "sequence": (SEQUENCE_FILE, True),
}
WHOLE: Mapping[str, tuple[str, bool]] = {"whole": (STEP_FILE, True), "whole without optimization": (STEP_FILE, False)}
"""Variants: the file, and whether onnxruntime may rewrite the graph."""
LEVELS: Mapping[bool, str] = {True: "ORT_ENABLE_ALL", False: "ORT_DISABLE_ALL"}
"""Which rewriting (GraphOptimizationLevel)."""
ROWS_AT_A_TIME, ENTRIES_AT_A_TIME = 256, 1 << 23
"""Of what is run together: samples or sequences, and entries of their values."""


@dataclass(frozen=True)
class OnnxruntimeWitness:
    """optimize: whether run_graph lets onnxruntime rewrite the graph."""

    name: ClassVar[str] = "onnxruntime"
    default_argument: ClassVar[str] = ""
    is_board: ClassVar[bool] = False
    long_run: ClassVar[RunLength] = "as budgeted"

    optimize: bool = True

    def reads(self, directory: ModelDirectory, model: IntegerModel, argument: str) -> Sequence[str]:  # noqa: ARG002
        """See Witness."""
        sequence, decide, heard = (SEQUENCE_FILE,), (DECIDE_FILE,), (FRONTEND_FILE,)
        return (STEP_FILE, *sequence * model.is_recurrent, *decide * model.decides, *heard * model.reads_samples)

    def takes_decisions(self, variant: str) -> bool:
        """See Witness. The sequence file loops over the steps inside, and ends with the scores."""
        return variant != "sequence"

    def check(self, argument: str) -> None:
        """See Witness."""
        import_optional("onnxruntime")
        choose(self.name, [*RECURRENT, *WHOLE], argument)

    def answers(self, job: Job) -> Iterator[Answer]:
        """See Witness. The argument chooses one variant."""
        variants = RECURRENT if job.model.is_recurrent else WHOLE
        version = f"onnxruntime {import_optional('onnxruntime').__version__}"
        for variant in choose(self.name, variants, job.argument):
            file, optimize = variants[variant]
            path = job.directory / file
            data = _read(path, job.model)
            if job.every_score and file == SEQUENCE_FILE:
                raise UnsupportedError(f"{file} gives scores at the end of a sequence alone")
            run = _run_sequences if file == SEQUENCE_FILE else _run_steps if job.model.is_recurrent else _run_whole
            heard = job if job.sound is None else job.heard_by(partial(_run_frontend, job, optimize))
            found = run(heard, data, path, optimize)
            yield Answer(variant, version, with_features(found, heard), from_zero=file == SEQUENCE_FILE)

    def run_layers(self, job: Job, forced: Forced) -> Iterator[LayerAnswer]:
        """See Witness."""
        variants = RECURRENT if job.model.is_recurrent else WHOLE
        version = f"onnxruntime {import_optional('onnxruntime').__version__}"
        for variant in choose(self.name, variants, job.argument):
            file, optimize = variants[variant]
            path = job.directory / file
            cut = cut_sequence if file == SEQUENCE_FILE else cut_step
            parts = [(path, part) for part in cut(read_onnx(path), path, job.model)]
            for role, other in _alone(job.model, file):
                place = job.directory / other
                parts.append((place, cut_alone(read_onnx(place), place, job.model, role)))
            parts = [(where, part) for where, part in parts if part.graph in forced]
            graphs = {part.graph: job.model.graphs[part.graph] for _, part in parts}
            values = {part.graph: _run_part(part, where, optimize, forced, graphs[part.graph]) for where, part in parts}
            yield LayerAnswer(variant, version, graphs, values)

    def run_graph(self, graph: Graph, inputs: Mapping[str, IntArray]) -> dict[str, IntArray]:
        """See Witness."""
        types = graph.types()
        names = tuple(name for name in types if name not in inputs)
        data = graph_to_onnx(graph, expose=True).SerializeToString()
        outputs = tuple(boundary_tensor(name, types[name]) for name in names)
        task = _task(self.optimize, tuple(map(_input, graph.inputs)), outputs, graph, answers=names)
        answers = _run_once(task, data, Path(f"{graph.name}.onnx"), {value.name: np.asarray(inputs[value.name]) for value in graph.inputs})
        return {name: array.astype(np.int64) for name, array in answers.items()}

    def kernels(self, job: Job, role: str) -> Mapping[str, str]:
        """See Witness."""
        return op_names(job, role)


def _alone(model: IntegerModel, file: str) -> Iterator[tuple[str, str]]:
    """(graph, file) of graphs that stand by themselves beside `file`."""
    if model.decides and file == STEP_FILE:
        yield "decide", DECIDE_FILE
    if model.reads_samples and file != SEQUENCE_FILE:
        yield "frontend", FRONTEND_FILE


def _run_frontend(job: Job, optimize: bool, frames: IntArray, kept: FrameStates = NOTHING) -> IntArray:
    """Features [frames, features], by model_frontend.onnx."""
    path, graph, features = job.directory / FRONTEND_FILE, job.model.graphs["frontend"], job.model.features
    task = _task(optimize, tuple(map(_input, graph.inputs)), (_input(features),), graph, answers=(features.name,))
    return _run_once(task, _read(path, job.model), path, {job.model.samples.name: frames, **kept})[features.name]


def _read(path: Path, model: IntegerModel) -> bytes:
    """A file that says that it is of this model. Raises InputError."""
    data = read_onnx(path)
    check_metadata(metadata_of(data, path), model, path)
    return data


def _run_part(part: Layers, path: Path, optimize: bool, forced: Forced, graph: Graph) -> dict[str, IntArray]:
    """What the layers of one graph make of the values forced on them."""
    values = forced[part.graph]
    inputs = tuple(_placed(place, place.name) for place in part.reads.values())
    outputs = tuple(_placed(place, place.name + COMPUTED) for place in part.makes.values())
    task = _task(optimize, inputs, outputs, graph, answers=tuple(tensor.name for tensor in outputs))
    answers = _run_once(task, part.data, path, {place.name: place.store(values[name]) for name, place in part.reads.items()})
    return {name: place.load(answers[place.name + COMPUTED]) for name, place in part.makes.items()}


def _run_whole(job: Job, data: bytes, path: Path, optimize: bool) -> Trajectory:
    (answer,) = compose(job.model).outputs
    output = boundary_tensor(answer, job.model.output.type)
    task = _task(optimize, (_input(job.model.input),), (output,), job.model.graphs["whole"], answers=(answer,))
    scores = _run_once(task, data, path, {job.model.input.name: job.x})[answer]
    return Trajectory(np.zeros((len(job.x), 0, 0), np.int16), scores.astype(np.int64))


def _run_steps(job: Job, data: bytes, path: Path, optimize: bool) -> Trajectory:
    """Step by step, all sequences of a block that still run in one batch."""
    states, (*following, answer) = job.model.graphs["step"].state_inputs, compose(job.model).outputs
    outputs = (*map(boundary_tensor, following, (value.type for value in states)), boundary_tensor(answer, job.model.output.type))
    carried = {value.name: name for value, name in zip(states, following, strict=True)}
    task = _recurrent(job, optimize, tuple(map(_input, compose(job.model).inputs)), outputs, carried)
    if job.every_score or job.model.decides:
        task = replace(task, recorded=(*task.recorded, answer))
    results = _run(task, data, path, {job.model.input.name: job.x}, job.lengths, job.states())
    found = _recurrent_trajectory(job, task, results)
    return Trajectory(found.states, found.scores, *_decide(job, optimize, results.recorded[answer])) if job.model.decides else found


def _decide(job: Job, optimize: bool, scores: IntArray) -> tuple[IntArray, IntArray]:
    """Decisions and decide_states of a trajectory, by model_decide.onnx, about scores [sequences, longest, *shape]."""
    path, graph = job.directory / DECIDE_FILE, job.model.graphs["decide"]
    types, (read,), (decision,) = graph.types(), graph.data_inputs, graph.outputs
    following = [graph.state[value.name] for value in graph.state_inputs]
    outputs = tuple(boundary_tensor(name, types[name]) for name in (*following, decision))
    task = _task(optimize, tuple(map(_input, graph.inputs)), outputs, graph, answers=(decision,), carried=dict(graph.state))
    task = replace(task, recorded=tuple(tensor.name for tensor in outputs))
    zeros = {value.name: np.zeros((len(scores), *value.type.shape), value.type.format.numpy_dtype) for value in graph.state_inputs}
    recorded = _run(task, _read(path, job.model), path, {read.name: scores}, job.lengths, zeros).recorded
    return recorded[decision][..., 0], beside([recorded[name] for name in following], 2)


def _run_sequences(job: Job, data: bytes, path: Path, optimize: bool) -> Trajectory:
    """Whole sequences, those of one length in one batch."""
    states, (*following, answer) = job.model.graphs["step"].state_inputs, compose(job.model).outputs
    stacked = (replace(boundary_tensor(name, value.type), time_first=True) for name, value in zip(following, states, strict=True))
    outputs = (*stacked, boundary_tensor(answer, job.model.output.type))
    task = _recurrent(job, optimize, (replace(_input(job.model.input), time_first=True),), outputs, {})
    return _recurrent_trajectory(job, task, _run(task, data, path, {job.model.input.name: job.x}, job.lengths, {}))


def _recurrent(job: Job, optimize: bool, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...], carried: Mapping[str, str]) -> Task:
    """The task whose recorded outputs are the states and whose last one is the answer."""
    *states, answer = (tensor.name for tensor in outputs)
    task = _task(optimize, inputs, outputs, job.model.graphs["step"], answers=(answer,), carried=carried, recorded=tuple(states))
    entries = job.x.shape[1] * sum(value.type.size for value in job.model.graphs["step"].inputs)
    return replace(task, rows=max(1, min(task.rows, ENTRIES_AT_A_TIME // max(1, entries))))


def _recurrent_trajectory(job: Job, task: Task, results: Results) -> Trajectory:
    (answer,) = task.answers
    states = beside([results.recorded[name] for name in task.recorded if name != answer], 2)
    return Trajectory(states.astype(job.model.state_dtype), results.scores(answer, every=job.every_score).astype(np.int64))


def _task(optimize: bool, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...], graph: Graph, **parts: Any) -> Task:
    rows = min(ROWS_AT_A_TIME, rows_at_a_time(graph, ENTRIES_AT_A_TIME))
    return Task(ONNX, LEVELS[optimize], inputs, outputs, **{"carried": {}, **parts}, rows=rows)


def _input(value: Value) -> Tensor:
    return boundary_tensor(value.name, value.type)


def _placed(place: FileTensor, name: str) -> Tensor:
    return Tensor(name, place.dtype.name, place.shape)


def _run_once(task: Task, data: bytes, path: Path, fed: Mapping[str, IntArray]) -> Mapping[str, IntArray]:
    """The answers [batch, *shape] of a model without state, inputs being [batch, *shape]."""
    batch = len(next(iter(fed.values())))
    return _run(task, data, path, {name: array[:, None] for name, array in fed.items()}, np.ones(batch, np.int64), {}).answers


def _run(task: Task, data: bytes, path: Path, fed: Mapping[str, IntArray], lengths: IntArray, first: Mapping[str, IntArray]) -> Results:
    try:
        return PROCESS.run(task, data, fed, lengths, first)
    except InterpreterError as error:
        raise InputError(f"onnxruntime cannot run {path} as this model ({error}): write it again with `rescomp export`") from error
