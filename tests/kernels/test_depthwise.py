"""Depthwise convolutions on the emulated cores and, as plain C, on the host: between guard bytes, with registers that must be kept.

On a core they are the files that its export would hold. Each core computes all cases of numpy, of channels around a turn of four, with
kernels, strides and paddings of all kinds; and each of some errors planted in what a core has of its own is found.
"""

import itertools
import subprocess
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest

from rescomp.export.c_templates import read_template
from rescomp.graph import ops
from rescomp.graph.fixed_point import Requantization
from rescomp.graph.formats import Format
from rescomp.graph.weights import Int8Weight
from rescomp.targets.cores import AVR, CORES
from rescomp.tests.kernels.planted import firmware, write_kernels
from rescomp.validate.c_program import WARNINGS
from rescomp.validate.emulation import run_firmware
from rescomp.validate.host_c import SANITIZED

MAIN = Path(__file__).with_name("depthwise_main.c")
DTYPES = ("int8", "int16")
"""In the order of the numbers in depthwise_main.c."""
NAMES = [f"depthwise_conv2d_{dtype}_int8" for dtype in DTYPES]
SHAPES = [("input", "<u2", 3), ("output", "<u2", 3), ("window", "<u2", 6)]
CASE = np.dtype(
    [("kernel", "<u2"), ("bytes", "<u2", 6), ("offsets", "<u2", 6), *SHAPES, ("steps", "<u2", 2), ("low", "<i2"), ("high", "<i2")]
)
LARGE_CORES = [core.name for core in CORES.values() if core.family is not AVR]
CHANNELS = (1, 3, 4, 5, 8, 11)
WINDOWS = [
    ((4, 5), (3, 3), (1, 1), (1, 1, 1, 1)),
    ((5, 4), (2, 2), (2, 1), (0, 1, 1, 0)),
    ((1, 9), (1, 5), (1, 2), (0, 0, 4, 2)),
    ((3, 8), (2, 7), (1, 1), (1, 0, 3, 3)),
    ((6, 2), (4, 1), (1, 1), (2, 2, 0, 0)),
    ((2, 2), (1, 1), (1, 1), (2, 0, 0, 2)),
]
"""Input, kernel, stride, padding. The last has positions that lie in the padding."""
SCALES = ("a shift a channel", "one shift", "shifts below 1", "multipliers")


def requantization(rng, scales, channels, sums):
    """Bringing sums of that size near the range of the output."""
    shift = rng.integers(1, 4, channels) + max(0, sums.bit_length() - 9)
    if scales == "one shift":
        shift[:] = 31 if channels == 5 else shift[0]
    if scales == "shifts below 1":
        shift[-1] = rng.choice([0, 0, -1, -6])
    multiplier = rng.integers(1 << 14, 1 << 15, channels) if scales == "multipliers" else np.full(channels, 1 << 14)
    return Requantization(multiplier.astype(np.int32), (shift + 14).astype(np.int32))


def layer(rng, dtype, number, window, channels, scales):
    """A depthwise convolution and its input [height, width, channels]; all at an end of their range in some of them."""
    (height, width), kernel, stride, padding = window
    shape, area = (height, width, channels), kernel[0] * kernel[1]
    weight, x = rng.integers(-127, 128, (channels, area)), rng.integers(-128, 128, shape)
    if number % 3 == 0:
        weight[:], x[:] = rng.choice([-127, 127], (channels, 1)), rng.choice([-128, 127], shape[-1])
    if dtype == "int16":
        x = x * 256 + 255 * (x > 0)
    largest = area * 128 * (128 if dtype == "int8" else 32768)
    bias = rng.integers(-(1 << 12), 1 << 12, channels if number % 5 else 0).astype(np.int32)
    if scales == "shifts below 1":  # the last channel's results are near zero
        weight[-1], bias[-1:] = 0, bias[-1:] // 64
    output = Format(4, dtype, bound=(0, 0, 100)[number % 3], nonnegative=number % 2 == 0)
    op = ops.DepthwiseConv2d(
        Int8Weight(weight.astype(np.int8)), bias, requantization(rng, scales, channels, largest), output, kernel, stride, padding
    )
    return op, x


