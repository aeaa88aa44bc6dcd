"""Kernels at and around the edges of their tiles, with extreme inputs: what they compute, write and read."""

import ctypes
import itertools
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rescomp.export.kernel_table import HEADERS
from rescomp.graph import ops
from rescomp.graph.evaluate import evaluate_graph
from rescomp.graph.fixed_point import TIE_FREE_WEIGHT, Requantization, tanh_table
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ir import Graph, Node, Value
from rescomp.graph.ops.activation import UNIT_Q15
from rescomp.graph.ops.c_arguments import stored_scales
from rescomp.graph.ops.drawing import (
    DENSE,
    SEEDED,
    SPARSE,
    UNPADDED,
    WHOLE_KERNELS,
    WHOLE_ROWS,
    draw_requantization,
    draw_storage,
    draw_tie_free,
)
from rescomp.graph.ops.window import Window
from rescomp.graph.weights import Int8Weight, SeededWeight, SparseWeight
from rescomp.validate.host_c import SANITIZED, HostC

KERNELS = Path(__file__).parents[2] / "firmware_templates" / "kernels"
GUARDS = {"int16": 0x5AA5 - 0x8000, "int8": 0x5A}
EDGE_ROWS, COLUMNS = (1, 7, 8, 9, 16, 17), range(1, 10)
WORDS = (1, 2, 31, 32, 33, 63, 64, 65)
"""Columns around the words of 32 signs that a seeded kernel draws."""
OF_NAMED_CORES = ("product_", "requantize_rows_", "im2col_")
"""Kernels into which a named core's export splits an op: test_products.py."""
OF_BOTH = (*DENSE, *SEEDED, *SPARSE, *WHOLE_ROWS)
PRODUCTS = [*(("int16", weights) for weights in (*OF_BOTH, *UNPADDED)), *(("int8", weights) for weights in OF_BOTH)]
CONVOLUTIONS = list(itertools.product(("int16", "int8"), (*DENSE, *SPARSE, *WHOLE_ROWS, *WHOLE_KERNELS)))


def edge_rows(weights):
    """Only the ternary kernel works on several rows at once."""
    return EDGE_ROWS if weights == "ternary" else (1, 2, 5)


def edge_columns(weights):
    return WORDS if weights in SEEDED else COLUMNS


class By(ctypes.Structure):
    _fields_ = (
        ("bias", ctypes.c_void_p),
        ("multiplier", ctypes.c_void_p),
        ("shift", ctypes.c_void_p),
        ("multiplier_step", ctypes.c_uint8),
        ("shift_step", ctypes.c_uint8),
        ("low", ctypes.c_int16),
        ("high", ctypes.c_int16),
    )


class Cell(ctypes.Structure):
    _fields_ = (("zeta", ctypes.c_int16), ("nu", ctypes.c_int16), ("f", ctypes.c_uint8), ("low", ctypes.c_int16), ("high", ctypes.c_int16))


class State(ctypes.Structure):
    _fields_ = (("f", ctypes.c_uint8), ("low", ctypes.c_int16), ("high", ctypes.c_int16))


class WindowShape(ctypes.Structure):
    """rescomp_conv2d_shape: input and output size; kernel, stride and pad."""

    _fields_ = (("sizes", ctypes.c_uint32 * 6), ("pairs", ctypes.c_uint32 * 6))


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("kernels") / "kernels.so"
    sources = map(str, sorted(KERNELS.glob("*.c")))
    subprocess.run(["gcc", "-std=c99", "-O2", "-shared", "-fPIC", "-o", str(path), *sources], check=True, timeout=120)
    return ctypes.CDLL(str(path))


class Guarded:
    """A buffer between guards of eight entries; of int8 it begins at an odd address."""

    def __init__(self, values, dtype="int16"):
        self.guard, self.front = GUARDS[dtype], 9 if dtype == "int8" else 8
        self.all = np.full(len(values) + 16, self.guard, dtype)
        self.all[self.front : self.front + len(values)] = values
        self.size = len(values)

    @property
    def pointer(self):
        return ctypes.c_void_p(self.all[self.front :].ctypes.data)

    def check(self):
        assert np.all(self.all[: self.front] == self.guard)
        assert np.all(self.all[self.front + self.size :] == self.guard)
        return self.all[self.front : self.front + self.size].astype(np.int64)


