"""Every op keeps the bounds it infers, on random and extreme inputs; and ops with a twin elsewhere equal it."""

import numpy as np
import pytest
import torch

from rescomp.errors import UnsupportedError
from rescomp.graph import ops
from rescomp.graph.fixed_point import Requantization, tanh_table
from rescomp.graph.formats import Format, TensorType, image_shape
from rescomp.graph.weights import Int4Weight, Int8Weight, SeededWeight, SparseKernelsWeight, SparseWeight, TernaryRowsWeight, TernaryWeight


def extreme_inputs(types, rng, batch=6):
    """Random samples, then all low, all high, zeros."""
    for t in types:
        low, high = t.format.low, t.format.high
        x = rng.integers(low, high + 1, (batch, *t.shape))
        x[0], x[1], x[2] = low, high, 0
        yield x


@pytest.mark.parametrize("name", ops.REGISTRY)
@pytest.mark.parametrize("seed", range(20))
def test_results_have_the_inferred_shape_and_stay_in_the_inferred_bounds(name, seed):
    rng = np.random.default_rng(seed)
    op, types = ops.REGISTRY[name].random(rng)
    outputs = op.evaluate(*extreme_inputs(types, rng))
    for array, t in zip(outputs, op.infer(*types), strict=True):
        assert array.dtype == np.int64
        assert array.shape[1:] == t.shape
        assert t.format.low <= array.min()
        assert array.max() <= t.format.high


@pytest.mark.parametrize("name", ops.REGISTRY)
def test_every_op_honours_the_protocol(name):
    op, _ = ops.REGISTRY[name].random(np.random.default_rng(0))
    assert isinstance(op, ops.Op)
    assert op.name == name


@pytest.mark.parametrize("seed", range(8))
def test_conv2d_equals_torch_before_requantization(seed):
    rng = np.random.default_rng(seed)
    op, (x_type,) = ops.Conv2d.random(rng)
    x, padded = padded_images(rng, op, x_type)
    rows = len(op.weight.matrix)
    kernel = op.weight.matrix.reshape(rows, *op.kernel_size, -1).transpose(0, 3, 1, 2)
    sums = torch.nn.functional.conv2d(padded, torch.from_numpy(kernel).double(), torch_bias(op), stride=op.stride)
    assert_requantizes(op, x_type, x, sums)


@pytest.mark.parametrize("seed", range(12))
def test_depthwise_conv2d_equals_torch_before_requantization(seed):
    rng = np.random.default_rng(seed)
    op, (x_type,) = ops.DepthwiseConv2d.random(rng)
    x, padded = padded_images(rng, op, x_type)
    channels = x_type.shape[-1]
    kernel = torch.from_numpy(op.weight.matrix.reshape(channels, 1, *op.kernel_size)).double()
    assert_requantizes(op, x_type, x, torch.nn.functional.conv2d(padded, kernel, torch_bias(op), stride=op.stride, groups=channels))


@pytest.mark.parametrize("seed", range(12))
def test_average_pool_equals_torch_before_requantization(seed):
    rng = np.random.default_rng(seed)
    op, (x_type,) = ops.AveragePool.random(rng)
    x, padded = padded_images(rng, op, x_type)
    assert_requantizes(op, x_type, x, torch.nn.functional.avg_pool2d(padded, op.kernel_size, op.stride, divisor_override=1))


@pytest.mark.parametrize("seed", range(12))
def test_max_pool_equals_torch_which_pads_with_minus_infinity(seed):
    rng = np.random.default_rng(seed)
    op, (x_type,) = ops.MaxPool.random(rng)
    x, padded = padded_images(rng, op, x_type, -np.inf)
    largest = torch.nn.functional.max_pool2d(padded, op.kernel_size, op.stride).numpy()
    assert np.isfinite(largest).all()
    assert np.array_equal(op.evaluate(x)[0], largest.transpose(0, 2, 3, 1).reshape(3, *op.infer(x_type)[0].shape))


