"""The formats that calibration gives the values of nets without state."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rescomp.compress import calibrate, constrain, widen_unproved
from rescomp.errors import UnsupportedError
from rescomp.models import FeedForwardNet, FixedPointArithmetic, FloatArithmetic, trace
from rescomp.models.arithmetic import NORMALIZED
from rescomp.models.layered.plan_check import INPUT
from rescomp.recipe import Quantize, Ternary

INT16, INT8 = Quantize(), Quantize(bits=6, scale="power_of_two", activations="int8")
SHAPE, CLASSES, BITS = (6, 6, 3), 4, 10


class Residual(nn.Module):
    """A sum of a convolution that nobody else reads and of one that somebody does; pools of 4, 9 and 36."""

    def __init__(self, factor: float = 12.0) -> None:
        super().__init__()
        self.factor = factor
        self.a, self.b, self.c = (nn.Conv2d(n, 4, 3, padding=1) for n in (3, 4, 4))
        self.four, self.nine, self.all = nn.AvgPool2d(2, 1, padding=1), nn.AvgPool2d(3, 1, padding=0), nn.AdaptiveAvgPool2d(1)
        self.d = nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x).relu()
        x = (self.b(x) * self.factor + x).relu()
        x = self.c(self.nine(self.four(x)))
        return self.d(self.all(x).flatten(1))


def readings(count: int = 60, spread: float = 1.0) -> Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(np.floor(rng.normal(size=(count, *SHAPE)) * spread * 2.0**BITS)).float() * 2.0**-BITS


def float_net(seed: int = 0, factor: float = 12.0) -> FeedForwardNet:
    torch.manual_seed(seed)
    x = readings().reshape(-1, 3)
    return FeedForwardNet.of(trace(Residual(factor), SHAPE, CLASSES), x.mean(dim=0), x.std(dim=0))


def calibrated(constraint: Quantize | Ternary, x: Tensor | None = None, net: FeedForwardNet | None = None) -> FeedForwardNet:
    result = constrain(net or float_net(), [constraint])
    x = readings() if x is None else x
    calibrate(result, x, torch.full((len(x),), SHAPE[0]), BITS)
    return result


def activations(net: FeedForwardNet) -> FixedPointArithmetic:
    return net.fixed


@torch.no_grad()
def largest(net: FeedForwardNet, x: Tensor) -> dict[str, float]:
    values = net.eval().values(x)
    return {(NORMALIZED if name == INPUT else name): float(value.abs().max()) for name, value in values.items()}


def test_int16_holds_the_largest_value_with_a_margin_and_no_more() -> None:
    net, seen = calibrated(INT16), largest(float_net(), readings())
    for name in ("a", "c", "d", "four"):
        step = 2.0 ** -activations(net).bits(name)
        assert 10922 / 2 < seen[name] * 1.25 / step <= 10922 or activations(net).bits(name) == 14, name
    assert 10922 / 2 < seen[NORMALIZED] * 2.0 ** activations(net).bits(NORMALIZED) <= 10922


def test_int8_takes_the_format_of_the_least_squared_error() -> None:
    """Of the finest that clips nothing and the two finer ones; the weights are those that will be stored."""
    net = calibrated(INT8)
    stored = constrain(float_net(), [INT8]).eval()
    stored.arithmetic = FloatArithmetic()
    with torch.no_grad():
        values = stored.values(readings())
    for name in ("a", "c", "d"):
        value = values[name].double()
        whole = int(np.floor(np.log2(127 / float(value.abs().max()))))

        def error(bits: int, value: Tensor = value) -> float:
            step = 2.0**-bits
            return float(((value / step + 0.5).floor().clamp(-128, 127) * step - value).square().sum())

        assert activations(net).bits(name) == min(range(whole, whole + 3), key=error), name


def test_rare_outliers_are_clipped_in_int8_alone() -> None:
    x = readings(count=1000)
    x[0, 0, 0, 0] = 30.0
    narrow, whole = activations(calibrated(INT8, x)).bits(NORMALIZED), activations(calibrated(INT8)).bits(NORMALIZED)
    assert 127 * 2.0**-narrow < 30 / 1.1
    assert narrow <= whole
    assert 10922 * 2.0 ** -activations(calibrated(INT16, x)).bits(NORMALIZED) > 30 / 1.1


def test_samples_sorted_by_size_are_all_represented() -> None:
    """As those of a data set are that stores one class after the other."""
    x = readings(count=1500)
    x[1200:] *= 16
    assert activations(calibrated(INT16, x)).bits(NORMALIZED) == activations(calibrated(INT16, x[1200:])).bits(NORMALIZED)


def test_operands_that_belong_to_a_sum_take_its_format() -> None:
    """b is read by the sum alone; a, which b reads too, keeps its own."""
    for constraint, factor in itertools.product((INT16, INT8), (12.0, 0.01)):
        integers = activations(calibrated(constraint, net=float_net(factor=factor)))
        assert integers.bits("b") == integers.bits("add")
        assert integers.bits("add") <= integers.bits("a")
    assert activations(calibrated(INT16)).bits("add") < activations(calibrated(INT16)).bits("a")


class Joined(nn.Module):
    """Three maps side by side, the first of which the last convolution reads too."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor
        self.a, self.b, self.c, self.d = (nn.Conv2d(n, 4, 3, padding=1) for n in (3, 3, 3, 4))
        self.e = nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x)
        joined = torch.cat([y, self.c(x), self.b(x) * self.factor], 1)
        return self.e(torch.cat([joined, self.d(y)], 1).mean((2, 3)))