def largest(dtype, weights=""):
    """The magnitude up to which inputs beside `weights` are drawn."""
    return 128 if dtype == "int8" else 10922 if weights == "ternary" else 32767


def extremes(rng, count, bound=32767):
    high = bound - (bound in (128, 32768))
    yield from (np.full(count, fill) for fill in (-bound, high, 0, -1, 1))
    yield np.where(np.arange(count) % 2, high, -bound)
    yield rng.integers(-bound, high + 1, count)


def product(rng, dtype, weights, rows, columns, power_of_two, positions=1):
    """A random product; in a third of them all rows have one scale."""
    weight = draw_storage(rng, weights, rows, columns, positions=positions)
    if dtype == "int8":
        return int8_product(rng, weight)
    shift = rng.integers(15, 19, rows) + {"ternary": 0, "seeded": 0, "int4": 2}.get(weights.rpartition("_")[2], 6)
    multiplier = np.full(rows, 1 << 14) if power_of_two else rng.integers(1 << 14, 1 << 15, rows)
    multiplier, shift = (np.full(rows, each[0]) if rng.random() < 0.3 else each for each in (multiplier, shift))
    by = Requantization(multiplier.astype(np.int32), shift.astype(np.int32))
    bias = rng.integers(-50000, 50000, rows, dtype=np.int32) if rng.random() < 0.5 else np.zeros(0, np.int32)
    return ops.FullyConnected(weight, bias, by, Format(12, bound=20000))


def requantize_by(bias, requantization, output):
    """The argument as an export writes it; it keeps its arrays alive."""
    multiplier, shift = stored_scales(requantization)
    by = By(
        bias.ctypes.data if bias.size else None,
        multiplier.ctypes.data if multiplier.size else None,
        shift.ctypes.data,
        multiplier.size > 1,
        shift.size > 1,
        output.low,
        output.high,
    )
    by.arrays = bias, multiplier, shift
    return by


def int8_product(rng, weight):
    if weight.storage.endswith("int8"):
        weight = replace(weight, matrix=weight.matrix // 5)
    rows, reach = len(weight.matrix), 128 * int(np.abs(weight.matrix.astype(int)).sum(axis=1).max())
    bias = rng.integers(-reach, reach + 1, rows, dtype=np.int32) if rng.random() < 0.5 else np.zeros(0, np.int32)
    return ops.FullyConnected(weight, bias, draw_tie_free(rng, rows, reach), Format(5, "int8", bound=int(rng.choice([100, 128]))))


def call_product(library, op, x):
    """The kernel's output, from exactly the arrays that an export declares."""
    rows, columns = op.weight.matrix.shape
    packed, by = op.weight.pack(), requantize_by(op.bias, op.requantization, op.output)
    weight = ctypes.c_uint32(op.weight.seed) if isinstance(op.weight, SeededWeight) else ctypes.c_void_p(packed.ctypes.data)
    source, target = Guarded(x, op.output.dtype), Guarded(np.full(rows, 77), op.output.dtype)
    function = getattr(library, f"rescomp_{op.kernel}")
    function(source.pointer, target.pointer, ctypes.c_uint32(columns), ctypes.c_uint32(rows), weight, by)
    np.testing.assert_array_equal(source.check(), x)
    return target.check()


@pytest.mark.parametrize(("dtype", "weights"), PRODUCTS)
@pytest.mark.parametrize("power_of_two", [False, True])
def test_fully_connected_around_its_tiles(library, dtype, weights, power_of_two):
    rng = np.random.default_rng(0)
    for rows in edge_rows(weights):
        for columns in (*edge_columns(weights), 40):
            op = product(rng, dtype, weights, rows, columns, power_of_two)
            for x in extremes(rng, columns, largest(dtype, weights)):
                np.testing.assert_array_equal(call_product(library, op, x), op.evaluate(x[None])[0][0], err_msg=f"{rows} x {columns}")


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9])
def test_elementwise_kernels_write_their_output_only_and_work_in_place(library, count):
    rng, size, table = np.random.default_rng(count), ctypes.c_uint32(count), tanh_table()
    pointer = ctypes.c_void_p(table.ctypes.data)
    unary = [
        (ops.Relu(), ()),
        (ops.Abs(), (ctypes.c_int16(32767),)),
        (ops.Lookup("sigmoid", table), (pointer,)),
        (ops.Lookup("tanh", table), (pointer,)),
        (ops.PiecewiseLinear("sigmoid"), ()),
        (ops.PiecewiseLinear("tanh"), ()),
    ]
    for x in (*extremes(rng, count), np.full(count, -32768)):
        for op, rest in unary:
            for in_place in (False, True):
                source, wanted = Guarded(x), op.evaluate(x[None])[0][0]
                target = source if in_place else Guarded(np.full(count, 77))
                getattr(library, f"rescomp_{op.kernel}")(source.pointer, target.pointer, size, *rest)
                np.testing.assert_array_equal(target.check(), wanted)
                source.check()


