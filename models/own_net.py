"""The user's own function: found, called, and named with file and line where it fails."""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from ..errors import InputError, RescompError

_NOT_THE_USER_S = (Path(__file__).parents[1], Path(torch.__file__).parent, Path(importlib.__file__).parent)
FAULTS = (Exception, SystemExit)
"""What code of somebody else's may end with."""


def call_own_function(kind: str, input_shape: tuple[int, ...], classes: int, folder: Path | None) -> Any:
    """What `package.module:function` gives for (input_shape, classes).

    folder: where the module is looked for last, while it is imported (None: only where Python looks). Raises InputError, with file and
    line where the fault is the function's.
    """
    package, _, name = kind.partition(":")
    module = _imported(kind, package, folder)
    function = getattr(module, name, None)
    where = f"{module.__name__} ({getattr(module, '__file__', None) or 'no file'})"
    if not callable(function):
        raise InputError(f"model.kind {kind}: the module {where} has no function {name!r}: correct the name, or the module's")
    _check_arguments(kind, function, where, (input_shape, classes))
    with blaming_the_user(f"model.kind {kind}: your function"):
        return function(input_shape, classes)


@contextmanager
def blaming_the_user(what: str) -> Iterator[None]:
    """Turns whatever is raised inside into an InputError that says that it is the user's, and where; rescomp's own errors stay."""
    try:
        yield
    except FAULTS as error:
        raise blame(what, error) from error


def blame(what: str, error: BaseException) -> RescompError:
    """An InputError that says what the user's code raised, and where; rescomp's own errors stay as they are."""
    if isinstance(error, RescompError):
        return error
    lines = str(error).splitlines()
    said = f"{type(error).__name__}: {lines[0]}" if lines and lines[0] else type(error).__name__
    return InputError(f"{what} raised {said}{_place(error)}: correct it there")


def _imported(kind: str, package: str, folder: Path | None) -> ModuleType:
    with _looking_in(folder), blaming_the_user(f"model.kind {kind}: your module {package!r}"):
        try:
            return importlib.import_module(package)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{package}.".startswith(f"{error.name}."):
                raise  # something else that the module imports
            raise InputError(f"model.kind {kind}: there is no module {error.name!r} where Python looks{_elsewhere(folder)}") from error


def _elsewhere(folder: Path | None) -> str:
    if folder is None:
        return ": put its folder on PYTHONPATH (for a name that a model directory holds, the working directory is not looked in)"
    return f" and in the working directory {folder}: go to its folder, or correct it"


@contextmanager
def _looking_in(folder: Path | None) -> Iterator[None]:
    """A console script's path lacks the working directory; last, it hides nothing that is installed."""
    added = None if folder is None or str(folder) in sys.path else str(folder)
    importlib.invalidate_caches()
    if added is not None:
        sys.path.append(added)
    try:
        yield
    finally:
        if added in sys.path:
            sys.path.remove(added)


def _check_arguments(kind: str, function: Any, where: str, arguments: tuple[Any, ...]) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of something written in C
        return
    try:
        signature.bind(*arguments)
    except TypeError as error:
        code = getattr(function, "__code__", None)
        place = where if code is None else f"{code.co_filename}, line {code.co_firstlineno}"
        raise InputError(f"model.kind {kind}: it is called as function(input_shape, classes), and {error} ({place})") from error


def _place(error: BaseException) -> str:
    """` (FILE, line N)` of the user's line that the error comes from, or nothing where there is none."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f" ({error.filename}, line {error.lineno})"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_the_user_s(frame.filename)]
    if not frames:
        return ""
    last = [frame for frame in frames if frame.filename == frames[0].filename][-1]
    return f" ({last.filename}, line {last.lineno})"


def _is_the_user_s(filename: str) -> bool:
    return not filename.startswith("<") and not any(Path(filename).is_relative_to(folder) for folder in _NOT_THE_USER_S)
