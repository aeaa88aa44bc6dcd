"""The generated C on cores that QEMU emulates, with startup code and semihosting around it."""

from __future__ import annotations

from .emulated_core import EmulatedCore


class Qemu(EmulatedCore):
    """Cortex-M and RISC-V."""

    name = "qemu"
    default_argument = "cortex-m0"
