"""Recurrences without a matrix from state to state: diagonal ones, and the Legendre memory. Nets of them train as the house's do.

Diagonal: s' = a s + (1 - a) v, v made of what is read alone, in the taxonomy of "Dissecting Linear Recurrent Models" (Bouhadjar et al.
2026, arXiv 2601.12598): a decay a channel that is trained and then fixed; the same in pairs that turn (a complex a); and a that is made
of what is read (gated). The classifier reads relu(V s + c).

Legendre: u = relu(E x + b), m' = A m + B u for each entry of u, and relu(W_m m + W_x x + c) is what the classifier reads (Chilkuri and
Eliasmith 2021, arXiv 2102.11417, the parallel form, which LMUFormer's streams go by). A and B follow from the order and the window.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rescomp.errors import UnsupportedError
from rescomp.graph.formats import DType, Format
from rescomp.models import CountedSteps, Matrix, Net

States = Mapping[str, Tensor]
SHORTEST, LONGEST = 1.5, 64.0
"""Time constants that decays begin with, in steps."""
_NO_INTEGERS = "nets of papers_cells.py have no integer form"


class Recurrence(Protocol):
    """sizes: entries of each state, by name. features: of what the classifier reads."""

    sizes: Mapping[str, int]
    features: int

    def run(self, x: Tensor, begin: States) -> dict[str, Tensor]:
        """Every state [steps, batch, entries] from x [steps, batch, inputs] and the states before."""
        ...

    def read(self, x: Tensor, states: States) -> Tensor:
        """What the classifier reads [..., features] of a step's x and states."""
        ...


class Affine(nn.Module):
    """A matrix and a bias."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.matrix, self.bias = Matrix(rows, columns), nn.Parameter(torch.zeros(rows))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = F.linear(x, self.matrix(), self.bias)
        return result


class Diagonal(nn.Module):
    """gated: whether the decay is made of what is read."""

    def __init__(self, inputs: int, hidden: int, features: int, *, gated: bool = False) -> None:
        super().__init__()
        self.sizes, self.features = {"s": hidden}, features
        self.value, self.mixed = Affine(hidden, inputs), Affine(features, hidden)
        self.gate = Affine(hidden, inputs) if gated else None
        logits = torch.logit(decays(hidden))
        if self.gate is None:
            self.decay = nn.Parameter(logits)
        else:
            self.gate.bias = nn.Parameter(logits)

    def run(self, x: Tensor, begin: States) -> dict[str, Tensor]:
        keep = torch.sigmoid(self.decay.expand(*x.shape[:2], -1) if self.gate is None else self.gate(x))
        return {"s": scan(keep, (1 - keep) * torch.tanh(self.value(x)), begin["s"])}

    def read(self, x: Tensor, states: States) -> Tensor:  # noqa: ARG002
        return torch.relu(self.mixed(states["s"]))


class Turning(nn.Module):
    """Pairs of states that turn and shrink: a complex decay for each."""

    def __init__(self, inputs: int, hidden: int, features: int) -> None:
        super().__init__()
        self.sizes, self.features, self.pairs = {"s": hidden}, features, hidden // 2
        self.value, self.mixed = Affine(hidden, inputs), Affine(features, hidden)
        self.decay = nn.Parameter(torch.logit(decays(self.pairs)))
        self.angle = nn.Parameter(math.pi / 2 * torch.rand(self.pairs))

    def run(self, x: Tensor, begin: States) -> dict[str, Tensor]:
        size = torch.sigmoid(self.decay)
        turn = torch.polar(size, self.angle)
        values = torch.tanh(self.value(x)) * torch.sqrt(1 - size * size).repeat(2)
        read = torch.complex(values[..., : self.pairs].contiguous(), values[..., self.pairs :].contiguous())
        before = torch.complex(begin["s"][:, : self.pairs].contiguous(), begin["s"][:, self.pairs :].contiguous())
        states = scan(turn.expand(*x.shape[:2], -1), read, before)
        return {"s": torch.cat([states.real, states.imag], dim=-1)}

    def read(self, x: Tensor, states: States) -> Tensor:  # noqa: ARG002
        return torch.relu(self.mixed(states["s"]))


class Legendre(nn.Module):
    """channels: entries of u. order: of the polynomials. window: steps that the memory looks back over."""

    a: Tensor
    b: Tensor

    def __init__(self, inputs: int, channels: int, order: int, window: float, features: int) -> None:
        super().__init__()
        self.sizes, self.features, self.order = {"m": channels * order}, features, order
        self.encoder, self.mixed = Affine(channels, inputs), Affine(features, channels * order)
        self.direct = Matrix(features, inputs)
        a, b = legendre(order, window)
        self.register_buffer("a", a.float())
        self.register_buffer("b", b.float())

    def run(self, x: Tensor, begin: States) -> dict[str, Tensor]:
        driven = torch.relu(self.encoder(x))[..., None] * self.b
        state, states = begin["m"].view(x.shape[1], -1, self.order), []
        for drive in driven.unbind(0):
            state = state @ self.a.T + drive
            states.append(state.flatten(1))
        return {"m": torch.stack(states)}

    def read(self, x: Tensor, states: States) -> Tensor:
        return torch.relu(self.mixed(states["m"]) + F.linear(x, self.direct()))


def decays(count: int) -> Tensor:
    """Of time constants from SHORTEST to LONGEST, each the same factor longer than the one before: [count]."""
    return 1 - 1 / torch.logspace(math.log10(SHORTEST), math.log10(LONGEST), count)


def scan(keep: Tensor, read: Tensor, state: Tensor) -> Tensor:
    """Every state [steps, batch, entries] of s' = keep s + read."""
    states = []
    for kept, new in zip(keep.unbind(0), read.unbind(0), strict=True):
        state = torch.addcmul(new, kept, state)
        states.append(state)
    return torch.stack(states)


