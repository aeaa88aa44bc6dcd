"""The generated C on cores that QEMU emulates, with startup code and semihosting around it."""

from __future__ import annotations

from .emulated_core import EmulatedCore
from .registry import DEFAULT_CORES


class Qemu(EmulatedCore):
    """Cortex-M and RISC-V."""

    name = "qemu"
    default = DEFAULT_CORES["qemu"]
