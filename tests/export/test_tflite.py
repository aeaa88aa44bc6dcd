"""The TFLite file: builtin operators of one meaning, aligned buffers, named edges, provenance; and refusals in one sentence."""

import importlib
import sys
from dataclasses import replace

import numpy as np
import pytest
import tflite

from rescomp.errors import InputError, MissingToolError, UnsupportedError
from rescomp.export import flatbuffer
from rescomp.export.flatbuffer import check_flatbuffer
from rescomp.export.tflite import OPTIONS, export_tflite, graph_to_tflite
from rescomp.graph.evaluate import evaluate
from rescomp.graph.fixed_point import Requantization
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ir import Graph, Node, Value
from rescomp.graph.ops import FullyConnected, Relu, Slice, tflite_arithmetic, tie_free
from rescomp.graph.serialize import digest
from rescomp.graph.weights import Int8Weight
from rescomp.validate.tflite import INTERPRETERS, RESOLVERS, TfliteWitness

HALF = Requantization(np.full(1, 1 << 14, np.int32), np.full(1, 15, np.int32))


@pytest.fixture
def model(random_fastgrnn):
    return random_fastgrnn(np.random.default_rng(1), low_rank=True, power_of_two=False)


@pytest.fixture
def block(random_block):
    return random_block(np.random.default_rng(1))


def parse(data):
    root = tflite.Model.GetRootAs(data)
    return root, root.Subgraphs(0)


def tensors_of(subgraph, indices):
    return {subgraph.Tensors(i).Name().decode(): list(subgraph.Tensors(i).ShapeAsNumpy()) for i in indices}


def test_edges_are_named_and_of_rank_two(model):
    _, subgraph = parse(export_tflite(model)["model.tflite"])
    assert tensors_of(subgraph, subgraph.InputsAsNumpy()) == {"input": [1, 6], "h": [1, 10]}
    assert tensors_of(subgraph, subgraph.OutputsAsNumpy()) == {"state": [1, 10], "scores": [1, 4]}


def test_an_image_keeps_its_shape(block):
    _, subgraph = parse(export_tflite(block)["model.tflite"])
    assert tensors_of(subgraph, subgraph.InputsAsNumpy()) == {"input": [1, 5, 4, 4]}
    assert tensors_of(subgraph, subgraph.OutputsAsNumpy()) == {"features": [1, 5, 4, 4]}


def test_values_keep_their_names(model):
    _, subgraph = parse(export_tflite(model)["model.tflite"])
    names = [subgraph.Tensors(i).Name().decode() for i in range(subgraph.TensorsLength())]
    assert len(names) == len(set(names))
    assert {name for node in model.graphs["step"].nodes for name in node.outputs} <= set(names)


def test_only_operators_of_one_meaning(model, block):
    for data in (export_tflite(model)["model.tflite"], export_tflite(block)["model.tflite"]):
        root, _ = parse(data)
        codes = {root.OperatorCodes(i).BuiltinCode() for i in range(root.OperatorCodesLength())}
        assert codes <= {getattr(tflite.BuiltinOperator, code) for code in OPTIONS}


def test_every_buffer_is_aligned(model):
    data = export_tflite(model)["model.tflite"]
    assert len(data) % 16 == 0
    root, _ = parse(data)
    starts = []
    for i in range(root.BuffersLength()):
        buffer = root.Buffers(i)
        if buffer.DataLength():
            starts.append(buffer._tab.Vector(buffer._tab.Offset(4)))
    assert len(starts) > 10
    assert all(start % 16 == 0 for start in starts)


def test_every_convolution_has_an_int64_bias_and_exact_scales(model):
    root, subgraph = parse(export_tflite(model)["model.tflite"])
    products = 0
    for operator in map(subgraph.Operators, range(subgraph.OperatorsLength())):
        code = root.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()
        if code in (tflite.BuiltinOperator.CONV_2D, tflite.BuiltinOperator.DEPTHWISE_CONV_2D):
            x, weight, bias = (subgraph.Tensors(i) for i in operator.InputsAsNumpy())
            y = subgraph.Tensors(operator.Outputs(0))
            assert (x.Type(), weight.Type(), bias.Type()) == (tflite.TensorType.INT16, tflite.TensorType.INT8, tflite.TensorType.INT64)
            scales = weight.Quantization().ScaleAsNumpy().astype(float) * x.Quantization().Scale(0) / y.Quantization().Scale(0)
            mantissa = np.frexp(scales)[0] * (1 << 15)
            assert np.array_equal(mantissa, np.floor(mantissa)), "more than 15 significant bits"
            products += 1
    assert products == 6  # normalisation, two factors twice, classifier


