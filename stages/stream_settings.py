"""What the integer model does in streams: its decision and its policy, as the recipe asks or as recordings choose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..data.dataset import Dataset, Split
from ..decision_figures import ChosenDecision
from ..errors import counted
from ..graph.decide import Decision, with_decision
from ..graph.ir import IntegerModel
from ..manifest import Manifest
from ..rates import Clock
from ..recipe import DecideSection, Recipe
from .decision import (
    DEFAULTS,
    Stream,
    decide_by,
    describe_settings,
    policy_by,
    replace_unset,
    search_decision,
)
from .figures import change_figures, wake_word_figures
from .listener import Listener
from .net_readings import training_data
from .readings import Reader
from .stream_metrics import StreamMetrics
from .subjects import copies_of
from .validation_streams import validation_streams
from .wake_decision import background_classes, search_wake_decision
from .wake_words import WakeWords


def in_streams(
    recipe: Recipe, manifest: Manifest, model: IntegerModel, dataset: Dataset, listener: Listener
) -> tuple[IntegerModel, ChosenDecision | None]:
    """The model with the recipe's decision and policy; the decision is chosen for streams under that policy.

    Beside it what the manifest tells of the choice, None where nothing is chosen.
    """
    return _decided(recipe, manifest, replace(model, policy=policy_by(recipe.stream)), dataset, listener)


def _decided(
    recipe: Recipe, manifest: Manifest, model: IntegerModel, dataset: Dataset, listener: Listener
) -> tuple[IntegerModel, ChosenDecision | None]:
    """The model with the recipe's decision, chosen on the validation part of the training recordings where it is asked for."""
    section = recipe.decide
    if section is None:
        return with_decision(model, None), None
    if section.false_alarms is None:
        return with_decision(model, decide_by(section, model.output.type)), None
    _, validation = training_data(recipe, dataset.train)
    if validation is None:
        listener.warning(
            "decide.false_alarms has no validation recordings to choose on: the decision keeps "
            f"{describe_settings(replace_unset(section, DEFAULTS))}; set train.validation_fraction, 0.2 for instance, and train anew"
        )
        return with_decision(model, decide_by(section, model.output.type)), None
    heard = _Heard.of(recipe, manifest, model, dataset, validation)
    listener.stage(f"choose {', '.join(section.searched)} of the decision on {heard.said}")
    search = search_decision if section.background is None else search_wake_decision
    decision, worth = search(section, model, heard.stream, heard.clock, listener)
    return with_decision(model, decision), _as_chosen(section, model, decision, heard, worth)


@dataclass(frozen=True, eq=False)
class _Heard:
    """What a decision is chosen on. recordings: how many. clock: of recordings; stream.clock has that of the stream."""

    stream: Stream
    clock: Clock
    recordings: int

    @classmethod
    def of(cls, recipe: Recipe, manifest: Manifest, model: IntegerModel, dataset: Dataset, validation: Split) -> _Heard:
        """Continuous recordings of the validation part where the source has them, else its recordings in a row."""
        section, reader = recipe.decide, Reader.of(manifest, model)
        assert section is not None
        lasting = np.median(validation.lengths if reader.time_steps is None else np.minimum(validation.lengths, reader.time_steps))
        settle = int(lasting) // 2 if section.background is None else math.ceil(lasting)
        clock = Clock(readings_a_step=reader.readings_a_step, stride=reader.stride, settle=settle, rate=_readings_a_second(recipe))
        continuous = validation_streams(recipe, manifest, model, dataset)
        if continuous is not None and _has_both(continuous.y[continuous.valid], section, dataset.classes):
            return cls(Stream.continuous(model, continuous), clock, len(continuous))
        recordings = reader.row_steps(replace(validation, x=reader.integers(validation.x)[0]))
        return cls(Stream.of(model, recordings), replace(clock, copies=copies_of(recipe.data)), len(recordings))

    @property
    def is_continuous(self) -> bool:
        """Whether it is of continuous recordings."""
        return self.stream.steps.ends is None

    @property
    def said(self) -> str:
        """In words."""
        if self.is_continuous:
            return counted(self.recordings, "continuous validation recording")
        return f"{counted(self.recordings, 'validation recording')} in a row"


def _has_both(labels: np.ndarray[tuple[int, ...], np.dtype[np.int64]], section: DecideSection, classes: Sequence[str]) -> bool:
    """Whether there are words and background, where the one is told from the other."""
    is_background = np.isin(labels, background_classes(section, classes))
    return section.background is None or bool(is_background.any() and not is_background.all())


def _as_chosen(
    section: DecideSection, model: IntegerModel, decision: Decision, heard: _Heard, worth: StreamMetrics | WakeWords
) -> ChosenDecision:
    """As the manifest has it."""
    unit = 2.0**model.output.type.format.fraction_bits
    figures = (
        {"wake_words": wake_word_figures(worth, section.background or ())}
        if isinstance(worth, WakeWords)
        else {"changes": change_figures(worth)}
    )
    return ChosenDecision(
        of="continuous" if heard.is_continuous else "in a row",
        recordings=heard.recordings,
        false_alarms=section.false_alarms or 0.0,
        smoothing=decision.smoothing,
        margin=decision.margin / unit,
        hold=decision.hold,
        thresholds=tuple(value / unit for value in decision.thresholds),
        **figures,
    )


def _readings_a_second(recipe: Recipe) -> float | None:
    """None where nobody knows."""
    heard = recipe.of_samples
    if heard is not None and heard.sample_rate is not None and heard.hop is not None:
        return heard.sample_rate / heard.hop
    return None if recipe.decide is None else recipe.decide.rate
