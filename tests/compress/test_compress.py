"""Putting constraints on a net, and choosing its formats."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load, save

from rescomp.compress import anneal, calibrate, constrain, matrices
from rescomp.errors import InputError, UnsupportedError
from rescomp.models import FixedPointArithmetic, FloatArithmetic, build
from rescomp.recipe import Distill, LowRank, ModelSection, PiecewiseLinearActivations, Quantize, Sparse, Ternary
from rescomp.train.checkpoint import load_net


def small_net(**section):
    torch.manual_seed(0)
    return build(ModelSection(hidden_size=5, **section), 3, 4, torch.tensor([0.1, -2.0, 0.0]), torch.tensor([0.5, 2.0, 0.0]))


def recordings():
    return torch.randn(6, 9, 3, generator=torch.Generator().manual_seed(1)), torch.tensor([9, 1, 4, 9, 2, 7])


@pytest.mark.parametrize("constraint", [Ternary(), Quantize()])
def test_compress_leaves_the_float_net_alone(constraint):
    net = small_net()
    result = constrain(net, [constraint])
    assert type(net.arithmetic) is FloatArithmetic
    assert isinstance(result.arithmetic, FixedPointArithmetic)
    assert set(result.state_dict()) - set(net.state_dict()) == {"arithmetic.numbers"}
    assert len(list(matrices(result))) == 3


@pytest.mark.parametrize("constraints", [[], [Ternary(), Quantize()]])
def test_exactly_one_weight_format(constraints):
    with pytest.raises(InputError, match="exactly one entry"):
        constrain(small_net(), constraints)


@pytest.mark.parametrize("constraint", [Ternary(), LowRank(rank_w=2), PiecewiseLinearActivations(), Distill()], ids=lambda c: c.kind)
def test_none_stands_twice(constraint):
    format = [] if isinstance(constraint, Ternary) else [Quantize()]
    with pytest.raises(InputError, match=r"twice|exactly one"):
        constrain(small_net(), [*format, constraint, constraint])


@pytest.mark.parametrize("format", [Ternary, Quantize])
def test_dense_ends_are_for_nets_without_state(format):
    with pytest.raises(
        InputError, match=r'^first_and_last = "dense" is for nets without state: beside cells let another entry name matrices$'
    ):
        constrain(small_net(), [format(first_and_last="dense")])


def test_sparse_beside_ternary_is_refused():
    with pytest.raises(InputError, match="3:4 pattern"):
        constrain(small_net(), [Sparse(), Ternary()])


def test_piecewise_linear_switches_the_arithmetic_in_any_order():
    for constraints in ([PiecewiseLinearActivations(), Quantize()], [Quantize(), PiecewiseLinearActivations()]):
        net = constrain(small_net(), constraints)
        assert net.arithmetic.nonlinearity == "piecewise_linear"
        assert isinstance(net.arithmetic, FixedPointArithmetic)
    assert small_net().arithmetic.nonlinearity == "table"


@pytest.mark.parametrize("kind", ["fastrnn", "fastgrnn", "gru", "mgu", "lstm"])
@pytest.mark.parametrize("layers", [1, 2])
def test_everything_together(kind, layers):
    x, lengths = recordings()
    constraints = [LowRank(rank_w=2, rank_u=3), Sparse(density=0.5), PiecewiseLinearActivations(), Distill(), Quantize(bits=4)]
    net = constrain(small_net(kind=kind, layers=layers), constraints)
    calibrate(net, x, lengths, 9)
    anneal(net, 10, 10)
    names = [name for cell in net.cells for projection in (cell.input, cell.recurrent) for name in projection.names]
    assert len(names) == 4 * layers
    assert [matrix.is_sparse for matrix in matrices(net)] == [True] * 4 * layers + [False]
    again = constrain(build(ModelSection(hidden_size=5, kind=kind, layers=layers), 3, 4), constraints)
    again.load_state_dict(load(save(net.state_dict())))
    assert torch.equal(again.eval()(x, lengths), net.eval()(x, lengths))


def test_anneal_reaches_every_matrix():
    net = constrain(small_net(rank_w=2, rank_u=2), [Ternary(arenas=True)])
    anneal(net, 1, 20)
    assert [matrix.storage.residual for matrix in matrices(net)] == [0.5] * 5
    anneal(net, 20, 20)
    assert [matrix.storage.residual for matrix in matrices(net)] == [0.0] * 5


def test_a_checkpoint_rebuilds_the_net_bit_for_bit():
    x, lengths = recordings()
    net = constrain(small_net(rank_u=2), [Ternary()])
    calibrate(net, x, lengths, 9)
    torch.manual_seed(7)
    again = constrain(build(ModelSection(hidden_size=5, rank_u=2), 3, 4), [Ternary()])
    again.load_state_dict(load(save(net.state_dict())))
    assert torch.equal(again.arithmetic.numbers, net.arithmetic.numbers)
    assert torch.equal(again.eval()(x, lengths), net.eval()(x, lengths))


def test_calibration_holds_what_it_saw_and_ignores_what_lies_past_the_end():
    x, lengths = recordings()
    net = constrain(small_net(rank_w=2, rank_u=2), [Ternary()])
    calibrate(net, x, lengths, 9)
    chosen = net.arithmetic.numbers.clone()
    spoiled = x.clone()
    spoiled[1, 5:] = 1e6
    calibrate(net, spoiled, lengths, 9)
    assert torch.equal(net.arithmetic.numbers, chosen)
    assert net.arithmetic.input_bits == 9
    running = torch.arange(9) < lengths[:, None]
    largest = float(((x - net.mean) / net.std)[running].abs().max())
    assert 0.5 * 10922 < largest * 2 ** net.arithmetic.bits("normalize") <= 10922
    assert net.training


@pytest.mark.parametrize("kind", ["fastgrnn", "lstm"])
def test_formats_hold_what_a_state_grows_to_in_a_stream(kind):
    """A net that sums up what it reads, over 40 recordings in a row: 9 steps fill a small part of what its state can hold."""
    net = build(ModelSection(kind=kind, hidden_size=5, rank_u=1), 3, 4)
    with torch.no_grad():
        for name, value in net.named_parameters():
            value.fill_(0.2 if value.dim() == 2 else 1.0)
            if name == "cell.bias":
                value.copy_(torch.tensor([-5.0, 9.0, 1.0, 9.0]).repeat_interleave(5))  # i, f, g, o
        if kind == "fastgrnn":
            net.cell.gate_bias.fill_(9.0)
            net.cell.nu.fill_(-4.0)
        net.classifier.weight.copy_(torch.linspace(-3, 3, 20).view(4, 5))
    x, lengths = torch.ones(6, 9, 3), torch.full((6,), 9)
    found = {}
    for streams in (False, True):
        quantized = constrain(net, [Quantize()])
        calibrate(quantized, x, lengths, 9, streams=streams)
        states = quantized.eval().states(torch.ones(1, 360, 3), torch.tensor([360]))["h"][0]
        factor = states @ quantized.cell.recurrent.matrices()[0].T
        scores = quantized.scores(states)
        largest = {"recurrent_factor": factor.abs().max(), "scores": scores.abs().max()}
        formats = {name: quantized.arithmetic.format(name) for name in largest}
        found[streams] = [bool(value < formats[name].high * 2.0 ** -formats[name].fraction_bits) for name, value in largest.items()]
    assert found == {False: [False, False], True: [True, True]}


@pytest.mark.parametrize(("deviation", "bits"), [(1e-7, 15), (1e-3, 0), (30000.0, 0), (0.0, 0)])
def test_extreme_deviations_stay_within_the_contract(deviation, bits):
    torch.manual_seed(0)
    net = build(ModelSection(hidden_size=5), 1, 4, torch.tensor([0.0]), torch.tensor([deviation]))
    compressed = constrain(net, [Ternary()])
    calibrate(compressed, torch.full((2, 3, 1), deviation), torch.tensor([3, 2]), bits)
    assert 0 <= compressed.arithmetic.pre_shift <= 6
    assert 0 <= compressed.arithmetic.bits("normalize") <= 14


def test_calibrate_wants_a_compressed_net():
    with pytest.raises(UnsupportedError, match="compress first"):
        calibrate(small_net(), *recordings(), 9)


def test_every_value_has_its_format_by_name():
    """Each cell's own, and no other's: what nothing is chosen for is a pre-activation."""
    arithmetic = constrain(small_net(layers=2, rank_u=2), [Quantize()]).arithmetic
    assert list(arithmetic.values) == ["normalize", "recurrent_factor", "recurrent_factor_2", "scores"]
    arithmetic.set_bits("recurrent_factor_2", 7)
    assert [arithmetic.bits(name) for name in arithmetic.values] == [12, 12, 7, 10]
    assert [arithmetic.format(name).bound for name in arithmetic.values] == [10922, 10922, 10922, 32768]
    assert str(arithmetic.format("recurrent_product")) == str(arithmetic.format("input_product_2")) == "int16 Q12"


def test_the_eight_numbers_of_older_files_are_read_by_name(tmp_path):
    net = constrain(small_net(kind="gru", layers=2, rank_w=2), [Quantize()])
    older = {**net.state_dict(), "arithmetic.numbers": torch.tensor([9, 4, 11, 10, 12, 8, 7, 12])}
    (tmp_path / "net.safetensors").write_bytes(save(older, {"rescomp": '{"schema": 1}'}))
    load_net(net, tmp_path / "net.safetensors")
    assert (net.arithmetic.input_bits, net.arithmetic.pre_shift) == (9, 4)
    chosen = {name: net.arithmetic.bits(name) for name in net.arithmetic.values}
    assert chosen == {"normalize": 11, "input_factor": 10, "input_factor_2": 7, "scores": 8}