@pytest.mark.parametrize("in_place", [False, True])
def test_relu_of_every_int8(library, in_place):
    x = np.arange(-128, 128)
    source = Guarded(x, "int8")
    target = source if in_place else Guarded(np.full(256, 77), "int8")
    library.rescomp_relu_int8(source.pointer, target.pointer, ctypes.c_uint32(256))
    np.testing.assert_array_equal(target.check(), np.maximum(x, 0))


@pytest.mark.parametrize("dtype", GUARDS)
@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize("count", [1, 8, 9])
def test_add_works_in_place_on_either_side(library, dtype, nonnegative, count):
    rng, op = np.random.default_rng(count), ops.Add(dtype, nonnegative)
    limits = ctypes.c_int16(op.limits.low), ctypes.c_int16(op.limits.high)
    for a, b in itertools.product(extremes(rng, count, largest(dtype)), repeat=2):
        for side in (0, 1):
            buffers = Guarded(a, dtype), Guarded(b, dtype)
            pointers = [buffer.pointer for buffer in buffers]
            getattr(library, f"rescomp_{op.kernel}")(*pointers, pointers[side], ctypes.c_uint32(count), *limits)
            np.testing.assert_array_equal(buffers[side].check(), op.evaluate(a[None], b[None])[0][0])
            np.testing.assert_array_equal(buffers[1 - side].check(), (b, a)[side])


