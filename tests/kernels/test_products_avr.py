"""The assembly of firmware_templates/arch/avr, each function called alone under libsimavr, against numpy; and what it replaces, on the host.

A call sees RAM full of noise. Afterwards everything but its outputs, its scratch and a short stack must be as it was, and so must the
registers that belong to the caller.
"""

import ctypes
import re
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from rescomp.graph.fixed_point import (
    MAX_SHIFT,
    MIN_SHIFT,
    Q15_ONE,
    Requantization,
    hard_sigmoid,
    hard_tanh,
    lookup_sigmoid,
    lookup_tanh,
    round_half_up_shift,
    saturate,
    tanh_table,
)
from rescomp.graph.ops.drawing import draw_storage
from rescomp.targets.ternary_layouts_bytes import MOST_COLUMNS, tabled_byte_entries, tabled_bytes

TEMPLATES = Path(__file__).parents[2] / "firmware_templates"
KERNELS, ASSEMBLY = TEMPLATES / "kernels", TEMPLATES / "arch" / "avr"
DEVICES = {"atmega328p": (0x100, 0x900), "atmega2560": (0x200, 0x2200)}
"""First address of RAM, and of what lies behind it."""
CONSTANTS = 0x4001
"""Where constants begin in flash: odd, and behind the code."""
STACK_BYTES = 48
"""More than any kernel takes: 18 registers, up to 20 bytes of its own and the return address."""
PACKAGES = {"avr-gcc": "gcc-avr avr-libc", "gcc": "gcc libc6-dev", "libsimavr": "libsimavr-dev libelf-dev"}
LOWEST = {"int8": -128, "int16": -32768}
ROWS = (1, 2, 3, 4, 5, 7, 8, 9)
COLUMNS = (*range(1, 10), 15, 16, 17, 20, 21, 31, 32, 33, 40)
SPANS = (247, 248, 249, 252, 253, 256, 257, 497, 505)
"""Around the columns that an int8 product takes at a time."""


