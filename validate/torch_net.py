"""What the witness torch answers: the trained net's fake-quantized arithmetic, carried exactly in float64, upstream of lowering."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..compress import constrain
from ..data.input_format import bits_along
from ..errors import InputError, UnsupportedError
from ..graph.alignment import ALIGNMENT_STATE, align_of
from ..graph.evaluate import Trajectory
from ..graph.fixed_point import FloatArray, IntArray
from ..graph.formats import Format, row_dtype
from ..graph.stream import streaming_states
from ..model_directory import QUANTIZED_NET, RECIPE, ModelDirectory
from ..models import FeedForwardNet, Net, RecurrentNet
from ..models.arithmetic import NORMALIZED
from ..models.fixed_point_arithmetic import WIDENED
from ..models.kept import empty_net
from ..models.layered.plan_check import INPUT
from ..recipe import parse_recipe
from ..train.checkpoint import load_net
from .host_frontend import trained_features
from .torch_alignment import turned, with_alignment_kept
from .variants import with_features
from .witness import Answer, Job

SEQUENCES_AT_A_TIME = 256
"""Sequences at a time."""
Kept = tuple[str, int]
"""A value of a streamed model and how many of its rows are a state, as streaming_states gives them."""


def answer(job: Job) -> Answer:
    """What the fine-tuned net in the job's directory answers. Raises InputError where its tensors do not fit each other."""
    try:
        return _answer(job, load_quantized(ModelDirectory.open(job.directory)))
    except (ArithmeticError, AssertionError, LookupError, RuntimeError, StopIteration, TypeError, ValueError) as error:  # torch's
        cause = str(error).partition("\n")[0]
        file = job.directory / QUANTIZED_NET
        raise InputError(f"{file} does not run as the net of this model ({cause}): quantize the model again") from error


def _answer(job: Job, net: Net) -> Answer:
    heard = job if job.sound is None else job.heard_by(trained_features(job.model.graphs["frontend"]))
    answer = _run(heard, net)
    return replace(answer, trajectory=with_features(answer.trajectory, heard))


def _run(job: Job, net: Net) -> Answer:
    if job.model.is_recurrent and isinstance(net, FeedForwardNet):
        if job.every_score:
            raise UnsupportedError("the torch net of a streamed model gives scores of whole windows alone")
        _check_windows(net, job)
        kept = tuple(streaming_states(job.model))
        return Answer("float64", torch.__version__, evaluate_net(net, job.x, job.lengths, kept=kept), from_zero=True)
    _check_states(net, job)
    begin, op = job.states() if job.model.is_recurrent else None, align_of(job.model)
    x = job.x if op is None or job.model.reads_samples else turned(job, op)
    found = evaluate_net(net, x, job.lengths, begin, every_score=job.every_score)
    return Answer("float64", torch.__version__, found if op is None else with_alignment_kept(found, job))


def load_quantized(directory: ModelDirectory) -> Net:
    """The fine-tuned net of a model directory, in evaluation mode. Raises InputError when a file is missing or damaged."""
    manifest, recipe = directory.manifest(), parse_recipe(directory.read(RECIPE), str(directory.path / RECIPE))
    directory.read(QUANTIZED_NET)
    net = constrain(empty_net(directory, recipe, manifest.data.channels, len(manifest.classes)), recipe.compress)
    if manifest.samples is None:
        net.fixed.set_input(manifest.input.fraction_bits, 0)  # as many as the file holds, where channels differ
    load_net(net, directory.path / QUANTIZED_NET)
    return net.eval()


def _check_states(net: Net, job: Job) -> None:
    """Raise InputError unless the net keeps what the graph does, which keeps an alignment beside it."""
    own = dict(net.state_shapes) if isinstance(net, RecurrentNet) else {}
    kept = {value.name: value.type.shape for value in job.model.graphs["step"].state_inputs} if job.model.is_recurrent else {}
    if align_of(job.model) is not None:
        del kept[ALIGNMENT_STATE]
    if own != kept:
        raise InputError(f"the net of {job.directory} keeps {_shown(own)}, and its graph.json {_shown(kept)}: quantize the model again")


