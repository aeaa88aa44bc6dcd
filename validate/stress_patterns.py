"""Patterns over the entries of one value, [count, *shape]."""

from __future__ import annotations

import numpy as np

from ..graph.draws import Draws
from ..graph.fixed_point import IntArray
from ..graph.formats import TensorType
from ..graph.stress import special_values


def held_patterns(draws: Draws, t: TensorType, count: int) -> IntArray:
    """Everything at one end, ends that alternate along the entries or along the last axis, then an end drawn for each channel or entry."""
    low, high = t.format.low, t.format.high
    entries, channels = np.arange(t.size).reshape(t.shape), np.arange(t.shape[-1])
    regular = [np.full(t.shape, low), np.full(t.shape, high)]
    regular += [np.where((axis + shift) % 2 == 0, low, high) for axis in (entries, channels) for shift in (0, 1)]
    first = np.stack([np.broadcast_to(pattern, t.shape) for pattern in regular])
    ends = np.array([low, high])
    by_channel = np.broadcast_to(draws.choice(ends, (count, *(1,) * (len(t.shape) - 1), t.shape[-1])), (count, *t.shape))
    by_entry = draws.choice(ends, (count, *t.shape))
    drawn = np.where(np.arange(count).reshape(-1, *(1,) * len(t.shape)) % 2 == 0, by_channel, by_entry)
    patterns: IntArray = np.concatenate([first, drawn])[:count]
    return patterns


def single_entries(draws: Draws, t: TensorType, count: int) -> IntArray:
    """One entry at an end, the others zero; entries in an order that is drawn, both ends in turn."""
    results = np.zeros((count, t.size), np.int64)
    rows = np.arange(count)
    place = np.resize(draws.order((t.size,)), count)
    results[rows, place] = np.where(rows // t.size % 2 == 0, t.format.high, t.format.low)
    return results.reshape(count, *t.shape)


def special_patterns(draws: Draws, t: TensorType, count: int) -> IntArray:
    """Every entry one of the format's special values."""
    return draws.choice(np.array(special_values(t.format)), (count, *t.shape))