def padded_images(rng, op, x_type, fill=0.0):
    """Random x for an op with a window, and the same for torch: double [3, channels, height, width], padded with `fill`."""
    x = rng.integers(x_type.format.low, x_type.format.high + 1, (3, *x_type.shape))
    image = torch.from_numpy(x.reshape(3, *image_shape(x_type.shape)).transpose(0, 3, 1, 2)).double()
    top, bottom, left, right = op.padding
    return x, torch.nn.functional.pad(image, (left, right, top, bottom), value=fill)


def torch_bias(op):
    return torch.from_numpy(op.bias).double() if op.bias.size else None


def assert_requantizes(op, x_type, x, sums):
    """op.evaluate(x) is the requantization of torch's sums [3, channels, height, width]."""
    accumulator = sums.numpy().astype(np.int64).transpose(0, 2, 3, 1)
    expected = op.requantization(accumulator, op.output.low, op.output.high)
    assert np.array_equal(op.evaluate(x)[0], expected.reshape(3, *op.infer(x_type)[0].shape))


def test_a_pool_of_the_whole_map_is_the_rounded_mean():
    op = ops.AveragePool(scale(1, 14 + 3), INT16, (2, 4))
    x = np.arange(-40, 40).reshape(2, 2, 4, 5)
    assert op.infer(TensorType((2, 4, 5), INT16))[0].shape == (1, 1, 5)
    assert np.array_equal(op.evaluate(x)[0][:, 0, 0], np.floor(x.mean(axis=(1, 2)) + 0.5))


def test_only_a_depthwise_convolution_multiplies():
    image = TensorType((4, 4, 3), INT16)
    depthwise = ops.DepthwiseConv2d(Int8Weight(np.ones((3, 4), np.int8)), NO_BIAS, scale(3), INT16, (2, 2), (2, 2))
    others = ops.AveragePool(scale(1), INT16, (2, 2)), ops.MaxPool((2, 2)), ops.Reshape((48,))
    assert [op.multiply_accumulates(image) for op in (depthwise, *others)] == [4 * 3 * 4, 0, 0, 0]


def scale(rows, shift=20, multiplier=1 << 14):
    return Requantization(np.full(rows, multiplier, np.int32), np.full(rows, shift, np.int32))


def vectors(*formats, size=4):
    return tuple(TensorType((size,), format) for format in formats)


UNIT, Q15 = Format(15, nonnegative=True), Format(15)
NO_BIAS = np.zeros(0, np.int32)
INT16, INT8 = Format(8), Format(4, "int8")
ONES = Int8Weight(np.ones((2, 9), np.int8))


def images(format):
    return (TensorType((4, 5, 2), format),)


STATE = Format(12, bound=10922)
STEEP = np.concatenate([np.arange(64), np.full(65, 30000)]).astype(np.int16)


def update(state=STATE, table=None):
    bias = np.zeros(4, np.int16)
    return ops.FastGrnnUpdate("mirrored_lookup", tanh_table() if table is None else table, bias, bias, 1, 1, state)


def update_inputs(state=STATE):
    return vectors(Format(12), Format(12), state)


def depthwise(weight, requantization=None, output=INT16, padding=(0, 0, 0, 0)):
    return ops.DepthwiseConv2d(weight, NO_BIAS, requantization or scale(2), output, (3, 3), padding=padding)


def product(matrix, power=1, multiplier=1 << 14):
    """Of int8 values."""
    requantization = Requantization(np.full(len(matrix), multiplier, np.int32), np.full(len(matrix), 14 + power, np.int32))
    return ops.FullyConnected(Int8Weight(np.array(matrix, np.int8)), NO_BIAS, requantization, INT8)


