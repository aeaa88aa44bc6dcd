"""Streams under a policy, many side by side: each decision is that of policy.StreamWalk."""

from dataclasses import replace

import numpy as np
import pytest

from rescomp.graph.decide import Decision, with_decision
from rescomp.graph.decisions import stream_decisions
from rescomp.graph.ir import StreamPolicy
from rescomp.graph.policy import StreamWalk

POLICIES = [StreamPolicy(), StreamPolicy(rail=2), StreamPolicy(half_window=4), StreamPolicy(2, 1, 3), StreamPolicy(4, 3, 1)]


@pytest.fixture
def model(random_fastgrnn):
    return random_fastgrnn(np.random.default_rng(0))


@pytest.fixture
def streams(model):
    """Four streams, three of them with stretches at an end of the format: short ones, and longer than any gap."""
    t, rng = model.input.type, np.random.default_rng(1)
    x, lengths = rng.integers(t.format.low + 1, t.format.high, (4, 60, *t.shape)), np.array([60, 60, 47, 1])
    for row, begin, end in ((0, 5, 7), (0, 20, 23), (1, 10, 25), (1, 27, 31), (1, 40, 46), (2, 0, 9), (2, 30, 34)):
        x[row, begin:end, row % t.shape[0]] = t.format.high if begin % 2 else t.format.low
    return x, lengths


def walked(model, x):
    walk, found = StreamWalk(model), []
    for reading in x:
        walk.step(reading)
        scores = walk.scores()
        found.append(walk.decide(scores) if model.decides else int(scores.argmax()))
    return found


@pytest.mark.parametrize("policy", POLICIES, ids=str)
@pytest.mark.parametrize("decision", [None, Decision(1, 20, 2, 1)], ids=str)
def test_each_of_many_streams_is_walked_as_one_alone_is(model, streams, policy, decision):
    x, lengths = streams
    each = replace(with_decision(model, decision), policy=policy)
    found = stream_decisions(each, x, lengths)
    for row, length in enumerate(lengths):
        assert found[row, :length].tolist() == walked(each, x[row, :length])
        assert (found[row, length:] == -2).all()
    running_on = stream_decisions(replace(each, policy=None), x, lengths)
    assert np.array_equal(found, running_on) == (policy == StreamPolicy())
