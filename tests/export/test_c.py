"""The generated C: what it promises to whoever compiles it, its bytes, and its text."""

import ctypes
import itertools
import os
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from rescomp.errors import UnsupportedError
from rescomp.export.c import constant_bytes, export_c, read_template, translate
from rescomp.export.c_source import API_VERSION
from rescomp.graph.evaluate import evaluate, evaluate_graph
from rescomp.graph.fixed_point import Requantization
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ir import Graph, IntegerModel, Node, Value
from rescomp.graph.ops import Add, FullyConnected, Relu, Slice
from rescomp.graph.serialize import CONTRACT, digest
from rescomp.graph.weights import Int8Weight
from rescomp.stages.inspection import inspect_model
from rescomp.validate.c_program import WARNINGS, write_export
from rescomp.validate.compare import compare, expected_count
from rescomp.validate.host_c import HostC
from rescomp.validate.witness import Job

FORMS = [
    {"weights": "ternary", "power_of_two": False, "low_rank": True},
    {"weights": "ternary", "power_of_two": True, "table": False},
    {"weights": "int8", "power_of_two": False},
    {"weights": "sparse_delta_int4", "power_of_two": True, "table": False, "low_rank": True},
    {"weights": "ternary", "power_of_two": False, "readings": 3},
]
ARM = ["arm-none-eabi-gcc", "-mcpu=cortex-m0", "-mthumb"]


def need(tool, package):
    """Skip without the tool, but never in CI."""
    if shutil.which(tool) is None and os.environ.get("CI") != "true":
        pytest.skip(f"needs {tool}: apt-get install {package}")


def run(*command, cwd):
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(params=FORMS, ids=lambda form: "-".join(f"{key}={value}" for key, value in form.items()))
def model(request, random_fastgrnn):
    return random_fastgrnn(np.random.default_rng(0), **request.param)


@pytest.fixture
def exported(model, tmp_path):
    write_export(tmp_path, model)
    return tmp_path


def compile_all(folder, compiler, *flags):
    sources = [str(path.relative_to(folder)) for path in (*folder.glob("*.c"), *folder.glob("rescomp/*.c"))]
    run(*compiler, *WARNINGS, *flags, "-c", *sources, cwd=folder)
    return sorted(path.name for path in folder.glob("*.o"))


def test_the_same_model_gives_the_same_bytes(model, random_fastgrnn):
    assert export_c(model) == export_c(replace(model, graphs=dict(model.graphs)))


def test_compiles_without_a_warning(exported):
    for flags in (["-std=c99", "-Os"], ["-std=c11", "-O3"], ["-std=c17", "-O2", "-DRESCOMP_TAP"]):
        compile_all(exported, ["gcc"], *flags, "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wundef")


def test_cpp_callers_compile(exported):
    (exported / "caller.cpp").write_text(
        '#define TINY_WITH_CLASS_NAMES\n#include "tiny.h"\nint main() {\n    static tiny_state state;\n    tiny_init(&state);\n    return 0;\n}\n'
    )
    run("g++", "-std=c++11", "-Wall", "-Wextra", "-Werror", "-c", "caller.cpp", cwd=exported)


def test_no_float_no_heap_no_library(exported):
    """Undefined symbols are memcpy and memset at most, and no float instruction or helper is in the objects."""
    for name in compile_all(exported, ["gcc"], "-std=c99", "-Os"):
        undefined = {line.split()[-1] for line in run("nm", "-u", name, cwd=exported).splitlines()}
        assert "_tap" not in undefined
        assert {symbol for symbol in undefined if not symbol.startswith("rescomp_")} <= {"memcpy", "memset"}
        assert not re.search(r"%xmm\d+.*(ss|sd)\b|\b(cvt|mulss|addss|divss)\w*", run("objdump", "-d", name, cwd=exported))


