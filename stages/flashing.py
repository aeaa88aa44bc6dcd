"""flash: the parity firmware of a model, built for a board, weighed against its memories, and written with the board's own tool."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..boards import Board, Method, load_board
from ..boards.description import Daplink, Stm32loader, Uf2
from ..boards.methods import ELF, FlashStep, Pack, RunTool, choose_method, needs_port, plan
from ..errors import DeviceError, InputError
from ..export.c_limits import check_counts
from ..graph.ir import IntegerModel
from ..model_directory import FIRMWARE_FOLDER, REPORT, ModelDirectory
from ..store import refuse_held
from ..text_files import whole_number
from ..validate.board_firmware import Fit, board_uart, build_board_firmware
from ..validate.c_program import workspace
from ..validate.emulation import export_folder
from ..validate.serial_line import BAUD, SerialLine
from ..validate.serial_machines import LineKind, check_machine, serial_machine
from ..validate.serial_port import SerialPort
from ..validate.witness import Job
from .artefacts import read_model, read_vectors
from .diagnosis import find_ports
from .drives import find, find_tool, look_for, take
from .exports import check_exports
from .listener import Listener, Silent
from .report import read_report
from .verification import Verification, check_samples, verify

UNKNOWN_PORT, UNKNOWN_DRIVE = "PORT", "/media/{}"
"""What commands that are only shown name where nothing is plugged in."""
PTY = "pty"


@dataclass(frozen=True)
class Flashed:
    """What was done, or would be. fit: None for a dry run. commands: as a shell takes them. port: where the firmware then answers;
    None when that is not known. verification: where it was asked for.
    """

    board: str
    title: str
    method: str
    firmware: str
    fit: Fit | None
    commands: tuple[str, ...]
    port: str | None
    next: str
    verification: Verification | None = None

    def as_json(self) -> dict[str, Any]:
        """The document of `rescomp flash --json`."""
        verification = self.verification.as_json() if self.verification else None
        return {"schema": 1, **asdict(self), "commands": list(self.commands), "verification": verification}


def flash(
    path: Path,
    board: str | None = None,
    *,
    board_file: Path | None = None,
    method: str | None = None,
    port: str | None = None,
    dry_run: bool = False,
    run_verify: bool = False,
    samples: int | None = None,
    erase_chip: bool = False,
    ready: Callable[[Flashed], None] | None = None,
    listener: Listener | None = None,
) -> Flashed:
    """Build the parity firmware of the model in directory `path` for a board, refuse it when it does not fit, and flash it.

    board: a name that boards/ has, or a path of a TOML file, as is board_file. method: one of the board's; None for the usual one. port:
    serial port, or the folder of the board's drive; None to look for it; of an emulated board `pty`, or the number of a TCP port. dry_run:
    nothing is built, written or run; the commands are told. run_verify: then verify over the serial line, with so many `samples` of each
    set (None: all). erase_chip: agree that all of the chip's flash is erased, where the method can do no less. ready: called once the
    firmware runs; an emulated board stops when it returns (None: on an interrupt). The firmware is kept in firmware/<board>/.

    Raises BudgetError for a model that does not fit, DeviceError without the port or the drive or when the tool fails,
    MissingToolError without the tool, UnsupportedError for a board that has no firmware.
    """
    asked = _Asked(port, run_verify, samples, erase_chip, ready, listener or Silent())
    if samples is not None and not run_verify:
        raise InputError("--samples is of --run-verify, which is not asked for: give both, or neither")
    check_samples(samples)
    target = load_board(board, board_file)
    way = choose_method(target, method)
    board_uart(target)
    directory = ModelDirectory.open(path)
    if not dry_run:
        refuse_held(path)
    model = read_model(directory)
    check_counts(model, target.find_core())
    if directory.has(REPORT):
        read_report(directory, model)
    one = _Flashing(directory, model, target, way)
    if dry_run:
        return _told_only(one, port)
    return _emulate(one, asked) if target.is_emulated else _write(one, asked)


@dataclass(frozen=True)
class _Asked:
    """What flash was asked beside model and board."""

    port: str | None
    run_verify: bool
    samples: int | None
    erase_chip: bool
    ready: Callable[[Flashed], None] | None
    listener: Listener

    def verified(self, directory: ModelDirectory, result: Flashed) -> Flashed:
        """With what verify finds at the result's port."""
        firmware = f"{FIRMWARE_FOLDER}/{result.board}/{ELF}"
        found = verify(directory.path, f"{SerialPort.name}:{result.port}", firmware=firmware, samples=self.samples, listener=self.listener)
        return replace(result, verification=found)


@dataclass(frozen=True)
class _Flashing:
    """A model, a board and a way to it."""

    directory: ModelDirectory
    model: IntegerModel
    board: Board
    way: Method

    @property
    def folder(self) -> Path:
        """Where the firmware is kept."""
        return self.directory.path / FIRMWARE_FOLDER / self.board.name

    def result(self, fit: Fit | None, commands: tuple[str, ...], port: str | None) -> Flashed:
        """What is told of it."""
        rate = "" if self.board.console.baud == BAUD or port is None or "://" in port else f"@{self.board.console.baud}"
        following = f"rescomp verify {self.directory.path} --against serial:{port or UNKNOWN_PORT}{rate}"
        elf, known = str(self.folder / ELF), port and port + rate
        return Flashed(self.board.name, self.board.title, self.way.method, elf, fit, commands, known, following)


