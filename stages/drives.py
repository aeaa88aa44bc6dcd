"""Where firmware goes: the port or the drive of a board, and the steps that put it there."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from ..boards import Board, Method
from ..boards.description import Daplink, Stm32loader, Uf2
from ..boards.methods import TOOLS, CopyToDrive, FlashStep, Pack, RunTool, needs_port
from ..boards.uf2 import pack_uf2
from ..errors import DeviceError, MissingToolError, missing_package
from ..validate.c_program import first_lines, run_tool
from .diagnosis import Port, find_ports

FLASH_SECONDS = 300
MOUNTS: Sequence[str] = ("/media/*/{}", "/run/media/*/{}", "/media/{}", "/mnt/{}", "/Volumes/{}")
"""Where systems mount a drive of that name."""


def find(board: Board, way: Method, given: str | None) -> str:
    """The port or the drive. Raises DeviceError, in one sentence, when there is none, or more than one."""
    found = look_for(board, way, given)
    if found is not None:
        return found
    if isinstance(way, Daplink | Uf2):
        how = f" ({way.note})" if isinstance(way, Uf2) and way.note else ""
        raise DeviceError(f"no drive {way.label} of {board.title} is mounted: plug it in{how} and mount it, or name its folder with --port")
    if find_ports() is None:
        raise missing_package(ModuleNotFoundError(name="serial"))
    usual = f", usually {board.console.ports}" if board.console.ports else ""
    raise DeviceError(f"no port of {board.title} is plugged in: connect it, or name its port with --port{usual}; {_present()}")


def look_for(board: Board, way: Method, given: str | None) -> str | None:
    """What the user named, or the only thing that it can be; None when there is nothing. Raises DeviceError for several."""
    if isinstance(way, Daplink | Uf2):
        return _choose([str(drive) for drive in _drives(way.label)] if given is None else [_folder(given)], f"drive of {board.title}")
    if not needs_port(way):
        return given or ""
    if given is not None:
        return given
    ports = [port for port in find_ports() or () if isinstance(way, Stm32loader) or port.usb in board.console.usb]
    if isinstance(way, Stm32loader):
        ports = [port for port in ports if port.usb and port.usb not in board.console.usb]
    return _choose([port.device for port in ports], f"port of {board.title}")


def _choose(found: Sequence[str], what: str) -> str | None:
    if len(found) > 1:
        raise DeviceError(f"{', '.join(found)} could each be the {what}: choose one with --port")
    return found[0] if found else None


def _folder(given: str) -> str:
    if not Path(given).is_dir():
        raise DeviceError(f"{given} is no folder: --port names where the board's drive is mounted, or is left out")
    return given


def _drives(label: str) -> list[Path]:
    """Mounted drives whose names begin so."""
    found = (path for place in MOUNTS for path in Path("/").glob(place.format(f"{label}*").lstrip("/")))
    return sorted({path for path in found if path.is_dir()})


def _present() -> str:
    ports: Sequence[Port] = find_ports() or ()
    return f"present here: {', '.join(port.device for port in ports)}" if ports else "no serial port is present here"


def take(step: FlashStep, board: Board) -> None:
    """Do one step. Raises DeviceError when it fails."""
    match step:
        case RunTool():
            tool = shutil.which(step.words[0]) if step.prepares else find_tool(board, step.words[0])
            result = run_tool([tool or step.words[0], *step.words[1:]], Path.cwd(), seconds=FLASH_SECONDS)
            if result.returncode:
                said = result.stderr + result.stdout
                raise DeviceError(f"{step.words[0]} failed (status {result.returncode}): {first_lines(_essence(said))}")
        case Pack():
            step.target.write_bytes(pack_uf2(step.source.read_bytes(), step.address, step.family))
        case CopyToDrive():
            _copy(step, board)


def _essence(output: bytes) -> bytes:
    """Lines that speak of an error, or the last ones."""
    lines = [line for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if b"error" in line.lower() or b"fail" in line.lower()]
    return b"\n".join(errors or lines[-4:])


def _copy(step: CopyToDrive, board: Board) -> None:
    try:
        with open(step.folder / step.source.name, "wb", opener=_without_links) as file:
            file.write(step.source.read_bytes())
            file.flush()
            with contextlib.suppress(OSError):  # a boot ROM restarts, and its drive is gone, with the last block
                os.fsync(file.fileno())
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise DeviceError(f"{step.folder / step.source.name} is a link, and no board's drive holds one: remove it") from error
        raise DeviceError(f"cannot write to the drive of {board.title} at {step.folder} ({error.strerror}): mount it again") from error


def _without_links(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o666)


def find_tool(board: Board, name: str) -> str:
    """Path of a flashing tool, on the search path or beside this Python."""
    path = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    if path is None:
        raise MissingToolError(f"flashing {board.title} needs {name}, which is not installed: {TOOLS[name]}")
    return path
