"""doctor: what is installed here, what is missing and how to get it, what the processor can, and which boards are plugged in."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .. import DISTRIBUTION, __version__
from ..boards.methods import TOOLS
from ..boards.usb import name_device, name_drive
from ..errors import RescompError
from ..validate.c_program import tool_version
from ..validate.emulation import PACKAGES
from ..validate.registry import WITNESSES

CHECK_SECONDS = 120
NOT_OFFERED = frozenset({"all", "dev"})
"""Extras that bring no package of their own."""
SIMAVR_HEADER = "simavr/sim_avr.h"
_PIP = "pip install "
CPU_FLAGS: Sequence[str] = ("avx2", "avx512f", "avx512bw", "avx512_vnni", "avx_vnni", "asimd", "asimddp", "i8mm")
"""What decides how onnxruntime multiplies int8, as Linux names it."""
VNNI = frozenset({"avx512_vnni", "avx_vnni"})
WITHOUT_VNNI = (
    "no VNNI: onnxruntime's default options let int8 products saturate here; the witness does not, and in your own sessions set "
    "session.x64quantprecision = 1 or session.qdqisint8allowed = 1 (docs/contract.md)"
)


@dataclass(frozen=True)
class Item:
    """A package or a tool. version: None where it is missing; get: how to get it."""

    name: str
    version: str | None
    get: str


@dataclass(frozen=True)
class Readiness:
    """Whether a witness can run here; reason: why not."""

    name: str
    ready: bool
    reason: str


@dataclass(frozen=True)
class Processor:
    """flags: those of CPU_FLAGS that it has, None where they are not known. advice: what follows for onnxruntime."""

    machine: str
    model: str
    flags: tuple[str, ...] | None
    advice: str


@dataclass(frozen=True)
class Port:
    """A serial port. usb: vendor:product in hexadecimal; board: what that tells of its owner; problem: why it cannot be used."""

    device: str
    description: str
    usb: str
    board: str
    problem: str


@dataclass(frozen=True)
class Diagnosis:
    """ports: None where pyserial is missing. drives: label and board."""

    rescomp: str
    python: str
    system: str
    processor: Processor
    packages: tuple[Item, ...]
    tools: tuple[Item, ...]
    witnesses: tuple[Readiness, ...]
    ports: tuple[Port, ...] | None
    drives: tuple[tuple[str, str], ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """What would install all that is missing, one command a line, without repetition; one line for all that pip installs."""
        commands = list(dict.fromkeys(item.get for item in (*self.packages, *self.tools) if item.version is None))
        python = [command.removeprefix(_PIP) for command in commands if command.startswith(_PIP)]
        others = [command for command in commands if not command.startswith(_PIP)]
        return tuple([_PIP + " ".join(python)] * bool(python) + others)

    def as_json(self) -> dict[str, Any]:
        """The document of `rescomp doctor --json`."""
        return {"schema": 1, **asdict(self), "missing": list(self.missing)}


def doctor() -> Diagnosis:
    """Look around on this machine: no network, no file written, no port opened."""
    return Diagnosis(
        __version__,
        platform.python_version(),
        platform.platform(),
        read_processor(),
        tuple(find_packages(importlib.metadata.requires(DISTRIBUTION) or ())),
        tuple(find_tools()),
        tuple(ask_witnesses(WITNESSES)),
        find_ports(),
        tuple(find_drives()),
    )


def read_processor(path: Path = Path("/proc/cpuinfo"), machine: str = platform.machine()) -> Processor:
    """From Linux's list of processors; elsewhere nothing but the kind of machine is known."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return Processor(machine, "", None, "")
    entries = {key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}
    found = set((entries.get("flags") or entries.get("features") or "").split())
    flags = tuple(flag for flag in CPU_FLAGS if flag in found)
    x86 = machine.lower() in ("x86_64", "amd64", "i686")
    advice = "" if not x86 else "VNNI: onnxruntime's int8 products are exact with any options" if VNNI & found else WITHOUT_VNNI
    return Processor(machine, entries.get("model name", ""), flags, advice)