def _told_only(one: _Flashing, port: str | None) -> Flashed:
    """What would be done."""
    where = look_for(one.board, one.way, port) or _placeholder(one.way)
    steps = plan(one.board, one.way, one.folder, where)
    shown = [*_warnings(one.way), *map(str, steps)] or [f"# {one.board.title} runs {one.folder / ELF}; rescomp starts the emulator"]
    console = None if one.board.is_emulated else _console(one.board, one.way, where)
    return one.result(None, tuple(shown), console)


def _write(one: _Flashing, asked: _Asked) -> Flashed:
    """To a real board."""
    if _warnings(one.way) and not asked.erase_chip:
        others = [other.method for other in one.board.flash if not _warnings(other)]
        instead = f", or flash it by --method {others[0]}" if others else ""
        raise InputError(f"{one.way.method} erases all of the flash of {one.board.title} first: agree to that by --erase-chip{instead}")
    where = find(one.board, one.way, asked.port)
    steps = plan(one.board, one.way, one.folder, where)
    _check_tools(one.board, steps)
    if needs_port(one.way):
        SerialLine(where).close()
    with one.directory.held():
        fit = _build(one, where, asked.listener)
        for step in steps:
            if not _only_converts(step):
                asked.listener.stage(f"{step}")
                take(step, one.board)
    result = one.result(fit, tuple(map(str, steps)), _console(one.board, one.way, where))
    if asked.run_verify:
        if result.port is None:
            raise DeviceError(f"{one.board.title} is flashed, but its serial port is not known: {result.next}")
        result = asked.verified(one.directory, result)
    if asked.ready is not None:
        asked.ready(result)
    return result


def _build(one: _Flashing, where: str, listener: Listener) -> Fit:
    """Keep the firmware, and what a method's tool reads of it, in firmware/<board>/: made elsewhere, and put there as one step."""
    directory, model, board = one.directory, one.model, one.board
    listener.stage(f"build the parity firmware for {board.title}")
    exported = export_folder(board.find_core(), directory.path)
    check_exports(directory, model, [f"{exported}/{model.name}.c", *directory.files(exported)])
    vectors = read_vectors(directory, model)
    name = f"{FIRMWARE_FOLDER}/{board.name}"
    with workspace() as folder:
        job = Job(model, directory.path, vectors.x, vectors.lengths)
        elf, fit = build_board_firmware(board, job, directory.path / exported, folder)
        made = folder / FIRMWARE_FOLDER
        made.mkdir()
        (made / ELF).write_bytes(elf.read_bytes())
        for step, shown in zip(plan(board, one.way, made, where), plan(board, one.way, one.folder, where), strict=True):
            if _only_converts(step):
                listener.stage(f"{shown}")
                take(step, board)
        directory.write({f"{name}/{file.name}": file.read_bytes() for file in sorted(made.iterdir())}, removed=[name])
    return fit


def _warnings(way: Method) -> list[str]:
    """stm32loader (0.7) counts the pages of a region from address 0, and so erases the right ones of no part: it can erase all or none."""
    return ["# stm32loader erases all of the chip's flash first: --erase-chip agrees to that"] if isinstance(way, Stm32loader) else []


def _only_converts(step: FlashStep) -> bool:
    """Whether a step makes a file of a file here, and touches no board."""
    return isinstance(step, Pack) or (isinstance(step, RunTool) and step.prepares)


def _emulate(one: _Flashing, asked: _Asked) -> Flashed:
    check_machine(one.board.find_core())
    with one.directory.held():
        fit = _build(one, "", asked.listener)
    with _machine(one.board, one.folder / ELF, asked.port) as line:
        result = one.result(fit, (), line)
        if asked.run_verify:
            result = asked.verified(one.directory, result)
        if asked.ready is not None:
            asked.ready(result)
        elif not asked.run_verify:
            threading.Event().wait()
    return result


@contextmanager
def _machine(board: Board, elf: Path, port: str | None) -> Iterator[str]:
    number = 0 if port is None or port == PTY else whole_number(port)
    if number is None or not (number < 0x10000 and (number > 0 or port in (None, PTY))):
        raise InputError(f"--port {port}: an emulated board listens at a TCP port (give its number), or makes a pseudo-terminal (pty)")
    assert board.emulator is not None
    kind: LineKind = "pty" if port == PTY else "tcp"
    with serial_machine(board.find_core(), elf.resolve(), kind, number=number, serial=board.emulator.serial) as line:
        yield line


def _console(board: Board, way: Method, where: str) -> str | None:
    """The port at which the firmware will answer, where that is certain."""
    if where and not isinstance(way, Daplink | Uf2 | Stm32loader):
        return where
    found = [port.device for port in find_ports() or () if port.usb in board.console.usb]
    return found[0] if len(found) == 1 else None


def _placeholder(way: Method) -> str:
    return UNKNOWN_DRIVE.format(way.label) if isinstance(way, Daplink | Uf2) else UNKNOWN_PORT


def _check_tools(board: Board, steps: Sequence[FlashStep]) -> None:
    for step in steps:
        if isinstance(step, RunTool) and not step.prepares:
            find_tool(board, step.words[0])