class Device:
    """A microcontroller with functions in assembly, those of arch/avr if no others are given, of which one is called at a time."""

    def __init__(self, mcu, folder, sources=()):
        link = [*map(str, sources or sorted(ASSEMBLY.glob("*.S"))), "-nostartfiles", "-Wl,-e,0"]
        run(["avr-gcc", f"-mmcu={mcu}", f"-I{ASSEMBLY}", "-o", "kernels.elf", *link], folder)
        host = str(Path(__file__).with_name("simavr_call.c"))
        run(["gcc", "-std=c99", "-O2", "-shared", "-fPIC", "-o", "call.so", host, "-lsimavr", "-lelf"], folder, PACKAGES["libsimavr"])
        self.library = ctypes.CDLL(str(folder / "call.so"))
        self.library.simavr_call.restype = ctypes.c_int64
        self.library.simavr_call.argtypes = ctypes.c_uint32, ctypes.c_uint16, ctypes.c_uint64
        for name in ("simavr_data", "simavr_flash"):
            getattr(self.library, name).restype = ctypes.POINTER(ctypes.c_uint8)
        assert self.library.simavr_open(mcu.encode(), str(folder / "kernels.elf").encode()) == 0
        self.start, self.end = DEVICES[mcu]
        self.data = np.ctypeslib.as_array(self.library.simavr_data(), (self.end,))
        self.flash = np.ctypeslib.as_array(self.library.simavr_flash(), (0x8000,))
        symbols = subprocess.run(["avr-nm", "kernels.elf"], cwd=folder, capture_output=True, text=True, check=True, timeout=120).stdout
        self.functions = {name: int(address, 16) for address, kind, name in map(str.split, symbols.splitlines()) if kind == "T"}
        self.rng = np.random.default_rng(0)
        self.clear()

    def clear(self):
        self.ram, self.rom, self.written = self.start + 8, CONSTANTS, []
        self.data[self.start : self.end] = self.rng.integers(0, 256, self.end - self.start)

    def buffer(self, array, align=1, written=0):
        """Address of a copy in RAM, of which (or of what lies there) that many bytes may change. Some bytes stay between buffers."""
        address = self.ram + -self.ram % align
        self.data[address : address + array.nbytes] = array.reshape(-1).view(np.uint8)
        self.written.append((address, address + written))
        self.ram = address + max(array.nbytes, written) + 8
        assert self.ram < self.end - 2 * STACK_BYTES
        return address

    def output(self, nbytes, align=1):
        return self.buffer(np.zeros(0, np.uint8), align, nbytes)

    def constant(self, array):
        """Address of a copy in flash."""
        address, self.rom = self.rom, self.rom + array.nbytes
        assert self.rom <= self.flash.size
        self.flash[address : self.rom] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        return address

    def read(self, address, dtype, count):
        return self.data[address : address + np.dtype(dtype).itemsize * count].view(dtype).astype(np.int64)

    def call(self, name, *arguments):
        """Arguments are 16-bit integers or the bytes of structs, passed as avr-gcc does; checks all that a call must leave alone."""
        stack, register = b"", 26
        self.data[:32] = self.rng.integers(0, 256, 32)
        self.data[1] = 0
        for argument in arguments:
            data = argument if isinstance(argument, bytes) else struct.pack("<H", argument & 0xFFFF)
            register -= len(data) + len(data) % 2
            if register < 8 or stack:
                stack += data
            else:
                self.data[register : register + len(data)] = list(data)
        self.data[self.end - len(stack) : self.end] = list(stack)
        before, top = self.data.copy(), self.end - len(stack) - 1
        assert self.library.simavr_call(self.functions[f"rescomp_{name}"], top, 10_000_000) > 0
        for first, last in [*self.written, (top + 1 - STACK_BYTES, self.end)]:
            before[first:last] = self.data[first:last]
        np.testing.assert_array_equal(self.data[self.start :], before[self.start :], err_msg=f"{name} wrote elsewhere")
        kept = [1, *range(2, 18), 28, 29]
        np.testing.assert_array_equal(self.data[kept], before[kept], err_msg=f"{name} lost a register")
        assert self.data[0x5D] + 256 * self.data[0x5E] == top, "the stack pointer has moved"


