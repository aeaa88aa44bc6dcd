"""The kernels of named cores, products and requantizations of rows, on their emulated cores, and their definitions on the host.

What is tested is what lies in firmware_templates/arch/: every file there that replaces a kernel of these, and all definitions. Each
case runs between guard bytes; constants must stay as they are, and the registers that a function has to keep (test_oracle.py).
"""

import subprocess
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from rescomp.export.c import read_template
from rescomp.graph.fixed_point import MAX_SHIFT, MIN_SHIFT, Requantization
from rescomp.graph.ops.drawing import draw_storage
from rescomp.targets.cores import AVR, CORES
from rescomp.targets.ternary_layouts import tabled_entries, tabled_words
from rescomp.validate.c_program import WARNINGS
from rescomp.validate.emulation import build_sources, run_firmware
from rescomp.validate.host_c import SANITIZED

TEMPLATES = Path(__file__).parents[2] / "firmware_templates"
KERNELS = TEMPLATES / "kernels"
CHECKED_CALL = TEMPLATES / "platforms" / "semihosting" / "checked_call.S"
FORMATS = ("int8", "int4", "ternary", "ternary_tabled_words")
NAMES = (
    *(f"product_{activation}_{weights}" for activation in ("int16", "int8") for weights in FORMATS),
    *(f"requantize_rows_{activation}" for activation in ("int16", "int8")),
)
NUMBERS = ("kernel", "columns", "rows", "table", "output", "offset", *(f"constant{i}" for i in range(5)))
CASE = np.dtype([*((name, "<u2") for name in NUMBERS), ("low", "<i2"), ("high", "<i2"), ("steps", "u1", 2)])
"""test_case of products_main.c."""
ROWS = (1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 16, 17)
"""Around blocks of 4 and 8 rows."""
COLUMNS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 17, 19, 20, 24, 31, 32, 33, 40)
"""Around groups of 4, quads of 16, and vectors of 8 and 16 columns."""
CHUNKS = (60, 61, 63, 64, 65, 67, 68, 69, 80, 127, 128, 129, 132)
"""Around the 64 columns of a chunk of tables, and two of them."""
SIZES = [*((rows, columns) for rows in ROWS for columns in COLUMNS), *((rows, columns) for rows in (1, 8, 9) for columns in CHUNKS)]
ALIGNMENTS = {"int16": (0, 2), "int8": (0, 1, 2, 3)}
"""Offsets from a word at which an input may begin."""
LOWEST = {"int16": -32768, "int8": -128}


@dataclass(frozen=True)
class Case:
    """A call: its header, its constant buffers, and the rows that it should give."""

    header: dict[str, object]
    constants: tuple[np.ndarray, ...]
    wanted: np.ndarray
    padding: int = 0
    """Rows behind the last one that may be written, and mean nothing."""

    def encode(self):
        header = np.zeros((), CASE)
        for name, value in self.header.items():
            header[name] = value
        for i, constant in enumerate(self.constants):
            header[f"constant{i}"] = constant.nbytes
        header["output"] = self.wanted.nbytes + self.padding * self.wanted.itemsize
        return header.tobytes() + b"".join(constant.tobytes() for constant in self.constants)


def largest(activation, weights):
    """The range of inputs: all of int16 and int8, but what tables of partial sums hold beside ternary weights."""
    return (-10922, 10922) if activation == "int16" and weights.startswith("ternary") else (LOWEST[activation], -LOWEST[activation] - 1)


def product_cases(rng, activation, weights):
    """All sizes, each with one of the inputs in turn, and the largest weights beside the largest inputs."""
    low, high = largest(activation, weights)
    kind = weights.split("_")[0]
    for i, (rows, columns) in enumerate(SIZES):
        weight = draw_storage(rng, kind, rows, columns)
        inputs = (
            np.full(columns, low),
            np.full(columns, high),
            np.where(np.arange(columns) % 2, high, low),
            rng.integers(low, high + 1, columns),
            rng.integers(low, high + 1, columns),
        )
        yield product_case(
            weight, weights, inputs[i % len(inputs)].astype(activation), ALIGNMENTS[activation][i % len(ALIGNMENTS[activation])]
        )
    for columns in (4, 7, 40, 129):
        weight = draw_storage(rng, kind, 9, columns)
        most = int(np.abs(weight.matrix).max())
        signs = np.where(np.arange(columns) % 4 == 0, 0, 1) if kind == "ternary" else 1
        for sign in (-1, 1):
            extreme = replace(weight, matrix=np.broadcast_to(np.int8(sign * signs * limit(kind, most)), (9, columns)).copy())
            for value in (low, high):
                yield product_case(extreme, weights, np.full(columns, value).astype(activation), 0)


