"""What is derived from a split: a validation part, and the channels' mean and spread."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from .split import IntArray, Split

Channels = npt.NDArray[np.float64]


def validation_split(split: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """(train, validation), disjoint, each in the original order; the same for the same seed on every machine.

    Of every class, round(fraction * its sequences) go to validation: at least one, but never the last one of training.
    Raises InputError when no class has two sequences.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction {fraction} is outside (0, 1)")
    order = _permutation(len(split), seed)
    chosen = np.sort(np.concatenate([_share(order[split.y[order] == label], fraction) for label in np.unique(split.y)]))
    if not chosen.size:
        raise InputError("no class has two training sequences, so none can be kept for validation: set train.validation_fraction to 0")
    return split.take(np.setdiff1d(np.arange(len(split)), chosen)), split.take(chosen)


def normalization(split: Split) -> tuple[Channels, Channels]:
    """(mean, standard deviation) of each channel over all valid steps, float64 [channels]; a constant channel has deviation 1."""
    steps = split.steps.astype(np.float64)
    mean, deviation = steps.mean(axis=0), steps.std(axis=0)
    # A constant channel's deviation may come out as rounding noise instead of 0.
    constant = (steps.max(axis=0) == steps.min(axis=0)) | (deviation == 0)
    return mean, np.where(constant, 1.0, deviation)


def _permutation(count: int, seed: int) -> IntArray:
    # numpy promises a bit generator's raw stream across versions, not Generator's permutations.
    return np.argsort(np.random.PCG64(seed).random_raw(count), kind="stable")


def _share(sequences: IntArray, fraction: float) -> IntArray:
    wanted = max(1, int(np.floor(fraction * len(sequences) + 0.5)))
    return sequences[: min(wanted, len(sequences) - 1)]
