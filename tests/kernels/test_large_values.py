"""Values of more entries than 16 bits count, through every kernel: the plain C on this machine, and what named cores run instead."""

import re
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from rescomp.errors import UnsupportedError
from rescomp.export.c import export_c, translate
from rescomp.export.c_limits import NARROW_ENTRIES, check_counts
from rescomp.graph import ops
from rescomp.graph.evaluate import evaluate_graph
from rescomp.graph.fixed_point import Requantization, tanh_table
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ir import Graph, IntegerModel, Node, Value
from rescomp.graph.ops.activation import UNIT_Q15
from rescomp.graph.ops.drawing import draw_storage, draw_ternary
from rescomp.graph.weights import Int8Weight, TernaryWeight
from rescomp.targets.cores import CORES
from rescomp.targets.kernel_choice import MOST_TABLED_COLUMNS, Target, product_forms
from rescomp.validate.c_program import run_probe, write_export
from rescomp.validate.emulation import run_model
from rescomp.validate.host_c import HostC

MANY = 65543
"""More than 16 bits count, and no multiple of what any kernel takes at once."""
SIGNED = 32771
"""More than 15 bits count."""
Q15, SMALL = Format(15), Format(8, bound=50)
"""SMALL: values of which MANY can be summed within the bounds of the contract."""
WEIGHTS = ("int8", "int4", "ternary", "seeded", "sparse_bitmap_int8", "sparse_bitmap_int4", "sparse_delta_int8", "sparse_delta_int4")


def scales(rows, power):
    return Requantization(np.full(rows, 20000, np.int32), np.full(rows, power + 14, np.int32))


def shifts(rows, power):
    return Requantization(np.full(rows, 1 << 14, np.int32), np.full(rows, power + 14, np.int32))


def unary(op, count=MANY, format=Q15):
    return op, (TensorType((count,), format),)


def state_update(op, gate, count=MANY):
    return op, (*(TensorType((count,), each) for each in gate), TensorType((count,), op.state))


def fully_connected(rng, format, rows, columns):
    weight = draw_storage(rng, format, rows, columns, 0.3)
    if format == "int8":
        weight = Int8Weight(np.clip(weight.matrix, -3, 3))
    return ops.FullyConnected(weight, np.arange(rows, dtype=np.int32), scales(rows, 6), Format(8)), (TensorType((columns,), SMALL),)


def narrow(rng, columns):
    """An int8 product over so many columns: its sums must stay below 2^22."""
    weight = Int8Weight((rng.random((3, columns)) < 0.2).astype(np.int8))
    x = TensorType((columns,), Format(4, "int8", bound=100))
    return ops.FullyConnected(weight, np.zeros(0, np.int32), shifts(3, 12), Format(4, "int8")), (x,)


def window(op, shape, dtype="int16"):
    return op, (TensorType(shape, Format(4, dtype)),)


def convolution(rng, format, shape, kernel, stride, padding, rows=3, dtype="int16"):
    columns = kernel[0] * kernel[1] * shape[-1]
    weight = (
        TernaryWeight(draw_ternary(rng, rows, columns))
        if format == "ternary"
        else draw_storage(rng, format, rows, columns, 0.3, kernel[0] * kernel[1])
    )
    if dtype == "int8" and format == "int8":
        weight = Int8Weight(np.clip(weight.matrix, -31, 31))
    by = (shifts if dtype == "int8" else scales)(rows, 6)
    output = Format(4, dtype)
    x = Format(4, dtype) if dtype == "int8" else SMALL if format.startswith("sparse") else Format(8, bound=10000)
    return ops.Conv2d(weight, np.zeros(0, np.int32), by, output, kernel, stride, padding), (TensorType(shape, x),)


def cases():
    """(op, types of its inputs) by name: entries, rows, columns, positions, heights, widths and channels past 15 and 16 bits."""
    rng = np.random.default_rng(0)
    found = {**entries_and_channels(rng), **windows(rng), "columns of int8 values": narrow(rng, MANY)}
    for format in WEIGHTS:
        found[f"rows of {format}"] = fully_connected(rng, format, MANY, 5)
        found[f"columns of {format}"] = fully_connected(rng, format, 3, MANY if format != "int8" else SIGNED)
    for format in ("int8", "int4", "ternary"):
        found[f"width of {format}"] = convolution(rng, format, (MANY, 1), (1, 5), (1, 1), (0, 0, 2, 2))
        found[f"height of {format}"] = convolution(rng, format, (SIGNED, 2, 1), (3, 2), (1, 1), (0, 0, 0, 0), dtype="int8")
        found[f"channels of {format}"] = convolution(rng, format, (2, 1, 3), (1, 1), (1, 1), (0, 0, 0, 0), rows=SIGNED)
    for format in ("sparse_bitmap_int4", "sparse_delta_int4", "sparse_kernels_int4", "sparse_rows_int4"):
        found[f"width of {format}"] = convolution(rng, format, (MANY, 1), (1, 5), (1, 1), (0, 0, 2, 2))
        found[f"places of {format}"] = convolution(rng, format, (1, 3, SIGNED), (1, 2), (1, 1), (0, 0, 1, 0), rows=5)
    return found