@pytest.mark.parametrize("reads", GUARDS)
@pytest.mark.parametrize("writes", GUARDS)
def test_requantize_reads_and_writes_either_type(library, reads, writes):
    """Every integer of the input's type but the rarest of int16, through scales below and above 1, into full and clamped ranges."""
    rng = np.random.default_rng(0)
    low = -128 if reads == "int8" else -32768
    x = np.arange(low, -low) if reads == "int8" else np.concatenate([np.arange(low, -low, 97), [-2, -1, 0, 1, 2, 32767]])
    for channels, pre_shift, clamp in itertools.product((1, 2), (0, 4), (0, 100)):
        x = x[: len(x) // channels * channels]
        tie_free = reads == writes == "int8"
        scale = draw_tie_free(rng, channels, 128 << pre_shift) if tie_free else draw_requantization(rng, channels, -low << pre_shift)
        bias = rng.integers(-99, 100, channels, dtype=np.int32)
        op = ops.Requantize(pre_shift, bias, scale, Format(5, writes, bound=clamp), reads)
        op.infer(TensorType(x.shape, Format(5, reads)))
        by = requantize_by(op.bias, op.requantization, op.output)
        sizes = ctypes.c_uint32(len(x) // channels), ctypes.c_uint32(channels), ctypes.c_uint8(pre_shift)
        for in_place in {False, reads == writes}:
            source = Guarded(x, reads)
            target = source if in_place else Guarded(np.full(len(x), 77), writes)
            getattr(library, f"rescomp_{op.kernel}")(source.pointer, target.pointer, *sizes, by)
            np.testing.assert_array_equal(target.check(), op.evaluate(x[None])[0][0])
            source.check()


def test_gate_kernel_works_in_place_on_each_input(library):
    rng, count = np.random.default_rng(2), 9
    for zeta, nu, fraction_bits in ((32767, 0, 12), (0, 0, 12), (16000, 16767, 8), (32000, 100, 12)):
        op = ops.FastGrnnGate(zeta, nu, Format(fraction_bits, bound=10922))
        cell = Cell(zeta, nu, fraction_bits, -10922, 10922)
        for z in (np.zeros(count, int), np.full(count, 32767), rng.integers(0, 32768, count)):
            for c, h in zip(extremes(rng, count), extremes(rng, count, 10922), strict=True):
                for side in range(3):
                    buffers = Guarded(z), Guarded(c), Guarded(h)
                    pointers = [buffer.pointer for buffer in buffers]
                    library.rescomp_fastgrnn_gate_int16(*pointers, pointers[side], ctypes.c_uint32(count), cell)
                    np.testing.assert_array_equal(buffers[side].check(), op.evaluate(z[None], c[None], h[None])[0][0])


@pytest.mark.parametrize(("bits", "index"), [(8, "bitmap"), (4, "bitmap"), (8, "delta"), (4, "delta")])
@pytest.mark.parametrize("places", [(), (0,), (254,), (255,), (256,), (765,), (1019,), (0, 255, 510, 511, 767), (3, 1018, 1019)])
def test_sparse_products_with_long_skips(library, bits, index, places):
    """Skips of one byte and of several, over the ends of rows and at the end of the matrix, 4 x 255."""
    matrix = np.zeros((4, 255), np.int8)
    matrix.reshape(-1)[list(places)] = np.arange(len(places)) + 1
    by = Requantization(np.full(4, 1 << 14, np.int32), np.full(4, 16, np.int32))
    op = ops.FullyConnected(SparseWeight(matrix, bits, index), np.zeros(0, np.int32), by, Format(12))
    for x in extremes(np.random.default_rng(0), 255):
        np.testing.assert_array_equal(call_product(library, op, x), op.evaluate(x[None])[0][0])


def test_mul_kernel_works_in_place_on_either_side(library):
    rng, count = np.random.default_rng(3), 9
    for output, shift in ((Format(12, bound=10922), 15), (Format(13), 17), (Format(0), 30), (Format(14, nonnegative=True), 1)):
        op = ops.Mul(output, shift)
        for a, b in itertools.product(extremes(rng, count), extremes(rng, count, 32768)):
            for side in (0, 1):
                buffers = Guarded(a), Guarded(b)
                arguments = (ctypes.c_uint32(count), ctypes.c_uint8(shift), ctypes.c_int16(output.low), ctypes.c_int16(output.high))
                library.rescomp_mul_int16(buffers[0].pointer, buffers[1].pointer, buffers[side].pointer, *arguments)
                np.testing.assert_array_equal(buffers[side].check(), op.evaluate(a[None], b[None])[0][0])
                np.testing.assert_array_equal(buffers[1 - side].check(), (b, a)[side])


GATED = [
    (ops.FastRnnState(32767, 0, Format(12, bound=10922)), (32767, 0)),
    (ops.FastRnnState(9000, 32767, Format(14, bound=10922)), (9000, 32767)),
    (ops.GruState(Format(13, bound=10922)), ()),
    (ops.GruState(Format(14, bound=10922)), ()),
    (ops.LstmCellState(Format(12, bound=28672)), ()),
]


@pytest.mark.parametrize(("op", "factors"), GATED, ids=lambda each: str(each)[:24])
def test_gated_sums_work_in_place_on_each_input(library, op, factors):
    rng, count, state = np.random.default_rng(4), 9, op.state
    gates = [*(np.full(count, fill) for fill in (0, 1, 32767)), rng.integers(0, 32768, count)]
    values = [
        gates if UNIT_Q15 in allowed and len(allowed) == 1 else [*extremes(rng, count), np.full(count, -32768)] for allowed in op.reads
    ]
    states = [np.full(count, state.low), np.full(count, state.high), rng.integers(state.low, state.high + 1, count)]
    for inputs in itertools.product(*values, states):
        wanted = op.evaluate(*(x[None] for x in inputs))[0][0]
        for side in range(len(inputs)):
            buffers = [Guarded(x) for x in inputs]
            pointers = [buffer.pointer for buffer in buffers]
            rest = (*map(ctypes.c_int16, factors), State(state.fraction_bits, state.low, state.high))
            getattr(library, f"rescomp_{op.kernel}")(*pointers, pointers[side], ctypes.c_uint32(count), *rest)
            np.testing.assert_array_equal(buffers[side].check(), wanted)


@pytest.mark.parametrize(("dtype", "weights"), PRODUCTS)
def test_products_read_nothing_past_their_buffers(dtype, weights):
    """All edge sizes in one program under the address sanitizer; inputs and constants are arrays of exactly their size."""
    rng = np.random.default_rng(4)
    bound = largest(dtype, weights)
    inputs = {n: Value(f"x{n}", TensorType((n,), Format(5, dtype, bound=bound))) for n in edge_columns(weights)}
    nodes = [
        Node(f"product_{rows}_{n}", product(rng, dtype, weights, rows, n, bool(rng.integers(2))), (f"x{n}",), (f"y_{rows}_{n}",))
        for n in inputs
        for rows in edge_rows(weights)
    ]
    graph = Graph("edges", tuple(inputs.values()), tuple(nodes), (nodes[-1].outputs[0],))
    assert_equal_under_sanitizers(graph, {f"x{n}": np.stack(list(extremes(rng, n, bound))) for n in inputs})


@pytest.mark.parametrize(("dtype", "weights"), CONVOLUTIONS)
def test_convolutions_read_nothing_past_their_buffers(dtype, weights):
    """Sizes, strides and paddings in one program, paddings wider than the kernel and larger than the image among them."""
    rng, bound = np.random.default_rng(5), min(10922, largest(dtype))
    instances = []
    for i, (shape, window) in enumerate([*edge_windows(rng), *WIDE]):
        rows, area = int(rng.choice(EDGE_ROWS)), window.kernel_size[0] * window.kernel_size[1]
        plain = product(rng, dtype, weights, rows, area * shape[-1], bool(i % 3), area)
        op = ops.Conv2d(plain.weight, plain.bias, plain.requantization, plain.output, window.kernel_size, window.stride, window.padding)
        instances.append((op, TensorType(shape, Format(5, dtype, bound=bound))))
    assert_windows_equal_under_sanitizers(rng, instances)


def edge_windows(rng, count=16):
    """Images and what moves over them: paddings wider than the kernel and larger than the image among them."""
    found = []
    for i in range(count):
        *shape, kernel_height, kernel_width = (int(n) for n in rng.integers(1, 5, 5))
        padding = tuple(int(n) for n in rng.integers(0, 6, 4)) if i % 2 else (kernel_height, kernel_height, kernel_width, kernel_width)
        stride = tuple(int(n) for n in rng.integers(1, 4, 2))
        window = Window((kernel_height, kernel_width), stride, padding)
        if min(window.output_size(tuple(shape))) > 0:
            found.append((tuple(shape), window))
    assert len(found) > 10
    return found


WIDE = [((2, 14, 3), Window((3, 3), (1, 1), (1, 1, 1, 1))), ((1, 19, 2), Window((1, 2), (1, 2), (0, 0, 1, 0)))]
"""Where four positions side by side reach no padding: kernels of sparse weights take so many at once."""


def of_each_channel(rng, dtype, shape, window):
    """(op, input type) of the ops that move over each channel by itself; max_pool with as much of the padding as it takes."""
    x, output = Format(5, dtype), Format(5, dtype, nonnegative=rng.random() < 0.2)
    channels, entries = shape[-1], window.kernel_size[0] * window.kernel_size[1]
    limit, draw_scale = (TIE_FREE_WEIGHT, draw_tie_free) if dtype == "int8" else (127, draw_requantization)
    weight = Int8Weight(rng.integers(-limit, limit + 1, (channels, entries), dtype=np.int8))
    bias = rng.integers(-5000, 5000, channels, dtype=np.int32) if rng.random() < 0.5 else np.zeros(0, np.int32)
    scales = (draw_scale(rng, rows, entries * x.bound * limit) for rows in (channels, 1))
    yield ops.DepthwiseConv2d(weight, bias, next(scales), output, window.kernel_size, window.stride, window.padding), TensorType(shape, x)
    yield ops.AveragePool(next(scales), output, window.kernel_size, window.stride, window.padding), TensorType(shape, x)
    padding = tuple(min(pad, window.kernel_size[side // 2] - 1) for side, pad in enumerate(window.padding))
    op = ops.MaxPool(window.kernel_size, window.stride, padding, dtype)
    if min(op.window.output_size(shape)) > 0:
        yield op, TensorType(shape, replace(x, nonnegative=any(padding)))


def image_extremes(rng, x):
    """[samples, *shape], the smallest entry of the format included."""
    samples = [*extremes(rng, x.size, x.format.high), np.full(x.size, x.format.low)]
    return np.clip(np.stack(samples), x.format.low, x.format.high).reshape(-1, *x.shape)


@pytest.mark.parametrize("dtype", ["int16", "int8"])
def test_windows_over_each_channel_at_the_edges_of_the_map(library, dtype):
    rng = np.random.default_rng(6)
    kernels = set()
    for shape, window in edge_windows(rng, 40):
        for op, x_type in of_each_channel(rng, dtype, shape, window):
            kernels.add(op.kernel)
            samples = image_extremes(rng, x_type)
            for x, wanted in zip(samples, op.evaluate(samples)[0], strict=True):
                np.testing.assert_array_equal(call_over_windows(library, op, x_type, x.reshape(-1)), wanted.reshape(-1), err_msg=str(op))
    assert len(kernels) == 3


def call_over_windows(library, op, x_type, x):
    """The output of a kernel that moves over each channel by itself, from exactly the arrays that an export declares."""
    (y_type,) = op.infer(x_type)
    dtype = x_type.format.dtype
    source, target = Guarded(x, dtype), Guarded(np.full(y_type.size, 77), dtype)
    geometry = WindowShape((*x_type.shape, *y_type.shape), (*op.kernel_size, *op.stride, *op.padding[::2]))
    arguments = [source.pointer, target.pointer, geometry]
    if isinstance(op, ops.DepthwiseConv2d):
        weight = np.ascontiguousarray(op.weight.matrix.T)
        arguments.append(ctypes.c_void_p(weight.ctypes.data))
    if not isinstance(op, ops.MaxPool):
        arguments.append(requantize_by(getattr(op, "bias", np.zeros(0, np.int32)), op.requantization, op.output))
    getattr(library, f"rescomp_{op.kernel}")(*arguments)
    np.testing.assert_array_equal(source.check(), x)
    return target.check()


@pytest.mark.parametrize("dtype", ["int16", "int8"])
def test_windows_over_each_channel_read_nothing_past_their_buffers(dtype):
    rng = np.random.default_rng(7)
    windows = edge_windows(rng)
    assert_windows_equal_under_sanitizers(rng, [each for shape, window in windows for each in of_each_channel(rng, dtype, shape, window)])


def assert_windows_equal_under_sanitizers(rng, instances):
    """Independent (op, input type) in one program."""
    inputs = tuple(Value(f"x{i}", x) for i, (_, x) in enumerate(instances))
    nodes = tuple(Node(f"layer_{i}", op, (f"x{i}",), (f"y{i}",)) for i, (op, _) in enumerate(instances))
    graph = Graph("edges", inputs, nodes, (nodes[-1].outputs[0],))
    assert_equal_under_sanitizers(graph, {x.name: image_extremes(rng, x.type) for x in inputs})


def assert_equal_under_sanitizers(graph, samples):
    values = HostC([*SANITIZED.flags, "-DRESCOMP_TAP"]).run_graph(graph, samples)
    expected = evaluate_graph(graph, samples)
    for name, value in values.items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


def test_every_op_has_its_kernel_and_every_kernel_its_declaration():
    wanted = {cls.random(np.random.default_rng(seed))[0].kernel for cls in ops.REGISTRY.values() for seed in range(400)} - {""}
    defined = {path.stem for path in KERNELS.glob("*.c")}
    headers = [(KERNELS / name).read_text() for name in HEADERS]
    declared = {name for text in headers for name in re.findall(r"^void rescomp_(\w+)\(", text, re.MULTILINE)}
    assert defined == declared
    assert wanted == {name for name in defined if not name.startswith(OF_NAMED_CORES)}
