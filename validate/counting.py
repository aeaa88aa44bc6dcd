"""Counts what an emulated core does between entry and exit of functions: instructions (cycles of an AVR), loads, stores, taken branches.

The counters are C programs in validate/counters/, compiled at need: a plugin for QEMU, and simavr_host.c one instruction at a time.
How deep the stack gets is read from the stack pointer itself: under libsimavr after every instruction; of QEMU, which does not show
registers to plugins, from its log of the registers behind every instruction that may lower the stack pointer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import DeviceError
from ..targets.cores import AVR, Core
from .c_program import first_lines, run_tool, workspace
from .emulation import SIMAVR, build_sources, check_tools, compile_tool, find_tool, run_firmware

FUNCTIONS, RESULTS, REGISTERS = "functions.txt", "results.txt", "registers.txt"
COUNTER_COMPILER = "gcc"


@dataclass(frozen=True)
class Tally:
    """What a core did. count: retired instructions, or cycles of an AVR.

    loads, stores: 32-bit words that instructions read and write (four for four registers at once, one for a byte); bytes on AVR,
    without those of calls and returns. branches_taken: instructions, calls and returns included, after which another one than the
    next in memory was executed.
    """

    count: int
    loads: int
    stores: int
    branches_taken: int


@dataclass(frozen=True)
class Piece:
    """From where the piece before it ended (or the span began) up to and including the return of a call of `function`."""

    function: str
    tally: Tally


@dataclass(frozen=True)
class Span:
    """One run of `function`, from its first instruction to its return: pieces in order of execution, `tally` of all of it.

    stack: bytes below the caller's stack pointer at the deepest point.
    """

    function: str
    tally: Tally
    pieces: tuple[Piece, ...]
    stack: int


def check_counter(core: Core) -> None:
    """Raise MissingToolError when something is missing that counting on this core needs."""
    check_tools(core)
    find_tool(COUNTER_COMPILER)


def count_call(core: Core, sources: Sequence[Path], function: str, flags: Sequence[str] = (), data: bytes = b"") -> list[Span]:
    """Each run of `function` in a program of `sources`, which have their own main function on io.h and may read `data`.

    Raises what build_sources and count_spans raise.
    """
    with workspace() as folder:
        return count_spans(core, build_sources(core, sources, flags, folder), data, [function])


def count_spans(core: Core, program: Path, data: bytes, spans: Sequence[str], calls: Sequence[str] = ()) -> list[Span]:
    """Every run of the functions `spans` in an ELF file that reads `data`, in order, each cut at the returns of the functions `calls`.

    A call that is made by another one of `calls` cuts nothing. None of the functions may be called from itself. Raises
    MissingToolError, and DeviceError when the program fails or has no such function.
    """
    with workspace() as folder:
        symbols = _symbols(core, program)
        missing = [name for name in (*spans, *calls) if name not in symbols]
        if missing:
            raise DeviceError(f"{program.name} has no function {missing[0]}: nothing can be counted there")
        lines = [f"{kind} {symbols[name]:x}\n" for kind, names in (("span", spans), ("call", calls)) for name in names]
        (folder / FUNCTIONS).write_text("".join(lines), encoding="ascii")
        if core.family is AVR:
            _run_simavr(core, program, data, folder)
            return _read_spans(folder, (*spans, *calls))
        _run_qemu(core, program, data, folder, [symbols[name] for name in spans])
        found = _read_spans(folder, (*spans, *calls))
        depths = _stack_depths(folder / REGISTERS)
        return [replace(span, stack=depth) for span, depth in zip(found, depths, strict=True)]


def _run_simavr(core: Core, program: Path, data: bytes, folder: Path) -> None:
    command = [str(_simavr_counter(find_tool(COUNTER_COMPILER))), FUNCTIONS, RESULTS, core.machine, str(program.resolve())]
    result = run_tool(command, folder, data)
    if result.returncode:
        raise DeviceError(f"the emulated {core.machine} failed (status {result.returncode}): {first_lines(result.stderr)}")


def _run_qemu(core: Core, program: Path, data: bytes, folder: Path, entries: Sequence[int]) -> None:
    plugin = _qemu_plugin(find_tool(COUNTER_COMPILER))
    names = ",".join(_escaped(f"{key}={folder / name}") for key, name in (("functions", FUNCTIONS), ("results", RESULTS)))
    watched = ",".join(f"{address:#x}+1" for address in sorted({*entries, *_behind_stack_moves(core, program)}))
    log = ("-singlestep", "-d", "cpu,plugin", "-D", str(folder / REGISTERS), "-dfilter", watched)
    run_firmware(core, program, data, ("-plugin", f"{_escaped(str(plugin))},{names}", *log))


def _escaped(text: str) -> str:
    """As a value of one of QEMU's comma-separated options."""
    return text.replace(",", ",,")


