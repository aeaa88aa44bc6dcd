"""A graph.json that somebody else wrote: no name in it reaches C unchecked, and no number in it takes memory before it is refused."""

import contextlib
import copy
import json
import tracemalloc

import numpy as np
import pytest

from rescomp.errors import RescompError
from rescomp.export.c import export_c
from rescomp.graph.formats import MOST_ENTRIES, Format, TensorType
from rescomp.graph.serialize import decode, encode
from rescomp.graph.verify import verify_model, verify_runnable

CODE = "x*/int payload(void){return 1;}/*"
NAMES = {
    "a comment's end": CODE,
    "a trigraph": "x??/",
    "a line break": "x\ny",
    "a null": "x\0",
    "a backslash": "x\\",
    "a quote": 'x"',
    "a letter that is not ASCII": "xé",
    "a digit that is not ASCII": "x٣",
    "upper case": "Xy",
    "nothing": "",
    "a digit first": "1x",
    "a hyphen": "x-y",
    "a newline behind": "x\n",
    "128 characters": "x" * 128,
    "half a pair": "x\ud800",
    "a number": 7,
    "a list": ["x"],
    "null": None,
}


@pytest.fixture(scope="module")
def recurrent(random_fastgrnn):
    return encode(random_fastgrnn(np.random.default_rng(0)))


@pytest.fixture(scope="module")
def whole(random_block):
    return encode(random_block(np.random.default_rng(0)))


def places(document):
    """Every place of a name in a graph, as the keys that lead there; of state also the names that are keys."""
    yield ("name",)
    for g, graph in enumerate(document["graphs"]):
        yield ("graphs", g, "name")
        for i in range(len(graph["inputs"])):
            yield ("graphs", g, "inputs", i, "name")
        for key in ("outputs", "nodes"):
            for i, item in enumerate(graph[key]):
                if key == "outputs":
                    yield ("graphs", g, key, i)
                    continue
                yield from (("graphs", g, key, i, field) for field in ("name", "op"))
                yield from (("graphs", g, key, i, field, k) for field in ("inputs", "outputs") for k in range(len(item[field])))
        yield from (("graphs", g, "state", name) for name in graph["state"])


def put(document, place, value):
    target = document
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value


def renamed(document, old, new):
    """Everywhere at once, as somebody would who wants it to fit."""
    if isinstance(document, dict):
        fixed = {"fields": document["fields"]} if "fields" in document else {}
        state = {"state": {renamed(b, old, new): renamed(a, old, new) for b, a in document["state"].items()}} if "state" in document else {}
        return {key: renamed(value, old, new) for key, value in document.items()} | fixed | state
    if isinstance(document, list):
        return [renamed(item, old, new) for item in document]
    return new if document == old else document


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("form", ["recurrent", "whole"])
def test_no_place_takes_a_name_that_is_no_identifier(kind, form, request):
    document, arrays = request.getfixturevalue(form)
    for place in places(json.loads(document)):
        damaged = json.loads(document)
        put(damaged, place, NAMES[kind])
        with pytest.raises(RescompError) as caught:
            decode(json.dumps(damaged).encode(), arrays)
        assert caught.value.exit_code in (2, 5)


@pytest.mark.parametrize("kind", [kind for kind, name in NAMES.items() if isinstance(name, str)])
@pytest.mark.parametrize("form", ["recurrent", "whole"])
def test_a_name_that_is_changed_wherever_it_stands_is_refused_too(kind, form, request):
    """So that nothing but the check of the name itself can refuse it."""
    document, arrays = request.getfixturevalue(form)
    data = json.loads(document)
    names = {value["name"] for graph in data["graphs"] for value in graph["inputs"]}
    names |= {name for graph in data["graphs"] for node in graph["nodes"] for name in (node["name"], *node["outputs"])}
    for old in names:
        with pytest.raises(RescompError, match=r"is not a lower-case C identifier|has 128 characters|holds a control character, or"):
            decode(json.dumps(renamed(data, old, NAMES[kind])).encode(), arrays)


def test_keywords_macros_and_likenesses_compile_under_names_of_their_own(recurrent, tmp_path):
    """A name that C speaks for is an identifier: the export renames it, and two that would meet after that stay apart."""
    document, arrays = recurrent
    data = json.loads(document)
    (state,) = data["graphs"][0]["state"]
    values = [name for node in data["graphs"][0]["nodes"] for name in node["outputs"]]
    new = ["while", "unix", "int8_t", "size_t", "memcpy", "linux", "input_2", "asm", "class"]
    for old, name in [(state, "register"), *zip(values, new, strict=False)]:
        data = renamed(data, old, name)
    model = decode(json.dumps(data).encode(), arrays)
    files = export_c(model)
    header = files[f"{model.name}.h"].decode()
    assert "register[" not in header
    assert "register_2[" in header


@pytest.mark.parametrize(
    ("label", "fault"),
    [
        ("a\nb", "holds a control character"),
        ("\x1b[2J", "holds a control character"),
        ("\ud800", "or one that is no Unicode text"),
        ("\u2028", "holds a control character"),
        ("ä" * 128, "takes 256 bytes"),
        (3, "where a name belongs"),
        (None, "where a name belongs"),
    ],
)
def test_class_labels_that_are_refused(label, fault, recurrent):
    document, arrays = recurrent
    data = json.loads(document)
    scores = len(decode(document, arrays).classes) or decode(document, arrays).output.type.size
    data["classes"] = [label, *map(str, range(scores - 1))]
    with pytest.raises(RescompError, match=fault):
        decode(json.dumps(data).encode(), arrays)


