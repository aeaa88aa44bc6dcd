"""Shared by all tests: the witnesses, and small integer models with random weights."""

import gc
import os
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from rescomp.errors import MissingToolError
from rescomp.export.c import export_c
from rescomp.export.onnx import export_onnx
from rescomp.export.tflite import export_tflite
from rescomp.graph import serialize
from rescomp.graph.fixed_point import Requantization, tanh_table
from rescomp.graph.formats import Format, TensorType, block_count_type, block_sum_format
from rescomp.graph.ir import Graph, IntegerModel, Node, Value
from rescomp.graph.ops import (
    Add,
    BiasAdd,
    BlockCount,
    BlockMaximum,
    BlockMean,
    BlockSum,
    Concat,
    Conv2d,
    FastGrnnGate,
    FastRnnState,
    FullyConnected,
    GruState,
    Lookup,
    LstmCellState,
    Mul,
    PiecewiseLinear,
    Relu,
    Requantize,
    Slice,
)
from rescomp.graph.ops.drawing import draw_storage, draw_tie_free
from rescomp.graph.verify import verify_model
from rescomp.graph.weights import Int8Weight
from rescomp.models.recurrent.compiled import build as shared_objects
from rescomp.models.recurrent.compiled.recurrence import library
from rescomp.store import Disk, injected
from rescomp.targets.cores import find_core
from rescomp.validate import c_program
from rescomp.validate.emulation import check_tools
from rescomp.validate.onnxruntime import OnnxruntimeWitness
from rescomp.validate.registry import load_witness
from rescomp.validate.tflite import RESOLVERS, TfliteWitness
from rescomp.validate.witness import Job

gc.disable()
"""Until all tests are collected: nothing of them is garbage, and it is walked through again and again."""

SLOWEST = 10
"""Files that CI names with the time that their tests took."""


def pytest_collection_modifyitems(config, items):
    """Tests that may take longer than the others come first: at the end one process alone would be at them."""
    limits = (item.get_closest_marker("timeout") for item in items)
    longer = [limit is not None and limit.args[0] > float(config.getini("timeout")) for limit in limits]
    items[:] = [item for first in (True, False) for item, is_longer in zip(items, longer, strict=True) if is_longer == first]


def pytest_collection_finish():
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_terminal_summary(terminalreporter):
    if not os.environ.get("CI"):
        return
    seconds = Counter()
    for report in (report for reports in terminalreporter.stats.values() for report in reports if hasattr(report, "duration")):
        seconds[report.location[0]] += report.duration
    terminalreporter.section(f"{SLOWEST} slowest files")
    for name, total in seconds.most_common(SLOWEST):
        terminalreporter.line(f"{total:7.1f} s  {name}")


WITNESSES = {
    "onnxruntime": OnnxruntimeWitness(),
    "onnxruntime without optimization": OnnxruntimeWitness(optimize=False),
    **{f"tflite {resolver}": TfliteWitness(resolver) for resolver in RESOLVERS},
    "tflite-micro": load_witness("tflite-micro"),
    "c": load_witness("c"),
}
"""Whoever runs single graphs (op tests)."""
EXPORTING = ("onnxruntime", "tflite", "tflite-micro", "c")
"""Whoever runs exported models, by name in the registry."""

STATE = Format(12, bound=10922)
HIDDEN = Format(13, bound=10922)
"""The hidden state of a GRU and of an LSTM, which stay within [-1, 1]."""
CELL = Format(12, bound=28672)


class FastDisk(Disk):
    """Does not wait for a loss of power: no test but those of rescomp.store ends in one."""

    def sync(self, path):
        pass


@pytest.fixture(scope="session", autouse=True)
def _fast_disk():
    with injected(FastDisk()):
        yield


