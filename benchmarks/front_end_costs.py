"""What front-ends cost: instructions and bytes of a frame on each core, the share that a second takes of it, and what was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rescomp.export.c import constant_bytes, translate
from rescomp.frontend.description import FrontEnd
from rescomp.frontend.lowering import frontend_graph
from rescomp.graph.fixed_point import IntArray
from rescomp.graph.verify import FRAME_INPUT
from rescomp.targets.cores import CORES, Core
from rescomp.targets.kernel_choice import Target
from rescomp.targets.real_time import say_share, stream_of
from rescomp.validate.c_program import probe_model, workspace, write_export
from rescomp.validate.c_vectors import encode_samples
from rescomp.validate.counting import count_spans
from rescomp.validate.emulation import build_firmware
from rescomp.validate.footprint import flash_bytes

CLOCKS: Mapping[str, float] = {
    "cortex-m0": 48e6,
    "cortex-m3": 72e6,
    "cortex-m4": 64e6,
    "cortex-m7": 216e6,
    "cortex-m33": 64e6,
    "cortex-m55": 160e6,
    "riscv32imc": 160e6,
    "atmega2560": 16e6,
}
"""Usual ones, of the cores whose frames are counted."""
GOALS: Mapping[str, str] = {
    "cortex-m0": "90,000 asked for",
    "cortex-m4": "45,000 asked for, 30,000 hoped for",
    "cortex-m55": "15,000 asked for",
}
"""Instructions of a frame of log_mel."""
FLASH_GOAL, RAM_GOAL = 2560, 2048
MEMORY = ("code", "constants", "scratch", "stack")
COUNTERS = 12
"""Bytes of a listener that count samples and frames."""


def cost(core: Core, front_end: FrontEnd, kernels: Sequence[str], frame: IntArray) -> dict[str, int]:
    """Instructions (cycles of an AVR) of one frame [1, span, channels], by kernel and in all; and bytes, as MEMORY names them."""
    graph = frontend_graph(front_end)
    model = probe_model(graph)
    with workspace() as folder, workspace() as build:
        write_export(folder, model, Target(core))
        elf, flash = build_firmware(core, model, folder, (), build), flash_bytes(core, model, folder)
        called = [f"rescomp_{kernel}" for kernel in kernels]
        (span,) = count_spans(core, elf, encode_samples(graph, {FRAME_INPUT: frame}), [f"{model.name}_run"], called)
    pieces = dict.fromkeys(kernels, 0)
    for piece in span.pieces:
        pieces[piece.function.removeprefix("rescomp_")] += piece.tally.count
    constants = constant_bytes(model)["model"]
    memory = flash - constants, constants, translate(model, Target(core)).scratch_bytes, span.stack
    return {**pieces, "frame": span.tally.count, **dict(zip(MEMORY, memory, strict=True))}


def table(kernels: Sequence[str], rows: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """Of one front-end: a core a line."""
    columns = (*kernels, "frame", *MEMORY)
    yield f"| core | {' | '.join(column.rpartition('_')[0] or column for column in columns)} |"
    yield "|---|" + "---|" * len(columns)
    for core, row in rows.items():
        yield f"| {core} | {' | '.join(f'{row[column]:,}' for column in columns)} |"


def seconds(front_end: FrontEnd, rows: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """What a second of samples takes of the cores, without a net."""
    second = stream_of(front_end.sample_rate, front_end.hop)
    yield f"{second.frames:g} frames of `log_mel` a second, without a net. An instruction takes what `targets/real_time.py` says."
    yield ""
    for core, row in rows.items():
        yield f"- {row['frame']:,} a frame: {say_share(CORES[core], second.count(row['frame'], 0), CLOCKS[core])}."


BOUNDS = """\
- What keeps a Cortex-M4 from 30,000, by functions: a frame is read twice, for the largest weighted sample must be known before the first
  is rounded (26 instructions a sample, both times together); eight stages are four passes (about 43 for four points); in the middle the
  points are scaled (14 each); at the end frequencies are split and measured (47 a pair).
- Flash: {flash}; {flash_goal:,} asked for. Window, sine and logarithm alone take 836 bytes, the
  bands 645: a window cannot be made from the sine, since its entries are rounded on their own. The code has loops of its own for factors
  of 1, of -j and all others.
- RAM: {total:,} bytes: samples {samples:,}, features {features:,}, counters {counters}, scratch {scratch:,}, which serves the net too.
  Beyond a net with {missing} bytes of scratch it is {ram_goal:,}, as was asked for; beyond one with {scratch:,}, {least:,}. The stack is
  beside it."""


def goals(front_end: FrontEnd, rows: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """What was asked of log_mel, what it takes, and what bounds that."""
    for core, asked in GOALS.items():
        yield f"- {core}: {rows[core]['frame']:,} instructions, {asked}."
    scratch = rows["cortex-m4"]["scratch"]
    kept = {"samples": 2 * front_end.channels * front_end.span, "features": 2 * front_end.features, "counters": COUNTERS}
    least = sum(kept.values())
    flash = ", ".join(f"{rows[core]['code'] + rows[core]['constants']:,} bytes on a {core}" for core in GOALS)
    ram = {"scratch": scratch, "total": least + scratch, "least": least, "missing": least + scratch - RAM_GOAL}
    yield from BOUNDS.format(flash=flash, flash_goal=FLASH_GOAL, ram_goal=RAM_GOAL, **kept, **ram).splitlines()
