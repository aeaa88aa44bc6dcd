"""Packages that only some users need: imported when they are used, named in the error when they are missing."""

from __future__ import annotations

import importlib
from typing import Any

from ..errors import missing_package


def import_optional(module: str) -> Any:
    """The module of that name. Raises MissingToolError naming the extra of rescomp that brings it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise missing_package(error) from error