def _shown(states: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {list(shape)}" for name, shape in states.items()) or "no state"


def _check_windows(net: FeedForwardNet, job: Job) -> None:
    """Raise UnsupportedError unless every sequence is one whole window: the net knows no other."""
    steps = net.plan.input_shape[-2] // job.model.input.type.shape[0]
    if (job.lengths != steps).any():
        raise UnsupportedError(f"the torch net reads whole windows of {steps} steps, not sequences of other lengths")


@torch.no_grad()
def evaluate_net(
    net: Net,
    x: IntArray,
    lengths: IntArray,
    begin: Mapping[str, IntArray] | None = None,
    *,
    every_score: bool = False,
    kept: Sequence[Kept] = (),
) -> Trajectory:
    """Every state and score of a compressed net, as integers.

    x: int [sequences, longest, *input shape], the device's readings; lengths: int [sequences], each >= 1; begin: the states before the
    first step, int [sequences, *shape] by name (None: zeros); every_score: scores [sequences, longest, classes], of every step. Of a net
    without state: x int [samples, *input shape], or where it is streamed [windows, steps, readings a step, channels], and `kept`, the
    values of which rows are its states. `net` is not changed.
    """
    fixed, exact = net.fixed, copy.deepcopy(net).double().eval()
    readings = torch.from_numpy(np.ldexp(x.astype(np.float64), -bits_along(fixed.input_bits, x.shape[-1])))
    if isinstance(exact, FeedForwardNet):
        return _evaluate_windows(exact, readings, kept)
    assert isinstance(exact, RecurrentNet)
    return _evaluate_sequences(exact, readings.reshape(*x.shape[:2], -1), lengths, begin, every_score=every_score)


def _evaluate_sequences(
    exact: RecurrentNet, readings: Tensor, lengths: IntArray, begin: Mapping[str, IntArray] | None, *, every_score: bool
) -> Trajectory:
    steps = torch.from_numpy(lengths.astype(np.int64))
    states, scores = [], []
    for start in range(0, len(readings), SEQUENCES_AT_A_TIME):
        batch = slice(start, start + SEQUENCES_AT_A_TIME)
        first = None if begin is None else _as_real(begin, exact.state_formats, batch)
        every = exact.states(readings[batch], steps[batch], first)
        integers = [_to_integers(every[name].numpy(), format) for name, format in exact.state_formats.items()]
        states.append(np.concatenate(integers, axis=2).astype(row_dtype(exact.state_formats.values())))
        if not every_score:
            every = {name: state[torch.arange(len(state)), steps[batch] - 1] for name, state in every.items()}
        scores.append(_to_integers(exact.scores(exact.read(exact.arithmetic, every)).numpy(), exact.scores_format()))
    return Trajectory(np.concatenate(states), np.concatenate(scores))


def _as_real(states: Mapping[str, IntArray], formats: Mapping[str, Format], batch: slice) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.ldexp(states[name][batch].astype(float), -formats[name].fraction_bits)) for name in formats}


def _evaluate_windows(exact: FeedForwardNet, readings: Tensor, kept: Sequence[Kept]) -> Trajectory:
    """readings: [samples, *input shape], or [windows, steps, readings a step, channels]."""
    states, scores = [], []
    for batch in torch.split(readings, SEQUENCES_AT_A_TIME):
        values = exact.values(batch.reshape(len(batch), *exact.plan.input_shape))
        scores.append(_to_integers(values[exact.plan.output].flatten(1).numpy(), exact.scores_format()))
        rows = [_rows_kept(exact, values, each, batch.shape[1]) for each in kept]
        states.append(np.concatenate(rows, axis=2) if rows else np.zeros((len(batch), 0, 0), np.int64))
    return Trajectory(np.concatenate(states).astype(np.int16), np.concatenate(scores))


def _rows_kept(exact: FeedForwardNet, values: Mapping[str, Tensor], kept: Kept, steps: int) -> IntArray:
    """int64 [windows, steps, entries]: after each step the last rows of a value, zeros before the first."""
    name, rows = kept
    source = _source(exact, name)
    rows_first = values[source][:, :, 0].transpose(1, 2)
    whole = _to_integers(rows_first.numpy(), exact.fixed.format(exact.known_as(source)))
    padded = np.pad(whole, ((0, 0), (rows, 0), (0, 0)))
    new = whole.shape[1] // steps
    return np.stack([padded[:, (t + 1) * new : (t + 1) * new + rows].reshape(len(whole), -1) for t in range(steps)], axis=1)


def _source(net: FeedForwardNet, name: str) -> str:
    """The net's value that a value of the graph is, though perhaps in another format."""
    if name == NORMALIZED:
        return INPUT
    return name if any(step.name == name for step in net.plan.steps) else net.plan.step(name.removesuffix(WIDENED)).inputs[0]


def _to_integers(values: FloatArray, format: Format) -> IntArray:
    scaled = np.ldexp(values, format.fraction_bits)
    if not np.array_equal(scaled, np.floor(scaled)):
        raise AssertionError("the net's float64 arithmetic left the grid of its format")
    return scaled.astype(np.int64)
