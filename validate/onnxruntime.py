"""The witness onnxruntime: runs model.onnx (a step, or a whole net) and model_sequence.onnx on the CPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..errors import InputError
from ..export.onnx import SEQUENCE_FILE, STEP_FILE, graph_to_onnx
from ..export.optional_package import import_optional
from ..graph.evaluate import Trace
from ..graph.fixed_point import IntArray
from ..graph.ir import Graph, Value
from ..graph.passes import compose
from .declared import check_provenance
from .onnx_files import read_onnx
from .onnx_layers import COMPUTED, Layers, cut_sequence, cut_step
from .variants import beside, choose
from .witness import Answer, Forced, Job, LayerAnswer

RECURRENT: Mapping[str, tuple[str, bool]] = {
    "step": (STEP_FILE, True),
    "step without optimization": (STEP_FILE, False),
    "sequence": (SEQUENCE_FILE, True),
}
WHOLE: Mapping[str, tuple[str, bool]] = {"whole": (STEP_FILE, True), "whole without optimization": (STEP_FILE, False)}
"""Variants: the file, and whether onnxruntime may rewrite the graph."""
BATCH = 256
"""Samples of a layer at a time."""


@dataclass(frozen=True)
class OnnxruntimeWitness:
    """optimize: whether run_graph lets onnxruntime rewrite the graph."""

    name: ClassVar[str] = "onnxruntime"

    optimize: bool = True

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
            session = _Session(read_onnx(job.directory / file), job.directory / file, optimize)
            check_provenance(session.metadata, job.model, job.directory / file)
            yield Answer(variant, version, _trace(job, session, file), from_zero=file == SEQUENCE_FILE)

    def run_layers(self, job: Job, forced: Forced) -> Iterator[LayerAnswer]:
        """See Witness."""
        variants = RECURRENT if job.model.is_recurrent else WHOLE
        version = f"onnxruntime {import_optional('onnxruntime').__version__}"
        for variant in choose(self.name, variants, job.argument):
            file, optimize = variants[variant]
            path = job.directory / file
            cut = cut_sequence if file == SEQUENCE_FILE else cut_step
            values = {part.graph: _run_part(part, path, optimize, forced) for part in cut(read_onnx(path), path, job.model)}
            yield LayerAnswer(variant, version, job.model.graphs, values)

    def run_graph(self, graph: Graph, inputs: Mapping[str, IntArray]) -> dict[str, IntArray]:
        """See Witness."""
        types = graph.types()
        session = _Session(graph_to_onnx(graph, expose=True).SerializeToString(), Path(f"{graph.name}.onnx"), self.optimize)
        feeds = {value.name: np.asarray(inputs[value.name], _dtype(value)) for value in graph.inputs}
        names = [name for name in types if name not in feeds]
        return {name: array.astype(np.int64) for name, array in zip(names, session.run(names, feeds), strict=True)}


def _run_part(part: Layers, path: Path, optimize: bool, forced: Forced) -> dict[str, IntArray]:
    """What the layers of one graph make of the values forced on them."""
    session, values = _Session(part.data, path, optimize), forced[part.graph]
    names, batch = [place.name + COMPUTED for place in part.makes.values()], len(next(iter(values.values())))
    found = []
    for start in range(0, batch, BATCH):
        feeds = {place.name: place.store(values[name][start : start + BATCH]) for name, place in part.reads.items()}
        found.append(session.run(names, feeds))
    return {
        name: place.load(np.concatenate(tensors))
        for (name, place), tensors in zip(part.makes.items(), zip(*found, strict=True), strict=True)
    }


class _Session:
    """An InferenceSession on one thread, whose failures are InputErrors that name the artefact."""

    def __init__(self, data: bytes, path: Path, optimize: bool) -> None:
        runtime = import_optional("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        # Else it makes int8 activations uint8, whose products its kernels for AVX2 without VNNI saturate in the middle of a sum.
        options.add_session_config_entry("session.qdqisint8allowed", "1")
        level = runtime.GraphOptimizationLevel
        options.graph_optimization_level = level.ORT_ENABLE_ALL if optimize else level.ORT_DISABLE_ALL
        self._path = path
        try:
            self._session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no base class of their own
            raise self.damaged(error) from error

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the file says about itself."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    def run(self, names: Sequence[str], feeds: Mapping[str, IntArray]) -> list[IntArray]:
        """The outputs of those names."""
        try:
            found = list(self._session.run(list(names), dict(feeds)))
        except Exception as error:
            raise self.damaged(error) from error
        for name, array in zip(names, found, strict=True):
            if array.dtype.kind != "i":
                raise self.damaged(f"its output {name!r} is of {array.dtype}")
        return found

    def damaged(self, error: Any) -> InputError:
        """What to tell a user whose file does not run."""
        cause = str(error).splitlines()[0]
        return InputError(f"onnxruntime cannot run {self._path} as this model ({cause}): write it again with `rescomp export`")


def _dtype(value: Value) -> np.dtype[Any]:
    return value.type.format.numpy_dtype


def _trace(job: Job, session: _Session, file: str) -> Trace:
    try:
        return _run(job, session, file)
    except ValueError as error:  # numpy's, for a tensor of another shape
        raise session.damaged(error) from error


def _run(job: Job, session: _Session, file: str) -> Trace:
    if not job.model.is_recurrent:
        (scores,) = session.run(compose(job.model).outputs, {job.model.input.name: job.x.astype(_dtype(job.model.input))})
        return Trace(np.zeros((len(job.x), 0, 0), np.int16), scores.astype(np.int64))
    states = np.zeros((*job.x.shape[:2], sum(value.type.size for value in job.model.graphs["step"].state_inputs)), np.int16)
    scores = np.zeros((len(job.x), *job.model.output.type.shape), np.int64)
    (_run_sequences if file == SEQUENCE_FILE else _run_steps)(job, session, Trace(states, scores))
    return Trace(states, scores)


def _run_sequences(job: Job, session: _Session, trace: Trace) -> None:
    """Whole sequences, those of one length in one batch."""
    names = compose(job.model).outputs
    for length in np.unique(job.lengths):
        rows = np.flatnonzero(job.lengths == length)
        x = np.ascontiguousarray(job.x[rows, :length].swapaxes(0, 1), _dtype(job.model.input))
        *states, scores = session.run(names, {job.model.input.name: x})
        trace.states[rows, :length] = beside(states, 2).swapaxes(0, 1)
        trace.scores[rows] = scores


def _run_steps(job: Job, session: _Session, trace: Trace) -> None:
    """Step by step, all sequences that still run in one batch; the state travels through numpy."""
    following, state = compose(job.model).outputs, job.states()
    for t in range(int(job.lengths.max(initial=0))):
        rows = np.flatnonzero(job.lengths > t)
        feeds = {job.model.input.name: job.x[rows, t].astype(_dtype(job.model.input)), **{name: state[name][rows] for name in state}}
        *states, scores = session.run(following, feeds)
        for before, after in zip(state.values(), states, strict=True):
            before[rows] = after
        trace.states[rows, t] = beside(states, 1)
        trace.scores[rows] = scores