def legendre(order: int, window: float) -> tuple[Tensor, Tensor]:
    """(A [order, order], B [order]) of m' = A m + B u, float64, for readings that stay as they are during a step (zero-order hold).

    In continuous time window * dm/dt = F m + G u, F_ij = (2 i + 1) * (-1 where i < j, else (-1)^(i - j + 1)), G_i = (2 i + 1) (-1)^i
    (Voelker, Kajić and Eliasmith 2019).
    """
    i, j = torch.meshgrid(torch.arange(order), torch.arange(order), indexing="ij")
    f = (2 * i + 1) * torch.where(i < j, -1, -((-1.0) ** (i - j)))
    g = (2 * i[:, 0] + 1) * (-1.0) ** i[:, 0]
    block = torch.zeros(order + 1, order + 1, dtype=torch.float64)
    block[:order, :order], block[:order, order] = f.double() / window, g.double() / window
    held = torch.matrix_exp(block)
    return held[:order, :order], held[:order, order]


class CandidateNet(Net):
    """Scores of what a recurrence reads; trained with carried states and a loss on the last half of the steps, as the house's nets."""

    def __init__(self, recurrence: nn.Module, classes: int, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.recurrence = recurrence
        self.begin(mean, std)
        self.classifier, self.bias = Matrix(classes, int(recurrence.features)), nn.Parameter(torch.zeros(classes))
        self.saturates = True

    @property
    def cells(self) -> Sequence[nn.Module]:  # type: ignore[override]
        return (self.recurrence,)

    @property
    def state_sizes(self) -> Mapping[str, int]:
        return self.recurrence.sizes  # type: ignore[return-value]

    def calibrated(self, activations: DType) -> Mapping[str, Format]:  # noqa: ARG002
        raise UnsupportedError(_NO_INTEGERS)

    def scores_format(self) -> Format:
        raise UnsupportedError(_NO_INTEGERS)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        return self.answer(x, lengths, CountedSteps.of(lengths, 0.0))[0]

    def answer(
        self, x: Tensor, lengths: Tensor, counted: CountedSteps, begin: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        x = self.normalize(x[:, : int(lengths.max())].transpose(0, 1), self.arithmetic)
        before = begin or {name: x.new_zeros(x.shape[1], size) for name, size in self.state_sizes.items()}
        every: dict[str, Tensor] = self.recurrence.run(x, before)  # type: ignore[operator]
        now = {name: states[counted.step, counted.sequence] for name, states in every.items()}
        read = self.recurrence.read(x[counted.step, counted.sequence], now)  # type: ignore[operator]
        ends = {name: states.detach()[lengths - 1, torch.arange(len(lengths))] for name, states in every.items()}
        return F.linear(read, self.classifier(), self.bias), ends
