"""Weight matrices: their values, the format that they are stored in, and chains of them (low rank)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import InputError, UnsupportedError
from ..graph.fixed_point import IntArray
from ..graph.weights import Weight, Zeros, seeded_signs

INITIAL_WEIGHT = 0.1
"""Standard deviation of fresh weights (FastGRNN's released code)."""
_FLOAT = "a float matrix has no integer form: compress the net first"


Value = TypeVar("Value")
"""What a net's program computes with: tensors, or symbols."""


class Storage(Protocol):
    """How a matrix is stored, as an nn.Module. A new storage is a new class of this kind; cells and nets do not change."""

    def __call__(self, weight: Tensor, least: Tensor | None = None) -> Tensor:
        """The matrix that products use: the quantized one, through which gradients pass to `weight`. Both [rows, columns].

        least: float64 [rows], what the rows' scales must reach. Only rows whose weights are next to nothing beside their bias fall short.
        """
        ...

    def scale(self, weight: Tensor, least: Tensor | None = None) -> Tensor:
        """One factor a row, float64 [rows], mantissa * 2^-exponent exactly."""
        ...

    def integers(self, weight: Tensor, least: Tensor | None = None) -> tuple[IntArray, IntArray, IntArray]:
        """(int8 [rows, columns], mantissa int32 [rows], exponent int32 [rows]): integer * mantissa * 2^-exponent."""
        ...

    def graph_weight(self, entries: IntArray, zeros: Zeros | None) -> Weight:
        """The storage in the integer graph of what `integers` gave. zeros: how its many zeros lie; None: it has no more than by chance."""
        ...

    def anneal(self, progress: float) -> None:
        """Tell it how much of the training has passed: 0 at the first step, 1 at the last."""
        ...


class Support(Protocol):
    """Which entries of a matrix may differ from zero, as an nn.Module; what it finds is part of its state_dict."""

    zeros: Zeros | None
    """How the others lie; None: there are none."""

    def __call__(self, weight: Tensor) -> Tensor:
        """`weight` [rows, columns] with zeros outside the support, and no gradient there."""
        ...

    def anneal(self, weight: Tensor, step: int, total: int) -> None:
        """Tell it that `step` of `total` steps are done; it may project `weight` in place. Twice is the same as once."""
        ...


class FloatStorage(nn.Module):
    """Weights as they are."""

    def forward(self, weight: Tensor, least: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """The same."""
        return weight

    def scale(self, weight: Tensor, least: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Refused."""
        raise UnsupportedError(_FLOAT)

    def integers(self, weight: Tensor, least: Tensor | None = None) -> tuple[IntArray, IntArray, IntArray]:  # noqa: ARG002
        """Refused."""
        raise UnsupportedError(_FLOAT)

    def graph_weight(self, entries: IntArray, zeros: Zeros | None) -> Weight:  # noqa: ARG002
        """Refused."""
        raise UnsupportedError(_FLOAT)

    def anneal(self, progress: float) -> None:
        """Nothing changes."""


class FullSupport(nn.Module):
    """Every entry."""

    zeros = None

    def forward(self, weight: Tensor) -> Tensor:
        """The same."""
        return weight

    def anneal(self, weight: Tensor, step: int, total: int) -> None:
        """Nothing changes."""


def random_projection(rows: int, columns: int, seed: int) -> Tensor:
    """The signs of a seed over the square root of the columns, so that projections are as large as what they read: [rows, columns]."""
    return torch.from_numpy(seeded_signs(rows, columns, seed)) / math.sqrt(columns)


class Matrix(nn.Module):
    """A weight [rows, columns], its support and its storage. Calling it gives the matrix that products use.

    seed: of a random projection, which is no parameter and not part of the state_dict.
    """

    weight: Tensor

    def __init__(self, rows: int, columns: int, seed: int | None = None) -> None:
        super().__init__()
        if seed is None:
            self.weight = nn.Parameter(INITIAL_WEIGHT * torch.randn(rows, columns))
        else:
            self.register_buffer("weight", random_projection(rows, columns, seed), persistent=False)
        self.support: nn.Module = FullSupport()
        self.storage: nn.Module = FloatStorage()

    @property
    def _stored(self) -> Storage:
        return cast(Storage, self.storage)

    @property
    def _support(self) -> Support:
        return cast(Support, self.support)

    @property
    def is_sparse(self) -> bool:
        """Whether its support is not all of it."""
        return self._support.zeros is not None

    def forward(self, gain: Tensor | None = None, least: Tensor | None = None) -> Tensor:
        """[rows, columns]. gain: [rows], multiplies the rows before they are stored, as a folded batch normalisation does.

        least: see Storage.
        """
        return self._stored(self._supported(gain), least)

    def scale(self, gain: Tensor | None = None, least: Tensor | None = None) -> Tensor:
        """One factor a row: float64 [rows]."""
        return self._stored.scale(self._supported(gain), least)

    def integers(self, gain: Tensor | None = None, least: Tensor | None = None) -> tuple[IntArray, IntArray, IntArray]:
        """As Storage.integers."""
        return self._stored.integers(self._supported(gain), least)

    def graph_weight(self, entries: IntArray) -> Weight:
        """The storage in the integer graph of what `integers` gave."""
        return self._stored.graph_weight(entries, self._support.zeros)

    def _supported(self, gain: Tensor | None) -> Tensor:
        weight: Tensor = self.support(self.weight)
        return weight if gain is None else weight * gain[:, None]

    def anneal(self, step: int, total: int) -> None:
        """Move support and storage to where `step` of `total` steps are done."""
        self._support.anneal(self.weight, step, total)
        self._stored.anneal(step / total)


class ProductArithmetic(Protocol[Value]):
    """The part of an arithmetic that a projection needs. Value: tensors, or symbols."""

    def product(self, x: Value, matrix: Matrix, name: str) -> Value:
        """Matrix times x."""
        ...


class TensorRequantizing(Protocol):
    """The part of an arithmetic that a product of tensors needs."""

    def requantize(self, value: Tensor, name: str) -> Tensor:
        """The product called `name`, in its format."""
        ...


class Projection(nn.Module):
    """A matrix [rows, columns], full or as two factors A B^T of a rank (FastGRNN, section 3.2: W = W1 (W2)^T).

    `factors` stand in the order of application; `names` name their products.
    """

    def __init__(self, name: str, rows: int, columns: int, rank: int | None, suffix: str = "") -> None:
        super().__init__()
        if rank is not None and rank > min(rows, columns):
            raise InputError(f"rank {rank} is larger than the {name} matrix of {rows} x {columns} allows: use at most {min(rows, columns)}")
        sizes = [(rows, columns)] if rank is None else [(rank, columns), (rows, rank)]
        self.name, self.suffix = name, suffix
        self.factors = nn.ModuleList(Matrix(*size) for size in sizes)

    @property
    def columns(self) -> int:
        """Entries of what it reads."""
        return self.layers[0][1].weight.shape[1]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the products, in the order of application."""
        whole = f"{self.name}_product{self.suffix}"
        return (whole,) if len(self.factors) == 1 else (f"{self.name}_factor{self.suffix}", whole)

    @property
    def layers(self) -> list[tuple[str, Matrix]]:
        """(name of the product, its matrix) in the order of application."""
        return list(zip(self.names, cast(Sequence[Matrix], self.factors), strict=True))

    def matrices(self) -> list[Tensor]:
        """The factors as products use them, in the order of application."""
        return [matrix() for _, matrix in self.layers]

    def run(self, arithmetic: ProductArithmetic[Value], x: Value) -> Value:
        """The projection of x [..., columns], product by product: [..., rows]."""
        for name, matrix in self.layers:
            x = arithmetic.product(x, matrix, name)
        return x

    def apply_matrices(self, arithmetic: TensorRequantizing, x: Tensor, matrices: Sequence[Tensor]) -> Tensor:
        """The projection of x [..., columns] with what `matrices` gave: [..., rows]."""
        for name, matrix in zip(self.names, matrices, strict=True):
            x = arithmetic.requantize(F.linear(x, matrix), name)
        return x