def run(command, folder, package=""):
    """Run a tool, or skip, naming what to install."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs {command[0]}: apt-get install {PACKAGES[command[0]]}")
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    if package and re.search(r"sim_avr\.h|-lsimavr|libelf|-lelf", result.stderr):
        pytest.skip(f"needs libsimavr: apt-get install {package}")
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module", params=DEVICES)
def device(request, tmp_path_factory):
    return Device(request.param, tmp_path_factory.mktemp("avr"))


def extremes(rng, matrix, low, high):
    """Inputs for a matrix: the largest of either sign, alternating, those that add up in its first row, and random ones."""
    columns = matrix.shape[1]
    yield from (np.full(columns, fill) for fill in (low, high))
    yield np.where(np.arange(columns) % 2, high, low)
    yield np.where(matrix[0] < 0, low, high)
    yield rng.integers(low, high + 1, columns)


def check_product(device, name, dtype, matrix, x, weight, table_entries=0, table_offset=0):
    rows, columns = matrix.shape
    wanted = matrix.astype(np.int64) @ x
    assert np.abs(wanted).max() < 1 << 30
    device.clear()
    source = device.buffer(x.astype(dtype))
    accumulator = device.output(4 * (rows + -rows % 8))
    device.ram += table_offset
    table = (device.output(2 * table_entries),) if table_entries else ()
    device.call(f"product_{dtype}_{name}", source, columns, rows, device.constant(weight), accumulator, *table)
    np.testing.assert_array_equal(device.read(accumulator, np.int32, rows), wanted, err_msg=f"{dtype} {rows} x {columns}")


def check_tabled(device, dtype, matrix, x, most_groups):
    """The table begins anywhere in a page of 256 bytes, also at an odd address, which avr-gcc gives structs, too."""
    packed, entries = tabled_bytes(matrix, most_groups), tabled_byte_entries(matrix.shape[1], most_groups)
    check_product(device, "ternary_tabled_bytes", dtype, matrix, x, packed, entries, int(device.rng.integers(256)))


@pytest.mark.parametrize("dtype", LOWEST)
def test_tables_are_aligned_within_their_room_wherever_they_begin(device, dtype):
    rng = np.random.default_rng(8)
    matrix = draw_storage(rng, "ternary", 5, 7).matrix
    packed, entries = tabled_bytes(matrix, 2), tabled_byte_entries(7, 2)
    for offset in range(32):
        check_product(device, "ternary_tabled_bytes", dtype, matrix, rng.integers(-99, 100, 7), packed, entries, offset)


@pytest.mark.parametrize("dtype", LOWEST)
def test_tabled_products_around_their_tiles(device, dtype):
    rng = np.random.default_rng(1)
    bound = 128 if dtype == "int8" else 10922
    for rows in ROWS:
        for columns in COLUMNS:
            matrix = draw_storage(rng, "ternary", rows, columns).matrix
            for x in extremes(rng, matrix, -bound, bound - (dtype == "int8")):
                check_tabled(device, dtype, matrix, x, int(rng.choice([1, 2, 3, 4, 5, 8, 10])))


@pytest.mark.parametrize("dtype", LOWEST)
def test_tabled_products_of_most_columns(device, dtype):
    bound, most = 128 if dtype == "int8" else 10922, MOST_COLUMNS[dtype] if device.end > 0x1000 else 200
    for columns in (most, most - 1):
        for sign in (1, -1):
            matrix = sign * np.tile(np.array([1, -1, 1, 0], np.int8), 256)[None, :columns].repeat(5, axis=0)
            for most_groups in (7, 25):
                check_tabled(device, dtype, matrix, np.where(matrix[0] < 0, -bound, bound - (dtype == "int8")), most_groups)


@pytest.mark.parametrize("dtype", LOWEST)
def test_int8_products_around_their_tiles(device, dtype):
    rng = np.random.default_rng(2)
    low = LOWEST[dtype]
    for rows in ROWS:
        for columns in COLUMNS:
            random = rng.integers(-127, 128, (rows, columns), dtype=np.int8)
            for matrix in (random, np.full((rows, columns), 127, np.int8), np.full((rows, columns), -127, np.int8)):
                for x in extremes(rng, matrix, low, -low - 1):
                    check_product(device, "int8", dtype, matrix, x, matrix)


@pytest.mark.parametrize("dtype", LOWEST)
def test_int8_products_of_many_columns(device, dtype):
    rng = np.random.default_rng(3)
    low = LOWEST[dtype]
    for columns in SPANS:
        for rows in (1, 2, 3):
            matrix = rng.integers(-127, 128, (rows, columns), dtype=np.int8)
            check_product(device, "int8", dtype, matrix, rng.integers(low, -low, columns), matrix)
        if columns * 127 * -low < 1 << 30:
            for fill in (-127, 127):
                matrix = np.full((3, columns), fill, np.int8)
                for value in (low, -low - 1):
                    check_product(device, "int8", dtype, matrix, np.full(columns, value), matrix)


def draw_sums(rng, multiplier, shift):
    """Sums below 2^30: edges, random ones, and those whose product with a row's multiplier is a tie or next to one."""
    count = shift.size
    spread = np.exp2(np.clip(shift - 15.0, 1, 29.9))
    near = np.round(rng.uniform(-1.1, 1.1, count) * 32768 * spread / 2)
    ties = np.round((rng.integers(-40, 40, count) + 0.5) * np.exp2(shift.astype(float)) / multiplier) + rng.integers(-1, 2, count)
    edges = rng.choice([1, -1], count) * (np.left_shift(1, rng.integers(0, 31, count)) + rng.integers(-1, 2, count))
    sums = np.choose(rng.integers(0, 3, count), [near, ties, edges])
    return np.clip(sums, -(1 << 30) + 1, (1 << 30) - 1).astype(np.int64)


