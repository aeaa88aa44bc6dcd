"""Sizes of windows as torch's modules tell them, as plans have them: (height, width), and zeros (top, bottom, left, right)."""

from __future__ import annotations

from typing import Any

from ...errors import InputError
from ...graph.formats import Padding, Pair


def pair_of(value: Any, missing: int, over_time: bool = False) -> Pair:
    """(down, across) of a number or of a tuple of one or two. missing: what is down where there is time alone."""
    if isinstance(value, int):
        return (missing, value) if over_time else (value, value)
    return (missing, int(value[0])) if len(value) == 1 else (int(value[0]), int(value[1]))


def sum_of(a: Padding, b: Padding) -> Padding:
    """Zeros around zeros."""
    return a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]


def windows_over(size: Pair, kernel: Pair, stride: Pair, padding: Padding, where: str) -> Pair:
    """How many windows there are, down and across. Raises InputError where one is larger than the map."""
    down, across = size[0] + padding[0] + padding[1], size[1] + padding[2] + padding[3]
    if kernel[0] > down or kernel[1] > across:
        raise InputError(f"{where} moves windows of {kernel[0]} x {kernel[1]} over a map of {down} x {across}: take smaller ones")
    return (down - kernel[0]) // stride[0] + 1, (across - kernel[1]) // stride[1] + 1
