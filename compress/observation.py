"""What a net's values are in real arithmetic: seen by the arithmetic that runs its program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from ..models import CountedSteps, FloatArithmetic, Net
from ..models.arithmetic import NORMALIZED
from .ranges import HIGHEST_FRACTION_BITS, fraction_bits

CALIBRATION_SAMPLES, CALIBRATION_BATCH = 1024, 128
"""Of nets without state: the most samples looked at, and how many at a time."""
MOST_PASSES, GROWTH = 16, 1.01
"""Of streams: how often they go on, at most, and as long as a range grows by more than this."""
INT8_LIMIT = 127
CLIPPED = (0, 1, 2)
"""Fraction bits beyond those that hold the largest value which int8 tries: each clips more and rounds less."""
Samples = Sequence[tuple[Tensor, Tensor]]
"""Batches of readings, and the lengths of sequences."""


class ObservingArithmetic(FloatArithmetic):
    """Real numbers, and what was seen of every value that is kept. Values of one owner count as one.

    owners: by name. candidates: fraction bits of the int8 formats whose errors count, by owner. largest: magnitude, by owner; errors:
    summed squared errors float64 [candidates], by owner.
    """

    def __init__(self, arithmetic: FloatArithmetic, owners: Mapping[str, str], candidates: Mapping[str, Sequence[int]]) -> None:
        super().__init__(arithmetic.nonlinearity)
        self.owners, self.candidates = owners, candidates
        self.largest: dict[str, float] = {}
        self.errors: dict[str, Tensor] = {}

    def normalize(self, x: Tensor, mean: Tensor, std: Tensor, largest: float | None = None) -> Tensor:
        """See FloatArithmetic."""
        return self._seen(super().normalize(x, mean, std, largest), NORMALIZED)

    def requantize(self, value: Tensor, name: str, *, relu: bool = False) -> Tensor:
        """See FloatArithmetic."""
        return self._seen(super().requantize(value, name, relu=relu), name)

    def _seen(self, value: Tensor, name: str) -> Tensor:
        owner, seen = self.owners.get(name, name), value.detach()
        self.largest[owner] = max(self.largest.get(owner, 0.0), float(seen.abs().max()))
        if owner in self.candidates:
            errors = torch.stack([_error(seen, bits) for bits in self.candidates[owner]])
            self.errors[owner] = self.errors.get(owner, torch.zeros_like(errors)) + errors
        return value


def int8_candidates(largest: float) -> Sequence[int]:
    """The fraction bits that int8 tries for values up to `largest`."""
    whole = fraction_bits(largest, INT8_LIMIT)
    return [min(HIGHEST_FRACTION_BITS, whole + more) for more in CLIPPED]


def _error(value: Tensor, bits: int) -> Tensor:
    """Summed squared error of int8 in Q(bits)."""
    rounded = torch.floor(value * 2.0**bits + 0.5).clamp(-INT8_LIMIT - 1, INT8_LIMIT) * 2.0**-bits
    return (rounded - value).double().square().sum()


def samples(net: Net, x: Tensor, lengths: Tensor) -> Samples:
    """What a net is observed on, out of training data x [samples, *input_shape] and, of sequences, their lengths.

    With cells all sequences at once, what lies past their ends being of no deviation; without, at most CALIBRATION_SAMPLES from all over
    x, which may be sorted by class.
    """
    if net.cells:
        running = torch.arange(x.shape[1]) < lengths[:, None]
        return [(torch.where(running[..., None], x, net.mean.to(x.dtype)), lengths)]
    count = min(len(x), CALIBRATION_SAMPLES)
    chosen = x[torch.arange(count) * len(x) // max(count, 1)]
    return [(part, lengths) for part in torch.split(chosen, CALIBRATION_BATCH)]


def observe_inputs(net: Net, observer: ObservingArithmetic, seen: Samples) -> None:
    """Let `observer` see what is normalised, and nothing else."""
    for x, _ in seen:
        net.normalize(x, observer)


def observe(net: Net, observer: ObservingArithmetic, seen: Samples, *, streams: bool) -> None:
    """Let `observer` see every value of the net in evaluation mode; the net is left as it was.

    streams: then also at every step of sequences that begin where others ended, again and again until no range grows by more than a
    hundredth, but MOST_PASSES times at most.
    """
    with _run_by(net, observer):
        for x, lengths in seen:
            if streams:
                _, ends = net.answer(x, lengths, CountedSteps.of(lengths, 0.0))
                _walk_streams(net, observer, x, lengths, ends)
            else:
                net(x, lengths)


def _walk_streams(net: Net, observer: ObservingArithmetic, x: Tensor, lengths: Tensor, ends: Mapping[str, Tensor]) -> None:
    """Every sequence after another one, with the state that it left: the ends [sequences, size], by name."""
    every, generator = CountedSteps.of(lengths, 1.0), torch.Generator().manual_seed(0)
    for _ in range(MOST_PASSES):
        before = dict(observer.largest)
        order = torch.randperm(len(x), generator=generator)
        _, ends = net.answer(x, lengths, every, {name: state[order] for name, state in ends.items()})
        if all(largest <= GROWTH * before[name] for name, largest in observer.largest.items()):
            return


@contextmanager
def _run_by(net: Net, observer: ObservingArithmetic) -> Iterator[None]:
    arithmetic, training = net.arithmetic, net.training
    net.arithmetic = observer
    net.eval()
    try:
        yield
    finally:
        net.arithmetic = arithmetic
        net.train(training)