def encode(op, x, number):
    """(a case as the program reads it, the output it should give)."""
    wanted, by, single = op.evaluate(x[None])[0][0].astype(op.output.dtype), op.requantization, len(set(op.requantization.shift)) == 1
    powers = bool((by.multiplier == 1 << 14).all())
    shift = (by.shift - 14 if powers else by.shift).astype(np.int8)[: 1 if single else None]
    multiplier = np.zeros(0, np.int16) if powers else by.multiplier.astype(np.int16)
    inputs = [x.astype(op.output.dtype), np.ascontiguousarray(op.weight.matrix.T), op.bias, multiplier, shift]
    header = np.zeros((), CASE)
    header["kernel"] = DTYPES.index(op.output.dtype)
    header["bytes"] = [*(each.nbytes for each in inputs), wanted.nbytes]
    header["offsets"] = [number % 4 if each.itemsize == 1 else 0 for each in (*inputs, wanted)]
    header["input"], header["output"] = x.shape, wanted.shape
    header["window"] = (*op.kernel_size, *op.stride, op.padding[0], op.padding[2])
    header["steps"], header["low"], header["high"] = (1, not single), op.output.low, op.output.high
    return header.tobytes() + b"".join(each.tobytes() for each in inputs), wanted


@cache
def cases_of(dtype):
    rng = np.random.default_rng(0)
    drawn = enumerate(itertools.product(WINDOWS, CHANNELS, SCALES))
    return [encode(*layer(rng, dtype, number, *each), number) for number, each in drawn]


def differing(run, cases):
    """Numbers of the cases in which anything went wrong."""
    output = run(np.uint32(len(cases)).tobytes() + b"".join(data for data, _ in cases))
    wrong = []
    for number, (_, wanted) in enumerate(cases):
        said, answer = int.from_bytes(output[:4], "little"), output[4 : 4 + wanted.nbytes]
        wrong += [number] if said or answer != wanted.tobytes() else []
        output = output[4 + wanted.nbytes :]
    assert not output
    return wrong


@pytest.mark.parametrize("core", LARGE_CORES)
def test_depthwise_convolutions_equal_numpy_on_a_core(emulated, tmp_path, core):
    core = emulated(core)
    run = partial(run_firmware, core, firmware(core, MAIN, NAMES, tmp_path))
    for dtype in DTYPES:
        assert len(cases_of(dtype)) == 144
        assert differing(run, cases_of(dtype)) == []


def test_the_definitions_equal_numpy(tmp_path):
    (tmp_path / "io.h").write_text(read_template("platforms/io.h"))
    (tmp_path / "io.c").write_text(read_template("platforms/host/io.c"))
    sources = [*write_kernels(tmp_path, NAMES, ()), MAIN, tmp_path / "io.c"]
    command = ["gcc", "-std=c99", *WARNINGS, *SANITIZED.flags, f"-I{tmp_path}", "-o", "program", *map(str, sources)]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    for dtype in DTYPES:
        run = partial(subprocess.run, [tmp_path / "program"], capture_output=True, check=True, timeout=120)
        assert differing(lambda data, run=run: run(input=data).stdout, cases_of(dtype)) == []


FOUR, KERNEL = "rescomp_four_channels_dsp.h", "depthwise_conv2d_int8_int8.c"
PLANTED = [
    (FOUR, '"push {r4-r11, lr}\\n"', '"push {r4-r11, lr}\\nstr r10, [sp, #28]\\n"'),
    (FOUR, '"smlatt r7, r10, r11, r7\\n"', '"smlabt r7, r10, r11, r7\\n"'),
    (FOUR, '"adc \\\\sum, \\\\sum, #0\\n"', '"nop\\n"'),
    (FOUR, '"ssat \\\\sum, #8, \\\\sum\\n"', '"ssat \\\\sum, #9, \\\\sum\\n"'),
    (FOUR, '"sel r4, r4, r10\\n"', '"nop\\n"'),
    (FOUR, '"sel r4, r4, r11\\n"', '"nop\\n"'),
    (FOUR, '"subs r8, r8, #3\\n"', '"subs r8, r8, #2\\n"'),
    (KERNEL, "by->shift[c] < 1", "by->shift[c] < 0"),
    (KERNEL, "by->shift_step ? CHANNELS : 0", "CHANNELS"),
    (KERNEL, "CHANNELS * sizeof *by->bias : 0", "CHANNELS * sizeof *by->bias : 16"),
    (KERNEL, "c = fours;", "c = shape.output.channels;"),
]
"""(the file of cortex-m4; what is there; what is put there)"""


@pytest.mark.parametrize(("name", "old", "new"), PLANTED, ids=lambda each: each[:24])
def test_an_error_in_a_depthwise_convolution_of_a_core_is_found(emulated, tmp_path, name, old, new):
    core = emulated("cortex-m4")
    program = firmware(core, MAIN, NAMES, tmp_path, (name, old, new))
    assert differing(partial(run_firmware, core, program), cases_of("int8"))
