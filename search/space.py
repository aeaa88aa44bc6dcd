"""What candidates are drawn from: keys of the recipe with their values, by default or as [search.space] lists them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..errors import InputError, nearest
from ..model_names import CELL_KINDS
from ..models import scaled_widths
from ..recipe import (
    NET_KINDS,
    READERS,
    WEIGHT_CONSTRAINTS,
    Recipe,
    Sparse,
    Ternary,
    is_asked,
    parse_recipe,
    refuse_unread,
    revise,
    to_toml,
    unread_by_stages,
)

Chosen = Mapping[str, Any]
"""Values by the key of their dimension."""
FULL = "full"
"""Of a rank: none, and of anything else that may be left as it is: ALIKE."""
ALIKE = "alike"
_SHARES = (FULL, "1/2", "1/4")
_RANKS = ("model.rank_w", "model.rank_u")
_STORAGE, _DENSITY = "weights", "density"
"""Keys of a space that are options of the command line: --weights and --density."""
_GRANULARITY = "granularity"
"""Of what a density leaves out, of nets of layers: of its entry of compress."""
_MATRICES = ("W", "U", "classifier")
OVER_TIME, OF_IMAGES = (*CELL_KINDS, "resnet1d", "dscnn1d", "score1d"), ("resnet2d", "dscnn2d", "score2d")
"""The kinds of net that are tried where the recipe names none."""
_REFUSED: Mapping[str, str] = {
    "data": "every candidate reads the same data",
    "frontend": "every candidate reads the same features",
    "search": "it says how the search goes",
    "decide": "a decision is chosen on a finished net",
    "stream": "a policy is chosen on a finished net",
    "train.seed": "the finalists are trained with several",
    "train.validation_fraction": "every candidate is judged on the same recordings",
}


@dataclass(frozen=True)
class Dimension:
    """A key of the space and its values. net: of which nets it is drawn. storages: with which of --weights; nothing: with all."""

    key: str
    values: tuple[Any, ...]
    net: Literal["any", "cells", "layers"] = "any"
    storages: tuple[str, ...] = ()


DEFAULT_SPACE: Sequence[Dimension] = (
    Dimension("model.hidden_size", tuple(range(4, 65, 4))),
    Dimension("model.rank_w", _SHARES),
    Dimension("model.rank_u", _SHARES),
    Dimension("model.readings", (1, 2, 4)),
    Dimension("model.nonlinearity", ("table", "piecewise_linear")),
    Dimension("model.widths", tuple(range(4, 33, 4))),
    Dimension("model.blocks", (1, 2, 4)),
    Dimension("model.kernel_size", (3, 5)),
    Dimension(_STORAGE, ("int8", "int4", "ternary")),
    *(Dimension(f"{_STORAGE}.{name}", (ALIKE, "int8", "int4"), "cells") for name in _MATRICES),
    Dimension("compress.first_and_last", ("alike", "dense"), "layers"),
    Dimension("compress.activations", ("int16", "int8"), "layers", ("int4", "ternary")),
    Dimension(_DENSITY, (1.0, 0.5, 0.25), "cells", ("int8", "int4")),
)
"""Beside the kind of net. A rank may be a share of the hidden size, and widths sixteenths of those that the kind has by default."""
WHERE_LISTED: Sequence[Dimension] = (Dimension(_GRANULARITY, (), "layers"),)
"""Drawn only where the recipe lists values of them."""


class Space:
    """What the candidates of a recipe are drawn from. Raises InputError for a [search.space] that no candidate can be drawn from.

    recipe: as it was asked for; what it sets is not varied. images: whether the data are images, which other kinds of net read.
    readings: that a cell reads side by side by default. complete: gives a candidate what neither the recipe nor the space sets.
    """

    def __init__(
        self, recipe: Recipe, *, images: bool = False, readings: int = 1, complete: Callable[[Recipe], Recipe] = lambda recipe: recipe
    ) -> None:
        asked = recipe.search.space if recipe.search is not None else {}
        own_compress = "compress" in recipe.model_fields_set
        changes: dict[str, Any] = {} if own_compress else {"compress": (Ternary(scale="power_of_two"),)}
        self.base = recipe.model_copy(update={"search": None, **changes})
        self.complete = complete
        default = (Dimension("model.kind", _kinds(recipe, images=images)), *(_of_data(each, readings) for each in DEFAULT_SPACE))
        free = (each for each in default if each.key not in asked and not _is_fixed(recipe, each.key, own_compress))
        listed = [self._listed(recipe, key, values) for key, values in asked.items()]
        self.dimensions = sorted(
            (*listed, *free), key=lambda each: (each.key != "model.kind", each.key != _STORAGE, each.key == _GRANULARITY)
        )

    def _listed(self, recipe: Recipe, key: str, values: tuple[Any, ...]) -> Dimension:
        """A dimension that the recipe lists."""
        for refused, why in _REFUSED.items():
            if key == refused or key.startswith(f"{refused}."):
                raise InputError(f"search.space lists {key}, and {why}: leave it out")
        known = next((each for each in (*DEFAULT_SPACE, *WHERE_LISTED) if each.key == key), None)
        dimension = Dimension(key, values) if known is None else replace(known, values=values)
        if key == _DENSITY:
            dimension = replace(dimension, net="any")  # by default cells alone, which a density was measured to help
        for value in values:
            self._check(dimension, value)
        if key.partition(".")[0] in ("model", "train", "quantize") and is_asked(recipe, key):
            raise InputError(f"search.space lists {key}, which the recipe sets: leave one of them out")
        return dimension

    def _check(self, dimension: Dimension, value: Any) -> None:
        """Raise InputError for a value that its key cannot have, whatever the net."""
        base = self.base
        if dimension.key == "model.widths" and base.model.kind in CELL_KINDS:
            base = base.model_copy(update={"model": base.model.model_copy(update={"kind": NET_KINDS[0]})})  # one that has widths
        if dimension.key == _GRANULARITY and not _is_sparse(base):
            base = revise(base, density=0.5)  # one that has it
        try:
            _applied(base, dimension.key, value)
        except InputError as error:
            raise InputError(f"search.space lists {dimension.key} = {json.dumps(value)}: {error}") from error

    def draw(self, choose: Callable[[Dimension], Any]) -> Chosen:
        """A value of each dimension that has a meaning beside the values drawn before."""
        chosen: dict[str, Any] = {}
        for dimension in self.dimensions:
            if self._is_drawn(dimension, chosen):
                chosen[dimension.key] = choose(dimension)
        return chosen

    def _is_drawn(self, dimension: Dimension, chosen: Chosen) -> bool:
        model = self.base.model
        kind = chosen.get("model.kind", model.kind)
        has_cells = kind in CELL_KINDS or (model.stages is not None and model.is_recurrent)
        section, _, name = dimension.key.partition(".")
        if section == "model" and kind not in READERS.get(name, (kind,)):
            return False
        if model.stages is not None and dimension.key in dict(unread_by_stages(model)):
            return False
        if dimension.net != "any" and (dimension.net == "cells") != has_cells:
            return False
        if dimension.key == _GRANULARITY and not _is_sparse(self.base) and chosen.get(_DENSITY, 1) == 1:
            return False
        return not dimension.storages or chosen.get(_STORAGE, dimension.storages[0]) in dimension.storages

    def recipe(self, chosen: Chosen) -> Recipe:
        """The candidate with these values, as it is read from its own TOML. Raises InputError for values that do not go together."""
        recipe = self.base
        for key, value in _spelled_once(chosen).items():
            recipe = _applied(recipe, key, value)
        recipe = parse_recipe(to_toml(self.complete(recipe)), "the candidate")
        refuse_unread(recipe, "the candidate")
        return recipe

    def values_of(self, recipe: Recipe) -> Chosen:
        """Of a recipe, whose values are among the space's, as far as they are: the values that change nothing in it."""

        def same(dimension: Dimension) -> Any:
            return next((value for value in dimension.values if _leaves(recipe, dimension.key, value)), None)

        return {key: value for key, value in self.draw(same).items() if value is not None}


