"""The decision after every step of a stream."""

import numpy as np
import pytest

from rescomp.graph.decide import NO_DECISION, Decision, with_decision
from rescomp.graph.decisions import STEPS_HELD, stream_decisions
from rescomp.graph.evaluate import evaluate, evaluate_graph, split_state, take_decisions


@pytest.fixture
def walked(random_fastgrnn):
    """A model, three streams of different lengths past a block of STEPS_HELD, and the scores after each step by way of the states."""
    rng = np.random.default_rng(1)
    model = random_fastgrnn(rng, inputs=3, hidden=6)
    x, lengths = rng.integers(-2000, 2000, (3, 2 * STEPS_HELD + 5, 3)), np.array([2 * STEPS_HELD + 5, 1, STEPS_HELD + 1])
    states = evaluate(model, x, lengths).states
    scores = evaluate_graph(model.graphs["head"], split_state(model, states.reshape(-1, states.shape[2])))[model.output.name]
    return model, x, lengths, scores.reshape(3, -1, 4)


def test_it_is_the_largest_score_of_a_state_that_runs_on(walked):
    model, x, lengths, scores = walked
    told = []
    found = stream_decisions(model, x, lengths, told.append)
    for row, length in enumerate(lengths):
        assert np.array_equal(found[row, :length], scores[row, :length].argmax(axis=1))
        assert (found[row, length:] == NO_DECISION).all()
    assert told == [STEPS_HELD, 2 * STEPS_HELD, 2 * STEPS_HELD + 5]


def test_the_graph_decide_decides_where_there_is_one(walked):
    model, x, lengths, scores = walked
    deciding = with_decision(model, Decision(smoothing=2, margin=3, hold=2, thresholds=(0, 0, 0, 0)))
    found = stream_decisions(deciding, x, lengths)
    assert {NO_DECISION} < set(found[0].tolist()) != set(stream_decisions(model, x, lengths)[0].tolist())
    for row, length in enumerate(lengths):
        assert np.array_equal(found[row, :length], take_decisions(deciding, scores[row : row + 1, :length])[0])
        assert (found[row, length:] == NO_DECISION).all()
