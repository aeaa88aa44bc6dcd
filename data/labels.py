"""Which class a label means: a text its name; an integer the class of that name where all classes are integers, else its number."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError, counted, did_you_mean
from .split import Int64Array

NO_CLASS = -1
"""In the place of a class that there is not."""
SHOWN_CLASSES = 12
"""Classes that a message lists."""
_INTEGER = re.compile(r"-?[0-9]{1,18}")


def class_numbers(labels: npt.NDArray[Any], classes: Sequence[str]) -> Int64Array:
    """The number of each label's class among `classes`, int64 of the labels' shape; NO_CLASS for those of none. labels: integers or texts.

    An integer is the class of that name where every class is an integer by name, else a class's number from 0.
    """
    if labels.dtype.kind != "U":
        return _looked_up(labels, names_of_integers(classes) or {number: number for number in range(len(classes))})
    return _looked_up(labels, {name: number for number, name in enumerate(classes)})


def names_of_integers(classes: Sequence[str]) -> dict[int, int]:
    """The number of each class by the integer that its name is; empty unless all names are integers, each another one."""
    if not all(_INTEGER.fullmatch(name) for name in classes):
        return {}
    named = {int(name): number for number, name in enumerate(classes)}
    return named if len(named) == len(classes) else {}


def refuse_other_classes(source: object, classes: Sequence[str], known: Sequence[str]) -> None:
    """Raise InputError where data have other classes than the net that they are for, in whatever order."""
    if sorted(classes) != sorted(known):
        raise InputError(
            f"{source} has the classes {', '.join(classes)} and the net {', '.join(known)}: training goes on with the same classes; for "
            "others train anew"
        )


def _looked_up(labels: npt.NDArray[Any], known: Mapping[Any, int]) -> Int64Array:
    """What each label stands for in `known`, NO_CLASS for those that it lacks."""
    values, member = np.unique(labels, return_inverse=True)
    numbers = np.array([known.get(value, NO_CLASS) for value in values.tolist()], np.int64)
    found: Int64Array = numbers[member.reshape(labels.shape)]
    return found


def no_class(label: str | int, classes: Sequence[str], cure: str) -> str:
    """How a message ends about a label that is none of `classes`. cure: what to do, in an imperative."""
    if isinstance(label, str):
        return f"not one of the {counted(len(classes), 'class')}{did_you_mean(label, classes) or f': {cure}'}"
    named = names_of_integers(classes)
    if named and list(named) != list(range(len(classes))):
        shown = f"{', '.join(classes[:SHOWN_CLASSES])}{', ...' if len(classes) > SHOWN_CLASSES else ''}"
        return f"not one of the {counted(len(classes), 'class')} that integers name here ({shown}): {cure}"
    return f"outside 0..{len(classes) - 1}: {cure}"
