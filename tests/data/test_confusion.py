"""Answers by class, and the figures that are counted from them."""

from fractions import Fraction

import numpy as np
import pytest

from rescomp.data.confusion import Confusion


def test_each_figure_is_its_formula():
    labels = np.repeat([0, 1, 2], [90, 8, 2])
    answers = np.concatenate([np.repeat([0, 1], [81, 9]), np.repeat([1, 0], [4, 4]), [0, 0]])
    found = Confusion.of(labels, answers, 3)
    assert found.counts.tolist() == [[81, 9, 0], [4, 4, 0], [2, 0, 0]]
    assert found.recordings.tolist() == [90, 8, 2]
    assert found.accuracy == 0.85
    assert found.worst == (0, 1, 9)
    assert Confusion.of(labels, labels, 3).worst is None
    assert found.recall == (0.9, 0.5, 0.0)
    assert found.balanced_accuracy == pytest.approx(float(Fraction(14, 30)), abs=1e-15)
    f1 = [Fraction(2 * 81, 90 + 87), Fraction(2 * 4, 8 + 13), Fraction(0)]
    assert found.macro_f1 == pytest.approx(float(sum(f1) / 3), abs=1e-15)


def test_a_class_without_recordings_has_no_recall_and_counts_only_where_it_is_answered():
    found = Confusion.of(np.array([0, 0, 0, 1]), np.array([0, 0, 2, 1]), 4)
    assert found.recall == (2 / 3, 1.0, None, None)
    assert found.balanced_accuracy == (2 / 3 + 1) / 2
    assert found.macro_f1 == pytest.approx((0.8 + 1 + 0) / 3, abs=1e-15)
