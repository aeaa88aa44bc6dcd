"""Clips as frames, as far as their headers tell; what no net can be trained on is refused here, before a sample is read."""

from __future__ import annotations

from collections.abc import Sequence

from ..data.clips import Clips
from ..data.noise import noise_of
from ..data.steps import refuse_shorter
from ..errors import InputError
from ..frontend.asked import asked_front_end
from ..frontend.clips import frames_of_each
from ..frontend.description import PRESETS, FrontEnd
from ..frontend.lowering import frontend_graph
from ..graph.verify import MOST_RATE
from ..recipe import Recipe
from .worn_clips import refuse_unworn


def refuse_impossible(recipe: Recipe) -> None:
    """Raise InputError for keys of [frontend] of which no front-end can be made, whatever the data are."""
    assert recipe.of_samples is not None
    asked = recipe.of_samples
    rate = asked.sample_rate or (MOST_RATE if asked.preset is None else PRESETS[asked.preset].sample_rate)
    asked_front_end(asked.of_a_front_end, rate, asked.channels or 1)


def refuse_clips(recipe: Recipe, train: Clips, test: Clips, classes: Sequence[str], names: Sequence[str]) -> None:
    """Raise what training would when these clips were read and their features computed, as far as lengths, rate and channels tell it.

    names: of the channels, where they have some.
    """
    front_end = front_end_for(recipe, train)
    frontend_graph(front_end)
    frames = frames_of_all(recipe, train, front_end)
    for name, clips in (("train", train), ("test", test)):
        what = name_of(recipe, name)
        lengths = frames_of_each(clips, front_end, what, frames)
        if recipe.model.is_recurrent:
            refuse_shorter(lengths, recipe.model.readings_a_step, "model.readings", "frame", clips.told)
    if recipe.alignment is not None:
        refuse_unworn(recipe.alignment, recipe.data.source, train, names, classes)
    if recipe.augment is not None:
        noise_of(recipe.augment.noise, recipe.data, train.sample_rate, (test,))
    if not recipe.model.is_own:
        _refuse_net(recipe, front_end, frames, len(classes))


def _refuse_net(recipe: Recipe, front_end: FrontEnd, frames: int | None, classes: int) -> None:
    """Raise what the net's sizes raise."""
    import torch  # which takes seconds, so that what a source is refused for comes first

    from ..models import build_net

    asked = recipe.model.model_copy(update={"readout_steps": recipe.model.readout_steps or 1})  # else as long as the data say
    shape = (front_end.features,) if frames is None else (frames, front_end.features)
    with torch.random.fork_rng(devices=[]):
        build_net(asked, (*shape, 1) if reads_images(recipe) else shape, classes)


def front_end_for(recipe: Recipe, clips: Clips) -> FrontEnd:
    """The front-end of a recipe for such clips. Raises InputError."""
    if recipe.of_samples is None:
        raise InputError("the recipe has no front-end: add [frontend]")
    return asked_front_end(recipe.of_samples.of_a_front_end, clips.sample_rate, clips.channels)


def name_of(recipe: Recipe, split: str) -> str:
    """What clips are, for messages."""
    return f"the {split} split of {recipe.data.source}"


def frames_of_all(recipe: Recipe, train: Clips, front_end: FrontEnd) -> int | None:
    """Of every clip, for a net that reads windows of one length: model.time_steps, or as many as the longest training clip has, up to a
    multiple of what the net's strides divide. None for recurrent cells.
    """
    if recipe.model.is_recurrent:
        return None
    if recipe.model.time_steps is not None:
        return recipe.model.time_steps
    multiple = 1 if reads_images(recipe) else _decimation(recipe)
    return -(-max(1, front_end.frames(int(train.lengths.max()))) // multiple) * multiple


def _decimation(recipe: Recipe) -> int:
    from ..models import decimation  # brings torch

    return decimation(recipe.model)


def reads_images(recipe: Recipe) -> bool:
    """Whether the net reads a spectrogram as an image, [frames, features, 1]."""
    return recipe.model.kind.endswith("2d")
