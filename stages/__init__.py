"""The stages: each one documented function that reads and writes files in a model directory, and a command of the same name.

    from pathlib import Path
    from rescomp import stages
    from rescomp.recipe import load_recipe

    summary = stages.run(load_recipe(overrides=["train.epochs=40"]), Path("out"))

Imported lazily: `verify` and `inspect` need neither torch nor the training data.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import missing_package

if TYPE_CHECKING:
    from .checking import check
    from .diagnosis import doctor
    from .evaluation import evaluate
    from .exporting import export
    from .flashing import flash
    from .inspection import inspect
    from .pipeline import run
    from .prediction import predict
    from .profiling import profile
    from .quantization import quantize
    from .seeds import resume_run, run_seeds
    from .training import train, train_from
    from .verification import verify

__all__ = [
    "check",
    "doctor",
    "evaluate",
    "export",
    "flash",
    "inspect",
    "predict",
    "profile",
    "quantize",
    "resume_run",
    "run",
    "run_seeds",
    "train",
    "train_from",
    "verify",
]

_HOME: Mapping[str, str] = {
    "check": ".checking",
    "doctor": ".diagnosis",
    "evaluate": ".evaluation",
    "export": ".exporting",
    "flash": ".flashing",
    "inspect": ".inspection",
    "predict": ".prediction",
    "profile": ".profiling",
    "quantize": ".quantization",
    "resume_run": ".seeds",
    "run": ".pipeline",
    "run_seeds": ".seeds",
    "train": ".training",
    "train_from": ".training",
    "verify": ".verification",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(_HOME[name], __name__), name)
    except ModuleNotFoundError as error:
        raise missing_package(error) from error
