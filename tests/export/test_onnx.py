"""The ONNX files: standard operators, named and typed edges, dynamic axes, provenance; and refusals in one sentence."""

import sys

import numpy as np
import onnx
import onnxruntime
import pytest

from rescomp.errors import InputError, MissingToolError, UnsupportedError
from rescomp.export.onnx import IR_VERSION, OPSET, export_onnx, graph_to_onnx, sequence_model, step_model, whole_model
from rescomp.graph.evaluate import evaluate
from rescomp.graph.serialize import CONTRACT, digest
from rescomp.validate.onnxruntime import OnnxruntimeWitness


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
        np.testing.assert_array_equal(answer.trace.scores, evaluate(clash, x, lengths).scores)


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
    with pytest.raises(InputError, match=r"model\.onnx as this model"):
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
    with pytest.raises(MissingToolError, match=r"onnx is not installed: pip install 'rescomp\[onnx\]'"):
        export_onnx(model)
