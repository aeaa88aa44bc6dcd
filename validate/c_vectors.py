"""What a program around generated C reads and writes: vectors, and what the model made of them, as plain little-endian integers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DeviceError
from ..graph.decide import DECISION
from ..graph.evaluate import Trajectory
from ..graph.fixed_point import IntArray
from ..graph.formats import TensorType
from ..graph.ir import Graph, IntegerModel, Value
from ..graph.sound import Pcm
from .witness import Job

HEARD = 4
"""Bit of what main.c is asked: samples follow, which are pushed."""
PUSHED: Sequence[int] = (33, 1, 64, 7, 61, 2)
MOST_PUSHED = max(PUSHED)


def encode_vectors(job: Job) -> bytes:
    """The sequences (or samples) of a job as main.c reads them."""
    return b"".join((np.array([len(job.x)], "<u4").tobytes(), *_sequences(job)))


def _sequences(job: Job) -> Iterator[bytes]:
    x, heard = job.x.astype(stored_dtype(job.model.input.type)), job.heard
    steps = job.lengths.astype("<u4") if job.model.is_recurrent else np.zeros(len(x), "<u4")
    states = _encode_states(job) if job.model.is_recurrent else [b""] * len(x)
    for i, row in enumerate(x):
        if job.sound is not None and heard[i]:
            yield _pushed(job.sound, i, states[i] if job.model.is_recurrent else None)
        elif job.model.is_recurrent:
            yield steps[i].tobytes() + states[i] + row[: job.lengths[i]].tobytes()
        else:
            yield (steps[i].tobytes() if job.model.reads_samples else b"") + row.tobytes()


def pushed_at_once(row: int) -> int:
    """How many samples of a recording are pushed at a time: small and odd numbers, another one for the next recording."""
    return PUSHED[row % len(PUSHED)]


def _pushed(sound: Pcm, row: int, begin: bytes | None) -> bytes:
    """A recording of samples. begin: what is asked, and the state, as of _encode_states; None: of a model without one."""
    asked = b"" if begin is None else bytes([begin[0] | HEARD]) + begin[1:]
    recording = sound.recording(row).astype("<i2")
    return np.array(len(recording), "<u4").tobytes() + asked + bytes([pushed_at_once(row)]) + recording.tobytes()


def _encode_states(job: Job) -> list[bytes]:
    """For each sequence a byte that says whether its state is given, and what is asked, and the state; one of zeros is that of init."""
    records = np.zeros(len(job.x), record_dtype(job.model.graphs["step"].state_inputs))
    for name, array in job.states().items():
        records[name] = array
    every = 2 if job.every_score else 0
    return [bytes([every | 1]) + data if any(data) else bytes([every]) for data in map(np.void.tobytes, records)]


def decode_trajectory(job: Job, output: bytes) -> Trajectory:
    """What main.c wrote for a job. Raises DeviceError when it is not exactly as long as it must be."""
    if job.every_score:
        return decode_long_run(job, output)
    model, trajectory = job.model, empty_trajectory(job)
    steps = job.lengths if model.is_recurrent else np.zeros(len(job.x), np.int64)
    told = steps if model.is_recurrent else np.ones(len(job.x), np.int64)
    sizes = steps * nbytes(stepped_values(model)) + model.output.type.nbytes + told * job.heard * model.input.type.nbytes
    check_length(output, int(sizes.sum()))
    for i, end in enumerate(np.cumsum(sizes).tolist()):
        decode_sequence(job, trajectory, i, output[end - sizes[i] : end])
    return trajectory


def empty_trajectory(job: Job) -> Trajectory:
    """Zeros, to be filled sequence by sequence."""
    model, count = job.model, len(job.x)
    steps = (count, job.x.shape[1] if model.is_recurrent else 0)
    width, decide_width = (sum(value.type.size for value in model.states(role)) for role in ("step", "decide"))
    decided = (np.zeros(steps, np.int16), np.zeros((*steps, decide_width), np.int32)) if model.decides else ()
    found = Trajectory(np.zeros((*steps, width), model.state_dtype), np.zeros((count, *model.output.type.shape), np.int64), *decided)
    return found if job.sound is None else replace(found, features=np.zeros(job.x.shape, np.int16))


def decode_sequence(job: Job, trajectory: Trajectory, i: int, results: bytes) -> None:
    """Put into a trajectory what came of sequence i: after each step its input, where that was made of samples, and `stepped_values`; then
    the scores.
    """
    model, steps = job.model, int(job.lengths[i]) if job.model.is_recurrent else 0
    heard = [model.input] if job.heard[i] else []
    after = [*heard, *stepped_values(model)] if model.is_recurrent else heard
    end = max(1, steps) * nbytes(after)
    records = np.frombuffer(results[:end], record_dtype(after)) if after else None
    if steps and records is not None:
        _put_steps(model, trajectory, i, records)
    if heard and records is not None and trajectory.features is not None:
        features = records[model.input.name]
        if model.is_recurrent:
            trajectory.features[i, :steps] = features
        else:
            trajectory.features[i] = features[0]
    trajectory.scores[i] = np.frombuffer(results[end:], stored_dtype(model.output.type)).reshape(model.output.type.shape)


def decode_long_run(job: Job, results: bytes) -> Trajectory:
    """The trajectory of a job that asks for every score, from what was written after each step: `stepped_values`, then the scores."""
    model, trajectory = job.model, empty_trajectory(job)
    scores = ("scores", stored_dtype(model.output.type), model.output.type.shape)
    record = np.dtype([("values", record_dtype(stepped_values(model))), scores])
    check_length(results, int(job.lengths[0]) * record.itemsize)
    records = np.frombuffer(results, record)
    _put_steps(model, trajectory, 0, records["values"])
    return replace(trajectory, scores=records["scores"][None].astype(np.int64))


def _put_steps(model: IntegerModel, trajectory: Trajectory, i: int, records: npt.NDArray[Any]) -> None:
    """The steps of sequence i, a record of `stepped_values` each."""
    trajectory.states[i, : len(records)] = side_by_side(model.states("step"), records)
    if trajectory.decisions is not None and trajectory.decide_states is not None:
        trajectory.decisions[i, : len(records)] = records[DECISION][:, 0]
        trajectory.decide_states[i, : len(records)] = side_by_side(model.states("decide"), records)


def stepped_values(model: IntegerModel) -> list[Value]:
    """What is told after each step, one behind the other: the states of the step, then those of a decision, and the decision."""
    return [*model.states("step"), *model.states("decide"), *decision_values(model)]


def nbytes(values: Sequence[Value]) -> int:
    """Of values without padding, as they lie on a device."""
    return sum(value.type.nbytes for value in values)


def decision_values(model: IntegerModel) -> list[Value]:
    """The decision, of a model that takes one."""
    return [model.decision] if model.decides else []


def side_by_side(values: Sequence[Value], records: npt.NDArray[Any]) -> IntArray:
    """States as rows of a trajectory, [steps, entries], from records of `record_dtype`, one a step."""
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
