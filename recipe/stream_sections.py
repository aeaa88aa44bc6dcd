"""[decide] and [stream], which may be missing: what a net with steps does on a stream that never ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, field_validator

from ..documents import is_count
from .section import RecipeSection

RATES = (1e-6, 1e9)
"""Readings a second, at least and at most."""


class DecideSection(RecipeSection):
    """A decision behind the scores of a net with steps; without this section there is none. docs/streaming.md says what it does.

    smoothing: the newest score weighs 1 / 2^smoothing in the mean. margin: by how much more than its own another class's mean must be
    better than the one that holds, in units of a score. hold: steps for which it must be. refractory: steps of rest after a decision for a
    class. thresholds: means below which a class is unknown, one number for all classes or one a class.

    false_alarms: what is unset of smoothing, margin and hold is chosen on validation recordings put in a row: the least delay with at
    most so many changes of the decision an hour of settled time (from half a median recording after a change on), or per 1000 readings
    where nobody knows how many a second there are. rate: readings a second. Unset without false_alarms, and where there is no validation
    part: 2 bits, 0 and 1 step.

    background: the class, or the classes, that are no word to be heard. With them false_alarms are false accepts, thresholds are chosen
    too where they are unset, and what is least is the number of words rejected.
    """

    smoothing: Annotated[int, Field(ge=0, le=14)] | None = None
    margin: Annotated[float, Field(ge=0)] | None = None
    hold: Annotated[int, Field(ge=1, le=32767)] | None = None
    refractory: Annotated[int, Field(ge=0, le=32767)] = 0
    thresholds: Annotated[tuple[float, ...], Field(min_length=1, strict=False)] | None = None
    false_alarms: Annotated[float, Field(ge=0)] | None = None
    rate: Annotated[float, Field(ge=RATES[0], le=RATES[1])] | None = None
    background: Annotated[tuple[str, ...], Field(min_length=1, strict=False)] | None = None

    @field_validator("thresholds", mode="before")
    @classmethod
    def _one_for_all(cls, value: Any) -> Any:
        """A number for [number]."""
        return (value,) if isinstance(value, int | float) and not isinstance(value, bool) else value

    @field_validator("background", mode="before")
    @classmethod
    def _one_class(cls, value: Any) -> Any:
        """A name for [name], and classes that are called by numbers."""
        if value is None:
            return None
        names = value if isinstance(value, list | tuple) else (value,)
        return tuple(str(name) if is_count(name, -(1 << 63) + 1, (1 << 63) - 1) else name for name in names)

    @property
    def searched(self) -> tuple[str, ...]:
        """What false_alarms chooses."""
        keys = ("smoothing", "margin", "hold") if self.background is None else ("smoothing", "margin", "hold", "thresholds")
        return tuple(key for key in keys if getattr(self, key) is None)


class StreamSection(RecipeSection):
    """What a stream of a net with steps does beside running on; without this section nothing. docs/contract.md says it exactly.

    gap: for so many lost steps the last one is held, then everything begins anew. rail: for so many steps in a row an entry may stand at
    an end of its format before readings count as lost (0: it does not matter). window: steps that the net was trained on: two states run,
    half a window apart, and none grows older; for nets that cannot be trained for streams, as it takes twice the work.
    """

    gap: Annotated[int, Field(ge=0, le=4096)] = 0
    rail: Annotated[int, Field(ge=0, le=4096)] = 0
    window: Annotated[int, Field(ge=2, le=8192)] | None = None


OPTIONAL_SECTIONS: Mapping[str, type[RecipeSection]] = {"decide": DecideSection, "stream": StreamSection}
"""Of the sections that may be missing those of a net with steps."""
