"""The ONNX files: standard operators, named and typed edges, dynamic axes, provenance; and refusals in one sentence."""

import sys

import numpy as np
import onnx
import onnxruntime
import pytest

from rescomp.errors import InputError, MissingToolError, UnsupportedError
from rescomp.export.onnx import IR_VERSION, OPSET, export_onnx, graph_to_onnx, sequence_model, step_model, whole_model
from rescomp.graph.evaluate import evaluate
from rescomp.graph.fixed_point import Requantization
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ir import Graph, Node, Value
from rescomp.graph.ops import FullyConnected
from rescomp.graph.serialize import CONTRACT, digest
from rescomp.graph.weights import Int8Weight
from rescomp.validate.onnxruntime import OnnxruntimeWitness

HALF = Requantization(np.full(1, 1 << 14, np.int32), np.full(1, 15, np.int32))


@pytest.fixture
def model(random_fastgrnn):
    return random_fastgrnn(np.random.default_rng(1), weights="int8")


@pytest.fixture
def block(random_block):
    return random_block(np.random.default_rng(1))


def edges(values):
    """name -> (element type, axes) of graph inputs or outputs."""
    tensors = {value.name: value.type.tensor_type for value in values}
    return {
        name: (onnx.TensorProto.DataType.Name(t.elem_type), [axis.dim_param or axis.dim_value for axis in t.shape.dim])
        for name, t in tensors.items()
    }


def graphs_of(proto):
    yield proto.graph
    for node in proto.graph.node:
        yield from (attribute.g for attribute in node.attribute if attribute.name == "body")


def test_step_model_has_explicit_state(model):
    graph = step_model(model).graph
    assert edges(graph.input) == {"input": ("INT16", ["batch", 6]), "h": ("INT16", ["batch", 10])}
    assert edges(graph.output) == {"state": ("INT16", ["batch", 10]), "scores": ("INT16", ["batch", 4])}


def test_sequence_model_has_dynamic_time_and_batch(model):
    graph = sequence_model(model).graph
    assert edges(graph.input) == {"input": ("INT16", ["time", "batch", 6])}
    assert edges(graph.output) == {"state": ("INT16", ["time", "batch", 10]), "scores": ("INT16", ["batch", 4])}


def test_whole_model_keeps_the_shape(block):
    graph = whole_model(block).graph
    assert edges(graph.input) == {"input": ("INT16", ["batch", 5, 4, 4])}
    assert edges(graph.output) == {"features": ("INT16", ["batch", 5, 4, 4])}


@pytest.mark.parametrize("build", [step_model, sequence_model])
def test_provenance_and_standard_operators(build, model):
    proto = build(model)
    onnx.checker.check_model(proto, full_check=True)
    assert [(opset.domain, opset.version) for opset in proto.opset_import] == [("", OPSET)]
    assert (proto.ir_version, proto.producer_name) == (IR_VERSION, "rescomp")
    properties = {entry.key: entry.value for entry in proto.metadata_props}
    assert properties == {
        "rescomp.model": "tiny",
        "rescomp.digest": digest(model),
        "rescomp.contract": str(CONTRACT),
        "rescomp.input": "6 int16 Q8",
    }
    for graph in graphs_of(proto):
        assert {node.domain for node in graph.node} == {""}
        names = [name for node in graph.node for name in node.output]
        assert len(names) == len(set(names))
        assert all(tensor.data_type not in (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE) for tensor in graph.initializer)


INT8_SHAPES = pytest.mark.parametrize(("shape", "product"), [((6,), "Gemm"), ((9, 6), "Conv"), ((5, 4, 6), "Conv")])


@INT8_SHAPES
def test_int8_layers_are_quantized_and_dequantized(shape, product, random_int8_block):
    proto = whole_model(random_int8_block(np.random.default_rng(0), shape))
    assert edges(proto.graph.output) == {"scores": ("INT8", ["batch", *shape])}
    first = next(i for i, node in enumerate(proto.graph.node) if node.name == "normalized/int8")
    nodes = proto.graph.node[first:]
    types = [node.op_type for node in nodes if node.op_type not in ("DequantizeLinear", "QuantizeLinear", "Identity", "Transpose")]
    assert types == [product, "Relu", product, "Add", "Relu", product]
    origins = {name: node.op_type for node in nodes for name in node.output}
    readers = {name: node.op_type for node in nodes for name in node.input}
    for node in nodes:
        if node.op_type in ("Gemm", "Conv", "Add"):
            assert {origins[name] for name in node.input} == {"DequantizeLinear"}
            assert readers[node.output[0]] in ("Relu", "QuantizeLinear")
    transposed = [node.op_type for node in proto.graph.node].count("Transpose")
    assert transposed == (0 if len(shape) == 1 else 2), "into int8 and out of the file"


def test_int8_weights_are_free_of_ties_and_not_shared(random_int8_block):
    model = random_int8_block(np.random.default_rng(0), (9, 6))
    graph = whole_model(model).graph
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    dequantized = [node.input for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0] in arrays]
    weights, biases = (dequantized[start::2] for start in (0, 1))
    ops = [node.op for node in model.graphs["whole"].nodes if node.op.name == "conv2d"]
    for op, (weight, scale, zero), (bias, bias_scale) in zip(ops, weights, biases, strict=True):
        kernel = np.moveaxis(arrays[weight], 1, -1).reshape(op.weight.matrix.shape)
        np.testing.assert_array_equal(kernel, 4 * op.weight.matrix)
        np.testing.assert_array_equal(arrays[bias], 4 * op.bias + 1)
        assert np.all(np.frexp(arrays[scale])[0] == 0.5)
        assert np.all(np.frexp(arrays[bias_scale])[0] == 0.5)
        assert not arrays[zero].any()
    own = [name for weight, _, zero in weights for name in (weight, zero)]
    assert len(own) == len(set(own))


