"""Who reads a key, and the refusal of keys that ask for something and that what the recipe chooses does not read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from ..errors import InputError
from ..model_names import CELL_KINDS
from .constraints import Distill, InputGains, LowRank, Quantize, Sparse, Ternary
from .document import Recipe
from .model_section import BLOCK_READOUTS, NET_KINDS, STAGES, ModelSection
from .model_stages import CellStage, front_of
from .section import RecipeSection
from .stream_sections import OPTIONAL_SECTIONS
from .training_sections import EVERY_STEP

OWN_NET = "an own net"
_OVER_TIME = ("resnet1d", "dscnn1d", "score1d")
_STEMS = ("dscnn1d", "dscnn2d", "score1d", "score2d")
READERS: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(("hidden_size", "rank_w", "rank_u", "nonlinearity", "readout_steps", "readout"), (*CELL_KINDS, STAGES)),
    "layers": CELL_KINDS,
    "stages": (STAGES,),
    **dict.fromkeys(("readings", "stride"), (*CELL_KINDS, STAGES, OWN_NET)),
    **dict.fromkeys(("widths", "blocks", "norm"), NET_KINDS),
    "kernel_size": tuple(kind for kind in NET_KINDS if kind != "hourglass"),
    **dict.fromkeys(("stem_kernel", "stem_stride"), _STEMS),
    "dt": ("score1d", "score2d"),
    "fixed_projection": ("hourglass",),
    "streaming": (*_OVER_TIME, STAGES, OWN_NET),
    "time_steps": (*_OVER_TIME, "hourglass", STAGES, OWN_NET),
    "weights": (OWN_NET,),
}
"""Who reads a key of [model]; every kind reads the others. Of stages it depends on which they are: see unread_by_stages."""
TRAIN_READERS: Mapping[str, Sequence[str]] = dict.fromkeys(("carry", "loss_share"), (*CELL_KINDS, STAGES, OWN_NET))
"""The same of [train]."""


SPELLED_OUT = frozenset(
    {
        *("batch_size", "learning_rate", "weight_decay", "optimizer", "label_smoothing", "input_noise", "rotation", "time_shift"),
        *("crop", "flip", "dropout", "validation_fraction", "seed", "threads", "loop", "device"),
    }
)
"""Of [train], what every recipe that rescomp wrote spells out, together with all other defaults, and none that a person writes does."""


def is_asked(recipe: Recipe, name: str, named: Collection[str] = ()) -> bool:
    """Whether `section.key` asks for something: it has a value of its own, is one of those `named` on a command line, or stands in the
    recipe, and that is none that spells out all defaults, whether they are read or not.
    """
    section_name, _, key = name.partition(".")
    section: RecipeSection = getattr(recipe, section_name)
    return name in named or section.has_own(key) or (key in section.model_fields_set and not spells_out_defaults(recipe))


def spells_out_defaults(recipe: Recipe) -> bool:
    """Whether it is one that rescomp wrote: unset is then what it leaves out, and not what nobody has asked for."""
    return recipe.train.model_fields_set >= SPELLED_OUT


def refuse_unread(recipe: Recipe, origin: str = "the recipe", named: Collection[str] = ()) -> None:
    """Raise InputError for a key that asks for something, and that what the recipe chooses does not read. named: see is_asked."""
    for fault in (*_unread_by_the_net(recipe, named), *_unread_beside_others(recipe, named), *_unread_constraints(recipe)):
        raise InputError(f"{origin}: {fault}")
    refuse_unread_of_streams(recipe, origin)
    for fault in _unread_behind_a_front_end(recipe) if recipe.of_samples is not None else _unread_without_a_front_end(recipe):
        raise InputError(f"{origin}: {fault}")


def refuse_search(recipe: Recipe) -> None:
    """Raise InputError for a [search], where one model is made."""
    if recipe.search is not None:
        raise InputError("[search] is read by `rescomp search` alone: give the recipe to it, or leave [search] out")


def _unread_by_the_net(recipe: Recipe, named: Collection[str]) -> Iterator[str]:
    """A sentence for each key of [model] and [train] that other nets read."""
    kind = OWN_NET if recipe.model.is_own else recipe.model.kind
    for section, table in (("model", READERS), ("train", TRAIN_READERS)):
        for key, readers in table.items():
            if kind not in readers and is_asked(recipe, f"{section}.{key}", named):
                yield f"{kind} does not read {section}.{key}, which is for {_enumerated(readers)}: leave it out"
    for name, why in unread_by_stages(recipe.model) if recipe.model.stages else ():
        if is_asked(recipe, name, named):
            yield f"a net of these stages does not read {name}, {why}: leave it out"


def _unread_beside_others(recipe: Recipe, named: Collection[str]) -> Iterator[str]:
    """A sentence for each key that another key's value leaves without a meaning."""
    model, data = recipe.model, recipe.data
    if data.stride is not None and data.window is None:
        yield "data.stride is how far windows lie apart, and data.window is unset: set both, or neither"
    if data.split == "time" and data.draws_no_clips and is_asked(recipe, "data.split_seed", named):
        yield "data.split_seed draws the groups that go to test, and data.split = 'time' draws none: leave it out"
    if model.readout_steps is not None and model.readout not in BLOCK_READOUTS:
        blocks = f"model.readout_steps is the length of blocks, and model.readout = {model.readout!r} reads none"
        yield f"{blocks}: leave it out, or choose {_enumerated(BLOCK_READOUTS)}"
    if model.readout == "every" and recipe.train.loss_share not in (None, EVERY_STEP):
        yield "model.readout = 'every' puts the loss on every step, so that train.loss_share is 1: leave it out"


