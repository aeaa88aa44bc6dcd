"""The metrics of a stream, on decisions made up for the purpose."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from rescomp.data.streams import Streams, streams_in_steps
from rescomp.graph.decide import NO_DECISION, UNKNOWN_DECISION
from rescomp.rates import Clock, Rate, poisson_bound
from rescomp.stages.labelled_steps import LabelledSteps
from rescomp.stages.stream_metrics import measure_streams, quantile
from rescomp.stages.wake_words import measure_wake_words


def one(*parts):
    """int [1, steps] from (value, times) pairs."""
    return np.concatenate([np.full(times, value) for value, times in parts])[None]


def measure(decisions, labels, **clock):
    return measure_streams(decisions, LabelledSteps(labels, np.array([labels.shape[1]])), Clock(**clock))


def test_shares_delays_and_flips_as_they_are_defined():
    labels = one((0, 20), (1, 40), (0, 40))
    decisions = one((NO_DECISION, 2), (0, 21), (1, 30), (2, 1), (1, 6), (UNKNOWN_DECISION, 10), (0, 30))
    found = measure(decisions, labels, readings_a_step=4, stride=4, settle=40, rate=50.0)
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
    assert found.missed == "50.0% of 2 changes"
    assert replace(found, judged=4000, miss=1 / 4000).missed == "0.03% of 4,000 changes"
    assert replace(found, judged=4000, miss=0.0).missed == "0.0% of 4,000 changes"
    assert found.flips is not None
    assert (found.flips.unit, found.flips.exposure) == ("1000 readings", 33 / 1000)


def test_nothing_is_said_of_what_there_is_not():
    found = measure(one((0, 12)), one((0, 12)), settle=12)
    assert (found.settled, found.flips, found.miss, found.delay_median, found.delay_p90) == (None,) * 5
    assert (found.streamed, found.tail, found.ends) == (1, 1, 1)


def test_what_lies_behind_a_stream_is_not_read():
    labels, decisions = np.array([[0] * 9 + [1], [0] * 10]), np.array([[0] * 9 + [5], [0] * 10])
    assert measure_streams(decisions, LabelledSteps(labels, np.array([9, 10])), Clock()).streamed == 1
    found = measure_streams(decisions, LabelledSteps(labels, np.array([10, 10])), Clock())
    assert (found.streamed, found.tail, found.ends) == (19 / 20, 1 / 2, 2 / 3)


def test_ends_are_those_of_the_recordings_where_they_are_known():
    labels = one((0, 6))
    ends = np.array([[False, True, False, True, False, True]])
    decisions = np.array([[1, 0, 0, 0, 0, 1]])
    assert measure_streams(decisions, LabelledSteps(labels, np.array([6]), ends), Clock()).ends == 2 / 3


def test_wake_words():
    labels = one((0, 20), (1, 5), (0, 20), (2, 5), (0, 10), (1, 5), (0, 35))
    decisions = one((0, 4), (1, 2), (0, 17), (1, 2), (0, 22), (1, 2), (2, 1), (0, 15), (1, 1), (2, 1), (0, 33))
    found = measure_wake_words(
        decisions, LabelledSteps(labels, np.array([100])), Clock(readings_a_step=2, stride=2, settle=8, rate=10.0), background={0}
    )
    # the first word after its fourth step; the second decided wrongly first, then in its fifth; the third after its end, in time.
    assert (found.words, found.rejected, found.latency_median, found.latency_p90) == (3, 0, 10, 12)
    # before any word, 1 in the second word, and 2 after the third.
    assert found.false_accepts == Rate(3, 100 * 2 / 10 / 3600, "hour")
    assert measure_wake_words(np.zeros_like(labels), LabelledSteps(labels, np.array([100])), Clock(), {0}).rejected == 3


def test_a_call_that_goes_on_and_on_hears_no_word_and_counts_again_and_again():
    labels = one((0, 20), (1, 5), (0, 20), (1, 5), (0, 10))
    stuck = measure_wake_words(np.ones_like(labels), LabelledSteps(labels, np.array([60])), Clock(settle=8), background={0})
    assert (stuck.words, stuck.rejected, stuck.latency_median) == (2, 2, None)
    assert stuck.false_accepts.events == math.ceil(60 / 8)
    lingering = one((0, 20), (1, 40))
    found = measure_wake_words(lingering, LabelledSteps(labels, np.array([60])), Clock(settle=8), background={0})
    # the first word is heard; from 8 steps past its end the call is false: 27 steps, the second word's among them.
    assert (found.rejected, found.latency_median, found.false_accepts.events) == (1, 1, math.ceil(27 / 8))


def test_copies_of_the_same_time_count_once():
    labels, decisions = one((0, 40), (1, 40)), one((0, 20), (1, 10), (0, 10), (1, 40))
    once = measure(decisions, labels, settle=5)
    five, two = (LabelledSteps(np.repeat(labels, times, axis=0), np.full(times, 80)) for times in (5, 2))
    all_five = measure_streams(np.repeat(decisions, 5, axis=0), five, Clock(settle=5, copies=Fraction(5)))
    assert all_five.flips == once.flips == Rate(2, 68 / 1000, "1000 readings")
    words = measure_wake_words(np.repeat(decisions, 2, axis=0), two, Clock(copies=Fraction(2)), {0})
    assert (words.false_accepts.events, words.false_accepts.exposure) == (1, 80 / 1000)


def test_a_recording_takes_as_many_readings_as_its_steps_have_read():
    """Steps of eight readings, four apart: a recording of eight is one step, one of 36 eight; in a row, nothing between them."""
    labels = one((0, 1), (1, 8), (0, 1))
    ends = np.array([[True, *[False] * 7, True, True]])
    steps, clock = LabelledSteps(labels, np.array([10]), ends), Clock(readings_a_step=8, stride=4, settle=4, rate=1.0)
    assert steps.readings(clock).tolist() == [[8, 16, 20, 24, 28, 32, 36, 40, 44, 52]]
    found = measure_streams(labels, steps, clock)
    assert (found.judged, found.delay_median) == (1, 8)
    # of the eight steps the last seven begin four readings after the change; six pairs of them, each four readings apart.
    assert found.flips == Rate(0, 6 * 4 / 60, "minute")
    words = measure_wake_words(labels, steps, clock, background={0})
    assert (words.latency_median, words.false_accepts.exposure) == (8, 52 / 3600)


def test_a_call_is_late_by_readings_past_its_word_and_false_by_readings_too():
    labels, decisions = one((0, 1), (1, 1), (0, 5)), one((0, 3), (1, 3), (0, 1))
    ends = np.ones((1, 7), bool)
    for settle, rejected, false in ((8, 1, 3), (15, 1, 2), (16, 0, 1)):
        clock = Clock(readings_a_step=8, stride=4, settle=settle)
        found = measure_wake_words(decisions, LabelledSteps(labels, np.array([7]), ends), clock, background={0})
        assert (found.rejected, found.false_accepts.events) == (rejected, false)


@pytest.mark.parametrize(("readings", "stride"), [(4, 4), (8, 3), (2, 5)])
def test_delays_of_continuous_streams_are_counted_from_the_reading_at_which_the_label_changes(readings, stride):
    y = np.repeat([[0, 1, 2]], [41, 62, 50], axis=1)
    streams = Streams(np.arange(153, dtype=np.int32).reshape(1, 153, 1), y, np.array([153]))
    steps = LabelledSteps.of(streams_in_steps(streams, readings, stride))
    clock = Clock(readings_a_step=readings, stride=stride, settle=20)
    last = np.arange(steps.labels.shape[1]) * stride + readings - 1
    assert (steps.readings(clock)[0] == last + 1).all()
    decisions = np.where(last < 60, 0, y[0, last])[None]
    found = measure_streams(decisions, steps, clock)
    firsts = [last[last >= at][0] - begin + 1 for begin, at in ((41, 60), (103, 103))]
    assert sorted(firsts) == [found.delay_median, found.delay_p90]
    begins = np.array([0, 41, 103])[y[0, last]]
    settled = last - readings + 1 - begins >= 20
    assert found.settled == (decisions == steps.labels)[0, settled].mean()


def test_quantiles_are_values_that_occur():
    assert [quantile([5, 1, None, 3], share) for share in (0.25, 0.5, 0.75, 0.9)] == [1, 3, 5, None]
    assert quantile([], 0.5) is None


@pytest.mark.parametrize("copies", [Fraction(5), Fraction(8, 3) * 5, Fraction(7, 3) * 5])
def test_a_mean_of_events_is_exact_so_that_its_bound_is_that_of_a_whole_number(copies):
    for events in range(1, 40):
        rate = Clock(copies=copies, rate=1.0).count(int(events * copies.numerator), 3600 * copies.numerator, "hour")
        assert rate.events == events * copies.denominator
        assert rate.bound * rate.exposure == pytest.approx(poisson_bound(events * copies.denominator), rel=1e-12)


@pytest.mark.parametrize(("events", "bound"), [(0, -math.log(0.05)), (1, 4.743865), (10, 16.962219), (1000, 1053.6031)])
def test_the_bound_is_that_of_a_poisson_rate(events, bound):
    """Half the 95 % quantile of chi-squared with 2 (events + 1) degrees of freedom."""
    assert poisson_bound(events) == pytest.approx(bound, rel=1e-6)


def test_a_rate_is_told_with_its_exposure_and_its_bound():
    assert str(Rate(0, 1.5, "hour")) == "< 2 an hour (0 in 1.5 hours)"
    assert str(Rate(3, 2.0, "minute")) == "1.5 a minute (3 in 2 minutes, 95 % bound 3.88)"
    assert str(Rate(1, 1.0, "hour")) == "1 an hour (1 in 1 hour, 95 % bound 4.74)"
    assert str(Rate(Fraction(6173, 5), 2000.0, "hour")) == "0.617 an hour (1,234.6 in 2e+03 hours, 95 % bound 0.647)"
    assert str(Rate(Fraction(1, 25), 2.0, "hour")) == "0.02 an hour (0.04 in 2 hours, 95 % bound 2.37)"
    assert str(Rate(Fraction(28, 5), 1.0, "hour")) == "5.6 an hour (5.6 in 1 hour, 95 % bound 11.8)"
    assert str(Rate(Fraction(1, 3000), 1.0, "hour")) == "0.000333 an hour (0.000333 in 1 hour, 95 % bound 4.74)"
    assert str(Rate(1, 4.0, "1000 readings")) == "0.25 per 1000 readings (1 in 4 thousand readings, 95 % bound 1.19)"