def limit(kind, most):
    return {"int8": 127, "int4": 7}.get(kind, most)


def product_case(weight, weights, x, offset):
    rows, columns = weight.matrix.shape
    tabled = weights == "ternary_tabled_words"
    header = {"columns": columns, "rows": rows, "offset": offset, "table": 2 * tabled_entries(columns) if tabled else 0}
    packed = tabled_words(weight.matrix) if tabled else weight.pack()
    wanted = weight.matrix.astype(np.int64) @ x.astype(np.int64)
    assert np.abs(wanted).max() < 1 << 30
    return Case(header, (x, packed), wanted.astype(np.int32), -rows % 8)


def requantize_cases(rng, activation):
    """All shifts with and without multipliers, each with one of the ranges, steps and numbers of rows in turn."""
    full = (LOWEST[activation], -LOWEST[activation] - 1)
    ranges = (full, (-10922, 10922), (0, full[1]), full) if activation == "int16" else (full, (-100, 100), (0, 127), full)
    for repeat in range(8):
        for shift in range(MIN_SHIFT, MAX_SHIFT + 1):
            for power_of_two in (False, True):
                rows = int(rng.choice((1, 2, 3, 4, 5, 7, 8, 9, 16, 21)))
                yield requantize_case(
                    rng, activation, shift, power_of_two, rows, ranges[(repeat + shift) % len(ranges)], mixed=repeat % 2 == 1
                )


def requantize_case(rng, activation, shift, power_of_two, rows, output, mixed):
    """mixed: rows of other shifts among those of the given one."""
    steps = rng.integers(0, 2, 2) if rng.random() < 0.5 else np.ones(2, int)
    count = np.where(steps, rows, 1)
    multiplier = np.full(count[0], 1 << 14) if power_of_two else rng.integers(1 << 14, 1 << 15, count[0])
    if not power_of_two and rng.random() < 0.1:
        multiplier[:] = (1 << 15) - 1
    shifts = np.full(count[1], shift)
    if mixed:
        others = rng.integers(MIN_SHIFT, MAX_SHIFT + 1, count[1])
        shifts = np.where(rng.random(count[1]) < 0.3, others, shifts)
    each = np.resize(shifts, rows)
    sums = draw_accumulators(rng, each)
    bias = np.zeros(0, np.int64)
    if rng.random() < 0.5:
        bias = np.clip(rng.integers(-(1 << 20), 1 << 20, rows), sums - (1 << 30) + 1, sums + (1 << 30) - 1)
    accumulators = sums - bias if bias.size else sums
    by = Requantization(np.resize(multiplier, rows).astype(np.int32), each.astype(np.int32))
    wanted = by(sums[None], *output)[0]
    header = {"rows": rows, "low": output[0], "high": output[1], "steps": steps}
    stored = (
        (np.zeros(0, np.int16), (shifts - 14).astype(np.int8)) if power_of_two else (multiplier.astype(np.int16), shifts.astype(np.int8))
    )
    constants = (accumulators.astype(np.int32), np.zeros(0, np.int8), bias.astype(np.int32), *stored)
    return Case(header, constants, wanted.astype(activation))


def draw_accumulators(rng, shift):
    """Sums below 2^30: those near the output's range, ties and their neighbours, and the largest."""
    power = np.clip(shift - 14, 0, 29)
    near = np.round(np.exp2(rng.uniform(0, 17, shift.size) + power) * rng.choice([-1, 1], shift.size))
    ties = ((2 * rng.integers(-300, 300, shift.size) + 1) << np.maximum(power - 1, 0)) + rng.integers(-1, 2, shift.size)
    largest = rng.choice([-1, 1], shift.size) * ((1 << 30) - 1 - rng.integers(0, 3, shift.size))
    sums = np.choose(rng.choice(3, shift.size, p=[0.5, 0.4, 0.1]), [near, ties, largest]).astype(np.int64)
    return np.clip(sums, 1 - (1 << 30), (1 << 30) - 1)


def cases_of(name):
    rng = np.random.default_rng(0)
    parts = name.split("_", 2)
    return list(requantize_cases(rng, parts[2]) if parts[0] == "requantize" else product_cases(rng, parts[1], parts[2]))


