"""The graph `decide`: what it decides, its averages that cannot get stuck, its bounds, and its form."""

from dataclasses import replace

import numpy as np
import pytest

from rescomp.errors import RescompError, UnsupportedError
from rescomp.graph.decide import NO_DECISION, UNKNOWN_DECISION, Decision, decision_graph, decision_of, with_decision
from rescomp.graph.decisions import decisions_aside, smoothed_scores
from rescomp.graph.evaluate import evaluate, evaluate_graph, scores_of_every_step, take_decisions
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ops import BiasAdd, Decide, ExponentialAverage, Slice
from rescomp.graph.serialize import decode, digest, encode
from rescomp.graph.verify import verify_model

SCORES = TensorType((3,), Format(8))


@pytest.fixture
def model(random_fastgrnn):
    return random_fastgrnn(np.random.default_rng(0))


def decided(decision, scores, classes=3):
    """What is decided of scores [steps][classes]."""
    graph = decision_graph(decision, TensorType((classes,), Format(8)))
    state = {value.name: np.zeros((1, *value.type.shape), np.int64) for value in graph.state_inputs}
    found = []
    for row in scores:
        values = evaluate_graph(graph, {"scores": np.array([row]), **state})
        state = {name: values[after] for name, after in graph.state.items()}
        found.append(int(values["decision"][0, 0]))
    return found


def only(k, by=100):
    """Scores of which one stands out."""
    return [by * (i == k) for i in range(3)]


def test_without_anything_the_decision_is_the_largest_score_the_first_among_equals_unless_one_of_them_holds():
    assert decided(Decision(), [[5, 7, 7]]) == [1]
    assert decided(Decision(), [[-3, -3, -9], [-3, -3, 0], [0, 0, 0], [0, 1, 2], [2, 1, 0], [2, 2, 2]]) == [0, 2, 2, 2, 0, 0]


def test_another_class_must_be_better_by_more_than_the_margin():
    assert decided(Decision(margin=10), [[0, 5, 0], [15, 5, 0], [16, 5, 0], [16, 26, 0]]) == [1, 1, 0, 0]


def test_a_candidate_stands_for_as_many_steps_as_hold_says():
    steps = [only(0)] * 4 + [only(1)] * 2 + [only(2)] + [only(1)] * 3
    assert decided(Decision(hold=3), steps) == [NO_DECISION] * 2 + [0] * 7 + [1]


def test_after_a_decision_for_a_class_none_is_taken_for_the_refractory_time():
    steps = [only(0), only(1), only(1), only(2), only(2)]
    assert decided(Decision(refractory=2), steps) == [0, 0, 0, 2, 2]
    assert decided(Decision(hold=2, refractory=3), [only(0)] * 2 + [only(1)] * 5) == [NO_DECISION, 0, 0, 0, 0, 1, 1]


def test_a_best_class_below_its_threshold_is_unknown_and_no_rest_follows():
    by_class = Decision(thresholds=(50, 0, 101), refractory=1)
    assert decided(by_class, [only(0, 49), only(0, 50), only(2, 100), only(2, 100), only(2, 101)]) == [UNKNOWN_DECISION, 0, 0, -1, 2]


@pytest.mark.parametrize("smoothing", [0, 1, 3, 14])
def test_an_average_is_at_rest_at_the_score_alone_and_moves_towards_it_elsewhere(smoothing):
    rng = np.random.default_rng(smoothing)
    scores = rng.integers(-(1 << 15), 1 << 15, (4000, 1))
    near = (scores << smoothing) + rng.integers(-(2 << smoothing), (2 << smoothing) + 1, (4000, 1))
    average = np.clip(np.where(np.arange(4000)[:, None] % 2, near, rng.permutation(near)), -(1 << 15 + smoothing), 1 << 15 + smoothing)
    (after,) = ExponentialAverage(smoothing).evaluate(average, scores)
    assert np.array_equal(np.sign(after - average), np.sign(scores - np.floor(average / (1 << smoothing) + (smoothing > 0) / 2)))
    assert np.abs(after).max() <= 1 << 15 + smoothing


@pytest.mark.parametrize(("start", "score"), [(32767, -32768), (-7, -1), (0, 1), (-32768, 32767)])
def test_an_average_reaches_a_score_that_stands(start, score):
    op, average = ExponentialAverage(3), np.array([[start << 3]])
    for _ in range(8 * 20):
        (average,) = op.evaluate(average, np.array([[score]]))
    assert (average[0, 0] + 4) >> 3 == score


@pytest.mark.parametrize("dtype", ["int8", "int16"])
@pytest.mark.parametrize("smoothing", [0, 5, 14])
def test_an_average_of_any_bits_is_back_in_its_range_after_a_step(dtype, smoothing):
    limit = Format(0, dtype).bound
    (after,) = ExponentialAverage(smoothing, dtype).evaluate(
        np.array([[-(1 << 31), (1 << 31) - 1] * 2]), np.array([[-limit, limit - 1] * 2])
    )
    assert np.abs(after).max() <= limit << smoothing