def _kinds(recipe: Recipe, *, images: bool) -> tuple[str, ...]:
    """Of net that are tried: those that read every key of [model] which the recipe sets."""
    kinds, named = OF_IMAGES if images else OVER_TIME, recipe.model.model_fields_set
    return tuple(kind for kind in kinds if all(kind in READERS.get(name, (kind,)) for name in named)) or kinds


def _of_data(dimension: Dimension, readings: int) -> Dimension:
    """A dimension by default; readings side by side are about as many as the data's recordings ask for."""
    if dimension.key != "model.readings" or readings <= 2:
        return dimension
    return replace(dimension, values=(readings // 2, readings, 2 * readings))


def _spelled_once(chosen: Chosen) -> Chosen:
    """The same, with storages of matrices only where they are not that of all others, so that equal candidates have equal recipes."""
    own = [f"{_STORAGE}.{name}" for name in _MATRICES if f"{_STORAGE}.{name}" in chosen]
    if not own or _STORAGE not in chosen:
        return chosen
    stored = {key: chosen[_STORAGE] if chosen[key] == ALIKE else chosen[key] for key in own}
    others = chosen[_STORAGE] if chosen[_STORAGE] in stored.values() else stored[own[-1]]
    return {**chosen, _STORAGE: others, **{key: ALIKE if value == others else value for key, value in stored.items()}}


def _is_sparse(recipe: Recipe) -> bool:
    """Whether its weights are, whatever is drawn."""
    return any(isinstance(entry, Sparse) for entry in recipe.compress)


def _is_fixed(recipe: Recipe, key: str, own_compress: bool) -> bool:
    """Whether the recipe says what a dimension of DEFAULT_SPACE would vary."""
    section, _, name = key.partition(".")
    if key == "model.kind":
        return recipe.model.stages is not None or "kind" in recipe.model.model_fields_set
    return own_compress if section != "model" else name in recipe.model.model_fields_set


def _leaves(recipe: Recipe, key: str, value: Any) -> bool:
    """Whether the recipe has that value already."""
    try:
        return _applied(recipe, key, value) == recipe
    except InputError:
        return False


def _applied(recipe: Recipe, key: str, value: Any) -> Recipe:
    """The recipe with one value of the space. Raises InputError."""
    if key == _STORAGE:
        return revise(recipe, weights=_one_of(value, WEIGHT_CONSTRAINTS))
    if key == _DENSITY:
        return recipe if value == 1 else revise(recipe, density=_positive(value))
    if key == _GRANULARITY:
        key = f"compress.{_GRANULARITY}"
    if key.startswith(f"{_STORAGE}."):
        return _with_storage_of(recipe, key.partition(".")[2], value)
    if key == "compress":
        return revise(recipe, [f"compress={_toml_list(value)}"])
    if value == FULL and key in _RANKS:
        return recipe
    places = list(_places(recipe, key))
    if not places:
        raise InputError(f"no entry of compress has the key {key.partition('.')[2]}")
    return revise(recipe, [f"{place}={json.dumps(_absolute(recipe, key, value))}" for place in places])


def _one_of(value: Any, known: Iterable[str]) -> str:
    if value not in known:
        raise InputError(f"the nearest value is {nearest(str(value), known)!r} (of {', '.join(known)})")
    return str(value)


def _positive(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise InputError("a density is above 0 and at most 1")
    return float(value)


def _with_storage_of(recipe: Recipe, matrix: str, value: Any) -> Recipe:
    """The recipe with a storage of one matrix of its own."""
    if value == ALIKE:
        return recipe
    storage = {"scale": "power_of_two", **WEIGHT_CONSTRAINTS[_one_of(value, WEIGHT_CONSTRAINTS)], "matrices": [matrix]}
    document = recipe.model_dump(mode="json", exclude_none=True)
    return revise(recipe, ["compress=" + _toml_list([*document["compress"], storage])])


def _toml_list(entries: Any) -> str:
    """Flat tables as a list in a line of TOML. Raises InputError for anything else."""
    if not isinstance(entries, list | tuple) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError("a list of entries, each with a kind, is wanted")
    return "[" + ", ".join("{" + ", ".join(f"{key} = {json.dumps(value)}" for key, value in entry.items()) + "}" for entry in entries) + "]"


def _places(recipe: Recipe, key: str) -> Iterator[str]:
    """The keys that a key of the space stands for: of `compress.KEY` those of every entry that has one."""
    section, _, name = key.partition(".")
    if section != "compress" or not name or name[0].isdigit():
        yield key
        return
    for place, entry in enumerate(recipe.compress):
        if name in type(entry).model_fields:
            yield f"compress.{place}.{name}"


def _absolute(recipe: Recipe, key: str, value: Any) -> Any:
    """A value of the recipe, where the space's is a share of another one."""
    model = recipe.model
    if key in _RANKS and value in _SHARES[1:]:
        return max(1, model.hidden_size // int(value[2:]))
    if key == "model.widths" and isinstance(value, int):
        return scaled_widths(model.kind, value) if model.kind in NET_KINDS else value
    return value
