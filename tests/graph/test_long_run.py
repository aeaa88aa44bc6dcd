"""One long run is what step after step gives, whatever is guessed."""

import numpy as np
import pytest

from rescomp.graph import long_run
from rescomp.graph.evaluate import evaluate
from rescomp.graph.long_run import evaluate_long_run

STEPS = 60


@pytest.fixture(scope="module", params=["gru", "fastgrnn", "mixed"])
def model(request):
    return request.getfixturevalue(f"random_{request.param}")(np.random.default_rng(5))


def draw(rng, t, *shape):
    return rng.integers(t.format.low, t.format.high + 1, (*shape, *t.shape))


def test_a_long_run_is_that_of_evaluate_and_its_scores_are_those_after_each_step(model):
    rng = np.random.default_rng(7)
    x = draw(rng, model.input.type, STEPS)
    found = evaluate_long_run(model, x)
    whole = evaluate(model, x[None])
    assert np.array_equal(found.states, whole.states[0])
    for t in (0, 1, STEPS - 1):
        assert np.array_equal(found.scores[t], evaluate(model, x[None, : t + 1]).scores[0])


def test_no_guess_changes_it_and_each_step_is_looked_at_once(model):
    rng = np.random.default_rng(8)
    x = draw(rng, model.input.type, STEPS)
    right = evaluate_long_run(model, x)
    wrong_in_places = right.states.copy()
    wrong_in_places[[3, 17, 18, 40]] += 1
    guesses = [right.states, wrong_in_places, np.full_like(right.states, -32768), rng.integers(-32768, 32768, right.states.shape)]
    name = next(iter(model.graphs["step"].state.values()))
    for guess in guesses:
        seen = []
        found = evaluate_long_run(model, x, guess=guess, look=lambda values, seen=seen: seen.append(values[name].copy()))
        assert np.array_equal(found.states, right.states)
        assert np.array_equal(found.scores, right.scores)
        assert np.array_equal(np.concatenate(seen).reshape(STEPS, -1), right.states[:, : seen[0][0].size])


def test_a_right_guess_needs_few_evaluations(model, monkeypatch):
    x = draw(np.random.default_rng(9), model.input.type, STEPS)
    right, calls, step = evaluate_long_run(model, x), [], long_run._step
    monkeypatch.setattr(long_run, "_step", lambda *a: calls.append(1) or step(*a))
    evaluate_long_run(model, x, guess=right.states)
    assert len(calls) == 6
    assert np.array_equal(evaluate_long_run(model, x[20:], initial=right.states[19], guess=right.states[20:]).states, right.states[20:])
