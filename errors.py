"""Errors that reach the user: one sentence with the cause and the next step, and a documented exit code."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import ClassVar


class RescompError(Exception):
    """Base of every error that rescomp raises on purpose; the CLI prints its text and exits with `exit_code`."""

    exit_code: ClassVar[int] = 1


class InputError(RescompError):
    """Bad usage, recipe, data or artefact."""

    exit_code: ClassVar[int] = 2


class ParityError(RescompError):
    """Two witnesses of one integer model differ."""

    exit_code: ClassVar[int] = 3


class BudgetError(RescompError):
    """The model does not fit the budget it was given."""

    exit_code: ClassVar[int] = 4


class UnsupportedError(RescompError):
    """The model asks for something the integer contract, an export or a target does not offer."""

    exit_code: ClassVar[int] = 5


class DeviceError(RescompError):
    """A board, an emulator or a serial port failed."""

    exit_code: ClassVar[int] = 6


class MissingToolError(RescompError):
    """A compiler, an emulator or a Python package that was asked for is not installed."""

    exit_code: ClassVar[int] = 7


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that is most like `name`, for errors that name a neighbour; case is ignored."""
    return _most_alike(name, known, at_least=0.0)[0]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`: did you mean 'NEAREST'?`, or nothing when no known name is close (case is ignored)."""
    return "".join(f": did you mean {close!r}?" for close in _most_alike(name, known, at_least=0.6))


def is_near(name: str, known: Iterable[str]) -> bool:
    """Whether one of the known names may be meant, as it is or as a part; case is ignored."""
    known = list(known)
    parts = any(name.lower() in each.lower() or each.lower() in name.lower() for each in known if name)
    return parts or bool(_most_alike(name, known, at_least=0.6))


def _most_alike(name: str, known: Iterable[str], *, at_least: float) -> list[str]:
    """The known name that is most like `name`, if it is so much like it (0 to 1)."""
    by_lower = {item.lower(): item for item in known}
    return [by_lower[close] for close in difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=at_least)]


def counted(count: int, one: str, several: str = "") -> str:
    """`1 reading`, `1,200 readings`. one: what follows a 1; several: what follows every other number (unset: the regular plural)."""
    if count == 1:
        return f"1 {one}"
    plural = one[:-1] + "ies" if one.endswith("y") else one + ("es" if one.endswith("s") else "s")
    return f"{count:,} {several or plural}"


_TFLITE = "flatbuffers tflite"
_BRING: Mapping[str, str] = {
    "torch": "torch safetensors",
    "safetensors": "torch safetensors",
    "onnx": "onnx onnxruntime",
    "onnxruntime": "onnx onnxruntime",
    "flatbuffers": _TFLITE,
    "tflite": _TFLITE,
    "PIL": "pillow",
    "serial": "pyserial",
    "optuna": "optuna sqlalchemy",
    "sqlalchemy": "optuna sqlalchemy",
    "psycopg": "'psycopg[binary]'",
}
"""By module: the packages, as an index of packages names them, that one needs together."""


def missing_package(error: ModuleNotFoundError) -> MissingToolError:
    """What to tell a user about an import that failed, naming what brings the module.

    Real packages alone, never an extra of rescomp: it is installed from a clone or a file, and its name on an index is a stranger's.
    """
    module = (error.name or str(error)).partition(".")[0]
    return MissingToolError(f"the Python package {module} is not installed: pip install {_BRING.get(module, module)}")
