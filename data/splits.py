"""What is derived from labelled sequences: a part held out, by group where there are groups, and the channels' mean and spread."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError, counted
from .split import Int64Array, Split

Channels = npt.NDArray[np.float64]
DEVIATIONS_A_MEDIAN = 1.4826
"""1 / Phi^-1(3/4): standard deviations of a normal distribution in one median absolute deviation."""
_ORDERS = 16
"""Orders in which held_out tries the groups; the best outcome counts."""


def validation_split(split: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """(train, validation), disjoint, each in the original order; the same for the same seed on every machine.

    Of every class, round(fraction * its sequences) go to validation: at least one, but never the last one of training. Sequences
    with groups go by whole groups, as near to that as they allow. Raises InputError when nothing can be taken from training.
    """
    train, validation = validation_rows(split, fraction, seed)
    return replace(split.take(train), held=None), replace(split.take(validation), held=None)


def validation_rows(split: Split, fraction: float, seed: int) -> tuple[Int64Array, Int64Array]:
    """Which sequences validation_split takes for (train, validation), int64 [sequences]."""
    if not 0 < fraction < 1:
        raise ValueError(f"fraction {fraction} is outside (0, 1)")
    if split.held is not None:
        return np.flatnonzero(~split.held), np.flatnonzero(split.held)
    y, groups = split.y, split.groups
    if groups is not None:
        return _validation_groups(y, groups, fraction, seed)
    chosen = drawn_of_each(y, fraction, seed)
    if not chosen.size:
        raise InputError("no class has two training sequences, so none can be kept for validation: set train.validation_fraction to 0")
    return np.setdiff1d(np.arange(len(y)), chosen), chosen


def drawn_of_each(y: npt.NDArray[Any], fraction: float, seed: int) -> Int64Array:
    """Of each class round(fraction * its sequences), drawn from `seed`: at least one, but not the last one. y: [sequences], classes."""
    order = permutation(len(y), seed)
    return np.sort(np.concatenate([_share(order[y[order] == label], fraction) for label in np.unique(y)]))


def last_of_each(y: npt.NDArray[Any], fraction: float) -> Int64Array:
    """As many of each class, its last ones."""
    return np.sort(np.concatenate([_share(np.flatnonzero(y == label)[::-1], fraction) for label in np.unique(y)]))


def held_out(groups: Int64Array, y: Int64Array, fraction: float, seed: int) -> npt.NDArray[np.bool_]:
    """Which sequences to hold out, whole groups only: bool [sequences].

    groups, y: int64 [sequences], group and class. Near `fraction` of every class, at least one sequence of each where groups allow it,
    and never a class's last group. Groups are tried in orders drawn from `seed`; the same on every machine.
    """
    names, member = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), len(np.unique(y))))
    np.add.at(counts, (member, np.unique(y, return_inverse=True)[1]), 1)
    share = counts / counts.sum(axis=0)
    orders = np.argsort(np.random.PCG64(seed).random_raw(_ORDERS * len(names)).reshape(_ORDERS, -1), axis=1, kind="stable")
    best = min((_choose(share, order, fraction) for order in orders), key=lambda chosen: _shortfall(share[chosen].sum(axis=0), fraction))
    return np.isin(member, best)


def normalization(split: Split) -> tuple[Channels, Channels]:
    """(mean, standard deviation) of each channel over all valid steps, float64 [channels]; a constant channel has deviation 1."""
    steps = split.steps.astype(np.float64)
    mean, deviation = steps.mean(axis=0), steps.std(axis=0)
    # A constant channel's deviation may come out as rounding noise instead of 0.
    constant = (steps.max(axis=0) == steps.min(axis=0)) | (deviation == 0)
    return mean, np.where(constant, 1.0, deviation)


def no_normalization(split: Split) -> tuple[Channels, Channels]:
    """(0, 1) for each channel: readings as they are."""
    channels = split.x.shape[-1]
    return np.zeros(channels), np.ones(channels)


def robust_normalization(split: Split) -> tuple[Channels, Channels]:
    """(median, spread) of each channel over all valid steps, float64 [channels].

    The spread is the median absolute deviation, times 1.4826 to be the standard deviation of a normal distribution. A channel that
    mostly stands still has none: its standard deviation takes the place (see `normalization`).
    """
    steps = split.steps.astype(np.float64)
    median = np.median(steps, axis=0)
    spread = DEVIATIONS_A_MEDIAN * np.median(np.abs(steps - median), axis=0)
    return median, np.where(spread == 0, normalization(split)[1], spread)


def _choose(share: Channels, order: Int64Array, fraction: float) -> list[int]:
    """Groups in `order`, each taken when it brings the share held out of the classes nearer to `fraction`; then the classes missed.

    share: float64 [groups, classes], the part of each class that a group has.
    """
    taken: list[int] = []
    held = np.zeros(share.shape[1])

    def keeps_training(group: int) -> bool:
        return bool((held + share[group] < 1 - 1e-9).all())

    for group in map(int, order):
        if keeps_training(group) and _distance(held + share[group], fraction) < _distance(held, fraction):
            taken.append(group)
            held = held + share[group]
    for label in range(share.shape[1]):
        missed = [int(group) for group in order if share[group, label]] if held[label] == 0 else []
        candidates = list(filter(keeps_training, missed))
        if candidates:
            taken.append(min(candidates, key=lambda group: _distance(held + share[group], fraction)))
            held = held + share[taken[-1]]
    return taken


def _shortfall(held: Channels, fraction: float) -> tuple[int, float]:
    return int((held == 0).sum()), _distance(held, fraction)


def _distance(held: Channels, fraction: float) -> float:
    return float(((held - fraction) ** 2).sum())


def _validation_groups(y: Int64Array, groups: Int64Array, fraction: float, seed: int) -> tuple[Int64Array, Int64Array]:
    chosen = held_out(groups, y, fraction, seed)
    if not chosen.any():
        raise InputError(
            f"the training sequences are of {counted(len(np.unique(groups)), 'group')}, and none can be kept for validation without taking "
            "a class's last one: set train.validation_fraction to 0, or record more groups"
        )
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def permutation(count: int, seed: int) -> Int64Array:
    """The numbers 0..count-1 in an order drawn from `seed`, the same on every machine."""
    # numpy promises a bit generator's raw stream across versions, not Generator's permutations.
    return np.argsort(np.random.PCG64(seed).random_raw(count), kind="stable")


def _share(sequences: Int64Array, fraction: float) -> Int64Array:
    wanted = max(1, int(np.floor(fraction * len(sequences) + 0.5)))
    return sequences[: min(wanted, len(sequences) - 1)]