def test_a_memory_of_any_bits_is_back_in_its_range_after_a_step():
    rng, op = np.random.default_rng(0), Decide(np.zeros(3, np.int16), 5, 4, 9, 2)
    memory = rng.integers(-(1 << 15), 1 << 15, (4000, 4))
    memory[::2] = rng.integers(-2, 12, (2000, 4))
    (after,) = op.evaluate(rng.integers(-40, 40, (4000, 3)), memory)
    assert after.min() >= 0
    assert np.all(after.max(axis=0) <= op.limits(3))


def test_a_sequences_decisions_are_those_of_its_steps_and_zero_behind_it(model, random_sequences):
    x, lengths = random_sequences(np.random.default_rng(1), model)
    deciding = with_decision(model, Decision(2, 40, 2, 1))
    trajectory = evaluate(deciding, x, lengths)
    scores = scores_of_every_step(model, trajectory.states)
    assert np.array_equal(scores[np.arange(len(x)), lengths - 1], trajectory.scores)
    for i, length in enumerate(lengths):
        assert np.array_equal(trajectory.decisions[i, :length], decided(Decision(2, 40, 2, 1), scores[i, :length], scores.shape[-1]))
        assert not trajectory.decisions[i, length:].any()
    whole = lengths > 1
    assert np.array_equal(take_decisions(deciding, scores[whole, :2]), trajectory.decisions[whole, :2])
    assert evaluate(model, x, lengths).decisions is None


def test_decisions_of_one_smoothing_that_are_taken_side_by_side_are_those_that_each_takes(model):
    """Nothing to decide on here and there, and thresholds for some alone."""
    rng, classes = np.random.default_rng(3), model.output.type.size
    scores, unread = rng.integers(-60, 60, (5, 40, classes)), rng.random((5, 40)) < 0.1
    thresholds = tuple(rng.integers(-20, 20, classes).tolist())
    several = [Decision(2), Decision(2, 9), Decision(2, 5, 3, 2), Decision(2, 1, 1, 6, thresholds), Decision(2, 0, 2, 0, thresholds)]
    for lost in (unread, None):
        together = decisions_aside(several, smoothed_scores(model, 2, scores, lost), lost)
        for decision, found in zip(several, together, strict=True):
            assert np.array_equal(found, take_decisions(with_decision(model, decision), scores, lost))
    assert len({found.tobytes() for found in together}) == len(several)


def test_a_model_without_a_decision_keeps_its_digest(model):
    decision = Decision(3, 100, 2, 4, (7, 8, 9, -10))
    deciding = with_decision(model, decision)
    verify_model(deciding)
    assert decision_of(deciding.graphs["decide"]) == decision
    assert digest(with_decision(deciding, None)) == digest(model) != digest(deciding)
    again = decode(*encode(deciding))
    assert (digest(again), decision_of(again.graphs["decide"])) == (digest(deciding), decision)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"smoothing": 15}, "smooths by 0 to 14 bits, not 15"),
        ({"smoothing": -1}, "smooths by 0 to 14 bits, not -1"),
        ({"margin": -1}, "margin of -1 is outside 0..65535"),
        ({"margin": 1 << 16}, "margin of 65536 is outside"),
        ({"hold": 0}, "hold of 0 steps is outside 1..32767"),
        ({"refractory": 32768}, "refractory time of 32768 steps is outside 0..32767"),
        ({"thresholds": (0, 0)}, "one int16 threshold a class or none"),
        ({"thresholds": (0, 0, 0, 1 << 15)}, "outside int16"),
    ],
)
def test_numbers_out_of_their_ranges_are_refused(model, numbers, said):
    with pytest.raises(UnsupportedError, match=said):
        with_decision(model, Decision(**numbers))


def test_a_net_without_state_takes_no_decisions(random_block):
    with pytest.raises(UnsupportedError, match=r"block keeps no state: .* model\.streaming"):
        with_decision(random_block(np.random.default_rng(0)), Decision())


def planted(model, **changes):
    """The model with another graph in place of its decision's."""
    graph = with_decision(model, Decision()).graphs["decide"]
    return replace(model, graphs={**model.graphs, "decide": replace(graph, **{key: change(graph) for key, change in changes.items()})})


@pytest.mark.parametrize(
    "changes",
    [
        {"nodes": lambda graph: graph.nodes[:2], "outputs": lambda graph: ("decide_memory_next",)},
        {"nodes": lambda graph: (*graph.nodes[:3], replace(graph.nodes[3], op=BiasAdd(np.array([-1], np.int16))))},
        {"nodes": lambda graph: (*graph.nodes[:2], replace(graph.nodes[2], op=Slice(3, 1)), graph.nodes[3])},
        {"outputs": lambda graph: ("decided",)},
        {"state": lambda graph: {key: value for key, value in graph.state.items() if key != "decide_average"}},
    ],
)
def test_a_decision_of_another_form_is_refused(model, changes):
    with pytest.raises(UnsupportedError, match="graph 'decide' has another form"):
        verify_model(planted(model, **changes))


def test_a_decision_about_other_scores_is_refused(model):
    other = replace(model, graphs={**model.graphs, "decide": decision_graph(Decision(), TensorType((9,), Format(8)))})
    with pytest.raises(RescompError, match="graph 'decide' reads 9 int16 Q8, and the scores are 4 int16"):
        decode(*encode(other))
