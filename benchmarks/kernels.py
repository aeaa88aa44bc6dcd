"""What kernels and whole steps cost on emulated cores: retired instructions (AVR: cycles). Writes docs/performance.md.

    python benchmarks/kernels.py [--cores cortex-m0,...]        the tables
    python benchmarks/kernels.py --fit                          the costs of targets/kernel_costs.py, from a grid of sizes

Everything is exact and repeats to the instruction: nothing is timed. Needs the emulators and cross compilers that `rescomp profile` needs.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from kernel_programs import Form, code_bytes, count_form
from layer_counts import dense_count, depthwise_count
from untrained import untrained

from rescomp import DISTRIBUTION
from rescomp.model_directory import write_atomically
from rescomp.recipe import load_recipe
from rescomp.stages.profiling import CoreProfile, profile_core
from rescomp.targets.cores import AVR, Core, find_core
from rescomp.targets.kernel_choice import EXPANDING, Target
from rescomp.validate.emulation import tool_versions
from rescomp.validate.witness import Job

OUTPUT = Path(__file__).parent.parent / "docs" / "performance.md"
GROUPS: Mapping[str, str] = {
    "M0": "cortex-m0",
    "M3": "cortex-m3",
    "M4": "cortex-m4",
    "M33": "cortex-m33",
    "M55": "cortex-m55",
    "RV32IMC": "riscv32imc",
    "AVR": "atmega328p",
}
"""Cores by the tables' columns. M7 and ATmega2560 share the kernels of M4 and ATmega328P."""
SIZES = ((80, 40), (40, 80), (80, 5), (9, 32), (64, 64))
"""Rows and columns, as in the study that the goals come from."""
HAR2 = ("model.hidden_size=80", "model.rank_w=5", "model.rank_u=40")
SMALL = ("model.hidden_size=16", "model.rank_w=2", "model.rank_u=8")
TERNARY, SHIFTS = '{kind="ternary"}', '{kind="ternary",scale="power_of_two",per="tensor"}'
HAR_SPREAD = (0.020, 0.022, 0.023, 0.073, 0.067, 0.053, 0.19, 0.26, 0.28)


@dataclass(frozen=True)
class Step:
    """A whole FastGRNN step. goals: by the columns' names; flash: bytes, likewise."""

    title: str
    shape: Sequence[str]
    compress: Sequence[str]
    spread: Sequence[float]
    goals: Mapping[str, int]


STEPS = (
    Step(
        "HAR-2 ternary, tables, a multiplier a row",
        HAR2,
        (TERNARY,),
        HAR_SPREAD,
        {"M0": 22_000, "M3": 14_000, "M4": 14_000, "M33": 14_000, "RV32IMC": 22_000, "AVR": 95_000},
    ),
    Step(
        "HAR-2 ternary, piecewise linear, powers of two",
        HAR2,
        (SHIFTS, '{kind="piecewise_linear"}'),
        HAR_SPREAD,
        {"M0": 19_000, "M3": 12_000, "M4": 12_000, "M33": 12_000, "RV32IMC": 19_000, "AVR": 75_000},
    ),
    Step(
        "HAR-2 int8, tables, a multiplier a row",
        HAR2,
        ('{kind="quantize"}',),
        HAR_SPREAD,
        {"M0": 40_000, "M3": 24_000, "M4": 17_000, "M33": 17_000, "RV32IMC": 40_000, "AVR": 190_000},
    ),
    Step("small ternary (H = 16, D = 3, r_w = 2, r_u = 8)", SMALL, (TERNARY,), (0.3, 0.3, 0.3), {"AVR": 15_000}),
    Step("small ternary, piecewise linear, powers of two", SMALL, (SHIFTS, '{kind="piecewise_linear"}'), (0.3, 0.3, 0.3), {"AVR": 15_000}),
    Step("small int8", SMALL, ('{kind="quantize"}',), (0.3, 0.3, 0.3), {"AVR": 15_000}),
)
TERNARY_GOALS = {"M0": 5_000, "M3": 3_700, "M4": 3_700, "M33": 3_700, "RV32IMC": 5_600, "AVR": 15_800}
DENSE_GOALS = {"M0": 17_500, "M3": 11_500, "M4": 7_500, "M33": 7_500, "RV32IMC": 17_000, "AVR": 50_000}
"""Of ternary 80x40 with int8 input and no requantization, and of int8 64x64 with it."""
DEPTHWISE_GOALS = {"M0": 900_000, "M3": 480_000, "M4": 240_000, "M33": 240_000, "M55": 70_000, "RV32IMC": 600_000}
FORMS = tuple(
    Form(activation, format) for activation in ("int8", "int16") for format in ("naive", "int8", "int4", "ternary", "ternary_tabled")
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", default=",".join(GROUPS.values()))
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    chosen = {name: core for name, core in GROUPS.items() if core in options.cores.split(",")}
    if options.fit:
        fit(chosen)
    else:
        write_atomically(options.output, page({name: find_core(core) for name, core in chosen.items()}).encode())
        print(f"wrote {options.output}")


def form_on(form: Form, core: Core) -> Form:
    """The form with the tabled layout that the core reads."""
    suffix = "_bytes" if core.family is AVR else "_words"
    return replace(form, storage=form.storage + suffix) if form.storage == "ternary_tabled" else form


def page(cores: Mapping[str, Core]) -> str:
    """docs/performance.md."""
    steps = [(step, {name: profile_step(step, core) for name, core in cores.items()}) for step in STEPS]
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in (DISTRIBUTION, "numpy", "torch"))
    tools = "; ".join(sorted({tool_versions(core) for core in cores.values()}))
    return PAGE.format(
        header=row("", *cores),
        rule=row("---", *("---" for _ in cores)),
        goals="\n".join([ternary_row(cores), *dense_rows(cores), depthwise_row(cores), *(step_row(step, found) for step, found in steps)]),
        footprint="\n".join(line for step, found in steps for line in footprint_rows(step, found)),
        products="\n".join(size_rows(cores)),
        versions=f"{versions}, Python {platform.python_version()}; {tools}",
    )


