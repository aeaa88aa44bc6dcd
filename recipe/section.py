"""What a recipe's sections have in common: no key but their own, no value of another type, no text that no file can hold."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo, field_validator

from ..strict_documents import check_texts


class RecipeSection(BaseModel):
    """A part of a recipe: no key but its own, no value of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def has_own(self, key: str) -> bool:
        """Whether a key has another value than by default."""
        return bool(getattr(self, key) != type(self).model_fields[key].default)

    @field_validator("*")
    @classmethod
    def _is_unicode(cls, value: Any) -> Any:
        """A file's name may hold bytes that are no text, and no TOML can say it."""
        try:
            "".join(part for part in (value if isinstance(value, tuple) else (value,)) if isinstance(part, str)).encode()
        except UnicodeEncodeError as error:
            raise ValueError("this is not UTF-8 text: write it, or rename the file, in UTF-8") from error
        try:
            check_texts(value)
        except ValueError as error:
            raise ValueError(f"{error}: write it, or rename the file, without") from error
        return value

    @field_validator("*")
    @classmethod
    def _is_counted(cls, value: Any, info: ValidationInfo) -> Any:
        """What any count, and any generator of random numbers, can be given."""
        most = (1 << 63) - 1 if (info.field_name or "").endswith("seed") else (1 << 31) - 1
        if isinstance(value, int) and value > most:
            raise ValueError(f"at most {most} is possible here")
        return value


def split_names(value: Any) -> Any:
    """`ax,ay,az`, as on a command line, for ["ax", "ay", "az"]; anything else as it is."""
    return tuple(name.strip() for name in value.split(",")) if isinstance(value, str) else value


def _named(path: str) -> str:
    if not path.strip():
        raise ValueError("an empty path names nothing: give one, or leave the key out")
    if "\0" in path:
        raise ValueError("no file's name holds a zero byte: give another path")
    return path


GivenPath = Annotated[str, AfterValidator(_named)]
"""A path that names something."""
