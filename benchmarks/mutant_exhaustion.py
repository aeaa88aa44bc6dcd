"""Proof by trying everything: two versions of rescomp_math.h on every sum that any row of a model's layers can have."""

from __future__ import annotations

import re
import subprocess
import tempfile
from itertools import takewhile
from pathlib import Path

from rescomp.graph.ir import IntegerModel
from rescomp.graph.ops.requantizing import Requantizing
from rescomp.graph.ranges import Range

SCALING = ("rescomp_scale_by_multiplier", "rescomp_scale_by_power_of_two")
"""Functions that nothing but a requantization calls."""
SECONDS = 300
_VERSION = """#include "{header}"

int32_t {name}(int32_t sum, int32_t multiplier, int shift, int32_t low, int32_t high);
int32_t {name}(int32_t sum, int32_t multiplier, int shift, int32_t low, int32_t high)
{{
    sum = multiplier ? rescomp_scale_by_multiplier(sum, multiplier, shift) : rescomp_scale_by_power_of_two(sum, shift);
    return rescomp_clamp(sum, low, high);
}}
"""
_MAIN = """#include <stdint.h>
int32_t right(int32_t, int32_t, int, int32_t, int32_t), other(int32_t, int32_t, int, int32_t, int32_t);
static const int32_t rows[][6] = {{{rows}}};
int main(void)
{{
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; ++i) {{
        const int32_t *r = rows[i];
        for (int32_t sum = r[0]; sum <= r[1]; ++sum) {{
            if (right(sum, r[2], r[3], r[4], r[5]) != other(sum, r[2], r[3], r[4], r[5])) {{
                return 1;
            }}
        }}
    }}
    return 0;
}}
"""


def scales_alike(original: Path, mutated: Path, model: IntegerModel) -> bool:
    """Whether two headers scale every sum of the model alike; where they differ elsewhere than in SCALING nothing is tried."""
    pairs = zip(original.read_text(), mutated.read_text(), strict=False)
    before = "".join(mine for mine, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    functions = re.findall(r"(?m)^static inline [\w *]+?(\w+)\(", before)
    if not functions or functions[-1] not in SCALING:
        return False
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        for name, header in (("right", original), ("other", mutated)):
            (folder / f"{name}.h").write_text(header.read_text())
            (folder / f"{name}.c").write_text(_VERSION.format(header=f"{name}.h", name=name))
        (folder / "main.c").write_text(_MAIN.format(rows=", ".join(f"{{{', '.join(map(str, row))}}}" for row in sorted(_rows(model)))))
        command = ["gcc", "-w", "-O2", "-fwrapv", "-flto", "-o", "program", "main.c", "right.c", "other.c"]
        subprocess.run(command, cwd=folder, check=True, timeout=SECONDS)
        return subprocess.run([folder / "program"], timeout=SECONDS).returncode == 0


def _rows(model: IntegerModel) -> set[tuple[int, ...]]:
    """(least sum, largest sum, stored multiplier or 0, stored shift, low, high) of every row of every layer."""
    found: set[tuple[int, ...]] = set()
    for graph in model.graphs.values():
        types = graph.types()
        for node in graph.nodes:
            op = node.op
            if isinstance(op, Requantizing):
                low, high = op.accumulator_ends(Range.full(types[node.inputs[0]]))
                rows = low.shape[-1]
                scales = op.row_scales(rows).repeated(rows)
                plain = scales.is_power_of_two
                ends = zip(low.reshape(-1, rows).min(axis=0).tolist(), high.reshape(-1, rows).max(axis=0).tolist(), strict=True)
                for (least, most), multiplier, shift in zip(ends, scales.multiplier.tolist(), scales.shift.tolist(), strict=True):
                    stored = (0, shift - 14) if plain else (multiplier, shift)
                    found.add((least, most, *stored, op.output.low, op.output.high))
    return found
