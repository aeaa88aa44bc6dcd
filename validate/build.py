"""How a product compiles the C, where that is not rescomp's own choice; and how a program of another machine runs on this one."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError, MissingToolError

_EMULATORS: Mapping[tuple[int, int, int], str] = {
    (1, 1, 3): "qemu-i386",
    (2, 1, 62): "qemu-x86_64",
    (1, 2, 20): "qemu-ppc",
    (2, 2, 21): "qemu-ppc64",
    (2, 1, 21): "qemu-ppc64le",
    (1, 1, 40): "qemu-arm",
    (1, 2, 40): "qemu-armeb",
    (2, 1, 183): "qemu-aarch64",
    (1, 1, 243): "qemu-riscv32",
    (2, 1, 243): "qemu-riscv64",
    (1, 2, 8): "qemu-mips",
    (1, 1, 8): "qemu-mipsel",
    (2, 2, 22): "qemu-s390x",
}
"""By class (1: 32 bits, 2: 64), byte order (1: little-endian, 2: big) and machine of an ELF file (System V ABI, chapter 4)."""
_DEFAULT_FLAGS = ("-O2",)


@dataclass(frozen=True)
class Build:
    """A product's compiler and its flags, for compiling and linking. Empty: rescomp chooses."""

    compiler: str = ""
    flags: tuple[str, ...] = ()

    @classmethod
    def parse(cls, compiler: str | None, flags: str | None) -> Build:
        """As --cc and --cflags give them.

        A compiler found by a relative path is found wherever it is run. Raises InputError for quotes that do not close, for an empty flag
        and for macros of the generated code, MissingToolError for no such compiler.
        """
        try:
            words = tuple(shlex.split(flags or ""))
        except ValueError as error:
            raise InputError(f"--cflags {flags!r} cannot be split into words ({error}): quote it as a shell's command line") from error
        if "" in words:
            raise InputError(f"--cflags {flags!r} holds an empty flag, which compilers take for a file without a name: leave it out")
        if compiler is not None and not compiler.strip():
            raise InputError("--cc names no command: leave it out for rescomp's own choice, or give a compiler")
        found = shutil.which(compiler) if compiler else None
        if compiler and found is None:
            raise MissingToolError(f"--cc {compiler} is no command here: give its name or path, and options in --cflags")
        if own := re.search(r"(?<!\S)-[DU]\s?RESCOMP_\w*", " ".join(words)):
            raise InputError(f"--cflags {own[0]}: names that begin with RESCOMP_ are the generated code's own: leave it out")
        return cls(str(Path(found).absolute()) if found and not Path(found).is_absolute() else compiler or "", words)

    def __str__(self) -> str:
        return shlex.join((*filter(None, (self.compiler,)), *self.flags))

    def __bool__(self) -> bool:
        return bool(self.compiler or self.flags)

    def variant(self, compiler: str) -> str:
        """What an Answer calls it, where the compiler is `compiler` unless it has its own."""
        return shlex.join((Path(self.compiler or compiler).name, *self.options))

    @property
    def options(self) -> tuple[str, ...]:
        """The flags, or those for want of any."""
        return self.flags or _DEFAULT_FLAGS


RESCOMP_S_OWN = Build()
"""Compilers and flags as rescomp chooses them."""


def runner(program: Path) -> list[str]:
    """What runs a program of another machine than this one: a user-mode emulator, or nothing where none is needed.

    Raises MissingToolError when it is not installed, InputError when there is none.
    """
    kind = _machine(program)
    if kind is None or kind == _machine(Path("/proc/self/exe")):
        return []
    emulator = _EMULATORS.get(kind)
    if emulator is None:
        raise InputError(f"--cc builds programs of ELF machine {kind[2]}, which this machine does not run: give a compiler for this one")
    for name in (emulator, f"{emulator}-static"):
        if shutil.which(name):
            return [name]
    raise MissingToolError(f"--cc builds programs of another machine, which needs {emulator} here: on Debian, apt-get install qemu-user")


def _machine(program: Path) -> tuple[int, int, int] | None:
    """Class, byte order and machine of an ELF file; None for anything else."""
    try:
        with program.open("rb") as file:
            head = file.read(20)
    except OSError:
        return None
    if len(head) < 20 or head[:4] != b"\x7fELF":
        return None
    return head[4], head[5], int.from_bytes(head[18:20], "little" if head[5] == 1 else "big")
