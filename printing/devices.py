"""Boards, what was flashed, and what doctor found here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .comparison import print_verification
from .output import show
from .tables import table

if TYPE_CHECKING:
    from ..boards import Board
    from ..stages.diagnosis import Diagnosis
    from ..stages.flashing import Flashed


def print_boards(boards: Sequence[Board]) -> None:
    """A line a board."""
    rows = []
    for board in boards:
        core = board.find_core()
        sizes = f"{core.flash_bytes:,}", f"{core.ram_bytes:,}", f"{board.clock_hz / 1e6:g}"
        rows.append((board.name, board.title, board.core, *sizes, ", ".join(method.method for method in board.flash), board.evidence))
    show(table(("name", "board", "core", "flash", "RAM", "MHz", "flashed by", "firmware"), rows))
    show("flash and RAM: bytes that a program may use; firmware: on none of the real boards was it run yet (docs/boards.md)")


def print_flashed(result: Flashed) -> None:
    """What the firmware takes, what was done, and what to do next."""
    for command in result.commands if result.fit is None else ():
        show(command)
    if result.fit is not None:
        fit = result.fit
        stack = f"{fit.stack:,}" if fit.stack is not None else "not measured"
        rows = [
            ("flash", f"{fit.flash:,}", f"{fit.flash_bytes:,}"),
            ("variables", f"{fit.ram:,}", f"{fit.ram_bytes:,}"),
            ("stack", stack, f"{fit.ram_bytes - fit.ram:,}"),
        ]
        show(table((result.title, "takes", "there is"), rows))
    if result.verification is not None:
        print_verification(result.verification)
    else:
        show(f"{'# ' if result.fit is None else ''}next: {result.next}")


def print_diagnosis(result: Diagnosis) -> None:
    """What there is, then what is missing and how to get it."""
    show(f"rescomp {result.rescomp}, Python {result.python}, {result.system}")
    cpu = result.processor
    flags = "flags unknown" if cpu.flags is None else ", ".join(cpu.flags) or "none of the flags that matter"
    show(f"{cpu.model or cpu.machine}: {flags}" + (f"\n{cpu.advice}" if cpu.advice else ""))
    for title, items in (("package", result.packages), ("tool", result.tools)):
        rows = [(item.name, item.version or "missing", "" if item.version else item.get) for item in items]
        show("\n" + table((title, "version", "get it with"), rows))
    witnesses = [(each.name, "ready" if each.ready else "not ready", each.reason) for each in result.witnesses]
    show("\n" + table(("witness", "", "why"), witnesses))
    _print_boards(result)
    if result.missing:
        show("\nto get all that is missing:\n" + "\n".join(f"  {command}" for command in result.missing))


def _print_boards(result: Diagnosis) -> None:
    if result.ports is None:
        show("\nserial ports are not looked for without pyserial: pip install pyserial")
    elif result.ports:
        rows = [(port.device, port.usb, port.board or port.description, port.problem) for port in result.ports]
        show("\n" + table(("port", "USB", "board", "problem"), rows))
    else:
        show("\nno serial port is there")
    for label, board in result.drives:
        show(f"drive {label}: {board}")
