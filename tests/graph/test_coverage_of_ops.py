"""Range analysis, events and stress inputs of every op from the registry: ranges are sound, and what is not excluded is reached."""

import numpy as np
import pytest

from rescomp.graph import ops
from rescomp.graph.draws import Draws
from rescomp.graph.events import KINDS
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ops.activation import Q15, UNIT_Q15
from rescomp.graph.ranges import Range

SEEDS = range(10)
every_op = pytest.mark.parametrize("name", ops.REGISTRY)
every_seed = pytest.mark.parametrize("seed", SEEDS)


def drawn(name, seed):
    return ops.REGISTRY[name].random(np.random.default_rng(seed))


def narrowed(rng, t):
    """A range within the format, other for each entry: some of one integer, some up to an end."""
    ends = np.sort(rng.integers(t.format.low, t.format.high + 1, (2, *t.shape)), axis=0)
    low = np.where(rng.random(t.shape) < 0.2, t.format.low, ends[0])
    high = np.where(rng.random(t.shape) < 0.2, low, ends[1])
    return Range(t, low, high)


def samples(rng, x, count=40):
    """Random ones within a range, its ends, and a mixture of ends."""
    drawn = rng.integers(x.low, x.high + 1, (count, *x.type.shape))
    drawn[0], drawn[1] = x.low, x.high
    drawn[2:12] = np.where(rng.random((10, *x.type.shape)) < 0.5, x.low, x.high)
    return drawn


@every_op
@every_seed
def test_no_result_and_no_event_is_outside_what_the_range_analysis_says(name, seed):
    rng = np.random.default_rng(seed)
    op, types = drawn(name, seed)
    for ranges in ([Range.full(t) for t in types], [narrowed(rng, t) for t in types]):
        inputs = [samples(rng, x) for x in ranges]
        for output, result in zip(op.ranges(*ranges), op.evaluate(*inputs), strict=True):
            assert output.low.shape == output.high.shape == output.type.shape
            assert np.all(result >= output.low)
            assert np.all(result <= output.high)
        reached, reachable = op.reached(*inputs), op.reachable(*ranges)
        assert set(reached) == set(reachable) <= set(KINDS)
        for kind, met in reached.items():
            assert met.shape == reachable[kind].shape
            assert not np.any(met & ~reachable[kind]), kind


@every_op
@every_seed
def test_stress_inputs_reach_all_that_is_not_proved_unreachable(name, seed):
    op, types = drawn(name, seed)
    inputs = op.stress(Draws(seed), *types)
    for x, t in zip(inputs, types, strict=True):
        assert x.shape == (len(inputs[0]), *t.shape)
        assert t.format.low <= x.min()
        assert x.max() <= t.format.high
    reached, reachable = op.reached(*inputs), op.reachable(*(Range.full(t) for t in types))
    assert {kind: np.flatnonzero(reachable[kind] & ~met).tolist() for kind, met in reached.items() if np.any(reachable[kind] & ~met)} == {}


@pytest.mark.parametrize(("zeta", "nu"), [(24539, 654), (30000, 100), (16384, 0)])
@pytest.mark.parametrize("by", [-1, 1])
def test_a_gate_s_last_rounding_that_is_off_by_one_shows_in_every_entry(zeta, nu, by):
    state = Format(12, bound=10922)
    op = ops.FastGrnnGate(zeta, nu, state)
    x = op.stress(Draws(0), *(TensorType((11,), format) for format in (UNIT_Q15, Q15, state)))
    assert np.all(np.any(op._misrounded((0, by), *x) != op.unclamped(*x), axis=0))