def test_no_float_and_no_wide_arithmetic_on_a_cortex_m0(exported):
    need(ARM[0], "gcc-arm-none-eabi libnewlib-arm-none-eabi")
    for name in compile_all(exported, ARM, "-std=c99", "-Os"):
        undefined = {line.split()[-1] for line in run("arm-none-eabi-nm", "-u", name, cwd=exported).splitlines()}
        helpers = {"memcpy", "memset", "__aeabi_idivmod", "__aeabi_uidivmod"}
        thumb = {symbol for symbol in undefined if symbol.startswith("__gnu_thumb1_case")}  # jump tables
        assert {symbol for symbol in undefined if not symbol.startswith("rescomp_")} - thumb <= helpers


@pytest.mark.parametrize("compiler", [["gcc"], ARM], ids=["host", "cortex-m0"])
def test_announced_bytes_are_those_of_the_object_file(model, exported, compiler):
    need(compiler[0], "gcc-arm-none-eabi libnewlib-arm-none-eabi")
    account = constant_bytes(model)
    assert account["model"] == sum(account[kind] for kind in ("weights", "scales", "biases", "tables"))
    assert f"#define TINY_CONST_BYTES {account['model']}\n" in (exported / "tiny.h").read_text()
    for optimization in ("-O0", "-Os", "-O3"):
        run(*compiler, "-std=c99", optimization, "-c", "tiny.c", cwd=exported)
        symbols = [line.split() for line in run("nm", "-S", "tiny.o", cwd=exported).splitlines()]
        constants = {fields[3]: int(fields[1], 16) for fields in symbols if len(fields) == 4 and fields[2] in "rR"}
        assert sum(constants.values()) == account["model"]
        assert not [fields for fields in symbols if len(fields) == 4 and fields[2] in "dDbB"], "writable globals"


def test_accounts_count_what_is_packed(random_fastgrnn):
    model = random_fastgrnn(np.random.default_rng(1), weights="ternary", power_of_two=True, inputs=6, hidden=10, classes=4)
    packed = 2 * 2 * 5 + 2 * 3 * 5 + 1 * 3 * 5  # blocks of 8 rows x groups of 4 columns x 5 bytes
    assert constant_bytes(model) == {
        "weights": packed,
        "scales": 1 + 1 + 1 + 1,  # a shift for all rows
        "biases": 4 * 6 + 2 * 10 + 2 * 10 + 4 * 4,
        "tables": 258,
        "model": packed + 4 + 80 + 258,
    }


@pytest.mark.parametrize("power_of_two", [False, True])
def test_readings_side_by_side_share_one_normalization(random_fastgrnn, power_of_two):
    """What a frame of four readings stores for it, and what it stores at all, against one reading of the same three channels."""
    reports = [
        inspect_model(random_fastgrnn(np.random.default_rng(1), inputs=3 * readings, readings=readings, power_of_two=power_of_two))
        for readings in (1, 4)
    ]
    one, four = ({layer.layer: layer.bytes for layer in report.layers} for report in reports)
    assert four["normalized"] == one["normalized"] == 4 * 3 + 1 + (0 if power_of_two else 2 * 3)
    grown = (3 - 1) * 2 * 5  # groups of four columns x blocks of 8 rows x 5 bytes
    assert reports[1].bytes["model"] - reports[0].bytes["model"] == four["input_product"] - one["input_product"] == grown


