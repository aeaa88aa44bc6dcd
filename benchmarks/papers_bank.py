"""Random sharing of parameters: every weight of a net is read from one small bank ("In defense of parameter sharing for model-compression",
Desai and Shrivastava, ICLR 2024, arXiv 2310.11611).

All matrices, one after the other, are one vector, cut into partitions as long as the bank; each reads the bank in order from an offset of
its own, around its end, so that every entry is used equally often (their STABLE-RPS), with a sign for each weight. Offsets and signs are
drawn from a seed and cost no byte. A bank as large as the net is the net itself. Each matrix has one factor. Adam needs no scaling of
gradients, which theirs is for.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn

from rescomp.compress import IntegerStorage, matrices
from rescomp.graph.fixed_point import IntArray, split_scale
from rescomp.graph.weights import Int4Weight, Zeros
from rescomp.models import Net
from rescomp.models.fake_quantize import round_scale, straight_through
from rescomp.models.matrix import INITIAL_WEIGHT

SEED = 1


class Bank(nn.Module):
    """`size` parameters that `count` weights are read from. quantized: as int4 with one scale."""

    places: Tensor
    signs: Tensor

    def __init__(self, size: int, count: int) -> None:
        super().__init__()
        generator = np.random.default_rng(SEED)
        every, offsets = np.arange(count), generator.integers(size, size=-(-count // size))
        offsets[0] = 0
        signs = np.where(every < size, 1, generator.choice((-1, 1), count))
        self.register_buffer("places", torch.from_numpy((every + offsets[every // size]) % size))
        self.register_buffer("signs", torch.from_numpy(signs))
        self.values = nn.Parameter(INITIAL_WEIGHT * torch.randn(size))
        self.storage, self.quantized = IntegerStorage(4, "multiplier"), False

    def integers(self) -> tuple[Tensor, Tensor]:
        """(int4 [size] and their scale, float64)."""
        scale = self.storage.scale(self.values[None])
        return torch.floor(self.values.detach().double() / scale + 0.5).clamp(-self.storage.largest, self.storage.largest), scale


class SharedStorage(nn.Module):
    """A matrix whose weights are those of the bank from `start` on, times a factor."""

    def __init__(self, bank: Bank, start: int) -> None:
        super().__init__()
        self.bank, self.start = bank, start
        self.logarithm = nn.Parameter(torch.zeros(()))

    def anneal(self, progress: float) -> None:
        """Nothing changes."""

    def _of(self, values: Tensor, weight: Tensor) -> Tensor:
        """The matrix's own part of the bank's values."""
        here = slice(self.start, self.start + weight.numel())
        return (values[self.bank.places[here]] * self.bank.signs[here]).view(weight.shape)

    def forward(self, weight: Tensor, least: Tensor | None = None) -> Tensor:
        trained = self._of(self.bank.values, weight) * self.logarithm.exp()
        if not self.bank.quantized:
            return trained
        return straight_through(self._of(self.bank.integers()[0], weight) * self.scale(weight, least)[:, None], trained)

    def scale(self, weight: Tensor, least: Tensor | None = None) -> Tensor:  # noqa: ARG002
        own = self.bank.integers()[1] * self.logarithm.detach().double().exp()
        return round_scale(own, "multiplier").expand(len(weight))

    def integers(self, weight: Tensor, least: Tensor | None = None) -> tuple[IntArray, IntArray, IntArray]:
        entries = self._of(self.bank.integers()[0], weight).numpy().astype(np.int8)
        return entries, *split_scale(self.scale(weight, least).numpy())

    def graph_weight(self, entries: IntArray, zeros: Zeros | None) -> Int4Weight:  # noqa: ARG002
        """As integers of its own, which answer as the bank's would."""
        return Int4Weight(entries)


def share(net: Net, size: int) -> None:
    """Let all matrices of a float net read one bank."""
    every = list(matrices(net))
    bank, start = Bank(size, sum(matrix.weight.numel() for matrix in every)), 0
    for matrix in every:
        matrix.storage = SharedStorage(bank, start)
        start += matrix.weight.numel()


def quantize_bank(source: Net, net: Net) -> None:
    """Let the matrices of `net` share as those of the float net `source` do, from int4."""
    storages = copy.deepcopy([matrix.storage for matrix in matrices(source)])
    for matrix, storage in zip(matrices(net), storages, strict=True):
        assert isinstance(storage, SharedStorage)
        storage.bank.quantized = True
        matrix.storage = storage
