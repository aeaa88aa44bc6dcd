"""What a person is shown while a training runs."""

import pytest

from rescomp.printing import describe_epoch, table
from rescomp.train.metrics import EpochReport


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (59.4, "59 s"), (59.6, "1 m 00 s"), (185, "3 m 05 s"), (7830, "2 h 10 m")])
def test_an_epoch_says_all_of_it(seconds, text):
    report = EpochReport("quantize", 3, 9, 0.5, 0.75, 0.8, 0.01, seconds, best_epoch=2, schedule="lambda 0.42")
    line = f"loss 0.500  train 75.0%  validation 80.0% (best: epoch 2)  rate 1.0e-02  lambda 0.42  {text} left"
    assert describe_epoch(report) == line


def test_percentages_are_aligned_as_numbers():
    assert table(("seed", "float"), [("0", "7.50%"), ("mean", "100.00%")]).splitlines()[2] == "0       7.50%"