@INT8_SHAPES
def test_an_int8_block_equals_numpy(shape, product, random_int8_block, export_job):
    rng = np.random.default_rng(1)
    model = random_int8_block(rng, shape)
    job = export_job(model, rng.integers(-(1 << 15), 1 << 15, (1000, *shape)), exports=export_onnx)
    expected = evaluate(model, job.x).scores
    assert np.unique(expected).size > 100
    answers = {answer.variant: answer.trajectory.scores for answer in OnnxruntimeWitness().answers(job)}
    assert set(answers) == {"whole", "whole without optimization"}
    for scores in answers.values():
        np.testing.assert_array_equal(scores, expected)


@INT8_SHAPES
def test_the_block_loads_and_is_exact_with_unsigned_kernels(shape, product, random_int8_block):
    """session.x64quantprecision makes activations and weights uint8; it takes no weight or zero point that two layers share."""
    rng = np.random.default_rng(1)
    model = random_int8_block(rng, shape)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(export_onnx(model)["model.onnx"], options, providers=["CPUExecutionProvider"])
    x = rng.integers(-(1 << 15), 1 << 15, (1000, *shape))
    (scores,) = session.run(None, {"input": x.astype(np.int16)})
    assert scores.dtype == np.int8
    np.testing.assert_array_equal(scores, evaluate(model, x).scores)


def test_an_int8_bound_is_refused():
    format = Format(4, "int8")
    op = FullyConnected(Int8Weight(np.ones((1, 1), np.int8)), np.zeros(0, np.int32), HALF, Format(4, "int8", bound=100))
    graph = Graph("g", (Value("x", TensorType((1,), format)),), (Node("y", op, ("x",), ("y",)),), ("y",))
    with pytest.raises(UnsupportedError, match=r"clamp int8 results at 0 or not at all, not to int8 Q4, -100\.\.100"):
        graph_to_onnx(graph)


def test_values_keep_their_names(model):
    named = {name for node in step_model(model).graph.node for name in node.output}
    assert {f"{name}/int32" for node in model.graphs["step"].nodes for name in node.outputs} <= named


def test_files_are_the_same_again(model, block):
    assert export_onnx(model) == export_onnx(model)
    assert set(export_onnx(model)) == {"model.onnx", "model_sequence.onnx"}
    assert set(export_onnx(block)) == {"model.onnx"}


def test_one_step_sequence_and_one_sequence_batch(model):
    x = np.random.default_rng(2).integers(-(1 << 15), 1 << 15, (1, 1, 6))
    session = onnxruntime.InferenceSession(sequence_model(model).SerializeToString(), providers=["CPUExecutionProvider"])
    states, scores = session.run(None, {"input": x.astype(np.int16)})
    expected = evaluate(model, x)
    assert states.dtype == scores.dtype == np.int16
    np.testing.assert_array_equal(states, expected.states)
    np.testing.assert_array_equal(scores, expected.scores)


def test_a_value_of_step_and_head_may_share_a_name(model, random_sequences, export_job):
    head = model.graphs["head"]
    (node,) = head.nodes
    renamed = type(head)("head", head.inputs, (type(node)("gate", node.op, node.inputs, ("gate",)),), ("gate",))
    clash = type(model)("clash", {"step": model.graphs["step"], "head": renamed})
    assert [output.name for output in step_model(clash).graph.output] == ["state", "head_gate"]
    x, lengths = random_sequences(np.random.default_rng(3), clash)
    for answer in OnnxruntimeWitness().answers(export_job(clash, x, lengths)):
        np.testing.assert_array_equal(answer.trajectory.scores, evaluate(clash, x, lengths).scores)


def test_models_of_the_other_kind_are_refused(model, block):
    with pytest.raises(UnsupportedError, match="carries state"):
        whole_model(model)
    with pytest.raises(UnsupportedError, match="carries no state"):
        sequence_model(block)


def test_expose_makes_every_value_an_output(model):
    step = model.graphs["step"]
    outputs = [output.name for output in graph_to_onnx(step, expose=True).graph.output]
    assert outputs == [name for node in step.nodes for name in node.outputs]


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"not a model", lambda data: b""])
def test_a_damaged_file_is_named(damage, model, random_sequences, export_job):
    job = export_job(model, *random_sequences(np.random.default_rng(0), model))
    path = job.directory / "model.onnx"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r"model\.onnx .*rescomp export"):
        list(OnnxruntimeWitness().answers(job))


def test_a_missing_file_and_a_file_of_another_model_are_named(model, block, random_sequences, export_job):
    job = export_job(model, *random_sequences(np.random.default_rng(0), model))
    (job.directory / "model.onnx").write_bytes(export_onnx(block)["model.onnx"])
    with pytest.raises(InputError, match=r"model\.onnx does not declare this model"):
        list(OnnxruntimeWitness().answers(job))
    (job.directory / "model.onnx").unlink()
    with pytest.raises(InputError, match=r"cannot read .*model\.onnx"):
        list(OnnxruntimeWitness().answers(job))


def test_an_unknown_variant_is_refused(model, random_sequences, export_job):
    job = export_job(model, *random_sequences(np.random.default_rng(0), model))
    only = type(job)(job.model, job.directory, job.x, job.lengths, "sequence")
    assert [answer.variant for answer in OnnxruntimeWitness().answers(only)] == ["sequence"]
    with pytest.raises(InputError, match="no variant 'gpu'"):
        list(OnnxruntimeWitness().answers(type(job)(job.model, job.directory, job.x, job.lengths, "gpu")))


def test_a_missing_package_is_named(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingToolError, match=r"onnx is not installed: pip install onnx onnxruntime"):
        export_onnx(model)