def draw_by(rng, device, rows, shift, power_of_two, output):
    """The requantization of so many rows: the struct, and multipliers and shifts for each row. Constants are shared at random."""
    steps = rng.integers(0, 2, 2)
    multiplier = np.full(rows, 1 << 14) if power_of_two else np.resize(rng.integers(1 << 14, 1 << 15, rows if steps[0] else 1), rows)
    if not power_of_two and rng.random() < 0.2:
        multiplier[:] = rng.choice([1 << 14, (1 << 15) - 1])
    others = np.where(rng.random(rows) < 0.6, shift, np.clip(shift + rng.integers(-9, 10, rows), MIN_SHIFT, MAX_SHIFT))
    shifts = np.resize(others if steps[1] else shift, rows)

    def pack(bias):
        stored = 0 if power_of_two else device.constant(multiplier[: rows if steps[0] else 1].astype(np.int16))
        amount = device.constant((shifts - 14 * power_of_two)[: rows if steps[1] else 1].astype(np.int8))
        where = device.constant(bias.astype(np.int32)) if bias.size else 0
        return struct.pack("<HHHBBhh", where, stored, amount, *steps, *output)

    return pack, Requantization(multiplier.astype(np.int32), shifts.astype(np.int32))


def ranges(dtype):
    full = LOWEST[dtype], -LOWEST[dtype] - 1
    return full, (0, full[1]), ((-10922, 10922) if dtype == "int16" else (-100, 100))


@pytest.mark.parametrize("dtype", LOWEST)
@pytest.mark.parametrize("power_of_two", [False, True])
def test_requantize_rows(device, dtype, power_of_two):
    rng, changed = np.random.default_rng(4), 0
    for repeat in range(12):
        for shift in range(MIN_SHIFT, MAX_SHIFT + 1):
            rows = int(rng.choice([1, 2, 3, 17, 40]))
            device.clear()
            output = ranges(dtype)[repeat % 3]
            pack, by = draw_by(rng, device, rows, shift, power_of_two, output)
            sums = draw_sums(rng, by.multiplier, by.shift)
            bias = rng.integers(-(1 << 20), 1 << 20, rows) if repeat % 2 else np.zeros(0, np.int64)
            in_place = repeat % 4 >= 2
            accumulator = (sums - bias if bias.size else sums).astype(np.int32)
            source = device.buffer(accumulator, written=np.dtype(dtype).itemsize * rows if in_place else 0)
            target = source if in_place else device.output(np.dtype(dtype).itemsize * rows)
            device.call(f"requantize_rows_{dtype}", source, target, rows, pack(bias))
            wanted = by(sums[None], *output)[0]
            np.testing.assert_array_equal(device.read(target, dtype, rows), wanted, err_msg=f"shift {shift}")
            changed += int(np.sum((wanted > output[0]) & (wanted < output[1])))
    assert changed > 500, "most results are at the ends of their range"


@pytest.mark.parametrize("rows", [255, 256, 257])
def test_requantize_rows_of_many_rows(device, rows):
    rng = np.random.default_rng(rows)
    device.clear()
    pack, by = draw_by(rng, device, rows, 20, False, (-32768, 32767))
    sums = rng.integers(-(1 << 20), 1 << 20, rows)
    source = device.buffer(sums.astype(np.int32), written=2 * rows)
    device.call("requantize_rows_int16", source, source, rows, pack(np.zeros(0)))
    np.testing.assert_array_equal(device.read(source, np.int16, rows), by(sums[None], -32768, 32767)[0])