@pytest.mark.parametrize(
    ("multiplier", "shift", "scales"),
    [
        ([20000, 20000, 20000], [20, 20, 20], 2 + 1),
        ([20000, 20000, 20000], [20, 20, 21], 2 + 3),
        ([20000, 20001, 20000], [20, 20, 20], 6 + 1),
        ([20000, 20001, 20000], [20, 21, 20], 6 + 3),
        ([16384, 16384, 16384], [20, 20, 20], 1),
        ([16384, 16384, 16384], [20, 21, 20], 3),
    ],
)
def test_what_all_rows_share_is_stored_once(multiplier, shift, scales):
    weight = Int8Weight(np.arange(12, dtype=np.int8).reshape(3, 4))
    by = Requantization(np.array(multiplier, np.int32), np.array(shift, np.int32))
    t = TensorType((4,), Format(8))
    node = Node("product", FullyConnected(weight, np.zeros(0, np.int32), by, Format(8)), ("x",), ("y",))
    graph = Graph("whole", (Value("x", t),), (node,), ("y",))
    account = constant_bytes(IntegerModel("tiny", {"whole": graph}))
    assert (account["weights"], account["scales"], account["model"]) == (12, scales, 12 + scales)
    inputs = {"x": np.array([[32767, -32768, 1, 32767], [1000, 2000, -3000, 4000]])}
    np.testing.assert_array_equal(HostC().run_graph(graph, inputs)["y"], evaluate_graph(graph, inputs)["y"])


def test_views_are_pointers(random_gru):
    source = export_c(random_gru(np.random.default_rng(0), hidden=10))["tiny.c"].decode()
    assert "int16_t *const l0_z = state->scratch + 10;" in source
    assert "slice(l0_gates), 20 int16 Q15 -> 10 int16 Q15, a view of its input */\n    TAP(" in source
    assert "rescomp_slice" not in source


def test_a_view_as_the_answer_and_one_that_nothing_reads(tmp_path):
    t = TensorType((6,), Format(3))
    nodes = (
        Node("relu", Relu(), ("x",), ("y",)),
        Node("dead", Slice(0, 2), ("y",), ("dead",)),
        Node("part", Slice(1, 3), ("y",), ("part",)),
    )
    model = IntegerModel("tiny", {"whole": Graph("whole", (Value("x", t),), nodes, ("part",))})
    write_export(tmp_path, model)
    compile_all(tmp_path, ["gcc"], "-std=c99", "-Os")
    inputs = {"x": np.array([[-5, 3, 0, 32767, -1, 1]])}
    values = HostC().run_graph(model.graphs["whole"], inputs)
    np.testing.assert_array_equal(values["part"], [[3, 0, 32767]])


def call_as_a_caller_would(model, folder, random_sequences):
    """run and classify, with buffers of the model's own types."""
    name = model.name
    run("gcc", "-std=c99", "-O2", "-shared", "-fPIC", "-o", "it.so", f"{name}.c", *map(str, folder.glob("rescomp/*.c")), cwd=folder)
    library = ctypes.CDLL(str(folder / "it.so"))
    x, _ = random_sequences(np.random.default_rng(2), model, count=6, longest=9)
    x = np.ascontiguousarray(x, model.input.type.format.dtype)
    trajectory = evaluate(model, x)
    state = (ctypes.c_int16 * 4096)(*[123] * 4096)
    call, classify = (getattr(library, f"{name}_{verb}") for verb in ("run", "classify"))
    for sequence, wanted in zip(x, trajectory.scores, strict=True):
        scores = np.zeros(len(wanted), model.output.type.format.dtype)
        call(state, ctypes.c_void_p(sequence.ctypes.data), ctypes.c_uint16(len(sequence)), ctypes.c_void_p(scores.ctypes.data))
        np.testing.assert_array_equal(scores, wanted)
        assert classify(ctypes.c_void_p(scores.ctypes.data)) == np.argmax(wanted)
    ties = np.array([3, 9, 9, 1], model.output.type.format.dtype)
    assert classify(ctypes.c_void_p(ties.ctypes.data)) == 1


def test_run_classify_and_step_agree(model, exported, random_sequences):
    call_as_a_caller_would(model, exported, random_sequences)


MIXED = [{"reads": reads, "answers": answers} for reads in ("int16", "int8") for answers in ("int16", "int8")]


@pytest.fixture(params=MIXED, ids=lambda form: "-".join(form.values()))
def mixed(request, random_mixed):
    return random_mixed(np.random.default_rng(3), **request.param)


