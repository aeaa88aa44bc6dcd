"""Coverage: what vectors reach of what can be reached, counted by hand on nets small enough for it."""

import json

import numpy as np
import pytest

from rescomp.graph.fixed_point import Requantization, tanh_table
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ir import Graph, IntegerModel, Node, Value
from rescomp.graph.ops import Add, FullyConnected, Lookup, Relu
from rescomp.graph.weights import Int4Weight, TernaryWeight
from rescomp.validate.coverage import CoverageMeter, describe
from rescomp.validate.stress import stress_vectors

ONE = np.ones(1, np.int64)


def whole(size, *nodes, format=None):
    value = Value("x", TensorType((size,), format or Format(12)))
    return IntegerModel("small", {"whole": Graph("whole", (value,), nodes, nodes[-1].outputs)})


def counts(coverage):
    return {kind: (count.reached, count.in_model, count.reachable, count.places) for kind, count in coverage.counts().items()}


def test_a_sum_saturates_at_either_end():
    meter = CoverageMeter(whole(2, Node("twice", Add(), ("x", "x"), ("y",))))
    assert counts(meter.nothing) == {"saturation_low": (0, 2, 2, 2), "saturation_high": (0, 2, 2, 2)}
    reached = meter.vectors(np.array([[20000, 5], [16383, -16384]]), np.ones(2, np.int64))
    assert counts(reached) == {"saturation_low": (0, 2, 2, 2), "saturation_high": (1, 2, 2, 2)}
    assert list(reached.missed()) == [(("whole", "twice", "saturation_low"), [0, 1]), (("whole", "twice", "saturation_high"), [1])]


def test_what_the_layers_before_exclude_is_out_of_reach_in_the_model_and_not_for_the_layer_alone():
    nodes = Node("relu", Relu(), ("x",), ("r",)), Node("again", Relu(), ("r",), ("y",))
    meter = CoverageMeter(whole(3, *nodes))
    assert counts(meter.nothing) == {"clamp_low": (0, 3, 3, 6)}  # the second reads a non-negative format
    meter = CoverageMeter(whole(3, Node("half", half(), ("x",), ("r",)), Node("sum", Add(), ("r", "r"), ("y",))))
    assert counts(meter.nothing)["saturation_high"] == (0, 0, 3, 6)


def half():
    """x / 4: its sum with itself stays inside int16."""
    return FullyConnected(Int4Weight(np.eye(3, dtype=np.int8)), np.zeros(0, np.int32), scales(3, 16), Format(10))


def scales(rows, shift):
    return Requantization(np.full(rows, 1 << 14, np.int32), np.full(rows, shift, np.int32))


def test_table_entries_are_counted_for_either_sign():
    meter = CoverageMeter(whole(1, Node("tanh", Lookup("tanh", tanh_table()), ("x",), ("y",))))
    assert counts(meter.nothing)["table"] == (0, 258, 258, 258)
    assert counts(meter.vectors(np.array([[0]]), ONE))["table"][0] == 1
    assert counts(meter.vectors(np.array([[255]]), ONE))["table"][0] == 2  # between entries 0 and 1
    assert counts(meter.vectors(np.array([[-256]]), ONE))["table"][0] == 1
    assert counts(meter.vectors(np.array([[-255]]), ONE))["table"][0] == 2
    assert counts(meter.vectors(np.arange(-32768, 32768)[:, None], np.ones(65536, np.int64)))["table"][0] == 258
    assert counts(meter.vectors(np.array([[-32768]]), ONE))["saturation_low"] == (1, 1, 1, 1)


def test_a_product_is_counted_by_sign_tie_and_padded_lane():
    weight = TernaryWeight(np.array([[1, 1, 0, -1, 1, -1]], np.int8))
    op = FullyConnected(weight, np.zeros(0, np.int32), scales(1, 16), Format(8))  # a quarter of the sum
    meter = CoverageMeter(whole(6, Node("product", op, ("x",), ("y",)), format=Format(8, bound=1000)))
    # The sum stays within 5000 and a quarter of it inside int16: no saturation. Two columns share a block with two padded ones.
    assert counts(meter.nothing) == {
        "saturation_low": (0, 0, 0, 1),
        "saturation_high": (0, 0, 0, 1),
        "negative": (0, 1, 1, 1),
        "positive": (0, 1, 1, 1),
        "tie_negative": (0, 1, 1, 1),
        "tie_positive": (0, 1, 1, 1),
        "padding": (0, 2, 2, 2),
    }
    reached = counts(meter.vectors(np.array([[5, 0, 0, 0, 0, 0], [0, 0, 0, 6, 0, 1]]), np.ones(2, np.int64)))
    assert {kind: count[0] for kind, count in reached.items() if count[0]} == {"negative": 1, "positive": 1, "padding": 1}
    tie = counts(meter.vectors(np.array([[2, 0, 0, 0, 4, 0]]), ONE))
    assert (tie["tie_positive"][0], tie["tie_negative"][0], tie["padding"][0]) == (1, 0, 1)


def test_ties_that_no_sum_of_the_weights_meets_are_excluded():
    op = FullyConnected(Int4Weight(np.array([[4, -4]], np.int8)), np.array([1], np.int32), scales(1, 17), Format(8))
    assert counts(CoverageMeter(whole(2, Node("product", op, ("x",), ("y",)))).nothing)["tie_positive"] == (0, 0, 0, 1)


@pytest.mark.parametrize("cell", ["fastgrnn", "gru", "lstm", "int8_block"])
def test_coverage_of_vectors_is_that_of_their_parts_together(cell, request, random_sequences):
    model = request.getfixturevalue(f"random_{cell}")(np.random.default_rng(4))
    stress = stress_vectors(model)
    meter = CoverageMeter(model)
    all_at_once = meter.vectors(stress.x, stress.lengths, stress.initial)
    half = len(stress.x) // 2
    parts = [meter.vectors(stress.x[part], stress.lengths[part], stress.initial[part]) for part in (slice(half), slice(half, None))]
    assert counts(parts[0] | parts[1]) == counts(all_at_once)
    assert all(part.total.reached <= all_at_once.total.reached for part in parts)
    for place, reached in all_at_once.reached.items():
        assert not np.any(reached & ~all_at_once.in_model[place])


def test_the_document_and_the_lines_say_the_same(random_fastgrnn):
    model = random_fastgrnn(np.random.default_rng(4))
    stress = stress_vectors(model)
    meter = CoverageMeter(model)
    vectors, layers = meter.vectors(stress.x, stress.lengths, stress.initial), meter.layers(stress.layers)
    document = json.loads(json.dumps((meter.nothing | vectors | layers).as_json()))
    assert document["total"]["reached"] == document["total"]["reachable"] <= document["total"]["places"]
    table = document["table"]
    line = next(line for line in describe(meter.nothing, vectors, layers) if line.startswith("table entries"))
    assert line.startswith(
        f"table entries, for either sign: 0 -> {vectors.counts()['table'].reached} -> {table['reached']} of {table['reachable']}"
    )
