"""How long what uses.c does takes: on this machine, and on an emulated core."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lengths:
    """How many readings the seed draws at least, and how many of an outage pass before it is looked at.

    listeners: of streams, that are pushed samples in turns. pushes: to listeners of each kind.
    """

    walk: int
    outage: int
    listeners: int
    pushes: int


MOST_WALK = 1 << 17
"""Readings drawn, all of which are held at once."""
HOST_LENGTHS, CORE_LENGTHS = Lengths(3000, (1 << 16) - 50, 2, 120), Lengths(100, (1 << 8) - 50, 1, 50)
"""On this machine, until a counter of 16 bits would wrap; and on an emulated core, which may be a thousand times as slow."""
