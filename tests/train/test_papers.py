"""What benchmarks/papers.py makes of the papers: schedules, memories, banks and orders as these define them."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.polynomial.legendre import legval

import rescomp
from rescomp.models import CellShape, FastGrnnCell, RecurrentNet
from rescomp.train.schedule import Schedule

BENCHMARKS = Path(rescomp.__file__).parent / "benchmarks"
STEPS = 100


@pytest.fixture(scope="module")
def scripts():
    """The modules of the benchmark, which import each other as scripts do."""
    before = set(sys.modules)
    names = ("papers_schedules", "papers_cells", "papers_bank", "papers_units", "papers_training", "papers_page")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield SimpleNamespace(**{name.removeprefix("papers_"): __import__(name) for name in names})
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(BENCHMARKS)):
            del sys.modules[name]


@pytest.fixture
def schedule():
    return Schedule("train", 1, 1, 0.5, 0, warmup=0.0)


def fastgrnn(hidden, classes=2):
    torch.manual_seed(0)
    return RecurrentNet([FastGrnnCell(CellShape(3, hidden))], classes, torch.zeros(3), torch.ones(3))


def test_equal_norms_refine_to_linear_decay(scripts, schedule):
    rate = scripts.schedules.refined(np.full(STEPS, 7.0))
    expected = [0.5 * (STEPS - 1 - step) / (STEPS - 1) for step in range(STEPS)]
    assert [rate(schedule, step, STEPS) for step in range(STEPS)] == pytest.approx(expected)


def test_refined_rates_are_small_where_gradients_are_large(scripts, schedule):
    norms = np.where(np.arange(STEPS) < STEPS // 2, 4.0, 1.0)
    rate = scripts.schedules.refined(norms)
    later = 25 / 4 + 50  # the inverse norms behind step 24
    assert rate(schedule, 24, STEPS) / rate(schedule, 60, STEPS) == pytest.approx((later / 4) / 39)


def test_one_outlier_among_norms_is_smoothed_away(scripts):
    norms = np.ones(STEPS)
    norms[[0, 40, 99]] = 50
    assert scripts.schedules.smoothed(norms)[6:].tolist() == [1.0] * (STEPS - 6)


def test_rates_hold_inside_alone(scripts, schedule):
    before = schedule.rate(50, STEPS)
    with scripts.schedules.rates(scripts.schedules.linear):
        assert schedule.rate(30, STEPS) == pytest.approx(0.5 * 0.7)
    assert schedule.rate(50, STEPS) == before


def test_a_legendre_memory_holds_the_window_behind(scripts):
    window, order = 32, 6
    signal = np.sin(2 * np.pi * np.arange(200) / 60)
    a, b = scripts.cells.legendre(order, window)
    state = torch.zeros(order, dtype=torch.float64)
    for value in signal:
        state = a @ state + b * value
    for share in (0.25, 0.5, 0.75):
        seen = sum(legval(2 * share - 1, np.eye(order)[i]) * float(state[i]) for i in range(order))
        assert seen == pytest.approx(signal[199 - int(share * window)], abs=0.06)


@pytest.mark.parametrize("make", ["Diagonal", "Turning", "Gated", "Legendre"])
def test_a_recurrence_goes_on_where_it_ended(scripts, make):
    torch.manual_seed(0)
    cells = scripts.cells
    cell = {
        "Diagonal": lambda: cells.Diagonal(3, 6, 4),
        "Turning": lambda: cells.Turning(3, 6, 4),
        "Gated": lambda: cells.Diagonal(3, 6, 4, gated=True),
        "Legendre": lambda: cells.Legendre(3, 2, 3, 8.0, 4),
    }[make]()
    x = torch.randn(9, 5, 3)
    zeros = {name: torch.zeros(5, size) for name, size in cell.sizes.items()}
    whole = cell.run(x, zeros)
    first = cell.run(x[:4], zeros)
    second = cell.run(x[4:], {name: state[-1] for name, state in first.items()})
    for name, state in whole.items():
        assert torch.allclose(torch.cat([first[name], second[name]]), state, atol=1e-6)


def test_a_bank_as_large_as_the_net_is_the_net(scripts):
    bank = scripts.bank.Bank(12, 12)
    assert bank.places.tolist() == list(range(12))
    assert bank.signs.tolist() == [1] * 12


def test_a_bank_is_used_equally_often_and_read_in_order(scripts):
    bank = scripts.bank.Bank(10, 40)
    assert np.bincount(bank.places.numpy()).tolist() == [4] * 10
    inside = bank.places.view(4, 10)
    assert bool(((inside[:, 1:] - inside[:, :-1]) % 10 == 1).all())


def test_shared_matrices_answer_as_their_integers(scripts):
    net, bank = fastgrnn(5), scripts.bank
    bank.share(net, 20)
    compressed = fastgrnn(5)
    bank.quantize_bank(net, compressed)
    for matrix in scripts.training.matrices(compressed):
        entries, mantissa, exponent = matrix.integers()
        assert np.abs(entries).max() <= 7
        stored = entries * np.ldexp(mantissa.astype(np.float64), -exponent)[:, None]
        assert np.array_equal(matrix().detach().numpy(), stored.astype(np.float32))


def test_an_order_leaves_out_what_closes_a_cycle(scripts):
    u = np.zeros((4, 4))
    u[1, 0], u[2, 1], u[3, 0], u[0, 2] = 3, 3, 3, 2  # 0 feeds 1 and 3, 1 feeds 2, and 2 feeds 0 back
    below = scripts.units.order_of(u)
    assert {(int(low), int(high)) for low, high in np.argwhere(below)} == {(0, 1), (0, 2), (0, 3), (1, 2)}
    assert scripts.units.upper_covers(below).tolist() == [2, 1, 0, 0]


def test_kept_units_compute_as_in_the_whole_net(scripts):
    net, small = fastgrnn(5), fastgrnn(3)
    units, gone = [0, 2, 4], [1, 3]
    with torch.no_grad():
        net.cells[0].recurrent.factors[0].weight[:, gone] = 0
        net.classifier.weight[:, gone] = 0
    scripts.units.keep_units(net, small, units)
    x, lengths = torch.randn(4, 7, 3), torch.full((4,), 7)
    assert torch.allclose(small(x, lengths), net(x, lengths), atol=1e-6)


def test_what_is_within_two_errors_or_half_a_point_does_not_pay(scripts):
    paired = scripts.page.Paired
    assert scripts.page.pays(paired(6, 0.6, 0.2, 6))
    assert not scripts.page.pays(paired(6, 0.6, 0.4, 5))
    assert not scripts.page.pays(paired(6, 0.4, 0.1, 6))
