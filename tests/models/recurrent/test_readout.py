"""Readouts over blocks of steps: one program of a step, and the same over a whole sequence at once, in values and gradients."""

import math

import pytest
import torch

from rescomp.compress import anneal, calibrate, constrain
from rescomp.errors import InputError
from rescomp.models import CountedSteps, Readout, build
from rescomp.models.fake_quantize import grid
from rescomp.models.recurrent.readout import READOUT_COUNT, READOUT_MAXIMUM, READOUT_SUM
from rescomp.recipe import BLOCK_READOUTS, ModelSection, Ternary

TIMES, BATCH = 11, 7
every_readout = pytest.mark.parametrize("readout", BLOCK_READOUTS)


def net_of(readout, steps, kind="gru", constraints=(), layers=1):
    torch.manual_seed(3)
    net = build(ModelSection(kind=kind, hidden_size=5, layers=layers, readout=readout, readout_steps=steps), 3, 4)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(4)
    if constraints:
        net = constrain(net, constraints)
        calibrate(net, torch.randn(6, 7, 3), torch.full((6,), 7), 10)
        anneal(net, 1, 1)
    return net.double().eval()


def readings():
    x = torch.randn(BATCH, TIMES, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    return torch.round(x * 1024) / 1024


def states_before(net, steps):
    """Anywhere in their ranges, counts at every place of a block: as somebody might leave them."""
    generator, begin = torch.Generator().manual_seed(5), {}
    for name, format in net.state_formats.items():
        step, low, high = grid(format)
        drawn = low + (high - low) * torch.rand(BATCH, net.state_sizes[name], dtype=torch.float64, generator=generator)
        begin[name] = torch.floor(drawn / step) * step
    begin[READOUT_COUNT] = torch.arange(BATCH, dtype=torch.float64)[:, None].clamp(max=steps)
    return begin


def step_by_step(net, x, begin):
    """Every state [batch, time, size] by name, from the program of a step."""
    now, every = begin, []
    for t in range(x.shape[1]):
        now = net.step(net.arithmetic, x[:, t], now)
        every.append(now)
    return {name: torch.stack([state[name] for state in every], dim=1) for name in now}


@every_readout
@pytest.mark.parametrize("steps", [1, 2, 4, 6, 100])
@pytest.mark.parametrize("constraints", [(), (Ternary(),)], ids=["float", "fixed point"])
@torch.no_grad()
def test_whole_sequences_at_once_are_the_program_of_a_step_again_and_again(readout, steps, constraints):
    net, x, full = net_of(readout, steps, constraints=constraints), readings(), torch.full((BATCH,), TIMES)
    zeros = {name: torch.zeros(BATCH, size, dtype=torch.float64) for name, size in net.state_sizes.items()}
    for begin in (zeros, states_before(net, steps)):
        ours, theirs = net.states(x, full, begin), step_by_step(net, x, begin)
        assert list(ours) == list(theirs) == list(net.state_formats)
        for name, state in ours.items():
            torch.testing.assert_close(state, theirs[name], rtol=0, atol=1e-12 if not constraints else 0)
        assert torch.equal(ours[READOUT_COUNT].diff(dim=1) == 1, ours[READOUT_COUNT][:, 1:] > 1)


@every_readout
def test_gradients_are_those_of_the_program_of_a_step(readout):
    net, x = net_of(readout, 4), readings()
    full = torch.full((BATCH,), TIMES)
    begin = states_before(net, 4)
    net.train()
    gradients = []
    for run in (lambda: net.answer(x, full, CountedSteps.of(full, 1.0), begin)[0], lambda: answers_of(net, step_by_step(net, x, begin))):
        net.zero_grad()
        run().square().sum().backward()
        gradients.append([parameter.grad.clone() for parameter in net.parameters()])
    for one, other in zip(*gradients, strict=True):
        assert one.any()
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def answers_of(net, states):
    return net.scores(net.read(net.arithmetic, states)).flatten(0, 1)


@torch.no_grad()
def test_what_the_classifier_reads_is_the_mean_and_the_maximum_of_the_block_so_far():
    x, lengths = readings(), torch.tensor([1, 2, 3, 4, 5, 9, 11])
    for readout in BLOCK_READOUTS:
        net = net_of(readout, 4)
        h = net.states(x, lengths)["h"]
        for i, length in enumerate(lengths.tolist()):
            block = h[i, (length - 1) // 4 * 4 : length]
            wanted = {"mean": block.mean(dim=0), "max": block.amax(dim=0), "last_mean": torch.cat([block[-1], block.mean(dim=0)])}[readout]
            torch.testing.assert_close(net(x, lengths)[i], net.scores(wanted), rtol=1e-12, atol=1e-12)


@torch.no_grad()
def test_fixed_point_means_round_half_up_once():
    net = net_of("mean", 6, constraints=(Ternary(),))
    (unit, _, _), block = grid(net.read_format), TIMES
    states = net.states(readings(), torch.full((BATCH,), block))
    mean = net.read(net.arithmetic, states)
    for s, k, y in zip(
        (states[READOUT_SUM] / unit).flatten().tolist(),
        states[READOUT_COUNT].expand_as(mean).flatten().tolist(),
        mean.flatten(),
        strict=True,
    ):
        assert y / unit == math.floor((int(s) + int(k) // 2) / int(k))


def test_readouts_have_states_of_their_own_and_only_then():
    assert list(net_of("max", 3).state_sizes.items()) == [("h", 5), (READOUT_COUNT, 1), (READOUT_MAXIMUM, 5)]
    assert list(net_of("last_mean", 3, "lstm", layers=2).state_sizes) == ["h", "c", "h_2", "c_2", READOUT_COUNT, READOUT_SUM]
    assert net_of("last_mean", 3).classifier.weight.shape == (4, 10)
    last = build(ModelSection(readout="every"), 3, 4)
    assert list(last.state_sizes) == ["h"]
    assert last.readout == Readout()


def test_a_readout_that_makes_no_sense_is_refused():
    for arguments, message in [
        (("mean", 0), "blocks of 1 to 32767 steps, not of 0"),
        (("max", 32768), "not of 32768"),
        (("last", 3), "takes no steps, not 3"),
        (("median", 3), "a readout is one of last, last_mean, mean, max, not 'median'"),
    ]:
        with pytest.raises(InputError, match=message):
            Readout(*arguments)
    with pytest.raises(InputError, match=r"model\.readout = 'mean' is over blocks of steps: set model\.readout_steps"):
        build(ModelSection(readout="mean"), 3, 4)
