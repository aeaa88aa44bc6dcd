"""An ONNX file that somebody else wrote reads no other file, and an answer of another type or shape is no answer."""

import onnx
import pytest

from rescomp.errors import InputError
from rescomp.validate import variants
from rescomp.validate.onnx_files import read_onnx
from rescomp.validate.onnxruntime import OnnxruntimeWitness


def change(onnx_job, edit):
    path = onnx_job.directory / "model.onnx"
    model = onnx.ModelProto.FromString(path.read_bytes())
    edit(model)
    path.write_bytes(model.SerializeToString())
    return path


def outside(tensor):
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/hostname"


def in_an_attribute(model):
    attribute = model.graph.node.add(op_type="Constant", output=["c"]).attribute.add(name="value", type=onnx.AttributeProto.TENSOR)
    outside(attribute.t)


def in_a_branch(model):
    attribute = model.graph.node.add(op_type="If").attribute.add(name="then_branch", type=onnx.AttributeProto.GRAPH)
    outside(attribute.g.initializer.add(name="hidden"))


def in_a_function(model):
    attribute = model.functions.add(name="f").node.add(op_type="Constant").attribute.add(name="value", type=onnx.AttributeProto.TENSOR)
    outside(attribute.t)


def sparse(model):
    outside(model.graph.sparse_initializer.add().values)


@pytest.mark.parametrize("edit", [lambda model: outside(model.graph.initializer[0]), in_an_attribute, in_a_branch, in_a_function, sparse])
def test_data_in_another_file_is_refused_wherever_a_tensor_stands(edit, onnx_job):
    path = change(onnx_job, edit)
    with pytest.raises(InputError, match=r"model\.onnx is no ONNX file of rescomp .*would lie in another file.*rescomp export"):
        read_onnx(path)
    with pytest.raises(InputError, match="would lie in another file"):
        list(OnnxruntimeWitness().answers(onnx_job))


def test_a_file_larger_than_any_of_ours_is_not_read(onnx_job, monkeypatch):
    monkeypatch.setattr(variants, "MOST_ARTEFACT_BYTES", 100)
    with pytest.raises(InputError, match="more than 100 bytes"):
        read_onnx(onnx_job.directory / "model.onnx")


def test_what_is_no_protobuf_is_named(onnx_job):
    (onnx_job.directory / "model.onnx").write_bytes(b"\xff" * 100)
    with pytest.raises(InputError, match=r"model\.onnx is no ONNX file of rescomp"):
        list(OnnxruntimeWitness().answers(onnx_job))


def test_answers_of_another_type_or_shape_are_refused(onnx_job):
    def as_float(model):
        name = model.graph.output[0].name
        model.graph.node.add(op_type="Cast", input=[name], output=["real"]).attribute.add(name="to", type=onnx.AttributeProto.INT, i=1)
        for node in model.graph.node[:-1]:
            node.output[:] = [f"{out}_kept" if out == name else out for out in node.output]
            node.input[:] = [f"{out}_kept" if out == name else out for out in node.input]
        model.graph.node[-1].input[0], model.graph.node[-1].output[0] = f"{name}_kept", name
        model.graph.output[0].type.tensor_type.elem_type = 1

    change(onnx_job, as_float)
    with pytest.raises(InputError, match="is of float32"):
        list(OnnxruntimeWitness().answers(onnx_job))