def test_provenance(model):
    root, _ = parse(export_tflite(model)["model.tflite"])
    entries = [root.Metadata(i) for i in range(root.MetadataLength())]
    texts = {entry.Name().decode(): root.Buffers(entry.Buffer()).DataAsNumpy().tobytes().decode() for entry in entries}
    assert texts["rescomp.digest"] == digest(model)
    assert digest(model) in root.Description().decode()


def test_the_signature_serves_by_name(model):
    interpreter = importlib.import_module(f"{INTERPRETERS[0]}.interpreter").Interpreter(model_content=export_tflite(model)["model.tflite"])
    assert interpreter.get_signature_list() == {"serving_default": {"inputs": ["h", "input"], "outputs": ["scores", "state"]}}


def test_files_are_the_same_again(model):
    assert export_tflite(model) == export_tflite(model)


INT8_SHAPES = pytest.mark.parametrize(
    ("shape", "products"),
    [
        ((6,), ["CONV_2D", "FULLY_CONNECTED", "ADD", "FULLY_CONNECTED"]),  # the first has a scale for each row
        ((9, 6), ["CONV_2D", "CONV_2D", "ADD", "CONV_2D"]),
        ((5, 4, 6), ["CONV_2D", "CONV_2D", "ADD", "CONV_2D"]),
    ],
)


@INT8_SHAPES
def test_int8_layers_are_native_operators(shape, products, random_int8_block):
    model = random_int8_block(np.random.default_rng(0), shape)
    root, subgraph = parse(export_tflite(model)["model.tflite"])
    names = {number: name for name, number in vars(tflite.BuiltinOperator).items() if isinstance(number, int)}
    operators = [subgraph.Operators(i) for i in range(subgraph.OperatorsLength())]
    named = [(names[root.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()], operator) for operator in operators]
    entry = ["DEPTHWISE_CONV_2D", "MINIMUM", "MAXIMUM", "CAST"]
    assert [name for name, _ in named if name != "RESHAPE"] == entry + products
    relu = []
    for name, operator in named:
        operands = [subgraph.Tensors(i) for i in (*operator.InputsAsNumpy(), operator.Outputs(0))]
        if name in products:
            bias = [tflite.TensorType.INT32] if name != "ADD" else []
            assert [t.Type() for t in operands] == [tflite.TensorType.INT8, tflite.TensorType.INT8, *bias, tflite.TensorType.INT8]
            assert not any(t.Quantization().ZeroPointAsNumpy().any() for t in operands)
            kind = {"CONV_2D": tflite.Conv2DOptions, "FULLY_CONNECTED": tflite.FullyConnectedOptions, "ADD": tflite.AddOptions}[name]
            options = kind()
            options.Init(operator.BuiltinOptions().Bytes, operator.BuiltinOptions().Pos)
            relu.append(options.FusedActivationFunction() == tflite.ActivationFunctionType.RELU)
    assert relu == [True, False, True, False]


@INT8_SHAPES
def test_an_int8_block_equals_numpy(shape, products, random_int8_block, export_job):
    rng = np.random.default_rng(1)
    model = random_int8_block(rng, shape)
    job = export_job(model, rng.integers(-(1 << 15), 1 << 15, (1000, *shape)), exports=export_tflite)
    expected = evaluate(model, job.x).scores
    assert np.unique(expected).size > 100
    answers = {answer.variant: answer.trajectory.scores for answer in TfliteWitness().answers(job)}
    assert set(answers) == set(RESOLVERS)
    for scores in answers.values():
        np.testing.assert_array_equal(scores, expected)