def test_values_side_by_side_have_one_format() -> None:
    """That of the largest; whoever else reads a value finds it in its own."""
    for constraint in (INT16, INT8):
        torch.manual_seed(0)
        integers = activations(calibrated(constraint, net=FeedForwardNet.of(trace(Joined(20.0), SHAPE, CLASSES))))
        joined = {integers.bits(name) for name in ("b", "c", "d", "cat", "cat_2", "cat_3")}
        assert len(joined) == 1
        assert integers.bits("a") > joined.pop()


def test_pools_of_powers_of_two_stay_narrow() -> None:
    """Of 9 too, since its reader takes the rest of the factor; each gives up enough fraction bits for a scale of 1/2 at most."""
    net = calibrated(INT8)
    integers = activations(net)
    for name, read, factor in (("four", "add", 1 / 4), ("nine", "four", None), ("all", "c", None)):
        step = net.plan.step(name)
        assert factor is None or step.factor == factor
        if np.log2(step.factor).is_integer():
            assert step.factor * 2.0 ** (integers.bits(name) - integers.bits(read)) <= 0.5
            assert not integers.is_wide(name)
    assert net.plan.step("nine").factor == 1 / 16
    assert net.plan.step("c").gain_in == 16 / 9


def test_only_int8_widens() -> None:
    assert widen_unproved(calibrated(INT16)) == []
    assert all(activations(calibrated(INT16)).is_wide(step.name) for step in float_net().plan.steps)
    net = calibrated(INT8)
    activations(net).set_bits("a", activations(net).bits("a") + 9)
    assert "a" in widen_unproved(net)


def test_formats_travel_in_the_state_dict() -> None:
    net = calibrated(INT8)
    activations(net).set_wide("a", 3)
    again = constrain(float_net(1), [INT8])
    again.load_state_dict(net.state_dict())
    for name in (NORMALIZED, *(step.name for step in net.plan.steps)):
        assert activations(again).format(name) == activations(net).format(name)
        assert activations(again).computed_format(name) == activations(net).computed_format(name)
    assert activations(again).input_bits == activations(net).input_bits
    assert activations(again).computed_format("a").fraction_bits == activations(net).bits("a") + 3


def test_a_constant_channel_and_a_dead_layer() -> None:
    x = readings()
    x[..., 1] = 5.0
    net = float_net()
    with torch.no_grad():
        net.parameters_of("a").matrix.weight.zero_()
        bias = net.parameters_of("a").bias
        assert bias is not None
        bias.zero_()
    for constraint in (INT16, INT8, Ternary()):
        assert activations(calibrated(constraint, x, net)).bits("a") == 14


def test_what_is_seen_is_the_float_net_and_it_is_left_alone() -> None:
    net = constrain(float_net(), [INT8]).train()
    weights = {name: value.clone() for name, value in net.state_dict().items() if "arithmetic" not in name}
    calibrate(net, readings(), torch.zeros(0), BITS)
    assert net.training
    assert isinstance(net.arithmetic, FixedPointArithmetic)
    assert all(torch.equal(net.state_dict()[name], value) for name, value in weights.items() if name != "std")


def test_a_float_net_is_refused() -> None:
    net = float_net()
    assert type(net.arithmetic) is FloatArithmetic
    with pytest.raises(UnsupportedError, match="call compress first"):
        calibrate(net, readings(), torch.zeros(0), BITS)


class Passing(nn.Module):
    """A step that only passes on what is normalised, then a layer of small weights."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(6, CLASSES)
        nn.init.uniform_(self.last.weight, -0.001, 0.001)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(x.relu().flatten(1))


def of_bits(deviation: float) -> tuple[FeedForwardNet, Tensor]:
    """A net, calibrated on readings of 0 and 1, integers of the device."""
    torch.manual_seed(0)
    net = FeedForwardNet.of(trace(Passing(), (2, 3), CLASSES), torch.zeros(3), torch.full((3,), deviation))
    x = torch.from_numpy(np.random.default_rng(0).integers(0, 2, (40, 2, 3))).float()
    result = constrain(net, [INT16])
    calibrate(result, x, torch.full((40,), 2), 0)
    return result, x


def test_what_is_passed_on_keeps_the_format_of_readings_that_nothing_normalises() -> None:
    """They would fit 13 fraction bits, of which an integer step resolves 12."""
    integers = activations(of_bits(1.0)[0])
    assert [integers.bits(name) for name in (NORMALIZED, "relu", "flatten")] == [12, 12, 12]


def test_formats_are_of_the_net_with_the_deviation_that_it_will_have() -> None:
    net, x = of_bits(2.0**-13)
    assert bool((net.std == 2.0**-12).all())
    integers = activations(net)
    net.arithmetic = FloatArithmetic()
    assert 10922 / 2 < largest(net, x)["last"] * 1.25 * 2.0 ** integers.bits("last") <= 10922
