"""Requantizations of rows and updates of FastGRNN states, on the emulated cores and, as plain C, on the host.

On a core each kernel is the file that its export would hold: the override of the core's folders, or the definition. Every call runs
between guard bytes; inputs must stay as they are, and so must the registers that a function has to keep (test_oracle.py).
"""

import itertools
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from rescomp.errors import UnsupportedError
from rescomp.export.c import read_template
from rescomp.graph import ops
from rescomp.graph.fixed_point import TERNARY_INPUT_BOUND, Requantization, tanh_table
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ops.fastgrnn_update import MAX_STATE_FRACTION_BITS, mirror
from rescomp.targets.cores import AVR, CORES
from rescomp.targets.row_scales import row_scales
from rescomp.validate.c_program import WARNINGS
from rescomp.validate.emulation import build_sources, run_firmware
from rescomp.validate.host_c import SANITIZED

TEMPLATES = Path(__file__).parents[2] / "firmware_templates"
KERNELS = TEMPLATES / "kernels"
CHECKED_CALL = TEMPLATES / "platforms" / "semihosting" / "checked_call.S"
MAIN = Path(__file__).with_name("rows_and_updates_main.c")
UPDATES = ("lookup", "mirrored_lookup", "piecewise_linear")
NAMES = (
    *(f"fastgrnn_update_{nonlinearity}_int16" for nonlinearity in UPDATES),
    *(f"requantize_rows_int16_{form}" for form in ("high", "split", "shift")),
    "requantize_rows_int8_shift",
)
"""In the order of the numbers in rows_and_updates_main.c."""
CASE = np.dtype(
    [(name, "<u2") for name in ("kernel", "count", "overwritten")] + [("bytes", "<u2", 7), ("offsets", "<u2", 7), ("parameters", "<i2", 5)]
)
OUTPUT = 6
COUNTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 17)
"""Around turns of two and of four entries."""
STATE = 2


def encode(name, count, inputs, wanted, parameters, overwritten=OUTPUT, offsets=()):
    """(a case as the program reads it, the output it should give). inputs: arrays, empty ones being NULL."""
    header = np.zeros((), CASE)
    header["kernel"], header["count"], header["overwritten"] = NAMES.index(name), count, overwritten
    output = 0 if overwritten != OUTPUT else wanted.nbytes
    header["bytes"] = [*(x.nbytes for x in inputs), *[0] * (OUTPUT - len(inputs)), output]
    header["offsets"][: len(offsets)] = offsets
    header["parameters"][: len(parameters)] = parameters
    return header.tobytes() + b"".join(x.tobytes() for x in inputs), wanted


