"""Calls of kernels in assembly that see every register which a kernel has to leave as it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..export.c_templates import read_template
from ..targets.cores import AVR, CORTEX_M, Core

_FILES: Mapping[str, str] = {"held.h": "checked_held.h", "checked_call.S": "{platform}/checked_call.S"}
"""Of a program that checks kernels, and of the templates."""
_STUBS = "checked_kernels.S"
_THUMB = """
    .global __wrap_{name}
    .type __wrap_{name}, %function
    .thumb_func
    .balign 4
__wrap_{name}:
    push {{r0, r1}}
    ldr r0, =checked_function
    ldr r1, =__real_{name}
    str r1, [r0]
    ldr r0, =checked_call
    mov r12, r0
    pop {{r0, r1}}
    bx r12
    .ltorg
"""
_RISCV = """
    .global __wrap_{name}
    .type __wrap_{name}, %function
__wrap_{name}:
    la t0, checked_function
    la t1, __real_{name}
    sw t1, 0(t0)
    tail checked_call
"""


_AVR = """
    .global __wrap_{name}
    .type __wrap_{name}, @function
__wrap_{name}:
    ldi r30, lo8(gs(__real_{name}))
    ldi r31, hi8(gs(__real_{name}))
    sts checked_function, r30
    sts checked_function + 1, r31
    jmp checked_call
"""
_STUB: Mapping[str, str] = {CORTEX_M.name: _THUMB, AVR.name: _AVR}


class CheckedKernels:
    """What makes a program end where a kernel of an export changes a register that it has to keep."""

    def __init__(self, core: Core, sources: Sequence[Path]) -> None:
        """sources: all of the export, each .S file of which defines the kernel of its name."""
        self._core = core
        self._names = [f"rescomp_{path.stem}" for path in sources if path.suffix == ".S"]

    @property
    def texts(self) -> dict[str, str]:
        """Sources and headers of the program, by name: a stub in front of each kernel that has it called by checked_call."""
        family = self._core.family
        begin = "    .syntax unified\n    .thumb\n    .text\n" if family is CORTEX_M else "    .text\n"
        stubs = "".join(_STUB.get(family.name, _RISCV).format(name=name) for name in self._names)
        platform = "avr" if family is AVR else "semihosting"
        files = {name: read_template(f"platforms/{path.format(platform=platform)}") for name, path in _FILES.items()}
        return {**files, _STUBS: begin + stubs}

    @property
    def link(self) -> list[str]:
        """Options of the linker, which lead the kernels' callers to the stubs."""
        return [f"-Wl,--wrap={name}" for name in self._names]