@pytest.mark.parametrize("power_of_two", [False, True])
@pytest.mark.parametrize(("source", "target"), [("int16", "int16"), ("int16", "int8"), ("int8", "int16"), ("int8", "int8")])
def test_requantize(device, source, target, power_of_two):
    rng = np.random.default_rng(5)
    name = f"requantize_{source}" if source == target else f"requantize_{source}_{target}"
    sizes = [(1, 1), (1, 9), (2, 3), (3, 2), (5, 1), (258, 1)] + ([(2, 257)] if device.end > 0x1000 else [(2, 80)])
    for repeat in range(21):
        pre_shift = repeat % 7
        for positions, channels in sizes:
            device.clear()
            pack, by = draw_by(rng, device, channels, int(rng.integers(MIN_SHIFT, 26)), power_of_two, ranges(target)[repeat % 3])
            x = rng.integers(LOWEST[source], -LOWEST[source], (positions, channels))
            x[0, 0] = rng.choice([LOWEST[source], -LOWEST[source] - 1])
            bias = rng.integers(-(1 << 20), 1 << 20, channels) if repeat % 2 else np.zeros(0, np.int64)
            nbytes = np.dtype(target).itemsize * x.size
            in_place = source == target and repeat % 4 >= 2
            first = device.buffer(x.astype(source), written=nbytes if in_place else 0)
            second = first if in_place else device.output(nbytes)
            device.call(name, first, second, positions, channels, pre_shift, pack(bias))
            wanted = by((x << pre_shift) + (bias if bias.size else 0), *ranges(target)[repeat % 3])
            np.testing.assert_array_equal(device.read(second, target, x.size), wanted.reshape(-1))


def update(kind, p, u, h, gate_bias, candidate_bias, cell):
    zeta, nu, fraction_bits, low, high = cell
    table = (tanh_table(),) if kind == "lookup" else ()
    functions = (lookup_sigmoid, lookup_tanh) if table else (hard_sigmoid, hard_tanh)
    s = saturate(p + u, -32768, 32767)
    z, c = (
        function(saturate(s + bias, -32768, 32767), *table) for function, bias in zip(functions, (gate_bias, candidate_bias), strict=True)
    )
    gate = round_half_up_shift(zeta * (Q15_ONE - z) + (nu << 15), 30 - fraction_bits)
    assert 0 <= gate.min() <= gate.max() < Q15_ONE
    mixed = gate * c + z * h
    assert np.abs(mixed).max() < (1 << 30) - (1 << 14)
    return saturate(round_half_up_shift(mixed, 15), low, high)