def test_int8_and_int16_side_by_side(mixed, tmp_path, random_sequences):
    """Without a warning, called with buffers of both types, and every state and score as numpy says, also under the sanitizers."""
    write_export(tmp_path / "c", mixed)
    for compiler, flags in ((["gcc"], ["-std=c99", "-Os"]), (["gcc"], ["-std=c11", "-O3", "-DRESCOMP_TAP"])):
        compile_all(tmp_path / "c", compiler, *flags, "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wundef")
    call_as_a_caller_would(mixed, tmp_path / "c", random_sequences)
    x, lengths = random_sequences(np.random.default_rng(4), mixed, count=40)
    job = Job(mixed, tmp_path, x.astype(np.int16), lengths)
    reference = evaluate(mixed, x, lengths)
    for answer in HostC().answers(job):
        result = compare(job, reference, answer.trajectory)
        assert (result.mismatches, result.compared) == (0, expected_count(job)), answer.variant


def test_every_layer_of_both_types_is_tapped(mixed):
    for graph in mixed.graphs.values():
        rng = np.random.default_rng(5)
        inputs = {v.name: rng.integers(v.type.format.low, v.type.format.high + 1, (20, *v.type.shape)) for v in graph.inputs}
        expected, values = evaluate_graph(graph, inputs), HostC().run_graph(graph, inputs)
        assert set(values) == set(expected) - set(inputs)
        for name, value in values.items():
            np.testing.assert_array_equal(value, expected[name], err_msg=name)


def test_int8_is_declared_and_packed_as_such(random_mixed):
    files = export_c(random_mixed(np.random.default_rng(3), reads="int8", answers="int8"))
    source, header, readme = (files[name].decode() for name in ("mixed.c", "mixed.h", "README.md"))
    assert re.search(r"    int8_t \*const \w+ = \(int8_t \*\)state->scratch \+ \d*[13579];", source), "no value at an odd byte"
    assert "void mixed_run(mixed_state *state, const int8_t *input, uint32_t steps, int8_t *scores);" in header
    assert "uint16_t mixed_classify(const int8_t *scores);" in header
    assert "void mixed_tap(uint16_t layer, const void *data, uint32_t size);" in header
    fields = re.search(r"typedef struct {\n(.*?)}", header, re.DOTALL)[1].split("\n")
    assert [field.split(";")[0].split("[")[0].strip() for field in fields] == [
        "int16_t total",
        "int8_t h",
        "uint8_t padding",
        "int16_t scratch",
        "",
    ]
    assert "#define MIXED_STATE_BYTES 20\n" in header
    assert "| input | 7 | int8, -128..127 | integer / 2^5 |" in readme
    assert "int8_t scores[MIXED_CLASSES];" in readme


def test_int8_states_without_scratch_need_no_padding(tmp_path):
    t = TensorType((5,), Format(5, "int8"))
    values = (Value("x", t), Value("h", t))
    step = Graph("step", values, (Node("sum", Add("int8"), ("x", "h"), ("sum",)),), ("sum",), {"h": "sum"})
    head = Graph("head", values[1:], (Node("scores", Relu("int8"), ("h",), ("scores",)),), ("scores",))
    write_export(tmp_path, IntegerModel("tiny", {"step": step, "head": head}))
    compile_all(tmp_path, ["gcc"], "-std=c99")
    assert "#define TINY_STATE_BYTES 5\n#define TINY_SCRATCH_BYTES 0\n" in (tmp_path / "tiny.h").read_text()


def test_a_layer_applied_again_stores_nothing(random_mixed):
    model = random_mixed(np.random.default_rng(3))
    layers = {layer.name: layer for layer in translate(model).layers}
    assert layers["first"].constant_bytes == 49 + 28 + 7
    assert layers["second"].constant_bytes == 0
    source = export_c(model)["mixed.c"].decode()
    assert source.count("first_weight") == 1 + 1 + 2  # its definition, the sum of sizes, and both calls
    assert "/* ---- second ---- */" not in source
    assert constant_bytes(model)["model"] == sum(layer.constant_bytes for layer in layers.values())


