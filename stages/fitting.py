"""A size instead of a recipe: hidden size, format and non-linearity for a budget of bytes, by a stated rule.

The first of RULE that fits is taken; for a recipe with a [compress] of its own, its constraints stand in for the storages.
What a candidate is said to need bounds what its training makes of it, whatever the data. docs/fit.md says why the rule is this one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch

from ..compress import calibrate, constrain, matrices
from ..data.dataset import Dataset
from ..errors import BudgetError, InputError, UnsupportedError, counted
from ..export.c import translate
from ..frontend.clips import FEATURE_BITS
from ..graph.decide import with_decision
from ..graph.ir import IntegerModel
from ..graph.ops.c_arguments import stored_scales
from ..lowering.lower import lower
from ..models import build
from ..recipe import CellStage, Constraint, NamingEntry, Quantize, Recipe, Ternary
from .decision import largest_decision, policy_by
from .features import FeatureDataset, load_readings, with_what_stands_before
from .recipes import with_readout_steps

STEP = 4
LARGE = 128
"""Above this hidden size the state's matrix has a rank of a quarter of it, where the recipe gives none."""
_MAGNITUDE = 0.9
"""Of every weight of a probe: no power of two, which would need no multiplier, and none rounds to zero."""
_UNITS = {"B": 1, "KB": 1024}


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
UNDER_OWN_CONSTRAINTS: Sequence[Choice] = (
    Choice((), range(256, 15, -STEP)),
    Choice((), range(32, 3, -STEP), "piecewise_linear"),
)
"""The same for constraints of the recipe's own."""


@dataclass(frozen=True)
class Size:
    """Bytes of the generated C: all const data, and RAM (what is kept of a stream)."""

    const: int
    state: int

    def __str__(self) -> str:
        return f"const {self.const} B, state {self.state} B"


@dataclass(frozen=True)
class Budget:
    """At most so many bytes; None: no limit."""

    const: int | None = None
    state: int | None = None

    def holds(self, size: Size) -> bool:
        """Whether a model of that size fits."""
        return (self.const is None or size.const <= self.const) and (self.state is None or size.state <= self.state)

    def __str__(self) -> str:
        parts = {"const": self.const, "state": self.state}
        return ", ".join(f"{name} {value} B" for name, value in parts.items() if value is not None)


def parse_budget(text: str) -> Budget:
    """`const=2KB,state=512B` (either may be left out; KB = 1024 bytes). Raises InputError."""
    limits: dict[str, int] = {}
    for item in text.split(","):
        found = re.fullmatch(r"\s*(const|state)\s*=\s*([0-9]{1,12}(?:\.[0-9]{1,12})?)\s*(B|KB)\s*", item)
        if not found or found[1] in limits:
            raise InputError(f"--fit takes const=2KB,state=512B (const data, and state + scratch; B or KB), not {text!r}")
        limits[found[1]] = int(float(found[2]) * _UNITS[found[3]])
    return Budget(**limits)


def fit_recipe(recipe: Recipe, budget: Budget) -> tuple[Recipe, Size]:
    """The recipe with its size chosen for `budget` by the rule above, and the most bytes that it can come to.

    Raises BudgetError with the closest fit when not even the smallest net fits.
    """
    _refuse_what_cannot_vary(recipe)
    _, dataset = load_readings(recipe)
    tried = list(candidates(with_readout_steps(recipe, dataset)))
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


def _refuse_what_cannot_vary(recipe: Recipe) -> None:
    """Raise InputError unless there are cells whose size is free."""
    model = recipe.model
    if not model.is_recurrent:
        sizes = "the widths in model.stages" if model.stages else "model.widths and model.blocks"
        raise InputError(f"--fit chooses the hidden size of recurrent cells: for {model.kind} set {sizes}")
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
    kind = model.kind if model.stages is None else f"stages with {_cells_that_vary(recipe)}"
    rank = "" if model.rank_u is None else f" of rank {model.rank_u}"
    weights = " + ".join(_name(entry) for entry in recipe.compress)
    return f"{kind} of hidden size {model.hidden_size}{rank}, {weights}, {model.nonlinearity}"


def _cells_that_vary(recipe: Recipe) -> str:
    """Those of no size of their own, in a phrase to stand before one."""
    every, free = sum(isinstance(stage, CellStage) for stage in recipe.model.program), len(_free_cells(recipe))
    return counted(every, "cell") if free == every else f"{counted(every, 'cell')}, {free} of them"


def candidates(recipe: Recipe) -> Iterator[Recipe]:
    """All recipes that the rule considers, in its order. What the recipe says itself is kept."""
    asked = recipe.model.model_fields_set
    for choice in UNDER_OWN_CONSTRAINTS if "compress" in recipe.model_fields_set else RULE:
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


def predict_size(recipe: Recipe, channels: int, classes: int, dataset: Dataset | None = None) -> Size:
    """The most bytes that the recipe's model can come to, whatever its training finds: of a probe of its shape, with the largest weights.

    dataset: whose front-end or alignment stands before it, and counts too. Raises UnsupportedError when the largest weights are more than
    the integer contract allows, which a training could reach.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        spread = 0.5 + torch.rand(channels)  # no power of two, which would need no multiplier
        net = constrain(build(recipe.model, channels, classes, torch.rand(channels), spread), recipe.compress)
        for matrix in matrices(net):
            matrix.weight.data = torch.where(torch.rand_like(matrix.weight) < 0.5, -_MAGNITUDE, _MAGNITUDE)
        calibrate(
            net,
            torch.randn(4, 8, channels * recipe.model.readings_a_step),
            torch.full((4,), 8),
            FEATURE_BITS if isinstance(dataset, FeatureDataset) else 12,
        )
    model = replace(lower(net.eval(), "probe", tuple(map(str, range(classes)))), policy=policy_by(recipe.stream))
    model = model if dataset is None else with_what_stands_before(model, dataset)
    return _largest_size(model if recipe.decide is None else with_decision(model, largest_decision(recipe.decide, classes)))


def check_budget(budget: Budget, model: IntegerModel) -> None:
    """Raise BudgetError, saying by how much, when a model does not fit."""
    source = translate(model)
    size = Size(source.constant_bytes, source.ram_bytes)
    if not budget.holds(size):
        raise BudgetError(f"the model needs {size}, the budget is {budget}: raise it, or lower model.hidden_size")


def _largest_size(model: IntegerModel) -> Size:
    """With nothing stored once for two: training may leave no two rows and no two layers alike, and put sparse entries anywhere."""
    source = translate(model, share=False)
    more = 0
    for graph in model.graphs.values():
        for node in graph.nodes:
            for scales in node.op.scales:
                more += sum(array.nbytes * (scales.shift.size - 1) for array in stored_scales(scales) if array.size == 1)
            more += sum(weight.most_bytes - weight.pack().nbytes for weight in node.op.matrices)
    return Size(source.constant_bytes + more, source.ram_bytes)
