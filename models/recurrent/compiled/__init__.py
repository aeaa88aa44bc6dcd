"""The loop over time in C, compiled at need: train.loop = compiled."""

from __future__ import annotations

from .build import compiler_version
from .recurrence import prepare, run_layer

__all__ = ["compiler_version", "prepare", "run_layer"]
