"""The stress set: from the graph alone, always the same, within the formats, and each layer's inputs where the layer reads them."""

import numpy as np
import pytest

from rescomp.graph.draws import Draws
from rescomp.graph.evaluate import evaluate_forced
from rescomp.validate.coverage import CoverageMeter
from rescomp.validate.stress import stress_vectors

MODELS = ("fastgrnn", "fastrnn", "gru", "lstm", "block", "int8_block", "mixed")


@pytest.fixture(params=MODELS)
def model(request):
    return request.getfixturevalue(f"random_{request.param}")(np.random.default_rng(5))


def arrays(stress):
    yield from (stress.x, stress.lengths, stress.initial)
    for values in stress.layers.values():
        yield from values.values()


def test_the_same_graph_gives_the_same_vectors(model):
    first, second = stress_vectors(model), stress_vectors(model)
    assert all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(arrays(first), arrays(second), strict=True))


def test_draws_are_the_same_for_ever():
    draws = Draws(7)
    assert draws.integers(-5, 5, (6,)).tolist() == [-4, 2, 1, -5, -5, 4]
    assert sorted(draws.order((2, 5))[1].tolist()) == [0, 1, 2, 3, 4]
    assert draws.choice(np.array([3]), (2,)).tolist() == [3, 3]


def test_inputs_and_initial_states_reach_both_ends_of_their_formats(model):
    stress = stress_vectors(model)
    t = model.input.type
    assert stress.x.dtype == np.int16
    assert (stress.x.min(), stress.x.max()) == (t.format.low, t.format.high)
    assert stress.x.shape[-len(t.shape) :] == t.shape
    assert len(stress.x) == len(stress.lengths) == len(stress.initial)
    if not model.is_recurrent:
        assert stress.initial.shape[1] == 0
        return
    assert stress.lengths.min() == 1
    assert stress.lengths.max() == stress.x.shape[1]
    start = 0
    for value in model.graphs["step"].state_inputs:
        part = stress.initial[:, start : start + value.type.size]
        assert np.all((part.min(axis=0), part.max(axis=0)) == np.array([[value.type.format.low], [value.type.format.high]]))
        start += value.type.size
    assert start == stress.initial.shape[1]
    assert not stress.initial[0].any()


def test_an_input_is_held_and_alternates_and_is_random(random_gru):
    stress = stress_vectors(random_gru(np.random.default_rng(1)))
    long = stress.x[stress.lengths == stress.x.shape[1]]
    held = (long == long[:, :1]).all(axis=(1, 2))
    two_valued = np.array([len(np.unique(x, axis=0)) == 2 for x in long])
    assert held.sum() >= len(long) // 4
    assert two_valued.sum() >= len(long) // 4
    assert (~held & ~two_valued).sum() >= len(long) // 4


def test_layers_have_forced_values_within_their_formats_for_all_that_a_node_reads(model):
    for name, forced in stress_vectors(model).layers.items():
        graph = model.graphs[name]
        types = graph.types()
        assert set(forced) == {value.name for value in graph.inputs} | {read for node in graph.nodes for read in node.inputs}
        assert len({len(array) for array in forced.values()}) == 1
        for value, array in forced.items():
            assert array.dtype == np.int16
            assert array.shape[1:] == types[value].shape
            assert types[value].format.low <= array.min()
            assert array.max() <= types[value].format.high


def test_a_forced_view_is_what_it_shows(model):
    for name, forced in stress_vectors(model).layers.items():
        for node in model.graphs[name].nodes:
            if node.op.view is not None and node.outputs[0] in forced:
                assert np.array_equal(node.op.evaluate(forced[node.inputs[0]])[0], forced[node.outputs[0]])


def test_the_forced_values_reach_all_that_is_not_proved_unreachable(model):
    coverage = CoverageMeter(model).layers(stress_vectors(model).layers)
    assert list(coverage.missed()) == []
    assert coverage.total.reached == coverage.total.reachable > 0


def test_a_forced_evaluation_runs_every_node_on_the_forced_values(model):
    for name, forced in stress_vectors(model).layers.items():
        graph = model.graphs[name]
        computed = evaluate_forced(graph, forced)
        assert set(computed) == {value for node in graph.nodes for value in node.outputs}
        for node in graph.nodes:
            results = node.op.evaluate(*(forced[value].astype(np.int64) for value in node.inputs))
            for value, result in zip(node.outputs, results, strict=True):
                assert np.array_equal(computed[value], result)


def test_the_full_set_is_larger(random_fastgrnn):
    model = random_fastgrnn(np.random.default_rng(2))
    quick, full = stress_vectors(model), stress_vectors(model, "full")
    assert 5 * quick.steps < full.steps < 20 * quick.steps
    for name, few in quick.layers.items():
        assert 5 * len(few["h"]) < len(full.layers[name]["h"]) < 20 * len(few["h"])


def test_the_quick_set_costs_no_more_than_the_demos_test_set(random_fastgrnn):
    """5,687 steps of 370 recordings; its net reads 12 channels into 32 entries of state."""
    stress = stress_vectors(random_fastgrnn(np.random.default_rng(2), inputs=12, hidden=32, classes=9))
    layers = sum(len(next(iter(values.values()))) for values in stress.layers.values())
    assert stress.steps + layers < 5687
