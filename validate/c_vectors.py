"""What a program around generated C reads and writes: vectors, and what the model made of them, as plain little-endian integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DeviceError
from ..graph.decide import DECISION
from ..graph.evaluate import Trajectory
from ..graph.fixed_point import IntArray
from ..graph.formats import TensorType
from ..graph.ir import Graph, IntegerModel, Value
from .witness import Job


def encode_vectors(job: Job) -> bytes:
    """The sequences (or samples) of a job as main.c reads them."""
    count = np.array([len(job.x)], "<u4").tobytes()
    x = job.x.astype(stored_dtype(job.model.input.type))
    if not job.model.is_recurrent:
        return count + x.tobytes()
    steps, states = job.lengths.astype("<u4"), _encode_states(job)
    return b"".join((count, *(steps[i].tobytes() + states[i] + x[i, : job.lengths[i]].tobytes() for i in range(len(x)))))


def _encode_states(job: Job) -> list[bytes]:
    """For each sequence a byte that says whether its state is given, and what is asked, and the state; one of zeros is that of init."""
    records = np.zeros(len(job.x), record_dtype(job.model.graphs["step"].state_inputs))
    for name, array in job.states().items():
        records[name] = array
    every = 2 if job.every_score else 0
    return [bytes([every | 1]) + data if any(data) else bytes([every]) for data in map(np.void.tobytes, records)]


def decode_trajectory(job: Job, output: bytes) -> Trajectory:
    """What main.c wrote for a job. Raises DeviceError when it is not exactly as long as it must be."""
    model = job.model
    values = model.graphs["step"].state_inputs if model.is_recurrent else ()
    if job.every_score:
        return decode_long_run(job, output, [*values, *decision_values(model)])
    state, scores = record_dtype([*values, *decision_values(model)]), record_dtype([model.output])
    steps = job.lengths if model.is_recurrent else np.zeros(len(job.x), np.int64)
    check_length(output, int(steps.sum()) * state.itemsize + len(job.x) * scores.itemsize)
    width = sum(value.type.size for value in values)
    longest = job.x.shape[1] if model.is_recurrent else 0
    trajectory = Trajectory(
        np.zeros((len(job.x), longest, width), model.state_dtype),
        np.zeros((len(job.x), *model.output.type.shape), np.int64),
        np.zeros((len(job.x), longest), np.int16) if model.decides else None,
    )
    start = 0
    for i, count in enumerate(steps.tolist()):
        end = start + count * state.itemsize
        if values:
            after: npt.NDArray[Any] = np.ndarray(count, state, output, start)
            trajectory.states[i, :count] = side_by_side(values, after)
            if trajectory.decisions is not None:
                trajectory.decisions[i, :count] = after[DECISION][:, 0]
        start = end + scores.itemsize
        trajectory.scores[i] = np.frombuffer(output, scores, 1, end)[model.output.name][0]
    return trajectory


def decode_long_run(job: Job, output: bytes, values: Sequence[Value]) -> Trajectory:
    """The trajectory of a job that asks for every score, from what was written after each step: `values`, then the scores."""
    model, steps = job.model, int(job.lengths[0])
    record = np.dtype([("values", record_dtype(values)), ("scores", stored_dtype(model.output.type), model.output.type.shape)])
    check_length(output, steps * record.itemsize)
    records = np.frombuffer(output, record)
    states = side_by_side(model.graphs["step"].state_inputs, records["values"]).astype(model.state_dtype)
    decisions = records["values"][DECISION][:, 0][None].astype(np.int16) if model.decides else None
    return Trajectory(states[None], records["scores"][None].astype(np.int64), decisions)


def decision_values(model: IntegerModel) -> list[Value]:
    """The decision, of a model that takes one."""
    graph = model.graphs.get("decide")
    return [] if graph is None else [Value(name, graph.types()[name]) for name in graph.outputs]


def side_by_side(values: Sequence[Value], records: npt.NDArray[Any]) -> IntArray:
    """States as rows of Trajectory.states, [steps, entries], from records of `record_dtype`, one a step."""
    states: IntArray = np.concatenate([records[value.name].reshape(len(records), -1) for value in values], axis=1)
    return states


def encode_samples(graph: Graph, inputs: Mapping[str, IntArray]) -> bytes:
    """Samples for a probe: of every input in turn, sample by sample."""
    records = np.zeros(len(inputs[graph.inputs[0].name]), record_dtype(graph.inputs))
    for value in graph.inputs:
        records[value.name] = inputs[value.name]
    return np.array([len(records)], "<u4").tobytes() + records.tobytes()


def decode_values(graph: Graph, output: bytes, batch: int) -> dict[str, IntArray]:
    """Every value of a probe, int64 [batch, *shape], from what its main.c wrote with the tap compiled in."""
    types = graph.types()
    values = [Value(name, types[name]) for node in graph.nodes for name in node.outputs]
    record = record_dtype([*values, Value("scores of main.c", types[graph.nodes[-1].outputs[0]])])
    check_length(output, batch * record.itemsize)
    records = np.frombuffer(output, record)
    return {value.name: records[value.name].astype(np.int64) for value in values}


def stored_dtype(type: TensorType) -> np.dtype[Any]:
    """An entry of a value as main.c reads and writes it."""
    return type.format.numpy_dtype.newbyteorder("<")


def record_dtype(values: Sequence[Value]) -> np.dtype[Any]:
    """Values one behind the other, without gaps, as main.c reads and writes them."""
    return np.dtype([(value.name, stored_dtype(value.type), value.type.shape) for value in values])


def check_length(output: bytes, expected: int) -> None:
    """Raise DeviceError unless a program wrote so many bytes."""
    if len(output) != expected:
        raise DeviceError(f"the program wrote {len(output)} bytes where {expected} were expected: it is of another model")
