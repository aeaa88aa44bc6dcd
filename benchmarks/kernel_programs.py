"""Small programs around one kernel, counted on an emulated core."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rescomp.export.c_templates import kernel_files
from rescomp.graph.weights import Int4Weight, Int8Weight, TernaryWeight, Weight
from rescomp.targets.cores import Core
from rescomp.targets.kernel_choice import Product, Target, product_forms
from rescomp.validate.c_program import run_tool, workspace
from rescomp.validate.counting import Tally, count_call
from rescomp.validate.emulation import compiler_flags

NAIVE = """
void naive(const {act} *input, uint16_t columns, uint16_t rows, const RESCOMP_FLASH int8_t *weight, int32_t *accumulator)
{{
    for (uint16_t row = 0; row < rows; ++row) {{
        int32_t sum = 0;
        for (uint16_t i = 0; i < columns; ++i)
            sum += (int32_t)input[i] * *weight++;
        accumulator[row] = sum;
    }}
}}
"""
MEASURED = """#include "rescomp_kernels.h"
{naive}
static const RESCOMP_FLASH {weight_type} weight[] = {{{weight}}};
static {act} input[{columns}];
static int32_t accumulator[{padded}];
static uint16_t table[{entries}];
void measured(void);
__attribute__((noinline)) void measured(void)
{{
    (void)table;
    {call}
}}
"""
MAIN = """#include "io.h"

void measured(void);

int main(void)
{
    io_open();
    measured();
    io_close();
    return 0;
}
"""
ROUND_UP = 8


@dataclass(frozen=True)
class Form:
    """A matrix-vector product. activation: int16 or int8; format: of rescomp_product_<activation>_<format>, or naive."""

    activation: str
    storage: str


def count_form(core: Core, form: Form, rows: int, columns: int) -> Tally | None:
    """One call, from the caller's first instruction for it on; None where the core has no such kernel."""
    product = stored(core, form, rows, columns)
    if product is None:
        return None
    act = f"{form.activation}_t"
    arguments = f"input, {columns}, {rows}, weight, accumulator" + (", table" if product.table_bytes else "")
    name = "naive" if form.storage == "naive" else f"rescomp_product_{form.activation}_{product.storage}"
    text = MEASURED.format(
        naive=NAIVE.format(act=act) if form.storage == "naive" else "",
        weight_type=f"{product.packed.dtype.name}_t",
        weight=", ".join(map(str, product.packed.reshape(-1).tolist())),
        act=act,
        columns=columns,
        rows=rows,
        padded=-(-rows // ROUND_UP) * ROUND_UP,
        entries=max(1, product.table_bytes // 2),
        call=f"{name}({arguments});",
    )
    kernels = [] if form.storage == "naive" else [f"product_{form.activation}_{product.storage}"]
    with workspace() as folder:
        files = {**kernel_files(kernels, core.kernels), "measured.c": text, "main.c": MAIN}
        for file, content in files.items():
            (folder / file).write_text(content, encoding="utf-8")
        sources = [folder / file for file in files if Path(file).suffix in (".c", ".S")]
        flags = (f"-I{folder}", "-Wno-error", "-Wno-missing-prototypes")
        return count_call(core, sources, "measured", flags)[0].tally


def code_bytes(core: Core, form: Form) -> int:
    """Of the product's kernel."""
    kernel = f"product_{form.activation}_{form.storage}"
    with workspace() as folder:
        for file, content in kernel_files([kernel], core.kernels).items():
            (folder / file).write_text(content, encoding="utf-8")
        (source,) = (path for path in folder.glob(f"{kernel}.*") if path.suffix in (".c", ".S"))
        run_tool([*compiler_flags(core), "-c", "-o", "kernel.o", source.name], folder)
        printed = run_tool([f"{core.family.prefix}size", "kernel.o"], folder).stdout
    return int(printed.splitlines()[1].split()[0])


def stored(core: Core, form: Form, rows: int, columns: int) -> Product | None:
    """A random matrix of that shape as the format stores it; None where the core does not read that."""
    rng, format, activation = np.random.default_rng(0), form.storage, form.activation
    if format == "naive":
        return Product(format, rng.integers(-127, 128, (rows, columns), dtype=np.int8), "")
    weights: dict[str, Weight] = {
        "int8": Int8Weight(rng.integers(-127, 128, (rows, columns), dtype=np.int8)),
        "int4": Int4Weight(rng.integers(-7, 8, (rows, columns), dtype=np.int8)),
    }
    weight = weights.get(format, _ternary(rng, rows, columns))
    return next((form for form in product_forms(weight, activation, Target(core)) if form.storage == format), None)


def _ternary(rng: np.random.Generator, rows: int, columns: int) -> TernaryWeight:
    groups = -(-columns // 4)
    signs = rng.choice(np.array([-1, 1], np.int8), (rows, groups, 4))
    np.put_along_axis(signs, rng.integers(0, 4, (rows, groups, 1)), np.int8(0), axis=2)
    matrix = signs.reshape(rows, -1)[:, :columns]
    for row in matrix[:, columns - columns % 4 :]:
        row[np.flatnonzero(row == 0)[1:]] = 1
    return TernaryWeight(np.ascontiguousarray(matrix))
