"""Labelled sequences: loading, checking, splitting, and the integer format in which the device reads them. numpy only."""

from __future__ import annotations

from .dataset import Dataset, load_dataset
from .frames import frames, windows
from .input_format import choose_fraction_bits, to_device_integers
from .split import Split
from .splits import held_out, normalization, robust_normalization, validation_split

__all__ = [
    "Dataset",
    "Split",
    "choose_fraction_bits",
    "frames",
    "held_out",
    "load_dataset",
    "normalization",
    "robust_normalization",
    "to_device_integers",
    "validation_split",
    "windows",
]
