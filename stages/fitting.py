"""A size instead of a recipe: hidden size, format and non-linearity for a budget of bytes, by a stated rule.

The first of RULE that fits is taken; for a recipe with a [compress] of its own, its constraints stand in for the storages.
What a candidate is said to need bounds what its training makes of it, whatever the data. docs/fit.md says why the rule is this one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..data.dataset import Dataset
from ..errors import BudgetError, InputError, UnsupportedError, counted
from ..export.c import translate
from ..graph.ir import IntegerModel
from ..models import scaled_widths, widths_of
from ..recipe import NET_KINDS, CellStage, Constraint, NamingEntry, Quantize, Recipe, Ternary
from .budget import Budget
from .defaults import with_readings_side_by_side
from .features import load_readings
from .pricing import Size, predict_size
from .recipes import with_readout_steps

RESIDUAL = "resnet2d"
"""The kind for images where the recipe names none."""
STEP = 4
LARGE = 128
"""Above this hidden size the state's matrix has a rank of a quarter of it, where the recipe gives none."""


@dataclass(frozen=True)
class Choice:
    """A storage with the hidden sizes that it is tried at, the largest first. nonlinearity None: the recipe's."""

    compress: tuple[Constraint, ...]
    sizes: Sequence[int]
    nonlinearity: Literal["piecewise_linear"] | None = None


RULE: Sequence[Choice] = (
    Choice((Quantize(scale="power_of_two"),), (64,)),
    Choice((Quantize(bits=4, scale="power_of_two"),), range(64, 3, -STEP), "piecewise_linear"),
    Choice((Ternary(scale="power_of_two"),), range(32, 3, -STEP), "piecewise_linear"),
)
"""In the order of docs/har2.md, validation at equal bytes: int4 before int8 from 1 to 3 KB, int8 before ternary at 1 KB, none with a table.
int8 at 64 units comes first, since it takes more than the 3 KB that were measured."""
LAYERED: Sequence[Choice] = (
    Choice((Quantize(scale="power_of_two"),), (32,)),
    Choice((Quantize(bits=4, scale="power_of_two"),), range(32, 3, -STEP)),
    Choice((Ternary(scale="power_of_two", first_and_last="dense"),), range(32, 3, -STEP)),
)
"""The same for nets without state, whose sizes are sixteenths of the widths that their kind has by default: the order is that of
docs/resnet1d_har.md at 8 KB, int4 before int8 before ternary."""
LAYERED_UNDER_OWN_CONSTRAINTS: Sequence[Choice] = (Choice((), range(64, 3, -STEP)),)
UNDER_OWN_CONSTRAINTS: Sequence[Choice] = (
    Choice((), range(256, 15, -STEP)),
    Choice((), range(32, 3, -STEP), "piecewise_linear"),
)
"""The same for constraints of the recipe's own."""


def fit_recipe(recipe: Recipe, budget: Budget, dataset: Dataset | None = None) -> tuple[Recipe, Size]:
    """The recipe with its size chosen for `budget` by the rule above, and the most bytes that it can come to. dataset: where it is loaded.

    Raises BudgetError with the closest fit when not even the smallest net fits.
    """
    dataset = load_readings(recipe)[1] if dataset is None else dataset
    recipe = for_images(recipe) if dataset.train.x.ndim == 4 else recipe
    _refuse_what_cannot_vary(recipe)
    tried = list(candidates(with_readout_steps(with_readings_side_by_side(recipe, dataset), dataset)))
    if not tried:
        raise InputError(
            f"--fit tries hidden sizes below the rank that the recipe asks for ({_least(recipe)}): lower it, or leave out --fit"
        )
    for candidate in tried:
        try:
            size = predict_size(candidate, dataset.train.channels, len(dataset.classes), dataset)
        except UnsupportedError:  # so large that a training could leave it without an integer model
            continue
        if budget.holds(size):
            return candidate, size
    raise BudgetError(f"no net fits {budget}: the closest, {describe(candidate)}, needs {size}")


def for_images(recipe: Recipe) -> Recipe:
    """The recipe with a residual net, where it names no other: cells do not read images."""
    model = recipe.model
    if model.stages is not None or "kind" in model.model_fields_set:
        return recipe
    return recipe.model_copy(update={"model": model.model_copy(update={"kind": RESIDUAL})})