def profile_step(step: Step, core: Core) -> CoreProfile:
    """A step of the untrained model on noise."""
    entries = ",".join(step.compress)
    recipe = load_recipe(None, ["data.source=unused.npz", *step.shape, f"compress=[{entries}]"])
    model = untrained(recipe, "measured", step.spread, ("no", "yes"), 4)
    format = model.input.type.format
    x = np.random.default_rng(0).integers(format.low // 4, format.high // 4, (1, 4, *model.input.type.shape))
    return profile_core(Target(core), Job(model, Path(), x, np.array([4])))


def ternary_row(cores: Mapping[str, Core]) -> str:
    counts = {name: count(core, Form("int8", "ternary_tabled"), 80, 40) for name, core in cores.items()}
    cells = ("-" if n is None else against_goal(n, TERNARY_GOALS.get(name)) for name, n in counts.items())
    return row("ternary 80x40, int8 input, product alone", *cells)


def dense_rows(cores: Mapping[str, Core]) -> list[str]:
    """Whole layers as they are exported. int8 activations take powers of two, and so their goals do without multipliers."""
    goals: Mapping[str, int]
    lines = []
    for dtype, title, goals in (("int8", "int8 activations", DENSE_GOALS), ("int16", "int16 activations, a multiplier a row", {})):
        counts = {name: dense_count(core, dtype) for name, core in cores.items()}
        lines.append(row(f"int8 weights 64x64, {title}", *(against_goal(n, goals.get(name)) for name, n in counts.items())))
    return lines


def depthwise_row(cores: Mapping[str, Core]) -> str:
    """A layer that a DS-CNN has four times. Its image does not fit an AVR."""
    counts = {name: None if core.family is AVR else depthwise_count(core) for name, core in cores.items()}
    cells = ("-" if n is None else against_goal(n, DEPTHWISE_GOALS.get(name)) for name, n in counts.items())
    return row("depthwise convolution 3x3 of 25x5x64 with ReLU, int8 activations", *cells)


def count(core: Core, form: Form, rows: int, columns: int) -> int | None:
    """Instructions or cycles of one call, if the core has the kernel."""
    tally = count_form(core, form_on(form, core), rows, columns)
    return tally and tally.count


def step_row(step: Step, found: Mapping[str, CoreProfile]) -> str:
    return row(step.title, *(against_goal(profile.count, step.goals.get(name)) for name, profile in found.items()))


def against_goal(count: int, goal: int | None) -> str:
    """A cell: the count, and whether it reaches its goal."""
    if goal is None:
        return f"{count:,}"
    return f"{count:,} (goal {goal:,})" if count <= goal else f"**{count:,}** (goal {goal:,} missed)"


def footprint_rows(step: Step, found: Mapping[str, CoreProfile]) -> list[str]:
    return [
        row(
            step.title,
            name,
            *(f"{n:,}" for n in (each.flash.code, each.flash.weights, each.flash.tables, each.flash.total)),
            *(f"{n:,}" for n in (each.ram.state, each.ram.arena, each.ram.scratch, each.ram.state + each.ram.arena + each.ram.scratch)),
            f"{each.stack:,}",
        )
        for name, each in found.items()
    ]


def size_rows(cores: Mapping[str, Core]) -> list[str]:
    """Every form at every size, on every core."""
    lines = []
    for form in FORMS:
        for rows, columns in SIZES:
            counts = [count(core, form, rows, columns) for core in cores.values()]
            lines.append(row(f"{form.activation} x {form.storage}, {rows}x{columns}", *("-" if n is None else f"{n:,}" for n in counts)))
    return lines


def row(*cells: str) -> str:
    """Of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def competitors(core: Core) -> list[Form]:
    """The forms among which a ternary or an int4 matrix has a choice on a core."""
    formats = ("ternary", "int4", "int8") if core.kernels[0] in EXPANDING else ("ternary", "ternary_tabled")
    return [form_on(Form(activation, format), core) for activation in ("int16", "int8") for format in formats]


GRID = ((1, 4), (4, 16), (8, 64), (24, 40), (80, 5), (80, 40), (5, 9), (16, 144))


def fit(cores: Mapping[str, str]) -> None:
    """Prints COSTS: least squares of relative errors, and the largest of these errors."""
    for folder, core in {find_core(name).kernels[0]: find_core(name) for name in cores.values()}.items():
        print(f'    "{folder}": {{')
        for form in competitors(core):
            terms = np.array([(1, -(-k // 4), -(-n // 8), -(-k // 4) * -(-n // 8)) for n, k in GRID], float)
            counts = np.array([count(core, form, n, k) for n, k in GRID], float)
            found = np.maximum(np.linalg.lstsq(terms / counts[:, None], np.ones(len(GRID)), rcond=None)[0], 0)
            error = np.abs(terms @ found / counts - 1).max()
            numbers = ", ".join(f"{number:.0f}" for number in (*found, code_bytes(core, form)))
            print(f'        ("{form.activation}", "{form.storage}"): Cost({numbers}),  # within {error:.0%}', flush=True)
        print("    },")


PAGE = """# What it costs on the device

Retired instructions under QEMU, and cycles on AVR under simavr: exact, and the same on every machine that repeats the command. They are not
cycles of silicon on Arm and RISC-V: `rescomp profile` gives loads, stores and taken branches beside them. -O2 throughout.

## A call, a step

{header}
{rule}
{goals}

Steps: input normalisation, low-rank products, gates and update included; the classifier is not. HAR-2 is FastGRNN with H = 80, D = 9,
r_w = 5, r_u = 40. The weights are random: what a step costs does not depend on them.

What bounds those that are missed: on M3 the four products of a step take about 8,400 of the 12,400 instructions, and each of them
already costs one look-up and one addition for four weights. Short rows cost AVR about 110 cycles a pair of rows beside their products, so
that a small model is faster with ternary weights than with int8 ones. A depthwise convolution is plain C but on M4, M7, M33 and M55,
which share a kernel of the DSP extension: four channels at once cost ten instructions for each position of the convolution's kernel, six of
them to load and sign-extend inputs and weights. That is 152,000 here; the rest is what each four channels of a position, and each row of
their kernel, cost beside. The plain C takes 1,143,150 on M4, and 1,159,515 on M55, which wants MVE for its goal. M0's code
is counted on M3's machine, whose memory holds the image.

## Flash and RAM of these models, bytes

The goals for HAR-2 with ternary weights were 5 KB of flash on Arm (6 KB on AVR) and 2 KB of RAM (1 KB on AVR), the small model's 4 KB of
flash on AVR. With piecewise linear functions and powers of two all but AVR's RAM are reached; with tables and a multiplier a row Arm is
past 5 KB by the words of multiplier and shift (820 bytes) and the mirrored table (514), and the small model on AVR past 4 KB by 158 bytes.
AVR's RAM is bounded by 80 accumulators (320 bytes) and one chunk's partial sums (352) beside the two products that a step needs at a time.

| | core | code | weights, scales, biases | tables | flash | state | arena | scratch | RAM | stack |
|---|---|---|---|---|---|---|---|---|---|---|
{footprint}

## Products alone, without requantization

`naive` is the plain loop in C over int8 weights, compiled in the same run.

{header}
{rule}
{products}

## Others' kernels

From a study of the same emulators and compilers (QEMU 7.2, gcc 12.2 -O2, avr-gcc 5.4 -O2), not measured again here.

| whole call | M0 | M3 | M4 / M33 | M55 | RV32IMC | AVR cycles |
|---|---|---|---|---|---|---|
| CMSIS-NN fully_connected_s8 64x64 | 31,221 | 16,366 | 11,009 | 2,904 | 24,309 | - |
| CMSIS-NN fully_connected_s4 64x64 | 37,969 | 23,492 | 23,265 | 3,445 | 28,186 | - |
| a FastGRNN step of HAR-2: EdgeML's q15 cell | 130,522 | 42,622 | 42,835 | 37,703 | 73,118 | 944,980 |
| that step's four products alone, CMSIS-NN fully_connected_s8 | 62,569 | 31,662 | 24,153 | 7,304 | 44,549 | - |
| CMSIS-NN LSTM s8, one step, H = 80, D = 9 | 272,458 | 131,135 | 101,597 | 36,088 | 187,726 | - |

Made by `python benchmarks/kernels.py` with {versions}.
"""

if __name__ == "__main__":
    main()
