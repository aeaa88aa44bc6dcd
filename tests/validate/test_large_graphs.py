"""What verify makes of a graph is bounded by memory, however large the graph's values are."""

import tracemalloc

import numpy as np
import pytest

from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ir import Graph, IntegerModel, Node, Value
from rescomp.graph.ops import Add, Relu, Slice
from rescomp.graph.verify import verify_model
from rescomp.validate.coverage import CoverageMeter
from rescomp.validate.stress import stress_vectors

ENTRIES, MOST_MEGABYTES = 1 << 19, 600


def peak_megabytes(work):
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] >> 20
    finally:
        tracemalloc.stop()


@pytest.fixture
def whole():
    """A chain of values without a weight: a graph.json of two kilobytes."""
    t = TensorType((ENTRIES,), Format(12))
    names = ["input", *(f"v{i}" for i in range(6))]
    nodes = [Node(f"relu{i}", Relu(), (names[i],), (names[i + 1],)) for i in range(6)]
    nodes.append(Node("cut", Slice(0, 3), (names[-1],), ("scores",)))
    return IntegerModel("large", {"whole": Graph("whole", (Value("input", t),), tuple(nodes), ("scores",), {})}, ("a", "b", "c"))


@pytest.fixture
def steps():
    """A state that adds up its inputs."""
    t = TensorType((ENTRIES,), Format(12))
    add = Node("add", Add(), ("input", "h"), ("next",))
    step = Graph("step", (Value("input", t), Value("h", t)), (add,), ("next",), {"h": "next"})
    head = Graph("head", (Value("h", t),), (Node("cut", Slice(0, 3), ("h",), ("scores",)),), ("scores",), {})
    return IntegerModel("large", {"step": step, "head": head}, ("a", "b", "c"))


@pytest.mark.parametrize("form", ["whole", "steps"])
def test_stress_sets_and_coverage_of_large_values_fit_into_memory(form, request):
    model = request.getfixturevalue(form)
    verify_model(model)
    found = []
    assert peak_megabytes(lambda: found.append(stress_vectors(model))) < MOST_MEGABYTES
    (stress,) = found
    meter = CoverageMeter(model)
    assert peak_megabytes(lambda: meter.vectors(stress.x, stress.lengths, stress.initial)) < MOST_MEGABYTES
    many = np.repeat(stress.x[:1], 32, axis=0)
    lengths, initial = np.repeat(stress.lengths[:1], 32), np.repeat(stress.initial[:1], 32, axis=0)
    assert peak_megabytes(lambda: meter.vectors(many, lengths, initial)) < MOST_MEGABYTES
    for forced in stress.layers.values():
        assert sum(array.nbytes for array in forced.values()) < MOST_MEGABYTES << 20
        assert all(len(array) for array in forced.values())