def _unread_constraints(recipe: Recipe) -> Iterator[str]:
    """A sentence for each entry of `compress` that does nothing, or a key of one."""
    for entry in recipe.compress:
        if isinstance(entry, Sparse) and entry.matrices is not None and (entry.density_w, entry.density_u) != (None, None):
            yield "density_w and density_u in compress are of every cell's W and U, and the entry names matrices: set density alone"
        if isinstance(entry, Sparse) and None not in (entry.density_w, entry.density_u):
            written = "density" in entry.model_fields_set and not spells_out_defaults(recipe)
            if written or entry.has_own("density"):
                yield "density in compress is read by neither matrix beside density_w and density_u: leave it out"
        if isinstance(entry, LowRank) and not {entry.rank, entry.share, entry.rank_w, entry.rank_u} - {None}:
            yield "low_rank in compress without rank, share, rank_w or rank_u changes nothing: set one, or leave it out"
        taught = isinstance(entry, Distill) and entry.teachers and recipe.train.epochs
        if isinstance(entry, Distill | InputGains) and recipe.quantize.epochs == 0 and not taught:
            yield f"{entry.kind} in compress acts while the net is fine-tuned, and quantize.epochs is 0: leave it out"
        if isinstance(entry, Ternary | Quantize) and entry.learned and recipe.quantize.epochs == 0:
            yield "learned in compress trains scales while the net is fine-tuned, and quantize.epochs is 0: leave it out"
        if isinstance(entry, InputGains) and recipe.model.normalization == "none":
            yield "input_gains in compress go into the normalisation, and model.normalization = 'none' has none: leave it out"


def _unread_behind_a_front_end(recipe: Recipe) -> Iterator[str]:
    """A sentence for each key that has no meaning where readings are the features of frames."""
    of_frames = "behind a front-end a reading is the features of a frame"
    if recipe.model.stride is not None:
        yield f"model.stride is for readings of a sensor, and {of_frames}: set frontend.hop, and leave it out"
    for key in ("recut", "time_warp"):
        if getattr(recipe.train, key):
            yield f"train.{key} changes windows of readings, and {of_frames}: leave it out, and set [augment] for its samples"
    if recipe.alignment is not None and not recipe.model.is_recurrent and not recipe.model.is_own:
        yield (
            f"frontend.align keeps a rotation in the state of recurrent cells, and {recipe.model.kind} has none: choose a net with "
            "cells, or leave it out"
        )
    if recipe.train.rotation:
        yield f"train.rotation turns the axes of a sensor, and {of_frames}: leave it out"


