"""On which side of the split each clip stands: by folder, by group, in time, by lists, or by the hash of its speaker."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError, counted
from ..recipe import DataSection
from ..store import read_file
from ..text_files import TextError, decode_text
from .splits import held_out
from .wav_folders import Side, Sound

LISTS: dict[Side, str] = {"validation": "validation_list.txt", "test": "testing_list.txt"}
"""Of Speech Commands: the names of the clips of a side, one a line."""
MOST_LIST_BYTES = 1 << 26
_SPEAKER = re.compile(r"([^/]+?)_nohash_[0-9]+\.[^./]+$")
_HASHES = (1 << 27) - 1
"""Of Speech Commands: more than a class ever has clips."""


def groups_of(sounds: Sequence[Sound], pattern: str | None) -> list[str]:
    """The group of each file: what a regular expression's first parenthesis finds in its name, or the speaker, or the file itself.

    Raises InputError for an expression that is none or that a name does not match.
    """
    if pattern is None:
        return [found[1] if (found := _SPEAKER.search(sound.name)) else sound.name for sound in sounds]
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise InputError(f"data.group = {pattern!r} is no regular expression ({error}): correct it") from error
    if not expression.groups:
        raise InputError(f"data.group = {pattern!r} has no parenthesis, which says what of a file's name is the group: add one")
    return [_group(expression, sound) for sound in sounds]


def _group(expression: re.Pattern[str], sound: Sound) -> str:
    found = expression.search(sound.name)
    if found is None or not found[1]:
        raise InputError(f"data.group = {expression.pattern!r} finds no group in {sound.name}: correct it, or rename the file")
    return str(found[1])


def sides_by_list(path: Path, sounds: Sequence[Sound]) -> list[Side]:
    """As the lists beside the classes say; what no list names is for training. Raises InputError where one is missing or names nothing."""
    listed: dict[str, Side] = {}
    names = {sound.name for sound in sounds}
    for side, name in LISTS.items():
        lines = _lines(path / name)
        if not names.intersection(lines):
            raise InputError(f"{path / name} names no WAV file of {path}: it has lines like {sounds[0].name}")
        if twice := sorted(line for line in lines if line in listed):
            raise InputError(f"{twice[0]} is in both lists of {path}, {' and '.join(LISTS.values())}: take it out of one")
        listed |= dict.fromkeys(lines, side)
    return [listed.get(sound.name, "train") for sound in sounds]


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in decode_text(read_file(path, MOST_LIST_BYTES)).splitlines() if line.strip()]
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror or error}), which data.split = 'lists' needs: add it") from error
    except TextError as error:
        raise InputError(f"{path}, line {error.line}: {error}") from error


def side_by_hash(name: str, fraction: float) -> Side:
    """Speech Commands' own rule: a file's side depends on its name up to `_nohash_` alone, so that its speaker stays where it is.

    fraction: of all names, that go to validation, and the same to test.
    """
    speaker = re.sub(r"_nohash_.*$", "", name.rpartition("/")[2])
    percent = int(hashlib.sha1(speaker.encode(), usedforsecurity=False).hexdigest(), 16) % (_HASHES + 1) * (100 / _HASHES)
    return "validation" if percent < 100 * fraction else "test" if percent < 200 * fraction else "train"


def sides_by_group(source: object, labels: Sequence[str], groups: Sequence[str], data: DataSection) -> list[Side]:
    """Whole groups to test, near data.test_fraction of each class. Raises InputError for one group alone."""
    if len(set(groups)) < 2:
        raise InputError(
            f"{source} has one group only ({groups[0]}), which cannot stand on both sides of the split: set data.group to what of the file "
            "names is the group, record another group, or split in time with data.split = 'time'"
        )
    member, y = (np.unique(part, return_inverse=True)[1].astype(np.int64) for part in (groups, labels))
    chosen = held_out(member, y, data.test_fraction, data.split_seed)
    return ["test" if test else "train" for test in chosen]


def refuse_empty_sides(source: object, labels: Sequence[str], sides: Sequence[Side], classes: Sequence[str]) -> None:
    """Raise InputError where training or test lacks a class."""
    for side in ("train", "test"):
        there = {label for label, at in zip(labels, sides, strict=True) if at == side}
        for label in classes:
            if label not in there:
                count = counted(sum(each == label for each in labels), "recording")
                raise InputError(
                    f"{source}: class {label!r} has {count}, none of them in the {'training' if side == 'train' else 'test'} part: record "
                    "more of it, of other groups, or split otherwise (data.split, data.split_seed)"
                )