def update_cases(name):
    """States of all formats and ranges, in place and not, with sums that saturate and sums that do not."""
    rng = np.random.default_rng(0)
    nonlinearity = name.removeprefix("fastgrnn_update_").removesuffix("_int16")
    half = np.zeros(0, np.int16) if nonlinearity == "piecewise_linear" else tanh_table()
    table = mirror(half) if nonlinearity == "mirrored_lookup" else half
    constants = ((0, 0), (32767, 0), (0, 32767), (20000, 12000), (24000, 600))
    bounds = (0, TERNARY_INPUT_BOUND, 32767, 3)
    for i, (count, (zeta, nu), spread) in enumerate(itertools.product((*COUNTS, 80), constants, (1, 4, 16))):
        state = Format((1, 8, 12, MAX_STATE_FRACTION_BITS)[i % 4], bound=bounds[i % len(bounds)], nonnegative=i % 11 == 0)
        a, b, gate_bias, candidate_bias = (rng.integers(-32768, 32768, count) // spread for _ in range(4))
        if spread == 1:
            for x in (a, b, gate_bias, candidate_bias):
                x[rng.random(count) < 0.2] = rng.choice([-32768, 32767])
        h = rng.integers(state.low, state.high + 1, count)
        op = ops.FastGrnnUpdate(nonlinearity, half, gate_bias.astype(np.int16), candidate_bias.astype(np.int16), zeta, nu, state)
        try:
            op.infer(*(TensorType((count,), format) for format in (Format(12), Format(12), state)))
        except UnsupportedError:
            continue
        wanted = op.evaluate(a[None], b[None], h[None])[0][0].astype(np.int16)
        inputs = [x.astype(np.int16) for x in (a, b, h, gate_bias, candidate_bias, table)]
        offsets = 2 * rng.integers(0, 2, 7)
        parameters = (state.fraction_bits, state.low, state.high, zeta, nu)
        yield encode(name, count, inputs, wanted, parameters, STATE if i % 2 else OUTPUT, offsets)


def rows_cases(name):
    """Shifts, lifts, ranges and biases in all combinations; sums near the output's range, ties, and the largest that are allowed."""
    rng = np.random.default_rng(1)
    dtype, form = name.split("_")[2:]
    full = 128 if dtype == "int8" else 32768
    ranges = [(-full, full - 1), (-full // 3, full // 3), (0, full - 1), (-full, full - 2)]
    for i, (rows, least, biased) in enumerate(itertools.product((*COUNTS, 40), (8, 14, 15, 16, 17, 20, 27, 31), (False, True))):
        spread = int(rng.integers(0, 5))
        shift = rng.integers(least, least + spread + 1, max(rows, 1))
        multiplier = np.full(shift.size, 1 << 14) if form == "shift" else rng.integers(1 << 14, 1 << 15, shift.size)
        if form == "shift":
            shift = np.maximum(shift, 15)
        low, high = ranges[int(rng.integers(len(ranges)))]
        scale = Requantization(multiplier.astype(np.int32), shift.astype(np.int32))
        bits = int(rng.integers(12, 31))
        words = None if form == "shift" else row_scales(scale, (1 << bits) - 1, form)
        if words is None and form != "shift":
            continue
        sums = accumulators(rng, scale.repeated(rows), (1 << bits) - 1)
        bias = rng.integers(-1000, 1000, rows).astype(np.int32) if biased else np.zeros(0, np.int32)
        wanted = scale.repeated(rows)(sums, low, high).astype(dtype)
        step = int(rng.integers(2))
        if form == "shift":
            stored = (shift - 14).astype(np.int8)
            stored, wanted = (stored, wanted) if step else (stored[:1], repeated(scale, rows)(sums, low, high).astype(dtype))
        else:
            stored, step = words.words[:rows], words.lift
        first = (sums - bias if biased else sums).astype(np.int32)
        offsets = (0, 0, i % 4 if form == "shift" else 0, 0, 0, 0, 2 * (i % 2) if dtype == "int16" else i % 4)
        yield encode(name, rows, [first, bias, stored], wanted, (step, low, high), offsets=offsets)


def repeated(scale, rows):
    """The scale of the first row for all rows."""
    return Requantization(scale.multiplier[:1], scale.shift[:1]).repeated(rows)


def accumulators(rng, scale, largest):
    """int64 [rows] within `largest`."""
    power = np.clip(scale.shift - 14, 0, 40)
    near = np.round(np.exp2(rng.uniform(0, 17, power.size) + power) * rng.choice([-1, 1], power.size))
    ties = ((2 * rng.integers(-300, 300, power.size) + 1) << np.maximum(power - 1, 0)) + rng.integers(-1, 2, power.size)
    edges = rng.choice([-1, 1], power.size) * (largest - rng.integers(0, 3, power.size))
    sums = np.choose(rng.choice(3, power.size, p=[0.5, 0.3, 0.2]), [near, ties, edges])
    return np.clip(sums, -largest, largest).astype(np.int64)


@cache
def cases_of(name):
    return list(update_cases(name) if name.startswith("fastgrnn") else rows_cases(name))


def assert_exact(run, name):
    cases = cases_of(name)
    assert len(cases) > 80
    output = run(np.uint32(len(cases)).tobytes() + b"".join(case for case, _ in cases))
    for number, (_, wanted) in enumerate(cases):
        assert (number, int.from_bytes(output[:4], "little")) == (number, 0)
        np.testing.assert_array_equal(np.frombuffer(output[4:], wanted.dtype, wanted.size), wanted, err_msg=f"case {number}")
        output = output[4 + wanted.nbytes :]
    assert not output


def source_of(core, name):
    """The file that is compiled for the kernel on this core."""
    folders = [*(TEMPLATES / "arch" / folder for folder in core.kernels), KERNELS]
    return next(path for folder in folders for suffix in (".S", ".c") if (path := folder / f"{name}{suffix}").exists())


@cache
def firmware(core, folder):
    """Built once a core."""
    sources = [*(source_of(core, name) for name in NAMES), MAIN, CHECKED_CALL]
    include = [f"-I{TEMPLATES / 'arch' / name}" for name in core.kernels]
    return build_sources(core, sources, [*include, f"-I{KERNELS}"], folder)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return cache(lambda name: tmp_path_factory.mktemp(name))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("core", [core.name for core in CORES.values() if core.family is not AVR])
def test_kernels_compute_what_they_mean_on_a_core(emulated, folders, core, name):
    core = emulated(core)
    program = firmware(core, folders(core.name))
    assert_exact(lambda data: run_firmware(core, program, data), name)


@pytest.fixture(scope="module")
def definitions(tmp_path_factory):
    """All definitions in one program under the sanitizers."""
    folder = tmp_path_factory.mktemp("definitions")
    (folder / "io.h").write_text(read_template("platforms/io.h"))
    (folder / "io.c").write_text(read_template("platforms/host/io.c"))
    sources = [MAIN, folder / "io.c", *(KERNELS / f"{name}.c" for name in NAMES)]
    command = ["gcc", "-std=c99", *WARNINGS, *SANITIZED.flags, f"-I{KERNELS}", f"-I{folder}", "-o", "program", *map(str, sources)]
    subprocess.run(command, cwd=folder, check=True, timeout=120)
    return lambda data: subprocess.run([folder / "program"], input=data, capture_output=True, check=True, timeout=120).stdout


@pytest.mark.parametrize("name", NAMES)
def test_definitions_compute_what_they_mean(definitions, name):
    assert_exact(definitions, name)