@pytest.mark.parametrize(
    ("op", "types", "message"),
    [
        (ops.Add(), (TensorType((3,), Format(8)), TensorType((3,), Format(9))), "equal formats"),
        (ops.Add(), (TensorType((3,), Format(8)), TensorType((4,), Format(8))), "equal shapes"),
        (ops.BiasAdd(np.zeros(2, np.int16)), (TensorType((3,), INT16),), "2 biases"),
        (ops.Requantize(0, np.zeros(3, np.int32), scale(3), INT16), vectors(INT16), "3 biases do not go evenly into 4 entries"),
        (ops.Requantize(0, np.zeros(8, np.int32), scale(8), INT16), vectors(INT16), "8 biases do not go evenly into 4 entries"),
        (ops.Requantize(0, NO_BIAS, scale(0), INT16), vectors(INT16), "0 biases"),
        (ops.Requantize(0, np.zeros(2, np.int32), scale(4), INT16), vectors(INT16), "4 multipliers and 4 shifts for 2 rows"),
        (
            ops.FullyConnected(Int8Weight(np.full((1, 300), 127, np.int8)), NO_BIAS, scale(1), INT16),
            (TensorType((300,), INT16),),
            "accumulator may reach",
        ),
        (
            ops.FullyConnected(TernaryWeight(np.array([[0, 1, 1, 1]], np.int8)), NO_BIAS, scale(1), INT16),
            (TensorType((4,), INT16),),
            "ternary weight reads values up to 10922",
        ),
        (
            ops.FullyConnected(Int8Weight(np.ones((2, 4), np.int8)), NO_BIAS, scale(1), INT16),
            (TensorType((4,), INT16),),
            "1 multipliers",
        ),
        (ops.PiecewiseLinear("tanh"), (TensorType((4,), Format(11)),), "reads int16 Q12"),
        (
            ops.FastGrnnGate(32767, 32767, Format(12, bound=10922)),
            (TensorType((4,), Format(15, nonnegative=True)), TensorType((4,), Format(15)), TensorType((4,), Format(12, bound=10922))),
            "32-bit sum",
        ),
        (update(Format(14, bound=10922)), update_inputs(Format(14, bound=10922)), "at most 13 fraction bits, not 14"),
        (update(table=STEEP), update_inputs(), "the mirrored table rises too fast"),
        (update(), tuple(TensorType((2, 4), t.format) for t in update_inputs()), "reads vectors, not a state of shape"),
        (update(), (update_inputs()[0], *vectors(Format(11), STATE)), "add needs equal formats"),
        (
            ops.FullyConnected(SparseKernelsWeight(np.ones((1, 4), np.int8), 8, 2), NO_BIAS, scale(1), INT16),
            vectors(INT16),
            "fully_connected reads no sparse_kernels weights: store its matrix dense",
        ),
        (
            ops.Conv2d(SparseKernelsWeight(np.ones((1, 4), np.int8), 8, 4), NO_BIAS, scale(1), INT16, (1, 2)),
            (TensorType((1, 3, 2), INT16),),
            "kernels of 4 entries cannot be those of a window of 2 positions",
        ),
        (
            ops.FullyConnected(TernaryRowsWeight(np.array([[1, 1, 0, 1]], np.int8)), NO_BIAS, scale(1), INT8),
            vectors(INT8),
            "no ternary_rows weights beside int8 activations: store its matrix dense",
        ),
        (
            ops.Conv2d(SeededWeight(1, 4, 1), NO_BIAS, scale(1), INT16, (1, 1)),
            (TensorType((1, 1, 4), INT16),),
            "no seeded weights: store its matrix dense",
        ),
        (ops.FullyConnected(SeededWeight(1, 4, 1), NO_BIAS, scale(1, 14), INT8), vectors(INT8), "scales of 1/2 or less"),
        (depthwise(Int4Weight(np.ones((2, 9), np.int8))), images(INT16), "no int4 weights: depthwise weights stay int8"),
        (depthwise(TernaryWeight(np.array([[0, 1, 1, 1]], np.int8))), images(INT16), "no ternary weights: depthwise weights stay int8"),
        (depthwise(Int8Weight(np.ones((3, 9), np.int8))), images(INT16), "kernels for 3 channels cannot read a value of 2 channels"),
        (depthwise(Int8Weight(np.ones((2, 8), np.int8))), images(INT16), "8 columns cannot read patches of 9 entries a channel"),
        (depthwise(ONES), images(Format(8, "int8")), "a product of int8 values gives int8 values, not int16"),
        (depthwise(ONES, scale(1)), images(INT16), "1 multipliers"),
        (
            depthwise(ONES, padding=(0, 0, -1, 0)),
            images(INT16),
            "depthwise_conv2d needs a kernel and a stride of at least 1 and no negative",
        ),
        (depthwise(ONES, scale(2, 14), output=INT8), images(INT8), "1/2 or less"),
        (depthwise(Int8Weight(np.full((2, 9), 32, np.int8)), scale(2, 15), output=INT8), images(INT8), "a weight of 32 is past 31"),
        (ops.AveragePool(scale(1), INT16, (3, 3)), (TensorType((9,), INT16),), "an image is height x width x channels"),
        (ops.AveragePool(scale(2), INT16, (3, 3)), images(INT16), "2 multipliers and 2 shifts for 1 rows"),
        (ops.AveragePool(scale(1), INT16, (3, 7)), images(INT16), r"a \(3, 7\) kernel does not fit into \(4, 5\)"),
        (ops.AveragePool(scale(1), INT8, (3, 3)), images(INT16), "gives int16 values, not int8: requantize the result"),
        (ops.AveragePool(scale(1), INT16, (200, 200)), (TensorType((200, 200, 1), INT16),), "accumulator may reach"),
        (ops.AveragePool(scale(1, 20, 20000), INT8, (3, 3)), images(INT8), "powers of two"),
        (ops.AveragePool(scale(1, 15), INT8, (200, 200)), (TensorType((200, 200, 1), INT8),), r"past 2\^24"),
        (ops.MaxPool((2, 2)), images(INT8), "a max_pool of int16 cannot read int8"),
        (ops.MaxPool((2, 2), padding=(1, 1, 0, 0)), images(INT16), "int16 Q8 has negative ones: put a ReLU before it"),
        (ops.MaxPool((2, 3), padding=(0, 2, 0, 0)), images(UNIT), r"fewer positions than its \(2, 3\) kernel has"),
        (ops.MaxPool((2, 3), padding=(0, 0, 3, 0)), images(UNIT), r"not \(0, 0, 3, 0\): pad less"),
        (ops.MaxPool((2, 1)), (TensorType((4, 2), INT16),), r"a \(2, 1\) kernel does not fit into \(1, 4\)"),
        (ops.MaxPool((2, 1), (1, 1), (1, 0, 0, 0)), (TensorType((4, 2), UNIT),), "max_pool over time has a kernel of height 1"),
        (ops.AveragePool(scale(1), INT16, (3, 2), (1, 1), (1, 1, 0, 0)), (TensorType((4, 2), INT16),), "time .* pads no rows"),
        (ops.Reshape((5, 9)), images(INT16), r"the 40 entries of a value of shape \(4, 5, 2\) do not fill the shape \(5, 9\)"),
        (ops.Reshape((-1, 40)), images(INT16), "do not fill"),
        (ops.Reshape((-4, -10)), images(INT16), "do not fill"),
        (ops.Reshape((1, 2, 4, 5)), images(INT16), r"one to three axes, not the shape \(1, 2, 4, 5\)"),
        (ops.Reshape(()), (TensorType((1,), INT16),), r"one to three axes, not the shape \(\)"),
        (product([[1]], power=0), vectors(INT8, size=1), "scales of 1/2 or less"),
        (product([[1]], multiplier=24576), vectors(INT8, size=1), "scales that are powers of two"),
        (product([[1, -32]]), vectors(INT8, size=2), "a weight of 32 is past 31"),
        (product([[31] * 1058]), vectors(INT8, size=1058), r"may reach 16792577, past 2\^24"),
        (ops.Requantize(5, np.zeros(4, np.int32), scale(4), INT8, "int8"), vectors(INT8), "a weight of 32 is past 31"),
        (ops.Requantize(0, np.full(4, 1 << 22, np.int32), scale(4), INT8, "int8"), vectors(INT8), r"past 2\^24"),
        (ops.FullyConnected(Int8Weight(np.ones((1, 4), np.int8)), NO_BIAS, scale(1), INT16), vectors(INT8), "gives int8 values, not int16"),
        (ops.Slice(2, 3), vectors(INT16), "a slice from 2 of size 3 does not lie inside a value of 4 entries"),
        (ops.Slice(-1, 3), vectors(INT16), "does not lie inside"),
        (ops.Slice(1, 0), vectors(INT16), "does not lie inside"),
        (ops.Slice(0, 1), (TensorType((2, 2), INT16),), "slice reads a vector"),
        (ops.Mul(Format(12), 15), vectors(UNIT, Format(11)), "shifts by 14, not 15"),
        (ops.Mul(Format(15), 0), vectors(Format(8), Format(7)), r"shifts by 0, outside 1\.\.30"),
        (ops.Mul(Format(12), 18), vectors(Q15, Q15), r"may reach 2\^30"),
        (ops.Mul(Format(12), 18), (*vectors(UNIT), *vectors(Q15, size=5)), "equal shapes"),
        (ops.FastRnnState(32768, 0, Format(12)), vectors(Q15, Format(12)), "alpha and beta"),
        (ops.FastRnnState(32767, 32767, Format(12)), vectors(Q15, Format(12)), "accumulator may reach"),
        (ops.FastRnnState(1, 1, Format(12, bound=9)), vectors(Q15, Format(12)), "a state in int16 Q12, -9..9"),
        (ops.GruState(Format(15, bound=9)), vectors(UNIT, Q15, Format(15, bound=9)), r"outside int16 Q0\.\.Q14"),
        (ops.GruState(Format(14)), vectors(UNIT, Q15, Format(14)), "accumulator may reach"),
        (ops.GruState(Format(13)), vectors(Q15, Q15, Format(13)), "gru_state reads Q15 of its non-linearities"),
        (ops.GruState(Format(13)), (*vectors(UNIT, Q15), *vectors(Format(13), size=5)), "equal shapes"),
        (ops.LstmCellState(Format(12, bound=28673)), vectors(UNIT, UNIT, Q15, Format(12, bound=28673)), "accumulator may reach"),
    ],
)
def test_misuse_is_refused_with_its_reason(op, types, message):
    with pytest.raises(UnsupportedError, match=message):
        op.infer(*types)


