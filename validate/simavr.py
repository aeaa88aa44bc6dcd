"""The generated C on AVRs that libsimavr emulates, with a mailbox between program and host."""

from __future__ import annotations

from .emulated_core import EmulatedCore


class Simavr(EmulatedCore):
    """ATmega328P and ATmega2560."""

    name = "simavr"
    default_argument = "atmega328p"
