"""Parts of JSON documents as typed classes: no key but their own, no value of another type, whole numbers within 64 bits."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

MOST = (1 << 63) - 1
"""Of a whole number."""
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=MOST)]
Positive = Annotated[int, Field(ge=1, le=MOST)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


def check_printable(text: str) -> str:
    """Raise ValueError for a text that a terminal would not show as it is."""
    if not text.isprintable():
        raise ValueError("holds a character that is not printable")
    return text


PrintableText = Annotated[str, AfterValidator(check_printable)]


class Part(BaseModel):
    """A part of a document. A key without a value is left out of it: None."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


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
