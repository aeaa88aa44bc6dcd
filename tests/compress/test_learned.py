"""Scales and input gains that training learns, and what becomes of them as integers."""

import numpy as np
import pytest
import torch

from rescomp.compress import IntegerStorage, LearnedFactors, TernaryStorage, calibrate, constrain, ternary_pattern
from rescomp.errors import InputError
from rescomp.models import build, fake_quantize
from rescomp.models.base import LEAST_GAIN, MOST_GAIN
from rescomp.recipe import InputGains, ModelSection, Quantize, Ternary, load_recipe


def storage(kind, form, factors):
    learned = LearnedFactors(len(factors))
    learned.factor.data = torch.tensor(factors)
    if kind == "ternary":
        return TernaryStorage(form, per="row" if len(factors) > 1 else "tensor", learned=learned)
    return IntegerStorage(4, form, learned)


def weights():
    return torch.randn(3, 11, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("form", ["multiplier", "power_of_two"])
@pytest.mark.parametrize(("kind", "factors"), [("ternary", [0.6, 1.0, 2.5]), ("ternary", [0.3]), ("int4", [0.6, 1.0, 2.5])])
def test_learned_scales_are_exactly_the_integers(kind, factors, form):
    quantizer, plain = storage(kind, form, factors), storage(kind, form, [1.0] * len(factors))
    entries, mantissa, exponent = quantizer.integers(weights())
    expected = entries * np.ldexp(mantissa.astype(float), -exponent)[:, None]
    np.testing.assert_array_equal(quantizer(weights().double()).detach(), expected)
    ratio = (quantizer.scale(weights()) / plain.scale(weights())).tolist()
    assert ratio == pytest.approx(factors * (3 // len(factors)), rel=1e-3 if form == "multiplier" else 1.0)
    assert ratio != [1.0] * 3


def test_a_factor_of_one_is_the_scale_that_the_weights_give():
    for kind in ("ternary", "int4"):
        plain = TernaryStorage() if kind == "ternary" else IntegerStorage(4)
        assert torch.equal(storage(kind, "multiplier", [1.0] * 3)(weights()), plain(weights()))


def test_the_gradient_of_a_factor_is_that_of_lsq():
    weight = weights().requires_grad_()
    ternary, integers = storage("ternary", "multiplier", [1.0] * 3), storage("int4", "multiplier", [0.3] * 3)
    for quantizer in (ternary, integers):
        quantizer(weight).sum().backward()
    scale = ternary.scale(weight)[:, None]
    expected = (ternary_pattern(weight) * scale).sum(dim=1) / 11**0.5
    torch.testing.assert_close(ternary.learned.factor.grad, expected.float())
    steps = (weight.double() / integers.scale(weight)[:, None]).detach()
    rounded = torch.floor(steps + 0.5).clamp(-7, 7)
    slope = torch.where(steps.abs() <= 7, rounded - steps, rounded)
    assert 0 < int((steps.abs() > 7).sum()) < steps.numel(), "both branches"
    expected = (slope * integers.scale(weight)[:, None]).sum(dim=1) / (11 * 7) ** 0.5
    torch.testing.assert_close(integers.learned.factor.grad, expected.float())
    assert torch.equal(weight.grad, torch.full_like(weight, 2.0))


def gained(readings=2):
    net = build(ModelSection(hidden_size=4, readings=readings), 3, 2, torch.tensor([0.1, -2.0, 0.0]), torch.tensor([0.5, 2.0, 0.7]))
    return constrain(net, [Quantize(), InputGains()])


def test_readings_side_by_side_share_their_gains_within_limits():
    net = gained()
    net.input_gains.data = torch.tensor([0.5, 1.0, 9.0, 0.7, 0.0, 2.0])
    expected = torch.tensor([0.6, (1 + LEAST_GAIN) / 2, MOST_GAIN]).repeat(2)
    torch.testing.assert_close(net.deviation(), net.std / expected)
    assert torch.equal(net.double().deviation().float(), gained_like(net).deviation())


def gained_like(net):
    other = gained()
    other.load_state_dict({name: value.float() if value.is_floating_point() else value for name, value in net.state_dict().items()})
    return other


def test_gains_are_trained_through_the_rounding_and_keep_within_what_was_calibrated():
    net, x = gained(), torch.randn(6, 9, 6, generator=torch.Generator().manual_seed(1))
    calibrate(net, x, torch.full((6,), 9), 9)
    normalized = net.normalize(x, net.arithmetic)
    normalized.sum().backward()
    inside = normalized.abs() < fake_quantize.grid(net.fixed.format("normalize"))[2]
    exact = ((torch.floor(x * 512 + 0.5) / 512 - net.mean) / net.std * inside).sum(dim=(0, 1)).view(2, 3).mean(dim=0).repeat(2)
    torch.testing.assert_close(net.input_gains.grad, exact, rtol=0.02, atol=0.5)
    plain = constrain(build(ModelSection(hidden_size=4, readings=2), 3, 2, net.mean[:3], net.std[:3]), [Quantize()])
    calibrate(plain, x, torch.full((6,), 9), 9)
    assert net.fixed.pre_shift == min(6, plain.fixed.pre_shift + 1), "room for the largest gain"


def test_arenas_are_for_what_no_float_net_precedes():
    assert load_recipe().constraints == (Ternary(arenas=False),)
    assert load_recipe(None, ["train.epochs=0"]).constraints == (Ternary(arenas=True),)
    assert load_recipe(None, ["compress.0.arenas=true"]).constraints == (Ternary(arenas=True),)
    given = ["train.epochs=0", "model.kind=nets:build", "model.weights=net.safetensors"]
    assert load_recipe(None, given).constraints == (Ternary(arenas=False),)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (
            ["compress=[{kind='ternary'},{kind='input_gains'}]", "model.normalization=none"],
            "input_gains in compress go into the normalisation",
        ),
        (["compress=[{kind='ternary'},{kind='input_gains'}]", "quantize.epochs=0"], "input_gains in compress acts while the net is"),
        (["compress.0.learned=true", "quantize.epochs=0"], "learned in compress trains scales while the net is fine-tuned"),
    ],
)
def test_what_learns_nothing_is_refused(overrides, sentence):
    with pytest.raises(InputError, match=sentence):
        load_recipe(None, overrides)
