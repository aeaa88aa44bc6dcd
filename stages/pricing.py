"""What a recipe's model takes, before it is trained: bytes of const data and RAM, and instructions of a step on a core.

Told of a probe: a net of the recipe's shape whose weights are as large as they get and share nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..compress import calibrate, constrain, matrices
from ..data.dataset import Dataset
from ..data.input_format import to_device_integers
from ..errors import InputError
from ..export.c import translate
from ..export.c_limits import check_counts
from ..frontend.clips import FEATURE_BITS
from ..graph.decide import with_decision
from ..graph.fixed_point import IntArray
from ..graph.ir import IntegerModel
from ..graph.ops.c_arguments import stored_scales
from ..graph.sound import Pcm, samples_for
from ..lowering.lower import lower
from ..models import build_net
from ..recipe import Recipe
from ..targets.kernel_choice import Target
from ..validate.witness import Job
from .decision import largest_decision, policy_by
from .features import FeatureDataset, with_what_stands_before
from .net_readings import input_shape
from .profiling import PROFILED_STEPS, profile_core

_MAGNITUDE = 0.9
"""Of every weight of a probe: no power of two, which would need no multiplier, and none rounds to zero."""
_RESCALED = 2
"""Operands of a sum of a net without state that may have to be brought to its format, a byte each: the data say which."""
_SAMPLES = 4
"""That a probe is calibrated on."""
_FRACTION_BITS = 12
"""Of what a probe reads, which has a standard deviation of 1."""


@dataclass(frozen=True)
class Size:
    """Bytes of the generated C: all const data, and RAM (what is kept of a stream)."""

    const: int
    state: int

    def __str__(self) -> str:
        return f"const {self.const} B, state {self.state} B"


def predict_size(recipe: Recipe, channels: int, classes: int, dataset: Dataset | None = None) -> Size:
    """The most bytes that the recipe's model can come to, whatever its training finds: of a probe of its shape, with the largest weights.

    dataset: whose front-end or alignment stands before it, and counts too; a net without state takes its shape from it. Raises
    UnsupportedError when the largest weights are more than the integer contract allows, which a training could reach.
    """
    return largest_size(probe(recipe, _shape(recipe, channels, dataset), classes, dataset))


def probe(recipe: Recipe, shape: tuple[int, ...], classes: int, dataset: Dataset | None = None) -> IntegerModel:
    """An untrained model of the recipe. shape: what the net reads at once, as of build_net. dataset, errors: as of predict_size."""
    channels = shape[-1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        spread = 0.5 + torch.rand(channels)  # no power of two, which would need no multiplier
        net = constrain(build_net(recipe.model, shape, classes, torch.rand(channels), spread), recipe.compress)
        for matrix in matrices(net):
            matrix.weight.data = torch.where(torch.rand_like(matrix.weight) < 0.5, -_MAGNITUDE, _MAGNITUDE)
        read = (8, channels * recipe.model.readings_a_step) if net.cells else shape
        x = torch.randn(_SAMPLES, *read)
        bits = FEATURE_BITS if isinstance(dataset, FeatureDataset) else _FRACTION_BITS
        calibrate(net, x, torch.full((_SAMPLES,), x.shape[1]), bits)
    names = tuple(map(str, range(classes)))
    model = replace(lower(net.eval(), "probe", names, streaming=recipe.model.streaming), policy=policy_by(recipe.stream))
    model = model if dataset is None else with_what_stands_before(model, dataset)
    return model if recipe.decide is None else with_decision(model, largest_decision(recipe.decide, classes))


def _shape(recipe: Recipe, channels: int, dataset: Dataset | None) -> tuple[int, ...]:
    """What the net reads at once. Raises InputError."""
    if dataset is not None:
        return input_shape(recipe, dataset)
    if recipe.model.is_recurrent:
        return (channels,)
    raise InputError(f"{recipe.model.kind} has the shape of its data, and there are none: give --data")


def largest_size(model: IntegerModel) -> Size:
    """With nothing stored once for two: training may leave no two rows and no two layers alike, and put sparse entries anywhere."""
    source = translate(model, share=False)
    more = 0 if model.is_recurrent else _RESCALED * sum(node.op.name == "add" for node in model.graphs["whole"].nodes)
    for graph in model.graphs.values():
        for node in graph.nodes:
            for scales in node.op.scales:
                more += sum(array.nbytes * (scales.shift.size - 1) for array in stored_scales(scales) if array.size == 1)
            more += sum(weight.most_bytes - weight.pack().nbytes for weight in node.op.matrices)
    return Size(source.constant_bytes + more, source.ram_bytes)


def count_instructions(model: IntegerModel, target: Target) -> int:
    """Of the dearest of a few steps (a run of a net without state) on drawn inputs: instructions, or cycles of an AVR, as `profile` counts.

    Raises BudgetError for a model that the core has no room for, UnsupportedError for one too large for its C, MissingToolError.
    """
    check_counts(model, target.core)
    return profile_core(target, _drawn_steps(model)).count


def _drawn_steps(model: IntegerModel) -> Job:
    """One sequence of normally distributed integers, always the same."""
    rng = np.random.default_rng(0)
    steps = PROFILED_STEPS if model.is_recurrent else 1
    x = _integers(rng, (1, *((steps,) if model.is_recurrent else ()), *model.input.type.shape))
    job = Job(model, Path(), x, np.array([steps], np.int64))
    if not model.reads_samples:
        return job
    count = samples_for(model, steps)
    return replace(job, sound=Pcm(_integers(rng, (1, count, model.samples.type.shape[-1])), np.array([count], np.int64)))


def _integers(rng: np.random.Generator, shape: tuple[int, ...]) -> IntArray:
    """int16."""
    return to_device_integers(rng.normal(size=shape).astype(np.float32), _FRACTION_BITS)