def gate(zeta, nu, z, c, h):
    """docs/contract.md in Python integers, state in Q12."""
    g = min(32767, (zeta * (32768 - z) + (nu << 15) + (1 << 17)) >> 18)
    return max(-10922, min(10922, (g * c + z * h + (1 << 14)) >> 15))


def test_requantize_repeats_its_channels():
    """docs/contract.md in Python integers."""
    rng = np.random.default_rng(0)
    bias, shift = rng.integers(-(1 << 14), 1 << 14, 3, dtype=np.int32), np.array([17, 20, 18], np.int32)
    multiplier = rng.integers(1 << 14, 1 << 15, 3, dtype=np.int32)
    op = ops.Requantize(4, bias, Requantization(multiplier, shift), Format(12, bound=10922))
    x = rng.integers(-32768, 32768, (50, 2, 12))
    (y,) = op.evaluate(x)
    constants = list(zip(bias.tolist(), multiplier.tolist(), shift.tolist(), strict=True))
    for got, row in zip(y.reshape(-1, 12).tolist(), x.reshape(-1, 12).tolist(), strict=True):
        expected = [shifted(((value << 4) + b) * m, s) for value, (b, m, s) in zip(row, constants * 4, strict=True)]
        assert got == [max(-10922, min(10922, value)) for value in expected]