def test_labels_reach_c_as_harmless_ascii(recurrent):
    document, arrays = recurrent
    data = json.loads(document)
    labels = ['"; int x; "', "*/", "??/", "\\", "%s", "ä", "`<b>", "//"]
    size = decode(document, arrays).output.type.size
    data["classes"] = (labels * size)[:size]
    model = decode(json.dumps(data).encode(), arrays)
    text = export_c(model)[f"{model.name}.h"].decode("ascii")
    for harm in ('";', "??/", "%s", "`"):
        assert harm not in text.partition("_class_names[")[2].partition("};")[0]


@pytest.mark.parametrize(
    "shape", [[0], [-1], [10**12], [10**6, 10**6], [1 << 32, 1 << 32], [1] * 4, [], [True], [2.0], ["3"], "3", [10**30], None]
)
@pytest.mark.parametrize("form", ["recurrent", "whole"])
def test_shapes_are_refused_before_anything_is_allocated(shape, form, request):
    document, arrays = request.getfixturevalue(form)
    data = json.loads(document)
    data["graphs"][0]["inputs"][0]["shape"] = shape
    tracemalloc.start()
    with pytest.raises(RescompError):
        decode(json.dumps(data).encode(), arrays)
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()


def numbers(value, path=()):
    """Every number in a document, with the keys that lead there."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if type(item) is int:
            yield (*path, key)
        yield from numbers(item, (*path, key))


@pytest.mark.parametrize("number", [-1, 10**6, 10**12, 10**30, -(10**12), True, 1.5, "1", None, [], {}])
@pytest.mark.parametrize("form", ["recurrent", "whole"])
def test_any_number_may_be_replaced_by_another(number, form, request):
    """It is refused or means something; nothing else happens, and little memory is taken."""
    document, arrays = request.getfixturevalue(form)
    data = json.loads(document)
    for place in numbers(data):
        damaged = copy.deepcopy(data)
        put(damaged, place, number)
        tracemalloc.start()
        with contextlib.suppress(RescompError):
            verify_runnable(decode(json.dumps(damaged).encode(), arrays))
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
        tracemalloc.stop()


def test_many_small_files_of_large_weights_are_refused():
    """A seeded weight is three numbers: a hundred of them are a kilobyte, and would be 400 MB."""
    from rescomp.graph.fixed_point import Requantization
    from rescomp.graph.ir import Graph, IntegerModel, Node, Value
    from rescomp.graph.ops import FullyConnected
    from rescomp.graph.weights import SeededWeight

    scale = Requantization(np.full(2048, 1 << 14, np.int32), np.full(2048, 20, np.int32))
    t = TensorType((2048,), Format(8, bound=1 << 12))
    layers = [FullyConnected(SeededWeight(2048, 2048, seed + 1), np.zeros(0, np.int32), scale, t.format) for seed in range(5)]
    names = ["x", *(f"y{i}" for i in range(5))]
    nodes = tuple(Node(f"layer{i}", op, (names[i],), (names[i + 1],)) for i, op in enumerate(layers))
    tracemalloc.start()
    with pytest.raises(RescompError, match="past what one may hold"):
        verify_model(IntegerModel("many", {"whole": Graph("whole", (Value("x", t),), nodes, (names[-1],))}))
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data["graphs"].append(copy.deepcopy(data["graphs"][0])), "names a graph twice"),
        (lambda data: data["graphs"][0].update(name="other"), "has the graphs step and head"),
        (
            lambda data: data["graphs"][1].update(state={data["graphs"][1]["inputs"][0]["name"]: data["graphs"][1]["inputs"][0]["name"]}),
            "keeps a state",
        ),
        (lambda data: data["graphs"][0].update(state={}), "which is no state of the step"),
        (lambda data: data["graphs"][1].update(outputs=[]), "gives 0"),
        (lambda data: data["graphs"][1]["outputs"].append(data["graphs"][1]["outputs"][0]), "gives 2"),
        (lambda data: data["graphs"][0]["inputs"].append({**data["graphs"][0]["inputs"][0], "name": "more"}), "reads 2 values"),
        (lambda data: data["graphs"][0]["inputs"].append(data["graphs"][0]["inputs"][0]), "is defined twice"),
        (
            lambda data: data["graphs"][0]["state"].update(
                {data["graphs"][0]["nodes"][0]["outputs"][0]: data["graphs"][0]["nodes"][0]["outputs"][0]}
            ),
            "is not replaced by",
        ),
    ],
)
def test_forms_that_no_command_could_run(change, message, recurrent):
    document, arrays = recurrent
    data = json.loads(document)
    change(data)
    with pytest.raises(RescompError, match=message):
        verify_runnable(decode(json.dumps(data).encode(), arrays))


def test_the_largest_value_is_taken():
    assert TensorType((1 << 32, 1 << 32), Format(0)).size == 1 << 64
    assert TensorType((MOST_ENTRIES,), Format(0)).size == MOST_ENTRIES
