"""An ONNX file that takes all memory, all time or the process with it ends nothing but its own run, and is one sentence."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from rescomp.errors import InputError
from rescomp.export.file_metadata import onnx_metadata
from rescomp.graph.evaluate import evaluate
from rescomp.validate import interpreter_process, onnx_files
from rescomp.validate.compare import compare
from rescomp.validate.interpreter_process import PROCESS
from rescomp.validate.onnx_files import read_onnx
from rescomp.validate.onnxruntime import OnnxruntimeWitness

HUGE = 1 << 34
"""Entries: 64 GiB of int32."""


@pytest.fixture
def impatient(monkeypatch):
    """The process has a second for each run."""
    hurry = "import {module} as child; child.INVOKE_SECONDS = 1; serve()"
    with monkeypatch.context() as patch:
        patch.setattr(interpreter_process, "_CHILD", interpreter_process._CHILD.replace("serve()", hurry))
        PROCESS.close()
        yield
        PROCESS.close()


def plant(onnx_job, nodes, initializers=()):
    """Add the entry `bomb`, int32 [], that the nodes make to the scores of the file, whose metadata stay."""
    path = onnx_job.directory / "model.onnx"
    model = onnx.ModelProto.FromString(path.read_bytes())
    graph, (output,) = model.graph, model.graph.output
    for node in graph.node:
        node.output[:] = ["kept" if name == output.name else name for name in node.output]
    cast = helper.make_node("Cast", ["kept"], ["wide"], to=TensorProto.INT32)
    back = helper.make_node("Cast", ["sum"], [output.name], to=output.type.tensor_type.elem_type)
    graph.node.extend([*nodes, cast, helper.make_node("Add", ["wide", "bomb"], ["sum"]), back])
    graph.initializer.extend(initializers)
    path.write_bytes(model.SerializeToString())


def integers(name, *values):
    return onnx.numpy_helper.from_array(np.array(values, np.int64), name)


ONE = onnx.numpy_helper.from_array(np.array([1], np.int32), "one")


def reduced(node):
    """The smallest entry of what the node makes."""
    return [node, helper.make_node("ReduceMin", [node.output[0]], ["bomb"], keepdims=0)]


def expand():
    return reduced(helper.make_node("Expand", ["one", "size"], ["large"])), [ONE, integers("size", HUGE)]


def constant_of_shape():
    return reduced(helper.make_node("ConstantOfShape", ["size"], ["large"], value=onnx.numpy_helper.from_array(np.array([1], np.int32)))), [
        integers("size", HUGE)
    ]


def tile():
    return reduced(helper.make_node("Tile", ["one", "size"], ["large"])), [ONE, integers("size", HUGE)]


def pad():
    return reduced(helper.make_node("Pad", ["one", "size"], ["large"])), [ONE, integers("size", 0, HUGE)]


def range_of_all():
    ends = [onnx.numpy_helper.from_array(np.array(value, np.int32), name) for name, value in (("a", 0), ("b", 2**31 - 1), ("c", 1))]
    return reduced(helper.make_node("Range", ["a", "b", "c"], ["large"])), ends


def expand_again_and_again():
    """Each step is small beside the one before it."""
    nodes, name = [], "one"
    for i in range(12):
        nodes.append(helper.make_node("Concat", [name] * 8, [f"x{i}"], axis=0))
        name = f"x{i}"
    return [*nodes[:-1], *reduced(nodes[-1])], [ONE]


BOMBS = [expand, constant_of_shape, tile, pad, range_of_all, expand_again_and_again]


@pytest.mark.parametrize("make", BOMBS)
def test_a_file_that_asks_for_gigabytes_is_one_sentence_and_the_next_run_is_served(make, onnx_job):
    data = (onnx_job.directory / "model.onnx").read_bytes()
    plant(onnx_job, *make())
    with pytest.raises(InputError, match=r"onnxruntime cannot run .*model\.onnx .*rescomp export") as caught:
        list(OnnxruntimeWitness().answers(onnx_job))
    assert caught.value.exit_code == 2
    assert len(str(caught.value)) < 1000
    (onnx_job.directory / "model.onnx").write_bytes(data)
    for answer in OnnxruntimeWitness().answers(onnx_job):
        assert compare(onnx_job, evaluate(onnx_job.model, onnx_job.x, onnx_job.lengths), answer.trajectory).mismatches == 0


def loop(turns):
    kinds = helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info("go", TensorProto.BOOL, [])
    value = helper.make_tensor_value_info
    inner = [
        helper.make_node("Identity", ["go"], ["go_on"]),
        helper.make_node("Add", ["before", "one"], ["after"]),
    ]
    body = helper.make_graph(
        inner,
        "turn",
        [*kinds, value("before", TensorProto.INT32, [1])],
        [value("go_on", TensorProto.BOOL, []), value("after", TensorProto.INT32, [1])],
    )
    node = helper.make_node("Loop", ["turns", "", "one"], ["large"], body=body)
    return reduced(node), [ONE, onnx.numpy_helper.from_array(np.array(turns, np.int64), "turns")]


@pytest.mark.usefixtures("impatient")
def test_a_loop_of_many_turns_ends_after_its_time(onnx_job):
    plant(onnx_job, *loop(10**9))
    with pytest.raises(InputError, match=r"onnxruntime cannot run .*model\.onnx .*one run took more than"):
        list(OnnxruntimeWitness().answers(onnx_job))


def test_a_bomb_in_a_layer_is_one_sentence_too(onnx_job):
    path = onnx_job.directory / "model.onnx"
    model = onnx.ModelProto.FromString(path.read_bytes())
    place = next(i for i, node in enumerate(model.graph.node) if node.op_type == "Identity" and node.output[0].endswith("/int32"))
    named = model.graph.node[place]
    shaken = helper.make_node("Add", [named.input[0], "bomb"], [f"{named.input[0]}/shaken"])
    named.input[0] = shaken.output[0]
    bomb, initializers = expand()
    nodes = [*model.graph.node[:place], *bomb, shaken, *model.graph.node[place:]]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(initializers)
    path.write_bytes(model.SerializeToString())
    forced = {name: np.zeros((4, *t.shape), np.int16) for name, t in onnx_job.model.graphs["whole"].types().items()}
    with pytest.raises(InputError, match=r"onnxruntime cannot run .*model\.onnx .*rescomp export"):
        list(OnnxruntimeWitness().run_layers(onnx_job, {"whole": forced}))


def cyclic(model):
    model.graph.node[0].input[0] = model.graph.node[-1].output[0]


def unknown_operator(model):
    model.graph.node[-1].domain = "com.example"


def huge_initializer(model):
    model.graph.initializer[0].dims[:] = [1 << 31, 1 << 31]


def wrong_result_shape(model):
    name = model.graph.output[0].name
    for node in model.graph.node:
        node.output[:] = ["kept" if each == name else each for each in node.output]
    model.graph.node.append(helper.make_node("Concat", ["kept", "kept"], [name], axis=0))


@pytest.mark.parametrize("edit", [cyclic, unknown_operator, huge_initializer, wrong_result_shape])
def test_a_file_that_means_nothing_is_one_sentence(edit, onnx_job):
    path = onnx_job.directory / "model.onnx"
    model = onnx.ModelProto.FromString(path.read_bytes())
    edit(model)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match=r"model\.onnx .*rescomp export"):
        list(OnnxruntimeWitness().answers(onnx_job))


def nested(depth):
    """Graphs in each other, protobuf alone: field 7 of the model, then a node, an attribute, its graph."""
    data = b""
    for tag in (6, 5, 1) * depth:
        data = bytes([tag << 3 | 2]) + varint(len(data)) + data
    return b"\x3a" + varint(len(data)) + data


def varint(number):
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def repeated(count):
    """A graph of empty nodes: each takes two bytes, and a hundred of memory."""
    data = b"\x0a\x00" * count
    return b"\x3a" + varint(len(data)) + data


def packed(count):
    """Of the first initializer, sizes in a byte each, of which each takes eight of memory."""
    data = b"\x01" * count
    for tag in (1, 5, 7):
        data = bytes([tag << 3 | 2]) + varint(len(data)) + data
    return data


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (nested(1000), "nested more than 64 deep"),
        (repeated(onnx_files.MOST_ONNX_PARTS + 1), "more than 1,048,576 parts"),
        (packed(onnx_files.MOST_ONNX_PARTS + 1), "more than 1,048,576 parts"),
    ],
)
def test_what_would_be_large_in_memory_is_refused_before_it_is_parsed(data, cause, onnx_job, monkeypatch):
    (onnx_job.directory / "model.onnx").write_bytes(data)
    monkeypatch.setattr(onnx.ModelProto, "FromString", None)
    with pytest.raises(InputError, match=rf"model\.onnx is no ONNX file of rescomp .*{cause}.*rescomp export"):
        read_onnx(onnx_job.directory / "model.onnx")


def test_metadata_of_many_fields_are_no_metadata(onnx_job):
    data = (onnx_job.directory / "model.onnx").read_bytes()
    assert onnx_metadata(data)["rescomp.digest"]
    with pytest.raises(ValueError, match="more than 1,024 fields"):
        onnx_metadata(data + b"\x72\x00" * 2000)