@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_abs_is_the_magnitude_of_every_integer(dtype):
    limits = np.iinfo(dtype)
    every = list(range(limits.min, limits.max + 1))
    (found,) = ops.Abs(dtype).evaluate(np.array([every]))
    assert found[0].tolist() == [limits.max, *(max(x, -x) for x in every[1:])]


def test_fastgrnn_gate_is_the_written_formula():
    rng = np.random.default_rng(0)
    for zeta, nu in [(0, 0), (23955, 590), (32767, 1), (16384, 16384)]:
        op = ops.FastGrnnGate(zeta, nu, Format(12, bound=10922))
        z, c, h = rng.integers(0, 32768, (1, 500)), rng.integers(-32768, 32768, (1, 500)), rng.integers(-10922, 10923, (1, 500))
        expected = [gate(zeta, nu, *(int(v) for v in row)) for row in zip(z[0], c[0], h[0], strict=True)]
        assert op.evaluate(z, c, h)[0][0].tolist() == expected


def shifted(value, amount):
    return (value + (1 << (amount - 1))) >> amount


def test_gated_sums_are_the_written_formula():
    """docs/contract.md in Python integers."""
    rng = np.random.default_rng(0)
    gate, other = rng.integers(0, 32768, (2, 1, 500))
    candidate, cell, hidden = (rng.integers(-bound, bound + 1, (1, 500)) for bound in (32767, 28672, 10922))
    gate[0, :2], candidate[0, :3] = (0, 32767), (32767, -32768, -32768)
    columns = [array[0].tolist() for array in (gate, other, candidate, cell, hidden)]

    def clamp(value, bound):
        return max(-bound, min(bound, value))

    expected = [
        (
            clamp(shifted(shifted(9000 * n, 3) + 24000 * h, 15), 10922),
            clamp(shifted(shifted((32768 - z) * n, 2) + z * h, 15), 10922),
            clamp(shifted(shifted(z * n, 3) + f * c, 15), 28672),
        )
        for z, f, n, c, h in zip(*columns, strict=True)
    ]
    fastrnn, gru, lstm = ([row[i] for row in expected] for i in range(3))
    assert ops.FastRnnState(9000, 24000, Format(12, bound=10922)).evaluate(candidate, hidden)[0][0].tolist() == fastrnn
    assert ops.GruState(Format(13, bound=10922)).evaluate(gate, candidate, hidden)[0][0].tolist() == gru
    assert ops.LstmCellState(Format(12, bound=28672)).evaluate(gate, other, candidate, cell)[0][0].tolist() == lstm


def test_the_lstm_bound_is_the_largest_that_keeps_the_sum():
    """32767 * 2^15 / 8 + 32767 * 28672 + 2^14 < 2^30 holds, and for 28673 it does not."""
    assert 32767 * 4096 + 32767 * 28672 + (1 << 14) < 1 << 30 <= 32767 * 4096 + 32767 * 28673 + (1 << 14)


@pytest.mark.parametrize("op", [ops.Lookup("tanh", tanh_table()), ops.PiecewiseLinear("tanh")])
def test_a_cell_state_is_read_as_it_is(op):
    cell = TensorType((3,), Format(12, bound=28672))
    assert op.infer(cell) == (TensorType((3,), Q15),)
    assert op.evaluate(np.array([[28672, -28672, 0]]))[0][0, 2] == 0


def test_a_sparse_product_multiplies_what_it_stores():
    matrix = np.array([[0, 3, 0, 0], [1, 0, 0, -1]], np.int8)
    counts = [
        ops.FullyConnected(weight, NO_BIAS, scale(2), INT16).multiply_accumulates(*vectors(INT16))
        for weight in (Int8Weight(matrix), SparseWeight(matrix, 8, "bitmap"))
    ]
    assert counts == [8, 3]
