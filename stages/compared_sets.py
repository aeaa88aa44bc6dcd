"""The sets that verify compares on, by name."""

from __future__ import annotations

from typing import Final, Literal

TEST: Final = "test"
"""The set of the golden vectors, vectors/test.npz."""
FILES: Final = "files"
"""The set of what is compared byte for byte, whatever builds it."""
HEADER: Final = "header"
"""The set of what a header offers beside step and scores: numbers, names, run, classify, several states. Its inputs are always the same."""
STREAM: Final = "stream"
"""One long run without a reset, of whose steps each witness takes the first ones."""
Set = Literal["test", "stress", "layers", "stress full", "layers full", "stream", "files", "header"]
"""What was compared on. stress and layers: made from the graph, for whole runs and for single layers. files, header: no set of vectors."""


def serves_both(name: Set, build: str, other: str) -> bool:
    """Whether what one build left of a set stands for another too: files are the same whatever builds them."""
    return build == other or name == FILES
