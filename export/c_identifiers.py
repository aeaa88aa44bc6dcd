"""Names that are safe in C and C++, and different from each other."""

from __future__ import annotations

_SPOKEN_FOR = """
input main memcpy memset scores scratch size_t state steps
int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t
"""
_PREDEFINED = "arm i386 linux m68k mips sparc sun unix vax"

SPOKEN_FOR = frozenset(_SPOKEN_FOR.split())
"""What generated code and the headers it includes use themselves."""
PREDEFINED = frozenset(_PREDEFINED.split())
"""Macros that compilers define unless they are told to keep to the standard."""


class Identifiers:
    """Hands out each identifier once: the wanted one, or with a number behind it."""

    def __init__(self, *taken: str) -> None:
        self._taken = set(taken)

    def take(self, wanted: str) -> str:
        """A new identifier like `wanted` (a lower-case identifier)."""
        if wanted.startswith("rescomp_"):
            wanted = f"{wanted}_"
        name, number = wanted, 2
        while name in self._taken:
            name, number = f"{wanted}_{number}", number + 1
        self._taken.add(name)
        return name
