"""What the integer model does in streams: its decision and its policy, as the recipe asks or as recordings choose."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..data.dataset import Split
from ..errors import counted
from ..graph.decide import with_decision
from ..graph.ir import IntegerModel
from ..manifest import Manifest
from ..recipe import Recipe
from .decision import (
    DEFAULTS,
    Stream,
    decide_by,
    describe_settings,
    policy_by,
    replace_unset,
    search_decision,
)
from .listener import Listener
from .net_readings import training_data
from .rates import Clock
from .readings import Reader
from .subjects import copies_of
from .wake_decision import search_wake_decision


def in_streams(recipe: Recipe, manifest: Manifest, model: IntegerModel, train: Split, listener: Listener) -> IntegerModel:
    """The model with the recipe's decision and policy; the decision is chosen for streams under that policy."""
    return _decided(recipe, manifest, replace(model, policy=policy_by(recipe.stream)), train, listener)


def _decided(recipe: Recipe, manifest: Manifest, model: IntegerModel, train: Split, listener: Listener) -> IntegerModel:
    """The model with the recipe's decision, chosen on the validation part of the training recordings where it is asked for."""
    section = recipe.decide
    if section is None:
        return with_decision(model, None)
    if section.false_alarms is None:
        return with_decision(model, decide_by(section, model.output.type))
    _, validation = training_data(recipe, train)
    if validation is None:
        listener.warning(
            "decide.false_alarms has no validation recordings to choose on: the decision keeps "
            f"{describe_settings(replace_unset(section, DEFAULTS))}; set train.validation_fraction, 0.2 for instance, and train anew"
        )
        return with_decision(model, decide_by(section, model.output.type))
    reader = Reader.of(manifest, model)
    recordings = reader.row_steps(replace(validation, x=reader.integers(validation.x)[0]))
    lasting = np.median(validation.lengths if reader.time_steps is None else np.minimum(validation.lengths, reader.time_steps))
    settle = int(lasting) // 2 if section.background is None else math.ceil(lasting)
    rate, copies = _readings_a_second(recipe), copies_of(recipe.data)
    clock = Clock(readings_a_step=reader.readings_a_step, stride=reader.stride, settle=settle, rate=rate, copies=copies)
    if section.background is None:
        return with_decision(model, search_decision(section, model, recordings, clock, listener))
    listener.stage(f"choose {', '.join(section.searched)} of the decision on {counted(len(recordings), 'validation recording')} in a row")
    return with_decision(model, search_wake_decision(section, model, Stream.of(model, recordings), clock, listener))


def _readings_a_second(recipe: Recipe) -> float | None:
    """None where nobody knows."""
    heard = recipe.of_samples
    if heard is not None and heard.sample_rate is not None and heard.hop is not None:
        return heard.sample_rate / heard.hop
    return None if recipe.decide is None else recipe.decide.rate
