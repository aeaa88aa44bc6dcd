"""What firmware_templates/kernels has of the table of kernels: export/kernel_table.py."""

from pathlib import Path

import pytest

from rescomp.export.kernel_rows import KernelRow
from rescomp.export.kernel_sources import declarations, kernel_sources

KERNELS = Path(__file__).parents[2] / "firmware_templates" / "kernels"
MAKE = "change export/kernel_table.py, or the header's template, and run benchmarks/make_kernels.py"


@pytest.mark.parametrize(("name", "text"), kernel_sources().items())
def test_a_header_or_source_of_includes_is_what_the_table_says(name, text):
    assert (KERNELS / name).read_bytes() == text.encode(), MAKE


def test_no_source_of_includes_is_written_by_hand():
    by_hand = [path for path in KERNELS.glob("*.c") if path.name not in kernel_sources()]
    lines = {path.name: path.read_text().splitlines() for path in by_hand}
    assert [name for name, text in lines.items() if all(line.startswith(("#", "/*")) for line in text)] == []


def test_a_row_is_a_kernel_for_each_activation():
    mix = "const {type} *input, {type} *output, rescomp_count count, const RESCOMP_FLASH {weight_type} *weight, rescomp_requantization by"
    row = KernelRow(
        "mix", "int4", ("int16", "int8"), mix, ("dot_int4", "mix_body"), {"BITS": "{bits}", "TABLE": "", "ROWS": "rescomp_{dtype}_{form}"}
    )
    assert [kernel.source for kernel in row.kernels()] == [
        f"""/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_mix_{dtype}_int4
#define RESCOMP_BITS {bits}
#define RESCOMP_TABLE
#define RESCOMP_ROWS rescomp_{dtype}_int4
#include "rescomp_dot_int4.h"
#include "rescomp_mix_body.h"
"""
        for dtype, bits in (("int16", 15), ("int8", 7))
    ]
    text = declarations(("Of all.", "One\nor two.", row, KernelRow("free", "", ("int8",), "void")))
    assert text.splitlines() == [
        "/* Of all. */",
        "",
        "/*",
        " * One",
        " * or two.",
        " */",
        "void rescomp_mix_int16_int4(const int16_t *input, int16_t *output, rescomp_count count, const RESCOMP_FLASH uint8_t *weight,",
        "                            rescomp_requantization by);",
        "void rescomp_mix_int8_int4(const int8_t *input, int8_t *output, rescomp_count count, const RESCOMP_FLASH uint8_t *weight,",
        "                           rescomp_requantization by);",
        "void rescomp_free_int8(void);",
    ]
