"""The stages: each one documented function that reads and writes files in a model directory, and a command of the same name.

The names `train`, `export` and `search` are packages', so that their functions are `train_model`, `export_model` and `search_recipes`.

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
    from .beginning import train_model
    from .checking import check
    from .diagnosis import doctor
    from .evaluation import evaluate
    from .exporting import export_model
    from .flashing import flash
    from .importing import import_onnx
    from .initial import init
    from .inspection import inspect
    from .migration import migrate
    from .pipeline import run
    from .prediction import predict
    from .profiling import profile
    from .quantization import quantize
    from .searching import search_recipes
    from .seeds import resume_run, run_seeds
    from .spectrogram import plot
    from .training import train_from
    from .verification import verify

__all__ = [
    "check",
    "doctor",
    "evaluate",
    "export_model",
    "flash",
    "import_onnx",
    "init",
    "inspect",
    "migrate",
    "plot",
    "predict",
    "profile",
    "quantize",
    "resume_run",
    "run",
    "run_seeds",
    "search_recipes",
    "train_from",
    "train_model",
    "verify",
]

_HOME: Mapping[str, str] = {
    "check": ".checking",
    "doctor": ".diagnosis",
    "evaluate": ".evaluation",
    "export_model": ".exporting",
    "flash": ".flashing",
    "import_onnx": ".importing",
    "init": ".initial",
    "inspect": ".inspection",
    "migrate": ".migration",
    "plot": ".spectrogram",
    "predict": ".prediction",
    "profile": ".profiling",
    "quantize": ".quantization",
    "resume_run": ".seeds",
    "run": ".pipeline",
    "run_seeds": ".seeds",
    "search_recipes": ".searching",
    "train_model": ".beginning",
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
