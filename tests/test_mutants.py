"""The proofs of benchmarks/mutants.py: what changes nothing is proved equal, and what changes something is not; outcomes are kept as they come."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import rescomp
from rescomp.export.onnx import export_onnx
from rescomp.graph.alignment import direction, with_alignment
from rescomp.graph.formats import Format
from rescomp.validate.c_program import write_export

BENCHMARKS = Path(rescomp.__file__).parent / "benchmarks"
MODULES = (
    *("mutations", "mutant_tables", "mutations_c", "onnx_exhaustion", "onnx_ranges", "mutant_exhaustion", "mutant_layers"),
    *("mutant_equivalence", "mutants"),
)


@pytest.fixture(scope="module")
def scripts():
    """The modules of the benchmark, which import each other as scripts do."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield SimpleNamespace(**{name: __import__(name) for name in MODULES})
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(BENCHMARKS)):
            del sys.modules[name]


def a_file(added=1 << 40, perm=(0, 2, 1), numbers=("Mul", "Add", "Div", "Clip")):
    """y = reshape(transpose(clip((3 x + added) / 2^8))) of x in [1, 1, 4]."""
    constants = {"Mul": [[3]], "Add": [[added]], "Div": [[1 << 8]], "Clip": [[-(1 << 40)], [1 << 40]]}
    nodes, initializers, value = [helper.make_node("Cast", ["x"], ["x/wide"], to=TensorProto.INT64)], [], "x/wide"
    for kind in numbers:
        names = [f"{kind}/{i}" for i in range(len(constants[kind]))]
        shape = () if kind == "Clip" else (1,)
        initializers += [
            numpy_helper.from_array(np.array(each, np.int64).reshape(shape), name)
            for name, each in zip(names, constants[kind], strict=True)
        ]
        nodes.append(helper.make_node(kind, [value, *names], [kind]))
        value = kind
    initializers.append(numpy_helper.from_array(np.array([1, 4]), "flat"))
    if perm:
        nodes.append(helper.make_node("Transpose", [value], ["moved"], perm=perm))
        value = "moved"
    nodes.append(helper.make_node("Reshape", [value, "flat"], ["y"]))
    ends = (
        [helper.make_tensor_value_info("x", TensorProto.INT16, [1, 1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.INT64, [1, 4])],
    )
    return helper.make_model(helper.make_graph(nodes, "file", *ends, initializers)).SerializeToString()


@pytest.fixture
def alike(scripts, random_block):
    """Whether two files are proved equal, where x is any int16."""
    any_int16 = replace(random_block(np.random.default_rng(0)).input.type, format=Format(0))
    graph = SimpleNamespace(types=lambda: {"x": any_int16})
    return lambda one, other: scripts.onnx_ranges.same_by_ranges(one, other, SimpleNamespace(graphs={"whole": graph}))


@pytest.mark.parametrize(("added", "equal"), [(0, True), (1, False), (2, False), (-1, False), (256, False)])
def test_an_offset_is_proved_equal_where_no_integer_shows_it(alike, added, equal):
    """3 x + 2^40 takes every remainder of 256."""
    assert alike(a_file(), a_file(added=(1 << 40) + added)) == equal


def test_two_chains_agree_where_they_give_the_same_for_all_that_they_begin_with(scripts):
    chain = scripts.onnx_exhaustion.Chain("sum", np.array([-100.0, 0.0]), np.array([100.0, 300.0]), np.array([4, 2]))
    steps = [("Add", [1 << 20, 1 << 20]), ("Div", [8, 8])]

    def made(**changed):
        result = chain
        for kind, numbers in steps:
            result = result.then(kind, [None, np.array(changed.get(kind, numbers))], np.dtype(np.int64))
        return result

    right = made()
    assert scripts.onnx_exhaustion.agree(right, made(Add=[(1 << 20) + 3, (1 << 20) + 1]))
    assert not scripts.onnx_exhaustion.agree(right, made(Add=[(1 << 20) + 4, 1 << 20]))
    assert not scripts.onnx_exhaustion.agree(right, made(Add=[1 << 20, (1 << 20) + 2]))
    assert not scripts.onnx_exhaustion.agree(right, replace(made(), base="another sum"))


@pytest.mark.parametrize(("perm", "equal"), [((), True), ((0, 1, 2), True), ((0, 2, 1), True), ((2, 1, 0), False)])
def test_a_transposition_that_moves_no_entry_is_none(alike, perm, equal):
    assert alike(a_file(), a_file(perm=perm)) == equal


def summed(keepdims, axis=1, added=1):
    """y = reshape(sum of x over an axis + added) of x in [1, 3, 4]."""
    nodes = [
        helper.make_node("ReduceSum", ["x", "axes"], ["sum"], keepdims=keepdims),
        helper.make_node("Add", ["sum", "added"], ["more"]),
        helper.make_node("Reshape", ["more", "flat"], ["y"]),
    ]
    constants = {"axes": np.array([axis]), "added": np.array([added], np.int32), "flat": np.array([1, -1])}
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    ends = [helper.make_tensor_value_info("x", TensorProto.INT32, [1, 3, 4])], [helper.make_tensor_value_info("y", TensorProto.INT32, None)]
    return helper.make_model(helper.make_graph(nodes, "file", *ends, initializers)).SerializeToString()


def test_an_axis_of_one_entry_that_a_sum_keeps_is_none(alike):
    assert alike(summed(0), summed(1))
    assert not alike(summed(0), summed(1, added=2))
    assert not alike(summed(0), summed(1, axis=2))


def picked(padded, indices=(0, 3, 1)):
    """y = some entries of x in [1, 4], or of x with a zero behind it."""
    nodes = [helper.make_node("Pad", ["x", "pads"], ["more"])] if padded else []
    nodes.append(helper.make_node("Gather", ["more" if padded else "x", "indices"], ["y"], axis=1))
    constants = {"pads": np.array([0, 0, 0, 1]), "indices": np.array(indices)}
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    ends = [helper.make_tensor_value_info("x", TensorProto.INT32, [1, 4])], [helper.make_tensor_value_info("y", TensorProto.INT32, [1, 3])]
    return helper.make_model(helper.make_graph(nodes, "file", *ends, initializers)).SerializeToString()


def test_padding_that_no_index_reaches_is_none(alike):
    assert alike(picked(True), picked(False))
    assert not alike(picked(True), picked(False, indices=(0, 3, 2)))
    assert not alike(picked(True, indices=(0, 4, 1)), picked(False, indices=(0, 4, 1)))


def test_numbers_of_a_file_that_matter_are_not_proved_to_be_others(scripts, random_gru):
    model = random_gru(np.random.default_rng(2), power_of_two=False)
    data = export_onnx(model)["model.onnx"]
    proto = onnx.load_from_string(data)
    arrays = [tensor for tensor in proto.graph.initializer if tensor.data_type == TensorProto.INT64 and tensor.dims]
    assert len(arrays) > 3
    for tensor in arrays[:6]:
        right = numpy_helper.to_array(tensor)
        wrong = right.copy()
        wrong.reshape(-1)[0] += 1 << 20
        tensor.CopyFrom(numpy_helper.from_array(wrong, tensor.name))
        assert not scripts.onnx_ranges.same_by_ranges(data, proto.SerializeToString(), model)
        tensor.CopyFrom(numpy_helper.from_array(right, tensor.name))
    assert scripts.onnx_ranges.same_by_ranges(data, proto.SerializeToString(), model)


@pytest.mark.parametrize(("bound", "alike"), [("INT16_MAX", True), ("(INT16_MAX - 1)", True), ("(INT16_MAX - 9000)", False)])
def test_layers_are_tried_on_every_integer(scripts, random_fastgrnn, tmp_path, bound, alike):
    model = random_fastgrnn(np.random.default_rng(4))
    write_export(tmp_path / "c", model)
    header = tmp_path / "c" / "rescomp" / "rescomp_half_table.h"
    text = header.read_text()
    assert "0, INT16_MAX)" in text
    header.write_text(text.replace("0, INT16_MAX)", f"0, {bound})"))
    kernels = {"lookup_tanh_int16", "lookup_sigmoid_int16"}
    assert scripts.mutant_layers.layers_alike(kernels, tmp_path, model) == alike


def test_a_bias_is_tried_on_every_sum_of_its_row(scripts, random_int8_block):
    """Of a tie-free encoding a bias of one more moves no sum over a step, one of four more is another bias."""
    model = random_int8_block(np.random.default_rng(1))
    biased = [node for graph in model.graphs.values() for node in graph.nodes if getattr(node.op, "bias", np.zeros(0)).size]
    other = []
    for node in biased:
        for row, bias in enumerate(node.op.bias.tolist()):
            alike = scripts.mutant_exhaustion.bias_alike
            assert alike(model, node.outputs[0], row, 4 * bias + 1, 4 * bias + 2)
            assert not alike(model, node.outputs[0], row, 4 * bias + 3, 4 * bias + 2)
            other.append(alike(model, node.outputs[0], row, 4 * bias + 1, 4 * bias + 5))
    assert other
    assert not all(other)


def test_layers_of_more_than_one_number_an_entry_are_not_tried(scripts, random_fastgrnn, tmp_path):
    model = random_fastgrnn(np.random.default_rng(4))
    write_export(tmp_path / "c", model)
    assert not scripts.mutant_layers.layers_alike({"lookup_tanh_int16", "fastgrnn_gate_int16"}, tmp_path, model)
    assert not scripts.mutant_layers.layers_alike({"a_kernel_of_no_layer"}, tmp_path, model)


def test_a_campaign_goes_on_where_it_ended(scripts, tmp_path):
    mutants = [scripts.mutations.Mutant("gru", "c/gru.c", "relation", f"line {i}", i, "a", "b") for i in range(4)]
    ran = []

    def outcome(mutant):
        ran.append(mutant)
        return scripts.mutants.Outcome("killed", "test", f"differs in {mutant.place}")

    runner, path = SimpleNamespace(outcome=outcome), tmp_path / "results.jsonl"
    first = scripts.mutants.count(mutants[:3], runner, scripts.mutants.Results(path))
    path.write_text(path.read_text()[:-20])
    second = scripts.mutants.count(mutants, runner, scripts.mutants.Results(path))
    assert [each.place for each in ran] == [0, 1, 2, 2, 3]
    assert second[:3] == first
    assert [each.outcome.said for each in second] == [f"differs in {i}" for i in range(4)]
    assert scripts.mutants.count(mutants, runner, scripts.mutants.Results(path)) == second
    assert len(ran) == 5


def test_a_part_of_a_list_is_of_all_models_and_files_alike(scripts):
    files = ("c/a.c", "model.onnx", "model.tflite", "c-cortex-m0/a.S")
    mutants = [
        scripts.mutations.Mutant(model, file, "relation", f"line {i}", i, "a", "b")
        for model in ("gru", "resnet")
        for file in files
        for i in range(3)
    ]
    order = scripts.mutants.spread(mutants)
    assert sorted(map(str, order)) == sorted(map(str, mutants))
    assert [mutant.place for mutant in order] == [0] * 8 + [1] * 8 + [2] * 8


def test_the_table_counts_what_each_operator_s_mutants_were_killed_by(scripts):
    fates = [
        ("killed", "test"),
        ("killed", "layers"),
        ("killed", "test"),
        ("equivalent", "range analysis"),
        ("alive", ""),
        ("fault", "KeyError"),
    ]
    rows = [{"file": "c/a.c", "operator": "relation", "fate": fate, "by": by} for fate, by in fates]
    assert scripts.mutant_tables.by_operator(rows).splitlines()[-1] == "| C | relation | 6 |  |  |  | 2 |  | 1 |  |  | 3 | 1 | 2 | 60 % |"
    assert scripts.mutant_tables.by_proof(rows).splitlines()[-1] == "| C | range analysis | 1 |"


def test_a_function_beside_step_that_changes_is_not_proved_equal(scripts, random_fastgrnn, tmp_path):
    """Of a whole program every function that the header offers is a part, not step and scores alone."""
    model = with_alignment(random_fastgrnn(np.random.default_rng(4), inputs=7), 7, (0, 1, 2), direction(np.array([0, 0, 1.0])))
    for folder, most in (("right", "32768"), ("other", "32767"), ("again", "32768")):
        write_export(tmp_path / folder / "c", model)
        source = tmp_path / folder / "c" / "tiny.c"
        source.write_text(source.read_text().replace("TINY_MOST_CALIBRATED", most))
    right, other, again = (scripts.mutant_equivalence._program_of(tmp_path / folder / "c", False) for folder in ("right", "other", "again"))
    assert right == again
    assert right is not None
    assert other not in (right, None)


def test_the_mutants_of_what_is_sensed_stand_in_functions_before_a_step(scripts):
    mutants = scripts.mutants.listed(scripts.mutants.SENSED_LIST)
    assert {mutant.model for mutant in mutants} == set(scripts.mutants.SENSED)
    assert len(mutants) == 2 * 2 * scripts.mutants.PER_SENSED
    text = "void ear_step(ear_state *state)\n{\n    a;\n}\n\nvoid ear_listen(ear_listener *listener)\n{\n    b;\n}\n"
    (found,) = scripts.mutants.SENSED_FUNCTIONS.finditer(text)
    assert found[0].startswith("void ear_listen(")
