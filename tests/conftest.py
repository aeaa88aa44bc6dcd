"""Shared by all tests: the witnesses, and small integer models with random weights."""

import os
import shutil

import numpy as np
import pytest

from rescomp.export.c import export_c
from rescomp.export.onnx import export_onnx
from rescomp.export.tflite import export_tflite
from rescomp.graph import serialize
from rescomp.graph.fixed_point import Requantization, tanh_table
from rescomp.graph.ir import Format, Graph, IntegerModel, Node, TensorType, Value
from rescomp.graph.ops import Add, BiasAdd, Conv2d, FastGrnnGate, FullyConnected, Lookup, PiecewiseLinear, Relu, Requantize
from rescomp.graph.ops.drawing import draw_ternary
from rescomp.graph.verify import verify_model
from rescomp.graph.weights import Int8Weight, TernaryWeight
from rescomp.validate.onnxruntime import OnnxruntimeWitness
from rescomp.validate.qemu import PACKAGES
from rescomp.validate.registry import load_witness
from rescomp.validate.tflite import RESOLVERS, TfliteWitness
from rescomp.validate.witness import Job

WITNESSES = {
    "onnxruntime": OnnxruntimeWitness(),
    "onnxruntime without optimization": OnnxruntimeWitness(optimize=False),
    **{f"tflite {resolver}": TfliteWitness(resolver) for resolver in RESOLVERS},
    "c": load_witness("c"),
}
"""Whoever runs single graphs (op tests)."""
EXPORTING = ("onnxruntime", "tflite", "c")
"""Whoever runs exported models, by name in the registry."""

STATE = Format(12, bound=10922)


@pytest.fixture(scope="session")
def emulator():
    """Skip without the emulator or its compiler, naming the package; in CI their absence is a failure of the test itself."""
    for tool, package in PACKAGES.items():
        if shutil.which(tool) is None and os.environ.get("CI") != "true":
            pytest.skip(f"needs {tool}: apt-get install {package}")


@pytest.fixture(params=WITNESSES)
def witness(request):
    """Every witness in turn, for run_graph."""
    return WITNESSES[request.param]


@pytest.fixture(params=EXPORTING)
def exporting_witness(request):
    """Every witness of an exported model in turn, for answers."""
    return load_witness(request.param)


@pytest.fixture
def random_fastgrnn():
    """The builder of small FastGRNN models: random_fastgrnn(rng, weights=..., low_rank=..., table=..., power_of_two=...)."""
    return build_fastgrnn


@pytest.fixture
def random_block():
    """The builder of an untrained convolution-ReLU-add block: random_block(rng, weights=..., power_of_two=...)."""
    return build_block


@pytest.fixture
def export_job(tmp_path):
    """A function (model, x, lengths) -> Job with every export written into a temporary directory."""

    def export(model, x, lengths=None):
        for name, data in all_exports(model).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return Job(model, tmp_path, x.astype(np.int16), np.ones(len(x), np.int64) if lengths is None else lengths)

    return export


@pytest.fixture
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


def draw_product(rng, rows, columns, output, weights="int8", power_of_two=False, bias=False):
    """The weight, bias, requantization and output of a random product, as fully_connected and conv2d take them."""
    if weights == "ternary":
        weight, magnitude = TernaryWeight(draw_ternary(rng, rows, columns)), 5000
    else:
        weight, magnitude = Int8Weight(rng.integers(-127, 128, (rows, columns), dtype=np.int8)), 73 * 5000
    biases = rng.integers(-5000, 5000, rows, dtype=np.int32) if bias else np.zeros(0, np.int32)
    return weight, biases, draw_scale(rng, rows, columns, magnitude, power_of_two), output


def build_fastgrnn(rng, weights="ternary", low_rank=False, table=True, power_of_two=True, inputs=6, hidden=10, classes=4, rank=5):
    """A verified FastGRNN IntegerModel with random weights; the head reads the state `h`."""
    preactivation = Format(12)
    table_or_not = [Lookup(function, tanh_table()) if table else PiecewiseLinear(function) for function in ("sigmoid", "tanh")]

    def product(name, source, columns):
        chain = [(f"{name}_reduced", rank, STATE)] if low_rank else []
        for value, rows, output in [*chain, (name, hidden, preactivation)]:
            yield Node(value, FullyConnected(*draw_product(rng, rows, columns, output, weights, power_of_two)), (source,), (value,))
            source, columns = value, rows

    def bias():
        return BiasAdd(rng.integers(-4000, 4000, hidden, dtype=np.int16))

    normalize = Requantize(
        4, rng.integers(-(1 << 14), 1 << 14, inputs, dtype=np.int32), draw_scale(rng, inputs, 1, 1 << 18, power_of_two), STATE
    )
    nodes = (
        Node("normalized", normalize, ("input",), ("normalized",)),
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


def build_block(rng, weights="int8", power_of_two=True, size=(5, 4), channels=4):
    """A verified net without state: two 3x3 convolutions, ReLUs, and the sum of their outputs."""

    def convolution():
        product = draw_product(rng, channels, 9 * channels, Format(10, bound=10922), weights, power_of_two, bias=True)
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
