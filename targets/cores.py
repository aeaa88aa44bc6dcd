"""The cores that generated C is built for and runs on under emulation: one list for every place that names a core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import InputError, nearest

KIB = 1024


@dataclass(frozen=True)
class Family:
    """Cores that share tools and startup code.

    platforms: folders of firmware_templates/platforms whose files make a program of main.c and the model. prefix: of the GNU tools'
    names. library: a file of the C library for them, which comes in a package of its own. emulator: a command, or the library that
    a small host program drives. witness: of `verify --against`, which runs it. standard: C standard of the compiler. link: its
    further arguments when it links.
    """

    name: str
    platforms: Sequence[str]
    prefix: str
    library: str
    emulator: str
    witness: str
    standard: str = "c99"
    link: Sequence[str] = ()

    @property
    def compiler(self) -> str:
        """The C compiler's command."""
        return f"{self.prefix}gcc"


@dataclass(frozen=True)
class Core:
    """An emulated machine, by the emulator's name for it. Origins are addresses of the memory that is used; sizes are in bytes.

    flags: compiler flags that select the core. kernels: folders of firmware_templates/arch that are searched, in this order, before
    firmware_templates/kernels. stack_bytes: what the link leaves free at least.
    """

    name: str
    family: Family
    machine: str
    flags: Sequence[str]
    kernels: Sequence[str]
    flash_origin: int
    flash_bytes: int
    ram_origin: int
    ram_bytes: int
    stack_bytes: int = 2048

    @property
    def export_folder(self) -> str:
        """Where a model directory keeps the C that was exported for this core alone."""
        return f"c-{self.name}"


CORTEX_M = Family(
    name="cortex-m",
    platforms=("semihosting", "cortex-m"),
    prefix="arm-none-eabi-",
    library="libc.a",
    emulator="qemu-system-arm",
    witness="qemu",
    link=("-nostartfiles",),
)
RISCV = Family(
    name="riscv",
    platforms=("semihosting", "riscv"),
    prefix="riscv64-unknown-elf-",
    library="picolibc.specs",
    emulator="qemu-system-riscv32",
    witness="qemu",
    link=("-nostartfiles",),
)
AVR = Family(
    name="avr",
    platforms=("avr",),
    prefix="avr-",
    library="libc.a",
    emulator="libsimavr",
    witness="simavr",
    standard="gnu99",
)
"""gnu99: __flash is an extension of GNU C, and without it every constant would take RAM."""

_LARGE = (0x00000000, 4096 * KIB, 0x20000000, 4096 * KIB)
"""Flash and RAM of Arm's MPS2 boards."""


def _cortex_m(number: int, machine: str, kernels: Sequence[str], memory: tuple[int, int, int, int], *flags: str, suffix: str = "") -> Core:
    name = f"cortex-m{number}"
    return Core(name, CORTEX_M, machine, (f"-mcpu={name}{suffix}", "-mthumb", *(flags or ("-mfloat-abi=soft",))), kernels, *memory)


_ALL = (
    _cortex_m(0, "microbit", ("cortex-m0",), (0x00000000, 256 * KIB, 0x20000000, 16 * KIB)),
    _cortex_m(3, "mps2-an385", ("cortex-m3",), _LARGE),
    _cortex_m(4, "mps2-an386", ("cortex-m4", "cortex-m3"), _LARGE),
    _cortex_m(7, "mps2-an500", ("cortex-m4", "cortex-m3"), _LARGE),
    # Both begin in the secure state: addresses with bit 28 set.
    _cortex_m(33, "mps2-an505", ("cortex-m4", "cortex-m3"), (0x10000000, 4096 * KIB, 0x38000000, 4096 * KIB)),
    # The calling convention that GCC ties to vector registers, and no floating point.
    _cortex_m(
        55,
        "mps3-an547",
        ("cortex-m55", "cortex-m4", "cortex-m3"),
        (0x10000000, 512 * KIB, 0x30000000, 512 * KIB),
        "-mfloat-abi=hard",
        suffix="+nomve.fp+nofp",
    ),
    Core(
        "riscv32imc",
        RISCV,
        "virt",
        ("-march=rv32imc", "-mabi=ilp32", "--specs=picolibc.specs"),
        ("riscv32",),
        *(0x80000000, 4096 * KIB, 0x80400000, 4096 * KIB),
    ),
    Core("atmega328p", AVR, "atmega328p", ("-mmcu=atmega328p",), ("avr",), 0, 32 * KIB, 0x100, 2 * KIB, stack_bytes=384),
    Core("atmega2560", AVR, "atmega2560", ("-mmcu=atmega2560",), ("avr",), 0, 256 * KIB, 0x200, 8 * KIB, stack_bytes=1024),
)
CORES: Mapping[str, Core] = {core.name: core for core in _ALL}
"""By the name that --core, the emulating witnesses, boards and kernel folders share."""


def find_core(name: str, witness: str | None = None) -> Core:
    """The core of that name, among those that a witness emulates where one is named. Raises InputError with the nearest one."""
    known = [core.name for core in _ALL if witness in (None, core.family.witness)]
    if name not in known:
        where = f"of the witness {witness}" if witness else "here"
        raise InputError(f"there is no core {name!r} {where}; the nearest one is {nearest(name, known)!r} (of {', '.join(known)})")
    return CORES[name]