def draw_cell(rng, fraction_bits):
    """Constants at the ends of their range or inside, with a gate that the proof of fastgrnn_gate admits."""
    most = min((1 << 15) - 1, ((21000 << (30 - fraction_bits)) >> 15) // 2)
    zeta, nu = (int(value) for value in rng.choice([rng.integers(0, most + 1, 2), rng.choice([0, 1, most], 2)]))
    return zeta, nu, fraction_bits, -10922, int(rng.choice([10922, 10000]))


@pytest.mark.parametrize("kind", ["lookup", "piecewise_linear"])
def test_fastgrnn_update(device, kind):
    rng, edges = np.random.default_rng(6), (-32768, -32767, -4097, -4096, -4095, -1, 0, 1, 4095, 4096, 4097, 28671, 28672, 32767)
    counts = (1, 2, 9, 100) if device.end < 0x1000 else (1, 255, 256, 257)
    for repeat in range(160):
        count, cell = int(rng.choice(counts)), draw_cell(rng, 12 if repeat % 2 else int(rng.integers(1, 14)))
        p, u, gate_bias, candidate_bias = (rng.integers(-32768, 32768, count) >> int(rng.integers(0, 5)) for _ in range(4))
        if repeat % 3 == 0:
            p, u = rng.choice(edges, count), 0 * u
            gate_bias, candidate_bias = (rng.choice([-1, 0, 1, -32768, 32767], count) for _ in range(2))
        h = rng.integers(-10922, 10923, count) if repeat % 5 else rng.choice([-10922, 10922], count)
        device.clear()
        first, second = (device.buffer(each.astype(np.int16)) for each in (p, u))
        state = device.buffer(h.astype(np.int16), written=2 * count if repeat % 2 else 0)
        target = state if repeat % 2 else device.output(2 * count)
        biases = (device.constant(each.astype(np.int16)) for each in (gate_bias, candidate_bias))
        table = (device.constant(tanh_table()),) if kind == "lookup" else ()
        device.call(f"fastgrnn_update_{kind}_int16", first, second, state, target, count, *biases, struct.pack("<hhBhh", *cell), *table)
        wanted = update(kind, p, u, h, gate_bias, candidate_bias, cell)
        np.testing.assert_array_equal(device.read(target, np.int16, count), wanted)


@pytest.mark.parametrize("kind", ["lookup", "piecewise_linear"])
def test_fastgrnn_update_of_every_argument(device, kind):
    """z and c of all 65,536 numbers (on the second device, which has the same instructions, of some), seen through a gate that shows them."""
    x, step = np.arange(-32768, 32768, 1 if device.end < 0x1000 else 16), 128
    for cell, h in (((0, 32000, 13, -32768, 32767), 0), ((0, 0, 13, -32768, 32767), 10922)):
        for start in range(0, x.size, step):
            part = x[start : start + step]
            device.clear()
            state, zeros = device.buffer(np.full(step, h, np.int16), written=2 * step), device.buffer(np.zeros(step, np.int16))
            bias, table = device.constant(np.zeros(step, np.int16)), (device.constant(tanh_table()),) if kind == "lookup" else ()
            source = device.buffer(part.astype(np.int16))
            arguments = source, zeros, state, state, step, bias, bias, struct.pack("<hhBhh", *cell), *table
            device.call(f"fastgrnn_update_{kind}_int16", *arguments)
            wanted = update(kind, part, 0, np.full(step, h), 0, 0, cell)
            np.testing.assert_array_equal(device.read(state, np.int16, step), wanted)


@pytest.fixture(scope="module")
def definitions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("definitions")
    sources = map(str, sorted(KERNELS.glob("product_*_ternary_tabled_bytes.c")))
    run(["gcc", "-std=c99", "-O2", "-shared", "-fPIC", "-o", "kernels.so", *sources], folder)
    return ctypes.CDLL(str(folder / "kernels.so"))


@pytest.mark.parametrize("dtype", LOWEST)
def test_definition_of_tabled_products(definitions, dtype):
    rng = np.random.default_rng(7)
    bound, function = 128 if dtype == "int8" else 10922, getattr(definitions, f"rescomp_product_{dtype}_ternary_tabled_bytes")
    for rows in ROWS:
        for columns in COLUMNS:
            matrix = draw_storage(rng, "ternary", rows, columns).matrix
            for x in extremes(rng, matrix, -bound, bound - (dtype == "int8")):
                most_groups = int(rng.choice([1, 2, 3, 4, 5, 8, 10]))
                accumulator = np.full(rows + -rows % 8 + 2, 77, np.int32)
                table = np.full(tabled_byte_entries(columns, most_groups) + 2, 77, np.uint16)
                source, packed = x.astype(dtype), tabled_bytes(matrix, most_groups)
                pointers = [ctypes.c_void_p(each.ctypes.data) for each in (source, packed, accumulator[1:], table[1:])]
                sizes = ctypes.c_uint16(columns), ctypes.c_uint16(rows)
                function(pointers[0], *sizes, *pointers[1:])
                np.testing.assert_array_equal(accumulator[1 : 1 + rows], matrix.astype(np.int64) @ x)
                assert accumulator[[0, -1]].tolist() == table[[0, -1]].tolist() == [77, 77]
                np.testing.assert_array_equal(source, x)