def _read_spans(folder: Path, names: Sequence[str]) -> list[Span]:
    """What a counter found; `names` in the order in which it was told of them."""
    found: list[Span] = []
    pieces: list[Piece] = []
    for line in (folder / RESULTS).read_text(encoding="ascii").splitlines():
        kind, *numbers = line.split()
        index, count, loads, stores, branches, *stack = map(int, numbers)
        tally = Tally(count, loads, stores, branches)
        if kind == "piece":
            pieces.append(Piece(names[index], tally))
        else:
            found.append(Span(names[index], tally, tuple(pieces), *stack))
            pieces = []
    return found


def _symbols(core: Core, program: Path) -> Mapping[str, int]:
    """Where the program's functions begin, as instructions are addressed: without Arm's Thumb bit."""
    entries = [line.split() for line in _printed(core, "nm", str(program)).splitlines()]
    return {entry[2]: int(entry[0], 16) & ~1 for entry in entries if len(entry) == 3 and entry[1] in "tTwW"}


_PLAIN_ACCESS = re.compile(r"\[(sp|r13)(, [^\]]*)?\](?![!,])|\(sp\)")
"""An operand in memory beside the stack pointer that leaves the pointer where it is."""
_RAISES = re.compile(r"^(pop|ldmia|ldm|vpop|vldmia)\b|^add(\.w)?\s+sp,( sp,)? ?#\d|^(c\.)?addi?(16sp)?\s+sp,sp,\d")
"""Instructions that only move the stack pointer up."""


def _behind_stack_moves(core: Core, program: Path) -> Iterator[int]:
    """Addresses behind every instruction that may lower the stack pointer: all that name it but for those known to be harmless."""
    moved = False
    for line in _printed(core, "objdump", "-d", "--no-show-raw-insn", str(program)).splitlines():
        found = re.match(r"\s*([0-9a-f]+):\s+(.*)", line)
        if found and moved:
            yield int(found[1], 16)
        moved = found is not None and _may_lower(found[2])


def _may_lower(instruction: str) -> bool:
    return bool(re.search(r"\bsp\b|push", _PLAIN_ACCESS.sub("", instruction))) and not _RAISES.match(instruction)


def _stack_depths(registers: Path) -> list[int]:
    """Of each span, from QEMU's log: how far below its value at the span's first instruction the stack pointer got."""
    depths = []
    entry = lowest = pointer = 0
    with registers.open(encoding="ascii") as lines:
        for line in lines:
            shown = _STACK_POINTER.search(line)
            if shown:
                pointer = int(shown[1], 16)
                lowest = min(lowest, pointer)
            elif line.startswith("span begins"):
                entry = lowest = pointer
            elif line.startswith("span ends"):
                depths.append(entry - lowest)
    return depths


_STACK_POINTER = re.compile(r"(?:R13=|x2/sp +)([0-9a-f]{8})")


def _printed(core: Core, tool: str, *arguments: str) -> str:
    """What one of the core's binary utilities, which come with its compiler, says."""
    result = run_tool([find_tool(f"{core.family.prefix}{tool}"), *arguments], Path.cwd())
    return result.stdout.decode(errors="replace")


def _qemu_plugin(compiler: str) -> Path:
    return compile_tool(compiler, "counters/qemu_plugin.c", "-shared", "-fPIC", "-fvisibility=hidden")


def _simavr_counter(compiler: str) -> Path:
    return compile_tool(compiler, "counters/simavr_counter.c", *SIMAVR)