def entries_and_channels(rng):
    table = tanh_table()
    return {
        "relu int16": unary(ops.Relu()),
        "relu int8": unary(ops.Relu("int8"), format=Format(4, "int8")),
        "abs int16": unary(ops.Abs()),
        "abs int8": unary(ops.Abs("int8"), format=Format(4, "int8")),
        "sigmoid": unary(ops.Lookup("sigmoid", table), format=Format(12)),
        "tanh": unary(ops.Lookup("tanh", table), format=Format(12)),
        "piecewise sigmoid": unary(ops.PiecewiseLinear("sigmoid"), format=Format(12)),
        "piecewise tanh": unary(ops.PiecewiseLinear("tanh"), format=Format(12)),
        "add": (ops.Add(), (TensorType((MANY,), Q15),) * 2),
        "add int8": (ops.Add("int8"), (TensorType((MANY,), Format(4, "int8")),) * 2),
        "mul": (ops.Mul(Format(8), 8), (TensorType((MANY,), Format(8)), TensorType((MANY,), Format(8, bound=32767)))),
        "bias_add of many channels": unary(ops.BiasAdd(rng.integers(-999, 999, MANY).astype(np.int16))),
        "bias_add at many positions": (ops.BiasAdd(np.array([7], np.int16)), (TensorType((MANY, 1), Q15),)),
        "requantize of many channels": unary(
            ops.Requantize(2, np.arange(MANY, dtype=np.int32), scales(MANY, 3), Format(8)), format=Format(8)
        ),
        "requantize at many positions": (
            ops.Requantize(2, np.array([5], np.int32), scales(1, 3), Format(8)),
            (TensorType((MANY, 1), Format(8)),),
        ),
        "requantize to int8": (
            ops.Requantize(0, np.zeros(1, np.int32), shifts(1, 9), Format(2, "int8")),
            (TensorType((MANY, 1), Format(8)),),
        ),
        "fastgrnn_gate": state_update(ops.FastGrnnGate(20000, 9000, Format(12, bound=10922)), (UNIT_Q15, Q15)),
        "fastrnn_state": state_update(ops.FastRnnState(9000, 20000, Format(12, bound=10922)), (Q15,)),
        "gru_state": state_update(ops.GruState(Format(13, bound=10922)), (UNIT_Q15, Q15)),
        "lstm_cell": state_update(ops.LstmCellState(Format(12, bound=28672)), (UNIT_Q15, UNIT_Q15, Q15)),
        "shift_in": (ops.ShiftIn(), (TensorType((MANY, 1), Q15), TensorType((SIGNED, 1), Q15))),
        "shift_in int8": (ops.ShiftIn("int8"), (TensorType((MANY, 1), Format(4, "int8")), TensorType((5, 1), Format(4, "int8")))),
    }


def windows(rng):
    return {
        "max_pool of many positions": window(ops.MaxPool((1, 3), (1, 1)), (MANY, 1)),
        "max_pool of many channels": window(ops.MaxPool((1, 2), (1, 1)), (2, SIGNED)),
        "max_pool with a large kernel": window(ops.MaxPool((1, MANY - 2), (1, 1), dtype="int8"), (MANY, 1), "int8"),
        "average_pool of all": (
            ops.AveragePool(scales(1, 16), Format(4), (MANY, 1)),
            (TensorType((MANY, 1, 1), Format(4, bound=9000)),),
        ),
        "average_pool with a large stride": window(
            ops.AveragePool(shifts(1, 3), Format(4, "int8"), (1, 3), (1, SIGNED)), (MANY, 1), "int8"
        ),
        "depthwise": (
            ops.DepthwiseConv2d(
                Int8Weight(rng.integers(-99, 99, (2, 3), dtype=np.int8)),
                np.zeros(0, np.int32),
                scales(2, 8),
                Format(4),
                (1, 3),
                (1, 1),
                (0, 0, 2, 0),
            ),
            (TensorType((MANY, 2), Format(4)),),
        ),
    }