def find_packages(requirements: Iterable[str]) -> Iterator[Item]:
    """What rescomp's metadata asks for on this Python, each once: the base first, then what the extras bring."""
    seen: set[str] = set()
    for requirement in requirements:
        wanted, _, marker = requirement.partition(";")
        match = re.match(r"[A-Za-z0-9._-]+", wanted)
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", marker)
        name = match[0] if match else wanted.strip()
        if name in seen | {DISTRIBUTION} or (extra and extra[1] in NOT_OFFERED) or not _applies(marker):
            continue
        seen.add(name)
        yield Item(name, _installed(name), _PIP + name)


def _applies(marker: str) -> bool:
    """Whether a requirement is meant for this Python; other conditions are taken to hold."""
    bounds = re.findall(r"python_version\s*(<|>=)\s*['\"](\d+)\.(\d+)['\"]", marker)
    now = sys.version_info[:2]
    return all((now < (int(major), int(minor))) == (order == "<") for order, major, minor in bounds)


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def find_tools() -> Iterator[Item]:
    """Compilers, emulators and what writes firmware."""
    for name, debian in PACKAGES.items():
        yield Item(name, _library(name) if name.startswith("lib") else _command(name), f"apt-get install {debian}")
    for name, get in TOOLS.items():
        yield Item(name, _command(name), get)


def _command(name: str) -> str | None:
    if shutil.which(name) is None:
        return None
    try:
        return tool_version(name).partition(" ")[2]
    except (RescompError, OSError, IndexError):
        return "of unknown version"


def _library(name: str) -> str | None:
    headers = (Path(prefix) / "include" / SIMAVR_HEADER for prefix in ("/usr", "/usr/local"))
    return "installed" if name == "libsimavr" and any(header.is_file() for header in headers) else None


_QUESTION = """
import sys
from rescomp.errors import InputError, RescompError
from rescomp.validate.registry import load_witness
try:
    load_witness(sys.argv[1]).check("")
except InputError:
    pass  # It wants an argument.
except RescompError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def ask_witnesses(names: Iterable[str]) -> Iterator[Readiness]:
    """Whether each can run, asked in a process of its own: an interpreter that does not suit the processor may crash."""
    command = [sys.executable, "-c", _QUESTION]
    asked = {name: subprocess.Popen([*command, name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/") for name in names}
    for name, process in asked.items():
        try:
            said, error = process.communicate(timeout=CHECK_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            yield Readiness(name, False, f"gave no answer within {CHECK_SECONDS} seconds")
            continue
        lines = (said or error).decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else f"crashed (status {process.returncode})"
        yield Readiness(name, process.returncode == 0, "" if process.returncode == 0 else reason)


def find_ports() -> tuple[Port, ...] | None:
    """Serial ports that belong to a device, those of boards first; None without pyserial."""
    try:
        from serial.tools import list_ports
    except ModuleNotFoundError:
        return None
    ports = [describe_port(port) for port in list_ports.comports()]
    return tuple(sorted(ports, key=lambda port: (not port.board, port.device)))


def describe_port(port: Any) -> Port:
    """What pyserial's ListPortInfo says of a port, and whether this user may open it."""
    usb = "" if port.vid is None else f"{port.vid:04x}:{port.pid:04x}"
    board = "" if port.vid is None else name_device(port.vid, port.pid)
    description = "" if port.description in (None, "n/a") else str(port.description)
    return Port(port.device, description, usb, board, _problem(port.device))


def _problem(device: str) -> str:
    if os.name != "posix" or os.access(device, os.R_OK | os.W_OK):
        return ""
    return "no permission: add yourself to the group dialout (adduser $USER dialout), then log in again"


def find_drives(folders: Sequence[Path] = (Path("/dev/disk/by-label"), Path("/Volumes"))) -> Iterator[tuple[str, str]]:
    """Boards that show up as drives: label and what it is."""
    for label in sorted(path.name for folder in folders if folder.is_dir() for path in folder.iterdir()):
        board = name_drive(label)
        if board:
            yield label, board