def _refuse_what_cannot_vary(recipe: Recipe) -> None:
    """Raise InputError unless there are cells whose size is free, or widths."""
    model = recipe.model
    if model.kind in NET_KINDS:
        if model.widths is not None:
            raise InputError("--fit chooses model.widths: leave it out of the recipe and of --set, or leave out --fit")
        return
    if not model.is_recurrent:
        sizes = "the widths in model.stages" if model.stages else "the sizes in its function"
        raise InputError(f"--fit chooses hidden sizes of recurrent cells, and widths of nets without state: for {model.kind} set {sizes}")
    if "hidden_size" in model.model_fields_set:
        raise InputError("--fit chooses model.hidden_size: leave it out of the recipe and of --set, or leave out --fit")
    if not _free_cells(recipe):
        raise InputError(
            "--fit chooses model.hidden_size, which every cell of model.stages overrides: leave hidden_size out of one, or leave out --fit"
        )


def _free_cells(recipe: Recipe) -> list[CellStage]:
    """The cells whose size is model.hidden_size."""
    return [stage for stage in recipe.model.program if isinstance(stage, CellStage) and stage.hidden_size is None]


def _all_are_free(recipe: Recipe) -> bool:
    """Whether every cell is of that size, so that a rank for it is one for all."""
    return len(_free_cells(recipe)) == sum(isinstance(stage, CellStage) for stage in recipe.model.program)


def describe(recipe: Recipe) -> str:
    """What a candidate is, in a phrase."""
    model = recipe.model
    weights = " + ".join(_name(entry) for entry in recipe.compress)
    if model.kind in NET_KINDS:
        return f"{model.kind} of widths {', '.join(map(str, widths_of(model)))}, {weights}"
    kind = model.kind if model.stages is None else f"stages with {_cells_that_vary(recipe)}"
    rank = "" if model.rank_u is None else f" of rank {model.rank_u}"
    return f"{kind} of hidden size {model.hidden_size}{rank}, {weights}, {model.nonlinearity}"


def _cells_that_vary(recipe: Recipe) -> str:
    """Those of no size of their own, in a phrase to stand before one."""
    every, free = sum(isinstance(stage, CellStage) for stage in recipe.model.program), len(_free_cells(recipe))
    return counted(every, "cell") if free == every else f"{counted(every, 'cell')}, {free} of them"


def candidates(recipe: Recipe) -> Iterator[Recipe]:
    """All recipes that the rule considers, in its order. What the recipe says itself is kept."""
    has_own = "compress" in recipe.model_fields_set
    if recipe.model.kind in NET_KINDS:
        yield from _of_widths(recipe, LAYERED_UNDER_OWN_CONSTRAINTS if has_own else LAYERED)
    else:
        yield from _of_hidden_sizes(recipe, UNDER_OWN_CONSTRAINTS if has_own else RULE)


def _of_widths(recipe: Recipe, choices: Sequence[Choice]) -> Iterator[Recipe]:
    for choice in choices:
        for size in choice.sizes:
            model = recipe.model.model_copy(update={"widths": scaled_widths(recipe.model.kind, size)})
            yield recipe.model_copy(update={"compress": choice.compress or recipe.compress, "model": model})


def _of_hidden_sizes(recipe: Recipe, choices: Sequence[Choice]) -> Iterator[Recipe]:
    asked = recipe.model.model_fields_set
    for choice in choices:
        for size in (size for size in choice.sizes if size >= _least(recipe)):
            free = choice.nonlinearity is not None and "nonlinearity" not in asked
            changes: dict[str, Any] = {"nonlinearity": choice.nonlinearity} if free else {}
            if size > LARGE and recipe.model.rank_u is None and _all_are_free(recipe):
                changes["rank_u"] = size // 4
            model = recipe.model.model_copy(update={"hidden_size": size, **changes})
            yield recipe.model_copy(update={"compress": choice.compress or recipe.compress, "model": model})


def _least(recipe: Recipe) -> int:
    """The smallest hidden size that has the ranks that are asked for."""
    model = recipe.model
    return max(max(cell.rank_w or model.rank_w or 0, cell.rank_u or model.rank_u or 0) for cell in _free_cells(recipe))


def _name(constraint: Constraint) -> str:
    return constraint.phrase if isinstance(constraint, NamingEntry) else constraint.kind


def check_budget(budget: Budget, model: IntegerModel) -> None:
    """Raise BudgetError, saying by how much, when a model does not fit."""
    source = translate(model)
    size = Size(source.constant_bytes, source.ram_bytes)
    if not budget.holds(size):
        key = "hidden_size" if model.is_recurrent else "widths"
        raise BudgetError(f"the model needs {size}, the budget is {budget}: raise it, or lower model.{key}")
