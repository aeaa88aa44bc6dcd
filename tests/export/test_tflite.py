"""The TFLite file: builtin operators of one meaning, aligned buffers, named edges, provenance; and refusals in one sentence."""

import importlib
import sys

import numpy as np
import pytest
import tflite

from rescomp.errors import InputError, MissingToolError, UnsupportedError
from rescomp.export.flatbuffer import check_flatbuffer
from rescomp.export.tflite import OPTIONS, export_tflite, graph_to_tflite
from rescomp.graph.ir import Format, Graph, Node, TensorType, Value
from rescomp.graph.ops import Relu
from rescomp.graph.serialize import digest
from rescomp.validate.tflite import INTERPRETERS, TfliteWitness


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


@pytest.mark.parametrize("t", [TensorType((3,), Format(2, "int8")), TensorType((2, 2, 2, 2), Format(2))])
def test_what_tflite_does_not_offer_is_refused(t):
    graph = Graph("g", (Value("x", t),), (Node("relu", Relu(), ("x",), ("y",)),), ("y",))
    if t.format.dtype == "int16":
        assert graph.types()
    with pytest.raises(UnsupportedError, match=r"TFLite|relu works on int16"):
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


def test_a_missing_file_and_a_file_of_another_model_are_named(model, block, random_sequences, export_job):
    job = export_job(model, *random_sequences(np.random.default_rng(0), model))
    (job.directory / "model.tflite").write_bytes(export_tflite(block)["model.tflite"])
    with pytest.raises(InputError, match="its tensor 'input' has shape"):
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
    with pytest.raises(MissingToolError, match=r"pip install 'rescomp\[tflite\]'"):
        list(TfliteWitness().answers(job))


def test_a_missing_writer_is_named(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    with pytest.raises(MissingToolError, match=r"pip install 'rescomp\[tflite\]'"):
        export_tflite(model)