@pytest.fixture(scope="session", autouse=True)
def _objects_of_all_processes(tmp_path_factory):
    """Kernels are compiled once for all processes of pytest: object files are found by the bytes that they are made of and the command."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "objects"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(c_program, "object_folder", lambda: folder)
        yield


@pytest.fixture(scope="session")
def emulated():
    """A function that gives the core of a name. Skips without its emulator or compiler, naming the package; in CI that is a failure."""

    def find(name):
        core = find_core(name)
        try:
            check_tools(core)
        except MissingToolError as error:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(str(error))
        return core

    return find


@pytest.fixture(scope="session")
def compiler(tmp_path_factory):
    """A function that compiles variants of the recurrent loop side by side, into an empty cache. Skips without a compiler, except in CI."""
    if shutil.which("gcc") is None and os.environ.get("CI") != "true":
        pytest.skip("needs gcc: apt-get install gcc libc6-dev")
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor() as pool:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        shared_objects._folder.cache_clear()
        yield lambda variants: list(pool.map(library, variants))
        shared_objects._folder.cache_clear()


def installed(witness):
    """The witness; skips where its package is not installed. In CI that is a failure."""
    try:
        witness.check("")
    except MissingToolError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    return witness


@pytest.fixture(params=WITNESSES)
def witness(request):
    """Every witness in turn, for run_graph."""
    return installed(WITNESSES[request.param])


@pytest.fixture(params=EXPORTING)
def exporting_witness(request):
    """Every witness of an exported model in turn, for answers."""
    return installed(load_witness(request.param))


@pytest.fixture(scope="session")
def random_fastgrnn():
    """The builder of small FastGRNN models: random_fastgrnn(rng, weights=..., low_rank=..., table=..., power_of_two=..., readings=...)."""
    return build_fastgrnn


@pytest.fixture(scope="session")
def random_fastrnn():
    """The builder of small FastRNN models: random_fastrnn(rng, layers=..., weights=..., low_rank=..., table=..., power_of_two=...)."""
    return partial(build_stack, fastrnn_layer)


@pytest.fixture(scope="session")
def random_gru():
    """The same for a GRU."""
    return partial(build_stack, gru_layer)


@pytest.fixture(scope="session")
def random_lstm():
    """The same for an LSTM, which has two states."""
    return partial(build_stack, lstm_layer)


@pytest.fixture(scope="session")
def random_block():
    """The builder of an untrained convolution-ReLU-add block: random_block(rng, weights=..., power_of_two=...)."""
    return build_block


@pytest.fixture(scope="session")
def random_int8_block():
    """The builder of an untrained residual block of int8 values: random_int8_block(rng, shape=...)."""
    return build_int8_block


@pytest.fixture
def export_job(tmp_path):
    """A function (model, x, lengths) -> Job with every export written into a temporary directory, or the files that `exports` gives."""

    def export(model, x, lengths=None, exports=all_exports):
        for name, data in exports(model).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return Job(model, tmp_path, x.astype(np.int16), np.ones(len(x), np.int64) if lengths is None else lengths)

    return export


@pytest.fixture(scope="session")
def random_sequences():
    """A function (rng, model, count, longest) -> (x, lengths): inputs within the format, lengths from 1 to longest."""

    def draw(rng, model, count=12, longest=7):
        t = model.input.type
        x = rng.integers(t.format.low, t.format.high + 1, (count, longest, *t.shape))
        lengths = rng.integers(1, longest + 1, count)
        lengths[:2] = 1, longest
        x[2], x[3] = t.format.low, t.format.high
        return x, lengths

    return draw


@pytest.fixture(scope="session")
def random_states():
    """A function (rng, model, count) -> [count, state entries] of the model's state_dtype: anywhere in the states' formats, the ends, and zeros."""

    def draw(rng, model, count):
        rows = [rng.integers(f.low, f.high + 1, (count, t.size)) for t in state_types(model) for f in [t.format]]
        ends = [np.repeat([[t.format.low], [t.format.high], [0]], t.size, axis=1) for t in state_types(model)]
        states = np.concatenate(rows, axis=1)
        states[:3] = np.concatenate(ends, axis=1)
        return states.astype(model.state_dtype)

    return draw


def state_types(model):
    """Of the states, in order."""
    return [value.type for value in model.graphs["step"].state_inputs]


@pytest.fixture(scope="session")
def random_mixed():
    """The builder of small recurrent models of int8 and int16 values: random_mixed(rng, reads=..., answers=...), both dtypes."""
    return build_mixed


def all_exports(model):
    """Every file that the exports write, by its name in the model directory."""
    document, arrays = serialize.encode(model)
    c = {f"c/{name}": data for name, data in export_c(model).items()}
    return {"graph.json": document, "weights.npz": serialize.to_npz(arrays), **export_onnx(model), **export_tflite(model), **c}


def draw_scale(rng, rows, columns, magnitude, power_of_two):
    """A requantization that brings sums of `columns` products of rms `magnitude` near a tenth of the int16 range."""
    exponent = round(np.log2(np.sqrt(columns) * magnitude / 3000))
    multiplier = np.full(rows, 1 << 14) if power_of_two else rng.integers(1 << 14, 1 << 15, rows)
    return Requantization(multiplier.astype(np.int32), np.full(rows, exponent + (14 if power_of_two else 15), np.int32))


def draw_normalization(rng, channels, power_of_two):
    """A random normalisation of readings of `channels` channels."""
    bias = rng.integers(-(1 << 14), 1 << 14, channels, dtype=np.int32)
    return Requantize(4, bias, draw_scale(rng, channels, 1, 1 << 18, power_of_two), STATE)


def draw_product(rng, rows, columns, output, weights="int8", power_of_two=False, bias=False, positions=1):
    """The weight, bias, requantization and output of a random product, as fully_connected and conv2d take them."""
    weight = draw_storage(rng, weights, rows, columns, density=0.5, positions=positions)
    magnitude = max(float(np.sqrt(np.mean(weight.matrix.astype(float) ** 2))), 0.3) * 5000
    biases = rng.integers(-5000, 5000, rows, dtype=np.int32) if bias else np.zeros(0, np.int32)
    return weight, biases, draw_scale(rng, rows, columns, magnitude, power_of_two), output


def build_fastgrnn(
    rng, weights="ternary", low_rank=False, table=True, power_of_two=True, inputs=6, hidden=10, classes=4, rank=5, readings=1
):
    """A verified FastGRNN IntegerModel with random weights, `inputs` entries a step: `readings` readings; the head reads the state `h`."""
    preactivation = Format(12)
    table_or_not = [Lookup(function, tanh_table()) if table else PiecewiseLinear(function) for function in ("sigmoid", "tanh")]

    def product(name, source, columns):
        chain = [(f"{name}_reduced", rank, STATE)] if low_rank else []
        for value, rows, output in [*chain, (name, hidden, preactivation)]:
            yield Node(value, FullyConnected(*draw_product(rng, rows, columns, output, weights, power_of_two)), (source,), (value,))
            source, columns = value, rows

    def bias():
        return BiasAdd(rng.integers(-4000, 4000, hidden, dtype=np.int16))

    nodes = (
        Node("normalized", draw_normalization(rng, inputs // readings, power_of_two), ("input",), ("normalized",)),
        *product("input_product", "normalized", inputs),
        *product("recurrent_product", "h", hidden),
        Node("preactivation", Add(), ("input_product", "recurrent_product"), ("preactivation",)),
        Node("gate_bias", bias(), ("preactivation",), ("gate_bias",)),
        Node("gate", table_or_not[0], ("gate_bias",), ("gate",)),
        Node("candidate_bias", bias(), ("preactivation",), ("candidate_bias",)),
        Node("candidate", table_or_not[1], ("candidate_bias",), ("candidate",)),
        Node(
            "state",
            FastGrnnGate(int(rng.integers(20000, 32000)), int(rng.integers(0, 8000)), STATE),
            ("gate", "candidate", "h"),
            ("state",),
        ),
    )
    h = Value("h", TensorType((hidden,), STATE))
    step = Graph("step", (Value("input", TensorType((inputs,), Format(8))), h), nodes, ("state",), {"h": "state"})
    classifier = FullyConnected(*draw_product(rng, classes, hidden, Format(8), weights, power_of_two, bias=True))
    head = Graph("head", (h,), (Node("scores", classifier, ("h",), ("scores",)),), ("scores",))
    model = IntegerModel("tiny", {"step": step, "head": head})
    verify_model(model)
    return model


class Layer:
    """The nodes of one layer of a stack, written one after the other; each value has the name of its node."""

    def __init__(self, rng, prefix, weights, low_rank, table, power_of_two):
        self.rng, self.prefix, self.nodes, self.states = rng, prefix, [], {}
        self.weights, self.low_rank, self.table, self.power_of_two = weights, low_rank, table, power_of_two

    def add(self, name, op, *inputs):
        self.nodes.append(Node(self.prefix + name, op, inputs, (self.prefix + name,)))
        return self.prefix + name

    def state(self, name, size, format):
        value = Value(self.prefix + name, TensorType((size,), format))
        self.states[value] = f"{value.name}_next"
        return value.name

    def product(self, name, source, columns, rows, rank=5):
        for value, outputs, format in [(f"{name}_reduced", rank, STATE)] * self.low_rank + [(name, rows, Format(12))]:
            op = FullyConnected(*draw_product(self.rng, outputs, columns, format, self.weights, self.power_of_two))
            source, columns = self.add(value, op, source), outputs
        return source

    def activation(self, name, function, source):
        return self.add(name, Lookup(function, tanh_table()) if self.table else PiecewiseLinear(function), source)

    def biased(self, name, source, size):
        return self.add(name, BiasAdd(self.rng.integers(-4000, 4000, size, dtype=np.int16)), source)


def fastrnn_layer(layer, x, inputs, hidden):
    """docs/contract.md, FastRNN. Returns the output, the state or states being in layer.states."""
    h = layer.state("h", hidden, STATE)
    sums = layer.add("sums", Add(), layer.product("w", x, inputs, hidden), layer.product("u", h, hidden, hidden))
    candidate = layer.activation("candidate", "tanh", layer.biased("biased", sums, hidden))
    alpha, beta = int(layer.rng.integers(8000, 24000)), int(layer.rng.integers(8000, 32000))
    return layer.add("h_next", FastRnnState(alpha, beta, STATE), candidate, h)


def gru_layer(layer, x, inputs, hidden):
    """docs/contract.md, GRU: gates stacked as r, z, n."""
    h = layer.state("h", hidden, HIDDEN)
    w = layer.biased("a", layer.product("w", x, inputs, 3 * hidden), 3 * hidden)
    u = layer.product("u", h, hidden, 3 * hidden)
    w_gates, w_n, u_gates, u_n = (
        layer.add(f"{name}_{part}", Slice(start, size), source)
        for name, source in (("w", w), ("u", u))
        for part, start, size in (("gates", 0, 2 * hidden), ("n", 2 * hidden, hidden))
    )
    gates = layer.activation("gates", "sigmoid", layer.add("sums", Add(), w_gates, u_gates))
    r, z = (layer.add(name, Slice(start, hidden), gates) for name, start in (("r", 0), ("z", hidden)))
    reset = layer.add("reset", Mul(Format(12), 15), r, layer.biased("m", u_n, hidden))
    n = layer.activation("n", "tanh", layer.add("n_sums", Add(), w_n, reset))
    return layer.add("h_next", GruState(HIDDEN), z, n, h)


def lstm_layer(layer, x, inputs, hidden):
    """docs/contract.md, LSTM: gates stacked as i, f, g, o."""
    h, c = layer.state("h", hidden, HIDDEN), layer.state("c", hidden, CELL)
    sums = layer.add("sums", Add(), layer.product("w", x, inputs, 4 * hidden), layer.product("u", h, hidden, 4 * hidden))
    p = layer.biased("p", sums, 4 * hidden)
    opened, p_g, p_o = (
        layer.add(f"p_{name}", Slice(at * hidden, n * hidden), p) for name, at, n in (("if", 0, 2), ("g", 2, 1), ("o", 3, 1))
    )
    gates = layer.activation("if", "sigmoid", opened)
    i, f = (layer.add(name, Slice(start, hidden), gates) for name, start in (("i", 0), ("f", hidden)))
    g, o = layer.activation("g", "tanh", p_g), layer.activation("o", "sigmoid", p_o)
    following = layer.add("c_next", LstmCellState(CELL), i, f, g, c)
    return layer.add("h_next", Mul(HIDDEN, 17), o, layer.activation("c_tanh", "tanh", following))


def build_stack(
    cell, rng, layers=1, weights="int8", low_rank=False, table=True, power_of_two=True, inputs=6, hidden=7, classes=4, readings=1,
    readout="last", readout_steps=4,
):  # fmt: skip
    """A verified recurrent IntegerModel of `layers` cells with random weights, inputs as above; the head reads the last one's `h`, or what
    blocks of readout_steps steps have come to.
    """
    reading = Value("input", TensorType((inputs,), Format(8)))
    normalize = draw_normalization(rng, inputs // readings, power_of_two)
    source, columns = "normalized", inputs
    nodes, states = [Node(source, normalize, ("input",), (source,))], {}
    for number in range(layers):
        layer = Layer(rng, f"l{number}_", weights, low_rank, table, power_of_two)
        source, columns = cell(layer, source, columns, hidden), hidden
        nodes += layer.nodes
        states |= layer.states
    last = next(value for value, after in states.items() if after == source)
    own, kept, reads = blocks_of(last, source, readout, readout_steps)
    states |= own
    step = Graph("step", (reading, *states), (*nodes, *kept), (source,), {value.name: after for value, after in states.items()})
    read = reads[-1].outputs[0] if reads else list(own)[-1].name if own else last.name
    columns = 2 * hidden if readout == "last_mean" else hidden
    classifier = FullyConnected(*draw_product(rng, classes, columns, Format(8), weights, power_of_two, bias=True))
    inputs = tuple(value for value in states if value.name in {name for node in reads for name in node.inputs} | {read})
    head = Graph("head", inputs, (*reads, Node("scores", classifier, (read,), ("scores",))), ("scores",))
    model = IntegerModel("tiny", {"step": step, "head": head})
    verify_model(model)
    return model


def blocks_of(h, source, readout, steps):
    """(states and what replaces them, nodes of the step, nodes of the head) of a readout of the state h, which `source` replaces."""
    if readout == "last":
        return {}, (), ()
    counted = Value("k", block_count_type(steps))
    count = Node("count", BlockCount(steps), ("k",), ("k_next",))
    if readout == "max":
        largest = Node("largest", BlockMaximum(steps, h.type.format.bound), ("m", source, "k_next"), ("m_next",))
        return {counted: "k_next", Value("m", h.type): "m_next"}, (count, largest), ()
    total = Value("s", TensorType(h.type.shape, block_sum_format(h.type.format, steps)))
    add = Node("total", BlockSum(steps, h.type.format.bound), ("s", source, "k_next"), ("s_next",))
    mean = Node("mean", BlockMean(steps, h.type.format), ("s", "k"), ("mean",))
    both = (Node("both", Concat(), (h.name, "mean"), ("both",)),) if readout == "last_mean" else ()
    return {counted: "k_next", total: "s_next"}, (count, add), (mean, *both)


def build_block(rng, weights="int8", power_of_two=True, size=(5, 4), channels=4):
    """A verified net without state: two 3x3 convolutions, ReLUs, and the sum of their outputs."""

    def convolution():
        product = draw_product(rng, channels, 9 * channels, Format(10, bound=10922), weights, power_of_two, bias=True, positions=9)
        return Conv2d(*product, kernel_size=(3, 3), padding=(1, 1, 1, 1))

    nodes = (
        Node("first", convolution(), ("input",), ("first",)),
        Node("first_relu", Relu(), ("first",), ("first_relu",)),
        Node("second", convolution(), ("first_relu",), ("second",)),
        Node("sum", Add(), ("first", "second"), ("sum",)),
        Node("features", Relu(), ("sum",), ("features",)),
    )
    value = Value("input", TensorType((*size, channels), Format(9, bound=10922)))
    model = IntegerModel("block", {"whole": Graph("whole", (value,), nodes, ("features",))})
    verify_model(model)
    return model


def draw_int8_product(rng, rows, columns, output, powers=1):
    """The same of int8 values: six-bit weights and `powers` neighbouring powers of two, which bring the sums near the range."""
    weight = rng.integers(-31, 32, (rows, columns), dtype=np.int8)
    shift = 12 + round(np.log2(np.sqrt(columns) * 31)) + np.arange(rows) % powers
    bias = rng.integers(-500, 500, rows, dtype=np.int32)
    return Int8Weight(weight), bias, Requantization(np.full(rows, 1 << 14, np.int32), shift.astype(np.int32)), output


def build_int8_block(rng, shape=(6,)):
    """A verified net without state, int16 to int8: product(relu(x + product(relu(product(x))))), x being the input in int8.

    The products are fully connected for a vector, and convolutions that keep the size for time and images.
    """
    channels, kernel_size = shape[-1], (1 if len(shape) == 2 else 3, 3)

    def product(name, source, output, powers=1):
        if len(shape) == 1:
            return Node(name, FullyConnected(*draw_int8_product(rng, channels, channels, output, powers)), (source,), (name,))
        columns, padding = 3 * kernel_size[0] * channels, (kernel_size[0] // 2,) * 2 + (1, 1)
        op = Conv2d(*draw_int8_product(rng, channels, columns, output, powers), kernel_size, padding=padding)
        return Node(name, op, (source,), (name,))

    scale = Requantization(np.full(channels, 1 << 14, np.int32), np.full(channels, 14 + 11, np.int32))
    normalize = Requantize(4, rng.integers(-(1 << 14), 1 << 14, channels, dtype=np.int32), scale, Format(5, "int8"))
    nodes = (
        Node("normalized", normalize, ("input",), ("normalized",)),
        product("first", "normalized", Format(4, "int8", nonnegative=True), powers=3),
        product("second", "first", Format(5, "int8")),
        Node("sum", Add("int8", nonnegative=True), ("normalized", "second"), ("sum",)),
        product("scores", "sum", Format(3, "int8")),
    )
    graph = Graph("whole", (Value("input", TensorType(shape, Format(8))),), nodes, ("scores",))
    model = IntegerModel("int8_block", {"whole": graph})
    verify_model(model)
    return model


def build_mixed(rng, reads="int16", answers="int8"):
    """A verified recurrent IntegerModel with a state of five int8 values and one of seven int16 values; two layers share one weight."""
    narrow, wide = Format(5, "int8"), Format(9)

    def product(rows, columns, weights="int8"):
        weight = draw_storage(rng, weights, rows, columns)
        if weights == "int8":
            weight = replace(weight, matrix=weight.matrix // 5)
        largest = 30 * int(np.abs(weight.matrix.astype(int)).sum(axis=1).max())
        return FullyConnected(weight, rng.integers(-largest, largest + 1, rows, dtype=np.int32), draw_tie_free(rng, rows, largest), narrow)

    def requantize(channels, before, after, scale):
        return Requantize(
            1, rng.integers(-9, 9, channels, dtype=np.int32), Requantization.from_scale(np.full(channels, scale)), after, before
        )

    reading = Value("input", TensorType((7,), Format(8) if reads == "int16" else narrow))
    h, total = Value("h", TensorType((5,), narrow)), Value("total", TensorType((7,), wide))
    mixing = product(7, 7)
    nodes = (
        Node("normalized", requantize(7, reads, narrow, 2.0**-9 if reads == "int16" else 0.25), ("input",), ("normalized",)),
        Node("first", mixing, ("normalized",), ("first",)),
        Node("second", mixing, ("first",), ("second",)),
        Node("joined", Add("int8", nonnegative=True), ("normalized", "second"), ("joined",)),
        Node("widened", requantize(7, "int8", wide, 3.5), ("joined",), ("widened",)),
        Node("total_next", Add(), ("widened", "total"), ("total_next",)),
        Node("w", product(5, 7, "ternary"), ("joined",), ("w",)),
        Node("u", product(5, 5, "int4"), ("h",), ("u",)),
        Node("h_next", Add("int8"), ("w", "u"), ("h_next",)),
    )
    step = Graph("step", (reading, h, total), nodes, ("h_next",), {"h": "h_next", "total": "total_next"})
    head_nodes = (
        Node("recent", Slice(1, 3), ("h",), ("recent",)),
        Node("late", Slice(2, 3), ("total",), ("late",)),
        Node("narrowed", requantize(3, "int16", narrow, 3 / 128), ("late",), ("narrowed",)),
        Node("sum", Add("int8"), ("recent", "narrowed"), ("sum",)),
        Node("answer", product(4, 3), ("sum",), ("answer",)),
        Node(
            "scores",
            requantize(4, "int8", replace(wide if answers == "int16" else narrow, fraction_bits=4), 0.25),
            ("answer",),
            ("scores",),
        ),
    )
    head = Graph("head", (h, total), head_nodes, ("scores",))
    model = IntegerModel("mixed", {"step": step, "head": head})
    verify_model(model)
    return model
