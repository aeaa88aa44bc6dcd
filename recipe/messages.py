"""The first fault that pydantic finds in a recipe, in one plain sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from ..errors import is_near, nearest
from .constraints import CONSTRAINTS
from .model_stages import STAGE_KINDS

_WANTED: Mapping[str, str] = {
    "int_type": "a whole number is wanted",
    "float_type": "a number is wanted",
    "finite_number": "a finite number is wanted",
    "bool_type": "true or false is wanted",
    "string_type": "a string is wanted",
    "model_type": "a section with keys is wanted",
    "tuple_type": "a list is wanted",
    "dict_type": "a table of keys is wanted",
    "mapping_type": "a table of keys is wanted",
    "model_attributes_type": "a table with a kind is wanted",
    "too_short": "a list of at least {min_length} is wanted",
    "too_long": "a list of at most {max_length} is wanted, not of {actual_length}",
    "greater_than": "more than {gt} is wanted",
    "greater_than_equal": "at least {ge} is wanted",
    "less_than": "less than {lt} is wanted",
    "less_than_equal": "at most {le} is wanted",
}
"""By pydantic's kind of error; in braces what it tells of it."""
_OWN = "model.kind = package.module:function"
_LONGEST_SHOWN = 200
"""Characters of a refused value."""


def explain(error: ValidationError, read: type[BaseModel], *section: str) -> str:
    """The first problem in one sentence. read: what was; section: where it stands in a recipe, where it was a section alone."""
    problem = error.errors(include_url=False)[0]
    where = [*section, *(str(part) for part in problem["loc"])]
    kinds = _kinds_listed_at(where)
    shown = [part for part in where if part not in kinds]
    key = ".".join(shown)
    if problem["type"] == "extra_forbidden":
        return f"unknown key {key!r}; the nearest one is {nearest(where[-1], _siblings(where[len(section) : -1], read))!r}"
    if problem["type"] == "union_tag_not_found":
        return f"{key}: an entry of {'compress' if kinds is CONSTRAINTS else 'model.stages'} needs a kind ({', '.join(kinds)})"
    if problem["type"] == "value_error" and len(where) == 1:  # of a whole section, which the sentence itself names
        return _reason(problem)
    if problem["type"] == "missing":
        return f"{key} is missing: set it"
    given = json.dumps(problem["input"], default=str, ensure_ascii=False)
    return f"{key} = {given if len(given) <= _LONGEST_SHOWN else given[:_LONGEST_SHOWN] + '...'}: {_reason(problem)}"


def _kinds_listed_at(where: Sequence[str]) -> Mapping[str, type[BaseModel]]:
    """The kinds of entries of the list that a place of the recipe is in; nothing of any other place."""
    return CONSTRAINTS if where[:1] == ["compress"] else STAGE_KINDS if where[:2] == ["model", "stages"] else {}


def _reason(problem: Mapping[str, Any]) -> str:
    """Why a value is refused, in plain words."""
    kind, given = problem["type"], problem["input"]
    if kind in _WANTED:
        return _WANTED[kind].format(**problem.get("ctx", {}))
    if kind in ("literal_error", "union_tag_invalid"):
        context = problem["ctx"]
        known = re.findall(r"'([^']+)'", context.get("expected") or context["expected_tags"]) or [context["expected"]]
        value = given.get("kind") if isinstance(given, dict) else given
        if set(known) == set(STAGE_KINDS) and not is_near(str(value), known):
            return f"stages are {', '.join(known)}; a net in which values join or anything else stands is one of your own ({_OWN})"
        return f"the nearest value is {nearest(str(value), known)!r} (of {', '.join(known)})"
    return re.sub(r"^Value error, ", "", problem["msg"])


def _siblings(path: Sequence[str], read: type[BaseModel]) -> list[str]:
    """The keys that may stand beside an unknown one."""
    if not path:
        return list(read.model_fields)
    kinds = _kinds_listed_at(path)
    section = kinds.get(path[-1]) if kinds else _section_of(read.model_fields[path[0]].annotation)
    return list(section.model_fields) if section is not None else []


def _section_of(annotation: Any) -> type[BaseModel] | None:
    """The section among what a key may hold."""
    return next((each for each in (annotation, *get_args(annotation)) if isinstance(each, type) and issubclass(each, BaseModel)), None)
