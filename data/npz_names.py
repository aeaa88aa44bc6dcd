"""What an .npz archive says of its readings in words and numbers: names of classes and channels, unit, rate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..graph.archive import Arrays
from ..model_names import label_fault
from ..recipe import RATES

SAMPLE_RATE = "sample_rate"
"""The key of how many readings a second there are."""
NAME_ARRAYS = ("classes", "channels", "unit", SAMPLE_RATE)
"""Keys that are read when they are there."""


@dataclass(frozen=True)
class NpzNames:
    """classes: in order, None where they are not named. channels: likewise, () for none. unit: of the readings; where the channels have
    different ones, those of all of them, with commas. sample_rate: readings a second, None where the file does not say it.
    """

    classes: tuple[str, ...] | None = None
    channels: tuple[str, ...] = ()
    unit: str = ""
    sample_rate: int | None = None

    @classmethod
    def of(cls, path: Path, arrays: Arrays, x: npt.NDArray[Any]) -> NpzNames:
        """Of the archive at `path`, whose readings are x. Raises InputError for names that are none, repeat, or are not one a channel."""
        channels = x.shape[-1] if x.ndim > 2 else 1
        return cls(
            _class_names(path, arrays["classes"]) if "classes" in arrays else None,
            _channel_names(path, arrays["channels"], channels) if "channels" in arrays else (),
            _unit(path, arrays["unit"], channels) if "unit" in arrays else "",
            _sample_rate(path, arrays[SAMPLE_RATE]) if SAMPLE_RATE in arrays else None,
        )


def _sample_rate(path: Path, rate: npt.NDArray[Any]) -> int:
    if rate.size != 1 or rate.dtype.kind not in "iuf" or not 1 <= rate.item() <= RATES[1] or rate.item() != int(rate.item()):
        raise InputError(f"{path}: {SAMPLE_RATE!r} is no whole number of readings a second: store one, 16000 for instance")
    return int(rate.item())


def _class_names(path: Path, classes: npt.NDArray[Any]) -> tuple[str, ...]:
    if classes.ndim != 1 or classes.size == 0 or classes.dtype.kind not in "iuU":
        raise InputError(f"{path}: 'classes' has shape {list(classes.shape)} and type {classes.dtype}: store one name a class, as strings")
    names = tuple(str(name) for name in classes)
    if len(set(names)) < len(names):
        raise InputError(f"{path}: the class names repeat ({', '.join(names)}): give each class its own name")
    return names


def _channel_names(path: Path, names: npt.NDArray[Any], channels: int) -> tuple[str, ...]:
    if names.shape != (channels,) or names.dtype.kind != "U":
        has = f"has shape {list(names.shape)} and type {names.dtype}, and there are {channels}"
        raise InputError(f"{path}: 'channels' {has}: store one name a channel, as strings")
    found = tuple(str(name) for name in names)
    if len(set(found)) < channels:
        raise InputError(f"{path}: the channel names repeat ({', '.join(found)}): give each channel its own name")
    return found


def _unit(path: Path, unit: npt.NDArray[Any], channels: int) -> str:
    if unit.dtype.kind != "U" or unit.size not in (1, channels) or unit.ndim > 1:
        has = f"has shape {list(unit.shape)} and type {unit.dtype}"
        raise InputError(f"{path}: 'unit' {has}: store one text, 'm/s2' for instance, or one a channel")
    texts = [str(text) for text in np.ravel(unit)]
    found = texts[0] if len(set(texts)) == 1 else ", ".join(texts)
    if fault := label_fault(found):
        raise InputError(f"{path}: the unit {found[:80]!r} {fault}: write another one")
    return found