def call_text(index, name):
    """The line of calls.h that hands a case to a kernel."""
    function = f"CHECKED(rescomp_{name})"
    if name.startswith("requantize_rows"):
        output = name.rpartition("_")[2]
        by = "OPTIONAL(int32_t, BIAS), OPTIONAL(int16_t, MULTIPLIER), of->multiplier_step, OPTIONAL(int8_t, SHIFT), of->shift_step, of->low, of->high"
        call = f"{function}(BUFFER(int32_t, INPUT), BUFFER({output}_t, ACCUMULATOR), of->rows, rescomp_requantize_by({by}))"
    else:
        activation, weights = name.split("_", 2)[1:]
        stored = {"int8": "int8_t", "ternary_tabled_words": "uint32_t"}.get(weights, "uint8_t")
        table = ", BUFFER(uint16_t, TABLE)" if weights == "ternary_tabled_words" else ""
        call = f"{function}(BUFFER({activation}_t, INPUT), of->columns, of->rows, BUFFER({stored}, WEIGHT), BUFFER(int32_t, ACCUMULATOR){table})"
    return f"    case {index}:\n        {call};\n        break;\n"


def calls_text(names):
    """calls.h for these kernels."""
    return (
        "#define BUFFER(type, index) ((type *)(void *)buffers[index].at)\n"
        "#define OPTIONAL(type, index) (buffers[index].size ? BUFFER(type, index) : (type *)0)\n"
        "static void call(const test_case *of)\n{\n    switch (of->kernel) {\n"
        + "".join(call_text(index, name) for index, name in enumerate(names))
        + "    default:\n        break;\n    }\n}\n"
    )


def answer(run, index, cases):
    """Runs the cases on a program whose kernel `index` they are for, and compares."""
    cases = [replace(case, header={**case.header, "kernel": index}) for case in cases]
    output = run(np.uint32(len(cases)).tobytes() + b"".join(case.encode() for case in cases))
    for case in cases:
        wrong = int.from_bytes(output[:4], "little")
        rows = np.frombuffer(output[4:], case.wanted.dtype, case.wanted.size)
        assert wrong == 0, (wrong, case.header)
        np.testing.assert_array_equal(rows, case.wanted, err_msg=str(case.header))
        output = output[4 + case.wanted.nbytes + case.padding * case.wanted.itemsize :]
    assert not output


def sources_of(core):
    """By name, for each kernel tested here that the core overrides, the file that is compiled for it."""
    return {name: path for name in NAMES if (path := override(core, name)) is not None}


def override(core, name):
    for folder in core.kernels:
        for suffix in (".S", ".c"):
            path = TEMPLATES / "arch" / folder / f"{name}{suffix}"
            if path.exists():
                return path
    return None


@cache
def program(core, folder):
    """(firmware, names of its kernels): built once a core."""
    found = sources_of(core)
    (folder / "calls.h").write_text(calls_text(list(found)))
    own = [Path(__file__).with_name("products_main.c"), CHECKED_CALL]
    include = [f"-I{TEMPLATES / 'arch' / name}" for name in core.kernels]
    return build_sources(core, [*found.values(), *own], [*include, f"-I{KERNELS}", f"-I{folder}"], folder), list(found)


OVERRIDES = [(core.name, name) for core in CORES.values() if core.family is not AVR for name in sources_of(core)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return cache(lambda name: tmp_path_factory.mktemp(name))


@pytest.mark.parametrize(("core", "name"), OVERRIDES)
def test_an_override_computes_what_its_kernel_means(emulated, folders, core, name):
    core = emulated(core)
    firmware, names = program(core, folders(core.name))
    answer(lambda data: run_firmware(core, firmware, data), names.index(name), cases_of(name))


@pytest.fixture(scope="module")
def definitions(tmp_path_factory):
    """All plain kernels in one program under the sanitizers."""
    folder = tmp_path_factory.mktemp("definitions")
    (folder / "calls.h").write_text(calls_text(NAMES))
    (folder / "io.h").write_text(read_template("platforms/io.h"))
    (folder / "io.c").write_text(read_template("platforms/host/io.c"))
    sources = [Path(__file__).with_name("products_main.c"), folder / "io.c", *(KERNELS / f"{name}.c" for name in NAMES)]
    command = ["gcc", "-std=c99", *WARNINGS, *SANITIZED.flags, f"-I{KERNELS}", f"-I{folder}", "-o", "program", *map(str, sources)]
    subprocess.run(command, cwd=folder, check=True, timeout=120)
    return lambda data: subprocess.run([folder / "program"], input=data, capture_output=True, check=True, timeout=120).stdout


@pytest.mark.parametrize("name", NAMES)
def test_a_definition_computes_what_it_means(definitions, name):
    answer(definitions, NAMES.index(name), cases_of(name))


def test_every_override_has_a_definition():
    found = {path.stem for path in (TEMPLATES / "arch").glob("*/*") if path.suffix in {".c", ".S"}}
    assert found
    assert found <= {path.stem for path in KERNELS.glob("*.c")}
