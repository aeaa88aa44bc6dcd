"""[search], which may be missing: what `rescomp search` varies, what its candidates may take, and how many it tries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from ..text_files import byte_count
from .section import RecipeSection

SEARCH_COSTS = ("const", "state", "instructions")
"""What a candidate takes, and a search may limit."""


def _bytes(value: Any) -> Any:
    """`2KB`, as --fit takes it, for 2048; anything else as it is."""
    counted = byte_count(value) if isinstance(value, str) else None
    return value if counted is None else counted


LimitInBytes = Annotated[int, BeforeValidator(_bytes), Field(ge=1)]


class SearchSection(RecipeSection):
    """What `rescomp search` looks for; no other command reads it.

    const, state: the most bytes of const data, and of state and scratch (2048 or "2KB"). instructions: the most of a step on `core` (of
    a run, for a net without state; cycles on an AVR). Every cost that is limited is an objective beside `metric` on validation
    recordings; where none is, const is. trials: how many candidates are trained; those that take too much are none of them. rungs:
    shares of the float training's epochs after which a candidate stops that others are better than. finalists: of the front, the best
    ones by the metric, trained again with `repeats` further seeds. sampler `tpe`: Optuna's; `random`: for comparison. space: values by
    `section.key` of the recipe, in the place of those that are tried by default, or beside them (docs/search.md).
    """

    const: LimitInBytes | None = None
    state: LimitInBytes | None = None
    instructions: Annotated[int, Field(ge=1)] | None = None
    core: str | None = None
    metric: Literal["accuracy", "balanced_accuracy", "macro_f1", "streamed_accuracy", "streamed_balanced_accuracy", "streamed_macro_f1"] = (
        "accuracy"
    )
    trials: Annotated[int, Field(ge=1)] = 20
    rungs: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(strict=False)] = (0.25, 1.0)
    finalists: Annotated[int, Field(ge=0)] = 3
    repeats: Annotated[int, Field(ge=0)] = 2
    sampler: Literal["tpe", "random"] = "tpe"
    seed: Annotated[int, Field(ge=0, le=(1 << 31) - 1)] = 0
    space: Mapping[str, Annotated[tuple[Any, ...], Field(min_length=1, strict=False)]] = {}

    @model_validator(mode="after")
    def _counts_on_a_core(self) -> Self:
        if (self.instructions is None) != (self.core is None):
            raise ValueError("search.instructions are those of a step on search.core: set both, or neither")
        if list(self.rungs) != sorted(set(self.rungs)):
            raise ValueError("search.rungs are shares of the epochs, each larger than the one before: sort them")
        return self

    @property
    def limits(self) -> Mapping[str, int]:
        """The most that a candidate may take, by cost."""
        return {cost: limit for cost in SEARCH_COSTS if (limit := getattr(self, cost)) is not None}

    @property
    def costs(self) -> tuple[str, ...]:
        """What is to be small: what is limited, or const."""
        return tuple(self.limits) or SEARCH_COSTS[:1]
