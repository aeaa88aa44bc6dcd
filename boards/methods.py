"""How firmware gets onto a board: the steps of each method as data, so that they can be shown before, or instead of, being taken."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError, nearest
from .description import Avrdude, Board, Daplink, Emulated, Method, Pyocd, Stm32loader, Uf2

TOOLS: Mapping[str, str] = {
    "avrdude": "apt-get install avrdude",
    "pyocd": "pip install pyocd",
    "stm32loader": "pip install stm32loader",
}
"""How to get what writes firmware to boards, by command. (Debian 12 has a pyocd from before its subcommand load.)"""
ELF, HEX, BIN, UF2 = "firmware.elf", "firmware.hex", "firmware.bin", "firmware.uf2"


@dataclass(frozen=True)
class RunTool:
    """A process. prepares: whether it only converts files here."""

    words: Sequence[str]
    prepares: bool = False

    def __str__(self) -> str:
        return shlex.join(self.words)


@dataclass(frozen=True)
class Pack:
    """A UF2 file is made of what lies in memory from `address` on. family: the number that stands for the part."""

    source: Path
    target: Path
    address: int
    family: int

    def __str__(self) -> str:
        return f"# {self.source} becomes {self.target}: family {self.family:#010x}, from {self.address:#010x} on"


@dataclass(frozen=True)
class CopyToDrive:
    """A file is copied to the drive mounted at `folder`."""

    source: Path
    folder: Path

    def __str__(self) -> str:
        return shlex.join(["cp", str(self.source), f"{self.folder}/"])


FlashStep = RunTool | Pack | CopyToDrive


def choose_method(board: Board, name: str | None) -> Method:
    """The way of that name, or the usual one. Raises InputError when the board has no such way."""
    names = [method.method for method in board.flash]
    if name is None:
        return board.flash[0]
    if name not in names:
        raise InputError(f"{board.title} is not flashed by {name!r}; the nearest way is {nearest(name, names)!r} (of {', '.join(names)})")
    return board.flash[names.index(name)]


def needs_port(method: Method) -> bool:
    """Whether it writes through a serial port."""
    return isinstance(method, Avrdude | Stm32loader)


def plan(board: Board, method: Method, folder: Path, where: str) -> list[FlashStep]:
    """What is done to flash ELF in `folder`. where: the serial port of a method that needs one, or the folder of the board's drive."""
    core = board.find_core()
    elf, hex, bin, uf2 = (folder / name for name in (ELF, HEX, BIN, UF2))

    def convert(format: str, target: Path) -> RunTool:
        eeprom = ("-R", ".eeprom") if core.family.name == "avr" else ()
        return RunTool((f"{core.family.prefix}objcopy", "-O", format, *eeprom, str(elf), str(target)), prepares=True)

    match method:
        case Avrdude():
            who = ("-p", method.part, "-c", method.programmer, "-P", where, "-b", str(method.baud))
            return [convert("ihex", hex), RunTool(("avrdude", *who, "-D", "-U", f"flash:w:{hex}:i"))]
        case Pyocd():
            fetch = [RunTool(("pyocd", "pack", "install", method.target))] if method.pack else []
            return [*fetch, RunTool(("pyocd", "load", "--no-wait", "--target", method.target, str(elf)))]
        case Stm32loader():
            origin = f"{core.flash_origin:#010x}"
            line = ("-p", where, "-b", str(method.baud), "-f", method.family)
            return [convert("binary", bin), RunTool(("stm32loader", *line, "-e", "-w", "-v", "-a", origin, "-g", origin, str(bin)))]
        case Daplink():
            return [convert("ihex", hex), CopyToDrive(hex, Path(where))]
        case Uf2():
            return [convert("binary", bin), Pack(bin, uf2, core.flash_origin, method.family), CopyToDrive(uf2, Path(where))]
        case Emulated():
            return []
