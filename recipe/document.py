"""The recipe: its sections together, and values for keys that are unset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, field_validator

from .augment_section import AugmentSection
from .constraints import Constraint, Distill, Ternary, check_storages
from .data_section import DataSection
from .frontend_section import FrontendSection
from .model_section import ModelSection
from .search_section import SearchSection
from .section import RecipeSection
from .stream_sections import DecideSection, StreamSection
from .training_sections import EVERY_STEP, STREAMS, QuantizeSection, TrainSection


class Recipe(RecipeSection):
    """All of it. `compress` is applied in order; at most one of its entries that say how weights are stored names no matrices."""

    data: DataSection = DataSection()
    model: ModelSection = ModelSection()
    train: TrainSection = TrainSection()
    compress: Annotated[tuple[Constraint, ...], Field(strict=False)] = (Ternary(),)
    quantize: QuantizeSection = QuantizeSection()
    frontend: FrontendSection | None = None
    augment: AugmentSection | None = None
    decide: DecideSection | None = None
    stream: StreamSection | None = None
    search: SearchSection | None = None

    @property
    def of_samples(self) -> FrontendSection | None:
        """The front-end that makes features of samples; None: the net reads what the data hold."""
        return None if self.frontend is None or self.frontend.kind == "align" else self.frontend

    @property
    def alignment(self) -> FrontendSection | None:
        """What turns the readings, or the samples, of a worn device; None: nothing."""
        return self.frontend if self.frontend is not None and (self.frontend.kind == "align" or self.frontend.align) else None

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """`compress`, with what it leaves to the training: Arenas where no float net is trained, or given, before."""
        scratch = self.train.epochs == 0 and not self.model.brings_weights
        return tuple(
            entry.model_copy(update={"arenas": scratch}) if isinstance(entry, Ternary) and entry.arenas is None else entry
            for entry in self.compress
        )

    @property
    def teachers(self) -> tuple[str, ...]:
        """Model directories whose float nets teach, other than the net's own."""
        return next((entry.teachers or () for entry in self.compress if isinstance(entry, Distill)), ())

    @field_validator("model", mode="before")
    @classmethod
    def _kind_alone(cls, value: Any) -> Any:
        """`model = "package.module:function"` for a section with that kind alone."""
        return {"kind": value} if isinstance(value, str) else value

    @field_validator("compress")
    @classmethod
    def _one_storage(cls, entries: tuple[Constraint, ...]) -> tuple[Constraint, ...]:
        check_storages(entries)
        return entries


def default_compress() -> list[dict[str, Any]]:
    """Fresh entries: overrides change them in place."""
    entries: list[dict[str, Any]] = Recipe().model_dump(mode="json")["compress"]
    return entries


def with_streams(recipe: Recipe) -> Recipe:
    """The recipe of a recurrent net, with what is unset of the keys that such nets alone read."""
    return with_unset(recipe, {**STREAMS, "loss_share": EVERY_STEP} if recipe.model.readout == "every" else STREAMS)


def with_unset(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """The recipe with `values` for the keys of [train] that it leaves unset."""
    unset = {key: value for key, value in values.items() if getattr(recipe.train, key) is None}
    return recipe.model_copy(update={"train": recipe.train.model_copy(update=unset)})
