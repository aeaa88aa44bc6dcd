"""What is known of a board: its core, memories and clock, the UART that the parity firmware speaks on, and how it is flashed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, StringConstraints, field_validator, model_validator

from ..errors import InputError
from ..targets.cores import Core, find_core

_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}")
_MACRO, _VALUE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}"), re.compile(r"[A-Za-z0-9_()+*/|&<>~.,-]{0,80}")
_SOURCE = re.compile(r"(\./)?([a-z0-9][a-z0-9-]*/)*[A-Za-z0-9_][A-Za-z0-9_.-]*\.[chS]")


def _word(text: str) -> str:
    """What becomes a word of a command: no option, no list, no file of options, nothing that a shell would read."""
    if not _WORD.fullmatch(text):
        raise ValueError("one word of letters, digits, '_', '.', '+' and '-' is wanted, and no option")
    return text


def _line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("one line of text that can be printed is wanted")
    return text


def _source(path: str) -> str:
    if not _SOURCE.fullmatch(path):
        raise ValueError("a C, header or assembly file (.c, .h, .S) is wanted, of rescomp's platforms or beside the board's file (./)")
    return path


Word = Annotated[str, AfterValidator(_word)]
"""An argument of a tool that a board's file names."""
Line = Annotated[str, AfterValidator(_line)]
"""Text for people."""
UsbId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{4}:[0-9a-f]{4}$")]
"""vendor:product in lower-case hexadecimal."""
Baud = Annotated[int, Field(ge=300, le=4_000_000)]
ByteCount = Annotated[int, Field(gt=0)]
Address = Annotated[int, Field(ge=0, le=0xFFFFFFFF)]
EMULATORS = ("qemu", "simavr")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Memory(_Section):
    """What a program may use, in bytes: without a bootloader's flash. Origins are addresses; what is unset is that of the emulated core.

    stack_bytes: what the link leaves free at least. A board whose program lies in RAM gives a part of it as flash.
    """

    flash_bytes: ByteCount | None = None
    ram_bytes: ByteCount | None = None
    flash_origin: Address | None = None
    ram_origin: Address | None = None
    stack_bytes: ByteCount | None = None


class Console(_Section):
    """The serial line. sources: files of firmware_templates/platforms, or beside the board's own file where they begin with `./`.

    defines: macros that the sources read. cycle_bits: of the counter that they bring. usb: by which its port is known, empty where
    the user connects an adapter. ports: what a port is usually called.
    """

    sources: Annotated[tuple[Annotated[str, AfterValidator(_source)], ...], Field(strict=False)] = ()
    defines: Mapping[str, str] = Field(default_factory=dict)
    cycle_bits: Literal[0, 24, 32] = 0
    baud: Baud = 115200
    usb: Annotated[tuple[UsbId, ...], Field(strict=False)] = ()
    ports: Line = ""

    @field_validator("defines")
    @classmethod
    def _are_macros(cls, defines: Mapping[str, str]) -> Mapping[str, str]:
        for name, value in defines.items():
            if not _MACRO.fullmatch(name) or not _VALUE.fullmatch(value):
                raise ValueError(
                    f"{name}={value} is no macro: a C name and a value of numbers, names and operators without spaces are wanted"
                )
        return defines


class Avrdude(_Section):
    """Through a bootloader at the console's port. part, programmer: as avrdude calls them; baud: of the bootloader."""

    method: Literal["avrdude"]
    part: Word
    programmer: Word
    baud: Baud = 115200


class Pyocd(_Section):
    """Through a debug probe. target: as pyocd calls it; pack: whether it has to be fetched first by `pyocd pack install`."""

    method: Literal["pyocd"]
    target: Word
    pack: bool = False


class Stm32loader(_Section):
    """Through the boot ROM of an STM32, over a UART of its own. family: as stm32loader calls it; note: how to reach the boot ROM."""

    method: Literal["stm32loader"]
    family: Word
    baud: Baud = 115200
    note: Line = ""


class Daplink(_Section):
    """An Intel hex file copied to the board's drive. label: how the drive's name begins."""

    method: Literal["daplink"]
    label: Line


class Uf2(_Section):
    """A UF2 file copied to the drive of a boot ROM. family: the number that stands for the part; note: how to make the drive appear."""

    method: Literal["uf2"]
    label: Line
    family: Address
    note: Line = ""


