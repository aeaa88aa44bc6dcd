"""What each set of vectors reaches of what can be reached, and what saturated in the longest stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import SerializerFunctionWrapHandler, model_serializer, model_validator

from ..graph.events import KINDS
from ..strict_documents import Count, Part
from ..validate.registry import parse_witnesses


class Reach(Part):
    """Of one kind of places how many the vectors reach, and how many there are: see validate.coverage.Count."""

    reached: Count
    in_model: Count
    reachable: Count
    places: Count

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not max(self.reached, self.in_model) <= self.reachable <= self.places:
            raise ValueError("more is reached than can be, or more can be than there is")
        return self


class CoverageSummary(Part):
    """What each set reaches, together with those before it, by kind (and "total"). Empty: of a set that was not run.

    not_seen: by witness `name[:argument]`, what of the sets it cannot be asked, and why.
    """

    test: Mapping[str, Reach] = {}
    stress: Mapping[str, Reach] = {}
    layers: Mapping[str, Reach] = {}
    not_seen: Mapping[str, tuple[str, ...]] = {}

    @model_validator(mode="after")
    def _check(self) -> Self:
        for kinds in self.sets:
            if unknown := kinds.keys() - {*KINDS, "total"}:
                raise ValueError(f"{min(unknown)!r} is no kind of places")
        for witness in self.not_seen:
            parse_witnesses(witness)
        return self

    @property
    def sets(self) -> list[Mapping[str, Reach]]:
        """Of the sets that were run, in this order."""
        return [kinds for kinds in (self.test, self.stress, self.layers) if kinds]

    @model_serializer(mode="wrap")
    def _leave_out_what_was_not_run(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: part for name, part in handler(self).items() if part or name == "not_seen"}

    def after(self, earlier: CoverageSummary) -> CoverageSummary:
        """With what `earlier` says of sets that are not here."""
        kept = {name: getattr(self, name) or getattr(earlier, name) for name in ("test", "stress", "layers")}
        return CoverageSummary(**kept, not_seen=self.not_seen)


class StreamSummary(Part):
    """What numpy saw in the longest stream that there is evidence of: steps, the values that the step's layers made of them, and how many
    of these lie at an end of their format, by kind (graph.events); the states among them.
    """

    steps: Count
    values: Count
    at_ends: Mapping[str, Count]
    states: Count
    states_at_ends: Count

    @model_validator(mode="after")
    def _check(self) -> Self:
        if unknown := self.at_ends.keys() - KINDS.keys():
            raise ValueError(f"{min(unknown)!r} is no kind of places")
        if sum(self.at_ends.values()) > self.values or self.states_at_ends > self.states or self.states > self.values:
            raise ValueError("more values lie at an end than there are")
        return self