CASES = cases()
OVERRIDDEN = [name for name in CASES if re.match("rows|columns|width|channels", name) and not re.search("seeded|sparse", name)]


def graph_of(names):
    """One graph of independent nodes, so that one compilation serves them all."""
    values, nodes = [], []
    for i, name in enumerate(names):
        op, types = CASES[name]
        inputs = [Value(f"x{i}_{k}", type) for k, type in enumerate(types)]
        nodes.append(Node(f"layer{i}", op, tuple(value.name for value in inputs), (f"y{i}",)))
        values += inputs
    return Graph("single", tuple(values), tuple(nodes), tuple(f"y{i}" for i in range(len(names))))


def assert_equal(run_graph, names):
    rng, graph = np.random.default_rng(1), graph_of(names)
    inputs = {value.name: rng.integers(value.type.format.low, value.type.format.high + 1, (2, *value.type.shape)) for value in graph.inputs}
    expected, values = evaluate_graph(graph, inputs), run_graph(graph, inputs)
    for i, name in enumerate(names):
        np.testing.assert_array_equal(values[f"y{i}"], expected[f"y{i}"], err_msg=name)


def test_every_case_has_a_value_that_16_bits_do_not_count():
    for name in CASES:
        assert max(type.size for type in graph_of([name]).types().values()) > NARROW_ENTRIES, name


@pytest.mark.parametrize("part", range(4))
def test_the_plain_c_counts_past_16_bits(part):
    assert_equal(HostC().run_graph, list(CASES)[part::4])


def large(core):
    """A core with the memory of Arm's larger boards: the kernels of Cortex-M0 run on any other."""
    board = CORES["cortex-m3"]
    memory = ("machine", "flash_origin", "flash_bytes", "ram_origin", "ram_bytes")
    return core if core.ram_bytes > 1 << 19 else replace(core, **{name: getattr(board, name) for name in memory})


@pytest.mark.parametrize("part", range(3))
@pytest.mark.parametrize("name", ["cortex-m0", "cortex-m3", "cortex-m4", "riscv32imc"])
def test_the_kernels_of_cores_count_past_16_bits(emulated, name, part):
    core = large(emulated(name))

    def run(graph, inputs):
        return run_probe(graph, inputs, lambda model, folder, data: run_model(core, model, folder, ("-DRESCOMP_TAP",), data), Target(core))

    assert_equal(run, OVERRIDDEN[part::3])


def long_model():
    type = TensorType((NARROW_ENTRIES + 1, 1), Format(4, "int8"))
    nodes = (Node("pool", ops.MaxPool((1, 8), (1, 8), dtype="int8"), ("x",), ("pool",)),)
    return IntegerModel("long_one", {"whole": Graph("whole", (Value("x", type),), nodes, ("pool",))})


def test_an_avr_refuses_what_it_cannot_count():
    model = long_model()
    for core in (None, CORES["cortex-m0"]):
        check_counts(model, core)
    with pytest.raises(
        UnsupportedError, match=r"value 'x' .* 32768 entries and the C on atmega2560 counts up to 32767: take a core of 32 bits, or shorter"
    ):
        translate(model, Target(CORES["atmega2560"]))


def test_plain_c_says_so_when_it_is_compiled_for_an_avr(emulated, tmp_path):
    emulated("atmega2560")
    write_export(tmp_path, long_model())
    command = ["avr-gcc", "-std=gnu99", "-mmcu=atmega2560", "-c", "long_one.c", "-o", "long_one.o"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert said.returncode != 0
    assert "long_one has values of up to 32768 entries" in said.stderr
    short = export_c(
        IntegerModel(
            "short_one",
            {"whole": replace(long_model().graphs["whole"], inputs=(Value("x", TensorType((NARROW_ENTRIES, 1), Format(4, "int8"))),))},
        )
    )
    assert b"RESCOMP_COUNT_BITS" not in short["short_one.c"]


def test_tables_of_partial_sums_are_left_where_their_sums_would_overflow():
    target = Target(CORES["cortex-m4"])
    for columns, formats in ((MOST_TABLED_COLUMNS, {"ternary", "ternary_tabled_words"}), (MOST_TABLED_COLUMNS + 1, {"ternary"})):
        weight = TernaryWeight(draw_ternary(np.random.default_rng(0), 1, columns))
        assert {form.storage for form in product_forms(weight, "int16", target)} == formats