def test_what_is_equal_by_chance_is_not_shared():
    """Two layers of equal scales: one apart from the other, they keep their own."""
    rng, t = np.random.default_rng(0), TensorType((4,), Format(8))
    by = Requantization(np.full(4, 20000, np.int32), np.arange(20, 24, dtype=np.int32))
    weights = (Int8Weight(rng.integers(-99, 99, (4, 4), dtype=np.int8)) for _ in range(2))
    products = [FullyConnected(weight, np.zeros(0, np.int32), by, Format(8)) for weight in weights]
    nodes = (Node("a", products[0], ("x",), ("a",)), Node("b", products[1], ("a",), ("b",)))
    account = constant_bytes(IntegerModel("tiny", {"whole": Graph("whole", (Value("x", t),), nodes, ("b",))}))
    assert account["scales"] == 2 * (2 + 4)


def test_every_file_says_its_licence(model):
    for name, data in export_c(model).items():
        assert b"0BSD" in data or b"BSD Zero Clause" in data, name
        if name.endswith((".c", ".h")):
            assert data.startswith(b"/* SPDX-License-Identifier: 0BSD */\n")


def test_only_needed_kernels_are_written(random_fastgrnn):
    names = {name for name in export_c(random_fastgrnn(np.random.default_rng(0), weights="ternary", table=False)) if "/" in name}
    assert "rescomp/fully_connected_int16_ternary.c" in names
    assert not {name for name in names if "conv2d" in name or "int8." in name or "lookup" in name or "half_table" in name}


def test_header_names_graph_versions_formats_and_layers(model):
    header = export_c(model)["tiny.h"].decode()
    macros = dict(re.findall(r"^#define TINY_(\w+) (\S+)", header, re.MULTILINE))
    assert macros["GRAPH_SHA256"] == f'"{digest(model)}"'
    assert (macros["CONTRACT_VERSION"], macros["API_VERSION"]) == (str(CONTRACT), str(API_VERSION))
    assert (macros["INPUT_SIZE"], macros["INPUT_FRACTION_BITS"], macros["CLASSES"], macros["SCORE_FRACTION_BITS"]) == ("6", "8", "4", "8")
    vectors = 25 if "recurrent_product_reduced" in header.lower() else 20
    assert (macros["STATE_BYTES"], macros["SCRATCH_BYTES"]) == ("20", str(2 * vectors))
    layers = [name for name in macros if name.startswith("LAYER_")]
    assert [name.removeprefix("LAYER_").lower() for name in layers] == [n.name for g in model.graphs.values() for n in g.nodes]


def test_kernels_and_generator_agree_on_versions():
    macros = dict(re.findall(r"^#define RESCOMP_(\w+_VERSION) (\d+)", read_template("kernels/rescomp_math.h"), re.MULTILINE))
    assert macros == {"API_VERSION": str(API_VERSION), "CONTRACT_VERSION": str(CONTRACT)}