def _unread_without_a_front_end(recipe: Recipe) -> Iterator[str]:
    """A sentence for what is made of samples alone."""
    if recipe.alignment is not None and not recipe.model.is_recurrent and not recipe.model.is_own:
        yield f"frontend.kind = align turns what recurrent cells read step by step, and {recipe.model.kind} has none: leave [frontend] out"
    if recipe.augment is not None:
        yield "[augment] changes samples before a front-end, and there is none: add [frontend], or leave it out"


def unread_by_stages(model: ModelSection) -> Iterable[tuple[str, str]]:
    """(key, why) of what a net of the stages at hand does not read, though others do."""
    cells = [stage for stage in model.program if isinstance(stage, CellStage)]
    if not cells:
        of_model = ("nonlinearity", "readings", "stride", "readout", "readout_steps")
        keys = (*(f"model.{key}" for key in of_model), *(f"train.{key}" for key in TRAIN_READERS))
        yield from ((key, "as it has no cell") for key in keys)
    else:
        yield from ((f"model.{key}", "as a net with cells takes steps of its own") for key in ("streaming", "time_steps"))
        if front_of(model.program):
            yield from ((f"model.{key}", "as its first layers say what a step reads") for key in ("readings", "stride"))
    for key in ("hidden_size", "rank_w", "rank_u"):
        if all(getattr(cell, key) is not None for cell in cells):
            yield f"model.{key}", "as each of its cells has its own" if cells else "as it has no cell"


def refuse_unread_of_streams(recipe: Recipe, origin: str = "the recipe") -> None:
    """Raise InputError for a decision or a policy of streams that the net cannot have, and for keys of them that nothing reads."""
    model, decide = recipe.model, recipe.decide
    if recipe.of_samples is not None and recipe.stream is not None and recipe.stream.rail:
        raise InputError(
            f"{origin}: stream.rail counts readings that stand at an end, and features of a front-end stand at none: leave it out"
        )
    if recipe.alignment is not None and recipe.stream is not None:
        raise InputError(
            f"{origin}: [stream] begins states anew, and an alignment keeps in one how the device is worn: leave one of them out"
        )
    if recipe.of_samples is not None and decide is not None and decide.rate is not None:
        raise InputError(f"{origin}: decide.rate is readings a second, which frontend.sample_rate and frontend.hop say: leave it out")
    asked = [name for name in OPTIONAL_SECTIONS if getattr(recipe, name) is not None]
    if asked and not model.is_recurrent and not model.is_own and not model.streaming:
        cure = "set model.streaming = true" if model.kind in READERS["streaming"] else "choose a net that does"
        raise InputError(f"{origin}: {model.kind} takes no steps, so that [{asked[0]}] has no meaning: {cure}, or leave it out")
    if decide is None:
        return
    if decide.rate is not None and decide.false_alarms is None:
        raise InputError(f"{origin}: decide.rate is read beside decide.false_alarms, which is unset: set both, or neither")
    if decide.background is not None and decide.false_alarms is None:
        raise InputError(
            f"{origin}: decide.background says what decide.false_alarms counts, which is unset: set both, or give evaluate --background"
        )
    if decide.background is not None and recipe.train.validation_fraction == 0:
        raise InputError(
            f"{origin}: false accepts are counted on validation recordings, and there are none: set train.validation_fraction, 0.2 for "
            "instance, and train, or leave decide.background out"
        )
    if decide.false_alarms is not None and not decide.searched:
        chosen = (
            "smoothing, margin and hold, and all three" if decide.background is None else "smoothing, margin, hold and thresholds, and all"
        )
        raise InputError(f"{origin}: decide.false_alarms chooses {chosen} are set: leave one of them out, or it")


def _enumerated(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
