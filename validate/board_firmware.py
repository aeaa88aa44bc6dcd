"""The parity firmware for a board, and whether its flash, RAM and stack have room for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..boards.description import Board
from ..errors import BudgetError, DeviceError, MissingToolError, RescompError, UnsupportedError, counted
from ..export.c import translate
from ..graph.ir import IntegerModel
from ..targets.cores import AVR, CORES, KIB, Core
from .c_program import first_lines, run_tool, workspace
from .c_vectors import encode_vectors
from .counting import check_counter, count_spans
from .emulation import build_firmware, find_tool
from .parity_firmware import Uart, build_parity_firmware, choose_frame_bytes
from .parity_protocol import SMALLEST_FRAME
from .witness import Job

STEPS_MEASURED = 2
"""Of the first sequence: as many are run to see how deep the stack gets."""
ROOMY = 64 * KIB * KIB
"""Bytes that a program is linked for that does not fit, to see by how much."""
NESTED_CALLS = 8
"""At most, from main to the call of the model: main, serve, carry out, run, step, and what they call."""
CALL_BYTES = 4
"""Of a return address, at most."""
INITIALIZED, ZEROED = (".data",), (".bss", ".noinit")
IN_FLASH = (".text", ".vectors", *INITIALIZED)


@dataclass(frozen=True)
class Fit:
    """What a firmware takes of a board, in bytes, and what the board has.

    flash: code, constants and the initial values of variables. ram: variables. stack: of the deepest call, measured on the emulated
    core, and of what the firmware has below it; None where nothing could be measured. reserve: what the link keeps free for it.
    """

    flash: int
    ram: int
    stack: int | None
    reserve: int
    flash_bytes: int
    ram_bytes: int

    @property
    def problems(self) -> list[str]:
        """What is too much, and by how much."""
        found = []
        if self.flash > self.flash_bytes:
            found.append(f"flash: {self.flash:,} of {counted(self.flash_bytes, 'byte')}, {self.flash - self.flash_bytes:,} too many")
        stack = max(self.stack or 0, self.reserve)
        taken = self.ram + stack
        if taken > self.ram_bytes:
            past = taken - self.ram_bytes
            found.append(f"RAM: {taken:,} of {counted(self.ram_bytes, 'byte')} ({stack:,} of them for the stack), {past:,} too many")
        return found

    def check(self, board: Board) -> None:
        """Raise BudgetError with what is too much."""
        if self.problems:
            raise BudgetError(f"the parity firmware, the model in it, does not fit {board.title}: {'; '.join(self.problems)}")


def board_uart(board: Board) -> Uart | None:
    """What the board's file says of its UART; None for that of the emulated machine. Raises UnsupportedError where there is neither."""
    console = board.console
    if console.sources:
        return Uart(board.template_sources(), console.cycle_bits, console.defines, board.texts)
    if not board.is_emulated:
        raise UnsupportedError(f"there is no UART for {board.title} yet: name its C files as console.sources in a board file of your own")
    return None


def build_board_firmware(board: Board, job: Job, exported: Path, folder: Path) -> tuple[Path, Fit]:
    """The ELF file, in `folder`, of the parity firmware with the C of the job's model in `exported`, and how it fits.

    Of the job, model and input are used: its stack is measured while it runs on the emulated core. Frames are as long as the RAM
    allows, and the smallest ones where a deep stack or the board's own UART leaves less of it. Raises BudgetError by how much it does
    not fit even with these; UnsupportedError for a board without a UART; MissingToolError without the core's compiler.
    """
    frame_bytes = choose_frame_bytes(board.find_core(), translate(job.model))
    try:
        return _build_fitting(board, job, exported, folder, frame_bytes)
    except BudgetError:
        if frame_bytes == SMALLEST_FRAME:
            raise
        return _build_fitting(board, job, exported, folder, SMALLEST_FRAME)


def _build_fitting(board: Board, job: Job, exported: Path, folder: Path, frame_bytes: int) -> tuple[Path, Fit]:
    core, uart = board.find_core(), board_uart(board)
    flags = ("-fstack-usage",)

    def build(core: Core) -> Path:
        return build_parity_firmware(
            core, job.model, exported, folder, uart=uart, baud=board.console.baud, frame_bytes=frame_bytes, flags=flags
        )

    try:
        elf = build(core)
    except BudgetError as error:
        try:
            elf = build(_roomy(core))
        except RescompError:
            raise error from None
        _weigh(core, elf, None).check(board)
        raise
    fit = _weigh(core, elf, _measure_stack(job, board.core, exported, folder))
    fit.check(board)
    return elf, fit


def _roomy(core: Core) -> Core:
    """The core with more memory than anybody has."""
    if core.family is AVR:
        return replace(core, flash_bytes=128 * KIB, ram_bytes=60000)
    return replace(core, flash_bytes=ROOMY, ram_origin=core.flash_origin + 2 * ROOMY, ram_bytes=ROOMY)


def _measure_stack(job: Job, core: str, exported: Path, folder: Path) -> int | None:
    """Bytes of the deepest call of the model on the emulated core, and of what the firmware built in `folder` has below it."""
    try:
        check_counter(CORES[core])
    except MissingToolError:
        return None
    name, recurrent = job.model.name, job.model.is_recurrent
    calls = [f"{name}_step", f"{name}_scores"] if recurrent else [f"{name}_run"]
    few = replace(job, x=job.x[:1, :STEPS_MEASURED] if recurrent else job.x[:1], lengths=np.minimum(job.lengths[:1], STEPS_MEASURED))
    with workspace() as place:
        try:
            program = build_firmware(CORES[core], job.model, exported, (), place)
        except BudgetError:
            return None
        deepest = max(span.stack for span in count_spans(CORES[core], program, encode_vectors(few), calls))
    return deepest + _firmware_stack(folder, job.model)


def _firmware_stack(folder: Path, model: IntegerModel) -> int:
    """What the compiler says of the functions around the model: the largest frames, as many as can be nested."""
    frames = []
    for path in folder.glob("*.su"):
        for line in path.read_text(encoding="utf-8").splitlines():
            place, size, _ = line.split("\t")
            if Path(place.split(":")[0]).name != f"{model.name}.c":
                frames.append(int(size) + CALL_BYTES)
    return sum(sorted(frames)[-NESTED_CALLS:])


def _weigh(core: Core, elf: Path, stack: int | None) -> Fit:
    sizes = section_sizes(core, elf)
    flash = sum(size for name, size in sizes.items() if name in IN_FLASH)
    ram = sum(size for name, size in sizes.items() if name in (*INITIALIZED, *ZEROED))
    return Fit(flash, ram, stack, core.stack_bytes, core.flash_bytes, core.ram_bytes)


def section_sizes(core: Core, elf: Path) -> dict[str, int]:
    """Bytes of each section of an ELF file."""
    result = run_tool([find_tool(f"{core.family.prefix}size"), "-A", str(elf.resolve())], elf.parent)
    rows = [line.split() for line in result.stdout.decode(errors="replace").splitlines()]
    sizes = {row[0]: int(row[1]) for row in rows if len(row) == 3 and row[1].isdecimal()}
    if ".text" not in sizes:
        raise DeviceError(f"{core.family.prefix}size does not say how large the firmware is: {first_lines(result.stderr)}")
    return sizes
