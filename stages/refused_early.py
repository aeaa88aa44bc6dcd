"""What training would refuse at its first batch, or quantize after it, is refused before an epoch is spent."""

from __future__ import annotations

import math

import numpy as np
import torch

from ..compress import calibrate, constrain
from ..data.dataset import Dataset
from ..errors import InputError, UnsupportedError
from ..graph.formats import MOST_ENTRIES
from ..graph.verify import MOST_IN_ALL
from ..lowering.lower import lower
from ..models import Net, use_loop
from ..recipe import TRAIN_READERS, Recipe, is_asked
from ..train.augment import Augmentation
from ..train.batches import Batch
from .decision import check_early, refuse_without_steps
from .features import input_bits, refuse_lengths
from .net_readings import refuse_shorter_than_a_step, steps
from .wake_decision import check_background

STREAMING_SAMPLES = 8
"""Samples that show whether a net can be streamed."""


def refuse_early(recipe: Recipe, net: Net, dataset: Dataset) -> None:
    """Refuse now what the first batch would refuse, and what quantize would after the training."""
    train = recipe.train
    _refuse_unread_by(net, recipe, dataset)
    refuse_lengths(dataset, has_cells=bool(net.cells))
    refuse_shorter_than_a_step(recipe, net, dataset)
    refuse_without_steps(recipe, net)
    if recipe.alignment is not None and not net.cells:
        raise InputError(f"an alignment turns what recurrent cells read, and {recipe.model.kind} has none: leave it out of [frontend]")
    if recipe.decide is not None:
        check_early(recipe.decide, len(dataset.classes), net)
        check_background(recipe, dataset)
    _refuse_too_large(net)
    compressed = constrain(net, recipe.compress)
    use_loop(compressed, train.loop)
    if recipe.model.streaming or (net.cells and net.layer_modules):
        first = Batch.whole(steps(recipe, net, dataset.train.take(np.arange(min(len(dataset.train), STREAMING_SAMPLES)))))
        calibrate(compressed, first.x, first.lengths, input_bits(recipe, dataset))
        lower(compressed, "net", streaming=recipe.model.streaming)
    augment = Augmentation(net.std, 0.0, train.rotation, train.time_shift, train.crop, train.flip)
    augment(Batch.whole(steps(recipe, net, dataset.train.take(np.arange(1)))), torch.Generator())


def _refuse_unread_by(net: Net, recipe: Recipe, dataset: Dataset) -> None:
    """The same as refuse_unread, where the kind alone does not tell: for what a user's function gave, and for images."""
    unread = ["model.time_steps", "model.streaming"] if dataset.train.x.ndim == 4 else []
    if recipe.model.is_own:
        of_steps = ["model.readings", "model.stride"]
        stateless = [*of_steps, *(f"train.{key}" for key in TRAIN_READERS)]
        unread += of_steps if net.readings else []
        unread += ["model.time_steps", "model.streaming"] if net.cells else stateless
    what = "a net of recurrent cells" if net.cells else "a net without state"
    for name in unread:
        if is_asked(recipe, name):
            reader = f"{recipe.model.kind}, {what} over {'images' if dataset.train.x.ndim == 4 else 'time'},"
            raise InputError(f"{reader} does not read {name}: leave it out")


def _refuse_too_large(net: Net) -> None:
    """Raise UnsupportedError for values or matrices with more entries than an integer model may have."""
    sizes = {f"the matrix {name}": parameter.numel() for name, parameter in net.named_parameters() if parameter.dim() == 2}
    values = {f"the value {step.name}": math.prod(step.shape) for module in net.layer_modules for step in module.plan.steps}
    weights, total = sum(sizes.values()), sum(values.values())
    sizes |= values
    if net.layer_modules:
        sizes["the input"] = math.prod(net.layer_modules[0].plan.input_shape)
    largest = max(sizes, key=lambda name: sizes[name])
    remedy = "take shorter windows, smaller images, fewer model.widths or a smaller model.hidden_size"
    if sizes[largest] > MOST_ENTRIES:
        raise UnsupportedError(
            f"{largest} of this net has {sizes[largest]:,} entries, past the {MOST_ENTRIES:,} of an integer model: {remedy}"
        )
    for what, count in (("matrices", weights), ("values", total)):
        if count > MOST_IN_ALL:
            raise UnsupportedError(f"the {what} of this net have {count:,} entries, past the {MOST_IN_ALL:,} of an integer model: {remedy}")
