"""Packages that only some users need: imported when they are used, named in the error when they are missing."""

from __future__ import annotations

import importlib
from typing import Any

from ..errors import MissingToolError


def import_optional(module: str, extra: str) -> Any:
    """The module of that name. Raises MissingToolError naming the extra of rescomp that brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingToolError(f"the Python package {package} is missing ({error}): pip install 'rescomp[{extra}]'") from error
