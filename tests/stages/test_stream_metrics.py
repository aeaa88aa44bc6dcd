"""The metrics of a stream, on decisions made up for the purpose."""

import math

import numpy as np
import pytest

from rescomp.graph.decide import NO_DECISION, UNKNOWN_DECISION
from rescomp.stages.rates import Clock, Rate, poisson_bound
from rescomp.stages.stream_metrics import measure_streams, quantile
from rescomp.stages.wake_words import measure_wake_words


def one(*parts):
    """int [1, steps] from (value, times) pairs."""
    return np.concatenate([np.full(times, value) for value, times in parts])[None]


def measure(decisions, labels, **clock):
    return measure_streams(decisions, labels, np.array([labels.shape[1]]), Clock(**clock))


def test_shares_delays_and_flips_as_they_are_defined():
    labels = one((0, 20), (1, 40), (0, 40))
    decisions = one((NO_DECISION, 2), (0, 21), (1, 30), (2, 1), (1, 6), (UNKNOWN_DECISION, 10), (0, 30))
    found = measure(decisions, labels, stride=4, settle=40, rate=50.0)
    assert (found.streams, found.steps, found.changes, found.judged) == (1, 100, 2, 2)
    assert found.streamed == (18 + 36 + 30) / 100
    # settled: ten steps after each segment's start; wrong there: the one 2.
    assert found.settled == (10 + 29 + 30) / 70
    assert found.tail == 1
    assert found.ends == 1
    # three wrong steps, then the fourth; ten wrong steps, then the eleventh; of four readings each.
    assert (found.delay_median, found.delay_p90, found.miss) == (16, 44, 0)
    assert found.flips == Rate(2, (9 + 29 + 29) * 4 / 50 / 60, "minute")


def test_a_change_that_is_never_reached_has_an_infinite_delay():
    labels = one((0, 10), (1, 10), (0, 10), (1, 7))
    found = measure(one((0, 10), (0, 3), (1, 7), (0, 17)), labels)
    assert (found.changes, found.judged, found.miss) == (3, 2, 0.5)
    assert (found.delay_median, found.delay_p90) == (1, None)
    assert found.flips is not None
    assert (found.flips.unit, found.flips.exposure) == ("1000 readings", 33 / 1000)


def test_nothing_is_said_of_what_there_is_not():
    found = measure(one((0, 12)), one((0, 12)), settle=12)
    assert (found.settled, found.flips, found.miss, found.delay_median, found.delay_p90) == (None,) * 5
    assert (found.streamed, found.tail, found.ends) == (1, 1, 1)


def test_what_lies_behind_a_stream_is_not_read():
    labels, decisions = np.array([[0] * 9 + [1], [0] * 10]), np.array([[0] * 9 + [5], [0] * 10])
    assert measure_streams(decisions, labels, np.array([9, 10]), Clock()).streamed == 1
    found = measure_streams(decisions, labels, np.array([10, 10]), Clock())
    assert (found.streamed, found.tail, found.ends) == (19 / 20, 1 / 2, 2 / 3)


def test_ends_are_those_of_the_recordings_where_they_are_known():
    labels = one((0, 6))
    ends = np.array([[False, True, False, True, False, True]])
    decisions = np.array([[1, 0, 0, 0, 0, 1]])
    assert measure_streams(decisions, labels, np.array([6]), Clock(), ends).ends == 2 / 3


def test_wake_words():
    labels = one((0, 20), (1, 5), (0, 20), (2, 5), (0, 10), (1, 5), (0, 35))
    decisions = one((0, 4), (1, 2), (0, 17), (1, 2), (0, 22), (1, 2), (2, 1), (0, 15), (1, 1), (2, 1), (0, 33))
    found = measure_wake_words(decisions, labels, np.array([100]), Clock(stride=2, settle=8, rate=10.0), background=0)
    # the first word after its fourth step; the second decided wrongly first, then in its fifth; the third after its end, in time.
    assert (found.words, found.rejected, found.latency_median, found.latency_p90) == (3, 0, 10, 12)
    # before any word, 1 in the second word, and 2 after the third.
    assert found.false_accepts == Rate(3, 100 * 2 / 10 / 3600, "hour")
    assert measure_wake_words(np.zeros_like(labels), labels, np.array([100]), Clock(), 0).rejected == 3


def test_a_call_that_goes_on_and_on_hears_no_word_and_counts_again_and_again():
    labels = one((0, 20), (1, 5), (0, 20), (1, 5), (0, 10))
    stuck = measure_wake_words(np.ones_like(labels), labels, np.array([60]), Clock(settle=8), background=0)
    assert (stuck.words, stuck.rejected, stuck.latency_median) == (2, 2, None)
    assert stuck.false_accepts.events == math.ceil(60 / 8)
    lingering = one((0, 20), (1, 40))
    found = measure_wake_words(lingering, labels, np.array([60]), Clock(settle=8), background=0)
    # the first word is heard; from 8 steps past its end the call is false: 27 steps, the second word's among them.
    assert (found.rejected, found.latency_median, found.false_accepts.events) == (1, 1, math.ceil(27 / 8))


def test_copies_of_the_same_time_count_once():
    labels, decisions = one((0, 40), (1, 40)), one((0, 20), (1, 10), (0, 10), (1, 40))
    once = measure(decisions, labels, settle=5)
    five = measure_streams(*(np.repeat(part, 5, axis=0) for part in (decisions, labels)), np.full(5, 80), Clock(settle=5, copies=5))
    assert five.flips == once.flips == Rate(2, 68 / 1000, "1000 readings")
    words = measure_wake_words(np.repeat(decisions, 2, axis=0), np.repeat(labels, 2, axis=0), np.array([80, 80]), Clock(copies=2), 0)
    assert (words.false_accepts.events, words.false_accepts.exposure) == (1, 80 / 1000)


def test_quantiles_are_values_that_occur():
    assert [quantile([5, 1, None, 3], share) for share in (0.25, 0.5, 0.75, 0.9)] == [1, 3, 5, None]
    assert quantile([], 0.5) is None


@pytest.mark.parametrize(("events", "bound"), [(0, -math.log(0.05)), (1, 4.743865), (10, 16.962219), (1000, 1053.6031)])
def test_the_bound_is_that_of_a_poisson_rate(events, bound):
    """Half the 95 % quantile of chi-squared with 2 (events + 1) degrees of freedom."""
    assert poisson_bound(events) == pytest.approx(bound, rel=1e-6)


def test_a_rate_is_told_with_its_exposure_and_its_bound():
    assert str(Rate(0, 1.5, "hour")) == "< 2 an hour (0 in 1.5 hours)"
    assert str(Rate(3, 2.0, "minute")) == "1.5 a minute (3 in 2 minutes, 95 % bound 3.88)"
    assert str(Rate(1, 1.0, "hour")) == "1 an hour (1 in 1 hour, 95 % bound 4.74)"
    assert str(Rate(1234.6, 2000.0, "hour")) == "0.617 an hour (1,234.6 in 2e+03 hours, 95 % bound 0.647)"
    assert str(Rate(1, 4.0, "1000 readings")) == "0.25 per 1000 readings (1 in 4 thousand readings, 95 % bound 1.19)"
