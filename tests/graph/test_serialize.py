"""graph.json + weights.npz: every op and every storage comes back as it was; what is damaged is refused in one sentence."""

import json

import numpy as np
import pytest

from rescomp.errors import InputError, RescompError
from rescomp.graph import ops
from rescomp.graph.evaluate import evaluate_graph
from rescomp.graph.fixed_point import Requantization
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ir import Graph, IntegerModel, Node, Value
from rescomp.graph.ops.drawing import DENSE, SEEDED, SPARSE, UNPADDED, WHOLE_KERNELS, WHOLE_ROWS, draw_storage
from rescomp.graph.serialize import WEIGHT_TYPES, decode, digest, encode, from_npz, to_npz

STORAGES = (*DENSE, *SEEDED, *UNPADDED, *SPARSE, *WHOLE_ROWS, *WHOLE_KERNELS)


def single(op, types):
    inputs = tuple(Value(f"x{i}", t) for i, t in enumerate(types))
    outputs = ("y", "z")[: len(op.infer(*types))]
    graph = Graph("whole", inputs, (Node("layer", op, tuple(value.name for value in inputs), outputs),), outputs)
    return IntegerModel("single", {"whole": graph})


def product(storage):
    weight = draw_storage(np.random.default_rng(0), storage, 5, 9, density=0.4, positions=3)
    scale = Requantization(np.full(5, 1 << 14, np.int32), np.full(5, 20, np.int32))
    if storage in WHOLE_KERNELS:
        op = ops.Conv2d(weight, np.zeros(0, np.int32), scale, Format(8), (1, 3))
        return single(op, (TensorType((3, 3), Format(8, bound=10922)),))
    return single(ops.FullyConnected(weight, np.zeros(0, np.int32), scale, Format(8)), (TensorType((9,), Format(8, bound=10922)),))


def assert_round_trips(model):
    document, arrays = encode(model)
    again = decode(document, from_npz(to_npz(arrays), "weights.npz"))
    assert (encode(again)[0], digest(again)) == (document, digest(model))
    graph = model.graphs["whole"]
    rng = np.random.default_rng(1)
    x = {v.name: rng.integers(v.type.format.low, v.type.format.high + 1, (4, *v.type.shape)) for v in graph.inputs}
    values, wanted = evaluate_graph(again.graphs["whole"], x), evaluate_graph(graph, x)
    for name in graph.outputs:
        np.testing.assert_array_equal(values[name], wanted[name])


@pytest.mark.parametrize("name", ops.REGISTRY)
def test_ops_round_trip(name):
    for seed in range(5):
        assert_round_trips(single(*ops.REGISTRY[name].random(np.random.default_rng(seed))))


@pytest.mark.parametrize("storage", STORAGES)
def test_storages_round_trip(storage):
    assert_round_trips(product(storage))


def test_each_storage_has_its_own_digest():
    digests = {digest(product(storage)) for storage in STORAGES}
    assert len(digests) == len(STORAGES)
    assert set(WEIGHT_TYPES) == {"int8", "int4", "ternary", "ternary_rows", "sparse", "sparse_kernels", "sparse_rows", "seeded"}


def test_a_seeded_weight_is_three_numbers():
    document, arrays = encode(product("seeded"))
    weight = json.loads(document)["graphs"][0]["nodes"][0]["fields"]["weight"]
    assert set(weight) == {"weight", "rows", "columns", "seed"}
    assert (weight["weight"], weight["rows"], weight["columns"]) == ("seeded", 5, 9)
    assert not any("weight" in name for name in arrays)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rows": 1 << 40, "columns": 1 << 40}, "a seeded weight cannot be 1099511627776 x 1099511627776"),
        ({"rows": 32767, "columns": 32767}, "at most 4194304 entries"),
        ({"rows": (1 << 22) + 1, "columns": 1}, "at most 4194304 entries"),
        ({"columns": 0}, "a seeded weight cannot be 5 x 0"),
        ({"rows": -3}, "a seeded weight cannot be -3 x 9"),
        ({"rows": 5.0}, "graph.json holds 5.0 where int belongs"),
        ({"columns": 10}, "a weight of 10 columns cannot read a value of shape"),
        ({"seed": 0}, "a seed of 0 draws no signs"),
        ({"seed": 1 << 32}, "a seed of 4294967296 draws no signs"),
        ({"seed": "1"}, "graph.json holds '1' where int belongs"),
        ({"seed": True}, "graph.json holds True where int belongs"),
    ],
)
def test_a_damaged_or_absurd_seeded_weight_is_refused(changes, reason):
    document, arrays = encode(product("seeded"))
    data = json.loads(document)
    data["graphs"][0]["nodes"][0]["fields"]["weight"].update(changes)
    with pytest.raises(RescompError, match=reason):
        decode(json.dumps(data).encode(), arrays)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("bits", 2, "graph.json holds 2 where one of 4, 8 belongs"),
        ("bits", 8.0, "graph.json holds 8.0 where one of 4, 8 belongs"),
        ("bits", True, "graph.json holds True where"),
        ("index", "list", "graph.json holds 'list' where one of 'bitmap', 'delta' belongs"),
        ("index", None, "graph.json holds None"),
        ("weight", "dense", "graph.json is damaged"),
        ("bits", 4, r"outside \[-7, 7\]"),
    ],
)
def test_a_damaged_storage_is_refused(field, value, reason):
    document, arrays = encode(product("sparse_delta_int8"))
    data = json.loads(document)
    data["graphs"][0]["nodes"][0]["fields"]["weight"][field] = value
    with pytest.raises(RescompError, match=reason):
        decode(json.dumps(data).encode(), arrays)


def test_a_field_too_many_is_refused():
    document, arrays = encode(product("int4"))
    data = json.loads(document)
    data["graphs"][0]["nodes"][0]["fields"]["weight"]["bits"] = 4
    with pytest.raises(InputError, match="gives Int4Weight the fields"):
        decode(json.dumps(data).encode(), arrays)