def test_kernels_of_another_version_are_refused(model, exported):
    path = exported / "rescomp" / "rescomp_math.h"
    path.write_text(path.read_text().replace(f"RESCOMP_API_VERSION {API_VERSION}", f"RESCOMP_API_VERSION {API_VERSION + 1}"))
    result = subprocess.run(["gcc", "-c", "tiny.c"], cwd=exported, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode != 0
    assert "generated for other kernels" in result.stderr


def test_sizes_that_do_not_agree_are_refused(model, exported):
    path = exported / "tiny.h"
    path.write_text(path.read_text().replace("STATE_BYTES 20", "STATE_BYTES 22"))
    result = subprocess.run(["gcc", "-std=c11", "-c", "tiny.c"], cwd=exported, capture_output=True, text=True, check=False, timeout=120)
    assert "state_has_the_size_announced" in result.stderr


def hostile_model():
    """Names that are keywords, types, functions and parameters of C, and labels that try to leave their quotes."""
    names = ["int", "register", "state", "scores", "scratch", "memcpy", "rescomp_relu_int16", "input", "class", "int16_t"]
    t = TensorType((3,), Format(12))
    pairs = itertools.pairwise(names)
    nodes = [Node(f"{after}", Add(), (before, before), (after,)) for before, after in pairs]
    classes = ('a"; */ int x; /*', "back\\slash ??/", "snow \u2603")
    return IntegerModel("hostile", {"whole": Graph("whole", (Value("int", t),), tuple(nodes), (names[-1],))}, classes)


def test_hostile_names_compile(tmp_path):
    model = hostile_model()
    write_export(tmp_path, model)
    (tmp_path / "names.c").write_text(
        "#define HOSTILE_WITH_CLASS_NAMES\n"
        '#include "hostile.h"\n#include <stdio.h>\nint main(void)\n{\n    for (int i = 0; i < 3; ++i) puts(hostile_class_names[i]);\n}\n'
    )
    compile_all(tmp_path, ["gcc"], "-std=c99", "-trigraphs")
    run("gcc", "-std=c99", "-trigraphs", *WARNINGS, "-o", "names", "names.c", cwd=tmp_path)
    assert run("./names", cwd=tmp_path) == "".join(f"{label}\n" for label in model.classes)


def test_layers_of_one_name_in_two_graphs_are_told_apart(random_fastgrnn):
    model = random_fastgrnn(np.random.default_rng(0))
    head = model.graphs["head"]
    twin = replace(head, nodes=(replace(head.nodes[0], name="normalized"),))
    header = export_c(replace(model, graphs={**model.graphs, "head": twin}))["tiny.h"].decode()
    assert "TINY_LAYER_STEP_NORMALIZED 0 " in header
    assert "TINY_LAYER_HEAD_NORMALIZED" in header


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (Graph("whole", (Value("x", TensorType((4,), Format(3, "int32"))),), (), ("x",)), "int8 and int16"),
        (Graph("whole", (), (), ()), "reads no input"),
        (Graph("whole", (Value("x", TensorType((4,), Format(3))),), (), ("x", "x")), "gives 2 values"),
    ],
)
def test_what_the_kernels_cannot_run_is_refused(graph, reason):
    with pytest.raises(UnsupportedError, match=reason):
        export_c(IntegerModel("tiny", {"whole": graph}))


def test_a_graph_without_a_layer_gives_its_input(tmp_path):
    model = IntegerModel("tiny", {"whole": Graph("whole", (Value("x", TensorType((4,), Format(3))),), (), ("x",))})
    write_export(tmp_path / "c", model)
    x = np.arange(-8, 8, dtype=np.int16).reshape(4, 4)
    for answer in HostC().answers(Job(model, tmp_path, x, np.zeros(4, np.int64))):
        np.testing.assert_array_equal(answer.trajectory.scores, x)


def test_a_model_that_would_hide_a_standard_header_is_refused(random_fastgrnn):
    with pytest.raises(UnsupportedError, match="string"):
        export_c(replace(random_fastgrnn(np.random.default_rng(0)), name="string"))


def test_an_unread_input_and_a_net_without_scratch_compile():
    t = TensorType((4,), Format(5))
    graph = Graph("probe", (Value("x", t), Value("unread", t)), (Node("relu", Relu(), ("x",), ("y",)),), ("y",))
    inputs = {"x": np.array([[-5, 3, 0, 32767]]), "unread": np.zeros((1, 4), int)}
    np.testing.assert_array_equal(HostC().run_graph(graph, inputs)["y"], evaluate_graph(graph, inputs)["y"])
