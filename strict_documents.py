"""Parts of JSON documents as typed classes: no key but their own, no value of another type, whole numbers within 64 bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from .text_files import is_shown

MOST = (1 << 63) - 1
"""Of a whole number."""
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=MOST)]
Positive = Annotated[int, Field(ge=1, le=MOST)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


def check_texts(value: Any) -> None:
    """Raise ValueError where a value of a document holds, in itself or in what it lists, a text that a terminal would not show as it is."""
    if isinstance(value, str) and not is_shown(value):
        raise ValueError(f"{value[:40]!r} holds a character that is not printable")
    if isinstance(value, Mapping):
        check_texts([*value.keys(), *value.values()])
    for each in value if isinstance(value, tuple | list) else ():
        check_texts(each)


def is_share(value: float, count: int) -> bool:
    """Whether a fraction is that of some of `count` things, as a double of their quotient is written."""
    return count > 0 and value == round(value * count) / count


class Part(BaseModel):
    """A part of a document, whose texts can be printed. A key without a value is left out of it: None."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @field_validator("*")
    @classmethod
    def _can_be_printed(cls, value: Any) -> Any:
        check_texts(value)
        return value


class Stated(Part):
    """One in which null is no value."""

    @model_validator(mode="after")
    def _refuse_null(self) -> Self:
        for name in self.model_fields_set:
            if getattr(self, name) is None:
                raise ValueError(f"{name.removesuffix('_')} is null")
        return self


def cause_of(error: ValidationError) -> str:
    """The first thing that is wrong: where, and what."""
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"]
