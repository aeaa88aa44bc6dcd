"""What a mutant is, and how a list of them is drawn: by operator, in an order that depends on a seed and on each site alone.

A site's place in the draw is a hash of the seed, the model, the file, the operator and the site's own text, so that a change elsewhere in a
file moves no other mutant.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any


@dataclass(frozen=True)
class Mutant:
    """One change of one file.

    operator: what kind of change. site: where, in words that only the file's own meaning gives (a line's text, a node's name, a tensor's).
    place: line or byte offset when the list was drawn, for people. before, after: what stands there; of a text, whole lines.
    """

    model: str
    file: str
    operator: str
    site: str
    place: int
    before: str
    after: str

    def as_json(self) -> dict[str, Any]:
        """The mutant as an entry of the list."""
        return asdict(self)

    def rank(self, seed: int) -> bytes:
        """Its place in the draw of that seed."""
        words = (str(seed), self.model, self.file, self.operator, self.site, self.after)
        return hashlib.sha256("\0".join(words).encode()).digest()


def draw(candidates: Iterable[Mutant], count: int, seed: int) -> list[Mutant]:
    """`count` of the candidates, of each operator alike while it has some. No site is taken twice by one operator."""
    by_operator: dict[str, dict[str, Mutant]] = {}
    for mutant in sorted(candidates, key=lambda mutant: mutant.rank(seed)):
        by_operator.setdefault(mutant.operator, {}).setdefault(f"{mutant.file}\0{mutant.site}", mutant)
    return [mutant for mutant, _ in zip(_in_turn(by_operator), range(count), strict=False)]


def _in_turn(by_operator: Mapping[str, Mapping[str, Mutant]]) -> Iterator[Mutant]:
    columns = (list(by_operator[operator].values()) for operator in sorted(by_operator))
    for row in zip_longest(*columns):
        yield from (mutant for mutant in row if mutant is not None)


class StaleError(Exception):
    """The file no longer has what a mutant changes."""