@pytest.mark.parametrize("powers", [[4] * 8, [3, 4, 5, 6] * 2])
def test_without_the_tie_free_encoding_the_runtimes_differ(powers, monkeypatch):
    """The integers as they are, in the same operators: no resolver rounds all sums as numpy does, nor all of them as the next one."""

    def as_it_is(*product):
        plain = tie_free.quantized_product(*product)
        return replace(plain, bias=plain.bias.astype(np.int32))

    rng, format = np.random.default_rng(0), Format(3, "int8")
    matrix, bias = rng.integers(-1, 2, (8, 16), dtype=np.int8), rng.integers(-99, 99, 8, dtype=np.int32)
    scale = Requantization(np.full(8, 1 << 14, np.int32), 14 + np.array(powers, np.int32))
    op, t = FullyConnected(Int8Weight(matrix), bias, scale, format), TensorType((16,), format)
    graph = Graph("g", (Value("x", t),), (Node("y", op, ("x",), ("y",)),), ("y",))
    x = rng.integers(-128, 128, (500, 16))
    expected = op.evaluate(x)[0]

    def off_by():
        return {resolver: TfliteWitness(resolver).run_graph(graph, {"x": x})["y"] - expected for resolver in RESOLVERS}

    assert not any(difference.any() for difference in off_by().values())
    monkeypatch.setattr(tflite_arithmetic, "tie_free", as_it_is)
    naive = off_by()
    assert all(difference.any() for difference in naive.values())
    assert len({difference.tobytes() for difference in naive.values()}) > 1
    assert max(np.abs(difference).max() for difference in naive.values()) == 1


@pytest.mark.parametrize(
    ("op", "t", "message"),
    [
        (Slice(0, 1), TensorType((3,), Format(2, "int32")), "value 'x' of graph 'g' is int32: the TFLite export computes on int8"),
        (Relu(), TensorType((2, 2, 2, 2), Format(2)), "reads values of one to three axes"),
        (
            FullyConnected(Int8Weight(np.ones((1, 1), np.int8)), np.zeros(0, np.int32), HALF, Format(4, "int8", bound=100)),
            TensorType((1,), Format(4, "int8")),
            r"clamp int8 results at 0 or not at all, not to int8 Q4, -100\.\.100",
        ),
    ],
)
def test_what_tflite_does_not_offer_is_refused(op, t, message):
    graph = Graph("g", (Value("x", t),), (Node("y", op, ("x",), ("y",)),), ("y",))
    assert graph.types()
    with pytest.raises(UnsupportedError, match=message):
        graph_to_tflite(graph)


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"not a model", lambda data: b""])
def test_a_damaged_file_is_named(damage, model, random_sequences, export_job):
    job = export_job(model, *random_sequences(np.random.default_rng(0), model))
    path = job.directory / "model.tflite"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r"model\.tflite .*rescomp export"):
        list(TfliteWitness().answers(job))


def test_no_truncated_file_reaches_the_interpreter(model):
    data = export_tflite(model)["model.tflite"]
    check_flatbuffer(data)
    for length in range(0, len(data) - 256, 61):
        with pytest.raises(ValueError, match=r"TFLite file|truncated or damaged"):
            check_flatbuffer(data[:length])


def test_a_file_of_many_parts_is_refused_before_they_are_held(model, monkeypatch):
    monkeypatch.setattr(flatbuffer, "MOST_FLATBUFFER_PARTS", 50)
    with pytest.raises(ValueError, match="more than 50 parts"):
        check_flatbuffer(export_tflite(model)["model.tflite"])


def test_a_missing_file_and_a_file_of_another_model_are_named(model, block, random_sequences, export_job):
    job = export_job(model, *random_sequences(np.random.default_rng(0), model))
    (job.directory / "model.tflite").write_bytes(export_tflite(block)["model.tflite"])
    with pytest.raises(InputError, match="does not declare this model"):
        list(TfliteWitness().answers(job))
    (job.directory / "model.tflite").unlink()
    with pytest.raises(InputError, match=r"cannot read .*model\.tflite"):
        list(TfliteWitness().answers(job))


def test_the_argument_chooses_a_variant(model, random_sequences, export_job):
    job = export_job(model, *random_sequences(np.random.default_rng(0), model))
    only = type(job)(job.model, job.directory, job.x, job.lengths, "reference")
    assert [answer.variant for answer in TfliteWitness().answers(only)] == ["reference"]


def test_a_missing_interpreter_is_named(model, random_sequences, export_job, monkeypatch):
    job = export_job(model, *random_sequences(np.random.default_rng(0), model))
    for package in INTERPRETERS:
        monkeypatch.setitem(sys.modules, f"{package}.interpreter", None)
    with pytest.raises(MissingToolError, match="pip install ai-edge-litert"):
        list(TfliteWitness().answers(job))


def test_a_missing_writer_is_named(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    with pytest.raises(MissingToolError, match="pip install flatbuffers tflite"):
        export_tflite(model)
