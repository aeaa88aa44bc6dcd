"""Labelled sequences: loading, checking, splitting, and the integer format in which the device reads them. numpy only."""

from __future__ import annotations

from .dataset import Dataset, load_dataset
from .input_format import choose_fraction_bits, to_device_integers
from .split import Split
from .splits import held_out, normalization, robust_normalization, validation_split
from .steps import in_steps, windows

__all__ = [
    "Dataset",
    "Split",
    "choose_fraction_bits",
    "held_out",
    "in_steps",
    "load_dataset",
    "normalization",
    "robust_normalization",
    "to_device_integers",
    "validation_split",
    "windows",
]
