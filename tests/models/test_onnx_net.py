"""Float nets in ONNX files: what is read computes what onnxruntime does, and everything else is refused by one sentence."""

import random

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from rescomp.errors import InputError, ParityError, RescompError, UnsupportedError
from rescomp.models import build_net
from rescomp.models.onnx_net.ops import INSTEAD, OPS
from rescomp.models.onnx_net.read import read_onnx
from rescomp.recipe import ModelSection
from rescomp.stages.float_parity import float_parity
from rescomp.tests.models.onnx_files import NETS, constant, file_of, node, torch_har_cnn, whole


def saved(tmp_path, model):
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def imported(path, shape, classes=4):
    return read_onnx(path, shape), build_net(ModelSection(kind=str(path)), shape, classes)


def drawn(shape):
    return np.random.default_rng(1).standard_normal((5, *shape)).astype(np.float32)


@pytest.mark.parametrize("name", NETS)
def test_what_is_read_computes_what_onnxruntime_does(tmp_path, name):
    model, shape = NETS[name]()
    found = float_parity(*imported(saved(tmp_path, model), shape), drawn(shape))
    assert found.inputs == 37
    assert found.of > 0.1
    assert found.largest_difference < 1e-5 * found.of


def test_a_wrong_weight_is_seen(tmp_path):
    model, shape = torch_har_cnn()
    read, net = imported(saved(tmp_path, model), shape)
    with torch.no_grad():
        next(net.parameters())[0] += 0.01
    with pytest.raises(ParityError, match="more than rounding"):
        float_parity(read, net, drawn(shape))


def test_what_the_file_ends_with_is_told(tmp_path):
    model, shape = torch_har_cnn()
    read, _ = imported(saved(tmp_path, model), shape)
    assert (read.dropped, read.layout) == ("Softmax", "channels first")
    model, shape = NETS["tf_mean"]()
    read, _ = imported(saved(tmp_path, model), shape)
    assert (read.dropped, read.layout) == ("", "channels last")


@pytest.mark.parametrize("op", ["Sigmoid", "LeakyRelu", "Shape", "Erf", "Softmax"])
def test_an_operator_that_is_not_read_is_named(tmp_path, op):
    model, shape = torch_har_cnn()
    relu = model.graph.node[2]
    relu.op_type = op
    if op == "Shape":
        relu.output[0] = "sizes"
        model.graph.node[3].input[0] = "n"
    with pytest.raises(UnsupportedError, match=f"{op} that makes .* is not read: {INSTEAD[op][:10]}"):
        read_onnx(saved(tmp_path, model), shape)


def test_no_operator_is_both_read_and_refused():
    assert not set(OPS) & set(INSTEAD)


def _with(change):
    model, _ = torch_har_cnn()
    change(model)
    return model


def _set(message, **values):
    for name, value in values.items():
        setattr(message, name, value)


def _external(model):
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def _not_finite(model):
    broken = numpy_helper.to_array(model.graph.initializer[0]).copy()
    broken[0] = np.nan
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(broken, model.graph.initializer[0].name))


REFUSED = {
    "another file": (_external, UnsupportedError, "keeps 'b1' in another file"),
    "an old opset": (lambda model: _set(model.opset_import[0], version=12), UnsupportedError, "opset 12"),
    "a later opset": (lambda model: _set(model.opset_import[0], version=999), UnsupportedError, "opset 999"),
    "a domain": (lambda model: _set(model.graph.node[2], domain="com.microsoft"), UnsupportedError, "of the domain 'com.microsoft'"),
    "not finite": (_not_finite, InputError, "holds a number that is not finite"),
    "open time": (lambda model: _set(model.graph.input[0].type.tensor_type.shape.dim[2], dim_param="T"), UnsupportedError, "fixed size"),
    "groups": (lambda model: model.graph.node[0].attribute.append(helper.make_attribute("group", 2)), InputError, "valid ONNX|do not fit"),
    "dilation": (
        lambda model: model.graph.node[3].attribute.append(helper.make_attribute("dilations", [2])),
        RescompError,
        "dilat|valid ONNX",
    ),
    "a bias of two axes": (
        lambda model: model.graph.initializer[0].CopyFrom(constant("b1", 8, 8)),
        InputError,
        "valid ONNX|has a bias of shape",
    ),
    "no nodes": (lambda model: model.graph.ClearField("node"), InputError, "no ONNX file of a net"),
    "two inputs": (
        lambda model: model.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [1])),
        UnsupportedError,
        "reads 2 values",
    ),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_no_import_reads_is_refused(tmp_path, fault):
    change, error, text = REFUSED[fault]
    path = saved(tmp_path, _with(change))
    with pytest.raises(error, match=text):
        imported(path, (32, 3))


def test_other_data_and_no_files_are_refused(tmp_path):
    model, _ = torch_har_cnn()
    path = saved(tmp_path, model)
    with pytest.raises(InputError, match=r"reads \[batch, 3, 32\], and a sample of the data has \[31, 3\]"):
        read_onnx(path, (31, 3))
    with pytest.raises(InputError, match="gives 4 scores, and the data have 5 classes"):
        imported(path, (32, 3), classes=5)
    with pytest.raises(InputError, match="cannot read"):
        read_onnx(tmp_path / "none.onnx", (32, 3))
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(InputError, match="is no ONNX file"):
        read_onnx(path, (32, 3))


def test_a_padding_that_makes_a_huge_value_takes_no_memory(tmp_path):
    nodes = [node("Pad", "x pads", "z"), node("GlobalAveragePool", "z", "p"), node("Flatten", "p", "y")]
    model = file_of(nodes, [whole("pads", 0, 0, 1 << 20, 1 << 20, 0, 0, 1 << 20, 1 << 20)], (4, 8, 8))
    with pytest.raises(UnsupportedError, match="makes a value of more than"):
        read_onnx(saved(tmp_path, model), (8, 8, 4))


def test_an_average_without_its_padding_is_refused(tmp_path):
    nodes = [node("AveragePool", "x", "a", kernel_shape=[3], pads=[1, 1]), node("Flatten", "a", "f"), node("MatMul", "f w", "y")]
    model = file_of(nodes, [constant("w", 3 * 10, 4)], (3, 10))
    with pytest.raises(UnsupportedError, match="count_include_pad = 0"):
        read_onnx(saved(tmp_path, model), (10, 3))


def _exit_code(path, shape):
    try:
        imported(path, shape)
    except RescompError as error:
        return error.exit_code
    return 0


@pytest.mark.parametrize("seed", range(6))
def test_mutated_files_are_read_or_refused(tmp_path, seed):
    """Bytes turned over, and fields of the structure exchanged: no other error than rescomp's."""
    draw = random.Random(seed)
    model, shape = list(NETS.values())[seed]()
    whole_file, codes = model.SerializeToString(), set()
    for _ in range(40):
        data = bytearray(whole_file)
        for _ in range(draw.randint(1, 4)):
            data[draw.randrange(len(data) if draw.random() < 0.3 else 400)] = draw.randrange(256)
        path = tmp_path / "net.onnx"
        path.write_bytes(data)
        codes.add(_exit_code(path, shape))
    assert codes <= {0, 2, 5}


def test_current_opsets_are_read(tmp_path):
    for opset in (13, 17, 20, onnx.defs.onnx_opset_version()):
        model, shape = torch_har_cnn(opset=opset)
        model.ir_version = onnx.IR_VERSION
        assert read_onnx(saved(tmp_path, model), shape).file.classes == 4
