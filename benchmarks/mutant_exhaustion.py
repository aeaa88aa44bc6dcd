"""Proof by trying everything: two versions of rescomp_math.h on every sum that any row can have, of rescomp_window.h on every window."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import numpy as np

from rescomp.graph.fixed_point import Requantization
from rescomp.graph.formats import TensorType
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


def bias_alike(model: IntegerModel, value: str, row: int, before: int, after: int) -> bool:
    """Whether another bias of one row of the layer that makes `value` gives the same for every sum that the row can have.

    The bias as it is, or as the tie-free encoding of int8 products has it: four times the sum, plus one.
    """
    for graph in model.graphs.values():
        types = graph.types()
        for node in graph.nodes:
            bias = getattr(node.op, "bias", np.zeros(0, np.int32))
            if value in node.outputs and isinstance(node.op, Requantizing) and bias.size > row:
                encodings = [(factor, extra) for factor, extra in ((1, 0), (4, 1)) if factor * int(bias[row]) + extra == before]
                return any(_same_for_every_sum(node.op, types[node.inputs[0]], row, after - before, *each) for each in encodings)
    return False


def _same_for_every_sum(op: Requantizing, type: TensorType, row: int, added: int, factor: int, extra: int) -> bool:
    ends = op.accumulator_ends(Range.full(type))
    rows = ends[0].shape[-1]
    scales = op.row_scales(rows).repeated(rows)
    by = Requantization(scales.multiplier[row], scales.shift[row] + factor.bit_length() - 1)
    places = np.stack([each.reshape(-1, rows)[:, row] for each in np.broadcast_arrays(*ends, *op.lattice(type))], axis=1)
    for least, most, step, offset in np.unique(places, axis=0).tolist():
        sums = factor * np.arange(least + (offset - least) % max(step, 1), most + 1, max(step, 1)) + extra
        right, other = (by.unclamped(sums + more).clip(op.output.low, op.output.high) for more in (0, added))
        if not np.array_equal(right, other):
            return False
    return True


_WINDOWS = """#include "rescomp/rescomp_window.h"

int {name}(int32_t *found, unsigned shape_number, rescomp_count y, rescomp_count x);
int {name}(int32_t *found, unsigned shape_number, rescomp_count y, rescomp_count x)
{{
    const rescomp_conv2d_shape shapes[] = {{{shapes}}}, *const shape = &shapes[shape_number];
    int32_t *next = found;

    if (y >= shape->output.height || x >= shape->output.width) {{
        return 0;
    }}
    const rescomp_window at = rescomp_place_window(shape, y, x);
    const int32_t fields[] = {{at.y, at.x, at.top, at.bottom, at.left, at.right, rescomp_window_run(at, shape)}};
    for (unsigned i = 0; i < sizeof fields / sizeof *fields; ++i) {{
        *next++ = fields[i];
    }}
    for (rescomp_count i = 0; i < shape->kernel.y; ++i) {{
        *next++ = rescomp_window_source(at, shape, i);
        *next++ = rescomp_window_kernel(at, shape, i);
    }}
    return next - found;
}}
"""
_EVERY_WINDOW = """#include <stdint.h>
#include <string.h>
int right(int32_t *, unsigned, uint32_t, uint32_t), other(int32_t *, unsigned, uint32_t, uint32_t);
int main(void)
{{
    static int32_t first[1 << 20], second[1 << 20];
    for (unsigned shape = 0; shape < {count}; ++shape) {{
        for (uint32_t y = 0; right(first, shape, y, 0); ++y) {{
            for (uint32_t x = 0; right(first, shape, y, x); ++x) {{
                const int count = right(first, shape, y, x);
                if (other(second, shape, y, x) != count || memcmp(first, second, count * sizeof *first)) {{
                    return 1;
                }}
            }}
        }}
    }}
    return 0;
}}
"""


def windows_alike(original: Path, mutated: Path, source: str) -> bool:
    """Whether two folders' rescomp_window.h place every window alike of every shape that a call in `source` names."""
    shapes = list(dict.fromkeys(_calls("rescomp_conv2d_shape_of", (original / source).read_text())))
    if not shapes:
        return False
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        for name, place in (("right", original), ("other", mutated)):
            (folder / f"{name}.c").write_text(_WINDOWS.format(name=name, shapes=", ".join(shapes)))
            subprocess.run(["gcc", "-w", "-O2", f"-I{place}", "-c", f"{name}.c"], cwd=folder, check=True, timeout=SECONDS)
        (folder / "main.c").write_text(_EVERY_WINDOW.format(count=len(shapes)))
        subprocess.run(["gcc", "-w", "-O2", "-o", "program", "main.c", "right.o", "other.o"], cwd=folder, check=True, timeout=SECONDS)
        return subprocess.run([folder / "program"], timeout=SECONDS).returncode == 0


def _calls(function: str, text: str) -> Iterator[str]:
    """Every call of a function, with its arguments."""
    for match in re.finditer(rf"\b{function}\(", text):
        depth, end = 1, match.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        yield text[match.start() : end]


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