class Emulated(_Section):
    """An emulator takes the firmware as it is."""

    method: Literal["qemu", "simavr"]


Method = Avrdude | Pyocd | Stm32loader | Daplink | Uf2 | Emulated
FLASH = Annotated[Method, Field(discriminator="method")]
METHODS = ("avrdude", "pyocd", "stm32loader", "daplink", "uf2", *EMULATORS)


class Emulator(_Section):
    """A machine on which the very same ELF file runs. machine: its name; serial: the number of the UART that the console is."""

    machine: Word
    serial: Annotated[int, Field(ge=0, le=7)] = 0


class Board(_Section):
    """A board. core: of targets/cores.py, the nearest one. flash: how, the usual way first. note: for people. name, own: see load_board."""

    title: Line
    core: str
    clock_hz: Annotated[int, Field(gt=0)]
    note: Line = ""
    memory: Memory = Memory()
    console: Console = Console()
    flash: Annotated[tuple[FLASH, ...], Field(min_length=1, strict=False)]
    emulator: Emulator | None = None

    _name: str = PrivateAttr(default="")
    _own: bool = PrivateAttr(default=False)
    _texts: Mapping[str, str] = PrivateAttr(default_factory=dict)

    @field_validator("core")
    @classmethod
    def _known_core(cls, name: str) -> str:
        try:
            return find_core(name).name
        except InputError as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _complete(self) -> Board:
        if self.is_emulated and self.emulator is None:
            raise ValueError("a board that is emulated names its machine: [emulator] machine = ...")
        if not self.console.sources and (self.console.cycle_bits or self.console.defines):
            raise ValueError("console.defines and console.cycle_bits belong to console.sources, which are missing")
        return self

    @property
    def name(self) -> str:
        """By which it is asked for: its file's name without the suffix."""
        return self._name

    @property
    def own(self) -> bool:
        """Whether it is the user's, and not one that comes with rescomp."""
        return self._own

    @property
    def texts(self) -> Mapping[str, str]:
        """The sources that lie beside the board's file, by name."""
        return self._texts

    @property
    def is_emulated(self) -> bool:
        """Whether there is no board at all."""
        return isinstance(self.flash[0], Emulated)

    @property
    def has_firmware(self) -> bool:
        """Whether the parity firmware has a UART for it."""
        return bool(self.console.sources) or self.is_emulated

    @property
    def evidence(self) -> str:
        """What is known of its firmware: run on an emulator, compiled only, data only, or the user's own."""
        if self.own:
            return "your own" if self.has_firmware else "data only"
        if self.emulator is not None:
            return f"run on an emulator ({self.emulator.machine})"
        return "compiled only" if self.has_firmware else "data only"

    def find_core(self) -> Core:
        """The core with this board's memories and its emulator's machine."""
        core = find_core(self.core)
        changes: dict[str, Any] = {key: value for key, value in self.memory.model_dump().items() if value is not None}
        if self.emulator is not None:
            changes["machine"] = self.emulator.machine
        return replace(core, **changes)

    def describe(self, name: str, own: bool, texts: Mapping[str, str]) -> Board:
        """Say where it comes from."""
        self._name, self._own, self._texts = name, own, texts
        return self

    def local_sources(self) -> Iterable[str]:
        """Sources that lie beside the board's own file."""
        return (path.removeprefix("./") for path in self.console.sources if path.startswith("./"))

    def template_sources(self) -> tuple[str, ...]:
        """Sources that come with rescomp."""
        return tuple(path for path in self.console.sources if not path.startswith("./"))

    def as_json(self) -> dict[str, Any]:
        """An entry of `rescomp boards --json`."""
        core = self.find_core()
        return {
            "name": self.name,
            "title": self.title,
            "core": self.core,
            "flash_bytes": core.flash_bytes,
            "ram_bytes": core.ram_bytes,
            "clock_hz": self.clock_hz,
            "baud": self.console.baud,
            "usb": list(self.console.usb),
            "flash": [method.method for method in self.flash],
            "firmware": self.evidence,
            "note": self.note,
        }


def is_inside(path: str) -> bool:
    """Whether a source stays in the folder that it is named relative to."""
    parts = PurePosixPath(path).parts
    return ".." not in parts and not path.startswith("/")
