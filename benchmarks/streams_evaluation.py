"""What streams.py measures of one model: recordings one by one, continuous recordings, and recordings from random states."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from stream_jobs import RATE, READINGS, Job, judged

from rescomp.data.input_format import to_device_integers
from rescomp.data.split import Split
from rescomp.data.steps import in_steps
from rescomp.data.streams import Streams, streams_in_steps
from rescomp.graph.evaluate import evaluate, scores_of_every_step
from rescomp.graph.ir import IntegerModel
from rescomp.model_directory import FLOAT_NET, ModelDirectory
from rescomp.models import RecurrentNet
from rescomp.models.kept import empty_net
from rescomp.rates import Clock
from rescomp.recipe import Recipe
from rescomp.stages.artefacts import read_model
from rescomp.stages.evaluation import anywhere
from rescomp.stages.labelled_steps import LabelledSteps
from rescomp.stages.stream_metrics import measure_streams
from rescomp.train.checkpoint import load_net

Integers = npt.NDArray[np.int64]
Decide = Callable[[Any, Integers, bool], Integers]
"""A class a step, int64 [sequences, longest], of x [sequences, longest, channels] and lengths; from zeros, or from states anywhere."""


def evaluate_job(job: Job, place: Path, recipe: Recipe, folder: Path | None) -> dict[str, Any]:
    """All figures of a model directory; by_group: those of each person (a speaker is a class)."""
    directory = ModelDirectory.open(place)
    single, continuous = judged(job, folder)
    readings = recipe.model.readings
    single, continuous = in_steps(single, readings, readings), streams_in_steps(continuous, readings, readings)
    decide = _float(directory, recipe, single) if job.format == "float" else _integer(directory)
    last = np.arange(len(single)), single.lengths - 1
    right = decide(single.x, single.lengths, False)[last] == single.y
    corner = decide(single.x, single.lengths, True)[last] == single.y
    decisions = decide(continuous.x, continuous.lengths, False)
    settle, rate = (READINGS, RATE) if job.task == "har6" else (int(single.lengths.max()), None)
    clock = Clock(readings_a_step=readings, stride=readings, settle=settle, rate=rate)
    metrics = measure_streams(decisions, LabelledSteps.of(continuous), clock)
    groups = _by_group(single, right, continuous, decisions, clock)
    return {**metrics.as_json(), "offline": float(right.mean()), "corner": float(corner.mean()), "by_group": groups}


def _by_group(single: Split, right: Any, streams: Streams, decisions: Integers, clock: Clock) -> dict[str, dict[str, float | None]]:
    """Of har6 the streams of a subject; of vowels, whose streams are of all speakers, the steps of a speaker."""
    found: dict[str, dict[str, float | None]] = {}
    assert single.groups is not None
    for group in np.unique(single.groups):
        offline = float(right[single.groups == group].mean())
        if streams.ends is None:
            own = np.flatnonzero(streams.groups == group)
            metrics = measure_streams(decisions[own], LabelledSteps.of(streams.take(own)), clock)
            found[str(group)] = {"offline": offline, "streamed": metrics.streamed, "settled": metrics.settled}
        else:
            steps = (streams.y == group) & streams.valid
            correct = decisions == streams.y
            found[str(group)] = {
                "offline": offline,
                "streamed": float(correct[steps].mean()),
                "ends": float(correct[steps & streams.ends].mean()),
            }
    return found


def _float(directory: ModelDirectory, recipe: Recipe, single: Split) -> Decide:
    manifest = directory.manifest()
    net = empty_net(directory, recipe, single.channels // recipe.model.readings, len(manifest.classes))
    assert isinstance(net, RecurrentNet)
    load_net(net, directory.path / FLOAT_NET)
    return lambda x, lengths, anywhere: _float_decisions(net.eval(), x, lengths, anywhere)


@torch.no_grad()
def _float_decisions(net: RecurrentNet, x: Any, lengths: Integers, from_anywhere: bool) -> Integers:
    begin, draws = None, np.random.default_rng(0)
    if from_anywhere:
        begin = {}
        for name, format in net.state_formats.items():
            high = format.high * 2.0**-format.fraction_bits
            begin[name] = torch.from_numpy(draws.uniform(-high, high, (len(x), net.state_sizes[name]))).float()
    states = net.states(torch.from_numpy(x).float(), torch.from_numpy(lengths), begin)
    return np.asarray(net.scores(net.read(net.arithmetic, states)).argmax(dim=2).numpy())


def _integer(directory: ModelDirectory) -> Decide:
    model, bits = read_model(directory), directory.manifest().input.fraction_bits
    return lambda x, lengths, anywhere: _integer_decisions(model, to_device_integers(x, bits), lengths, anywhere)


def _integer_decisions(model: IntegerModel, x: Any, lengths: Integers, from_anywhere: bool) -> Integers:
    states = evaluate(model, x, lengths, anywhere(model, len(x)) if from_anywhere else None).states
    return np.asarray(scores_of_every_step(model, states).argmax(axis=2))
