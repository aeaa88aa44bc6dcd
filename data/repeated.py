"""Recordings that are there twice: equal reading for reading."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from ..errors import counted
from .split import Split


def repeated(split: Split, before: Split) -> list[tuple[int, int]]:
    """(row, first row of `before` that it equals) of every sequence of `split` whose readings are those of one of `before`, in order."""
    known: dict[bytes, int] = {}
    for row, name in enumerate(_digests(before)):
        known.setdefault(name, row)
    return [(row, known[name]) for row, name in enumerate(_digests(split)) if name in known]


def remarks_on_repeated(train: Split, held: Split, which: str) -> Iterator[str]:
    """A sentence where recordings held out are among those for training. which: `test` or `validation`."""
    found = repeated(held, train)
    if not found:
        return
    (row, place), other = found[0], sum(held.y[row] != train.y[place] for row, place in found)
    labels = f", {other:,} of them under another label" if other else ""
    verb = "is" if len(found) == 1 else "are"
    yield (
        f"{len(found):,} of {counted(len(held), f'{which} recording')} {verb} among those for training, reading for reading{labels} "
        f"(the first: {which} {row} is training {place}, counting from 0): they say nothing of what is new, so leave them out"
    )


def _digests(split: Split) -> Iterator[bytes]:
    """What names the readings of each sequence, its padding apart."""
    for x, length in zip(split.x, split.lengths.tolist(), strict=True):
        yield hashlib.blake2b(x[:length].tobytes(), digest_size=16).digest()
