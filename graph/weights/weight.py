"""What a weight is: what it means (`matrix`) and how it lies in the device's flash (`pack`)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt

from ...errors import UnsupportedError
from ..fixed_point import IntArray
from ..formats import DType

CoreForm = Literal["int8", "tables"]
"""How a core may read a smaller storage: as int8, or by tables of partial sums."""


class Weight(Protocol):
    """A matrix [rows, columns] of small integers. The real weight is the integer times the row's scale."""

    kind: ClassVar[str]
    """Its name in graph.json."""

    is_dense: ClassVar[bool]
    """Whether every entry is stored in its place, so that the products of cores read it."""
    read_by: ClassVar[Sequence[str]]
    """Names of the ops whose kernels read it."""
    activations: ClassVar[Sequence[DType]]
    """What the values are that these kernels multiply it by."""
    other_forms: ClassVar[Sequence[CoreForm]]
    """How else than in its own layout a core may multiply by it."""

    @property
    def storage(self) -> str:
        """What the kernels that read it are called by: fully_connected_int16_<storage>."""
        ...

    @property
    def layout(self) -> str:
        """What `pack` gives, in a phrase for the readers of generated code."""
        ...

    @property
    def lanes(self) -> int:
        """Columns of a row that are stored together, so that a last group of fewer is padded."""
        ...

    @property
    def matrix(self) -> IntArray:
        """The entries: int8 [rows, columns]."""
        ...

    def pack(self) -> npt.NDArray[np.integer[Any]]:
        """The entries as they are stored on the device: int8 or uint8, flat, padding included."""
        ...

    @property
    def entries(self) -> int:
        """Rows times columns, known without the matrix."""
        ...

    @property
    def products(self) -> int:
        """Multiplications by it that a kernel does."""
        ...

    @property
    def most_bytes(self) -> int:
        """To which any matrix of its shape packs in this storage, or in what `smallest_storage` takes instead."""
        ...

    @property
    def drawn_from(self) -> int | None:
        """The seed from which the device draws the entries, of which none is stored; None: they are stored."""
        ...


class Held:
    """What weights share whose matrix is held, all of whose entries are stored."""

    matrix: IntArray
    is_dense: ClassVar[bool] = True
    read_by: ClassVar[Sequence[str]] = ("fully_connected", "conv2d")
    activations: ClassVar[Sequence[DType]] = ("int16", "int8")
    other_forms: ClassVar[Sequence[CoreForm]] = ()
    drawn_from: ClassVar[int | None] = None

    @property
    def entries(self) -> int:
        """See Weight."""
        return self.matrix.size

    @property
    def products(self) -> int:
        """See Weight."""
        return self.matrix.size

    @property
    def most_bytes(self) -> int:
        """See Weight."""
        return self.pack().nbytes

    @abstractmethod
    def pack(self) -> npt.NDArray[np.integer[Any]]:
        """See Weight."""


def check_entries(matrix: IntArray, low: int, high: int) -> None:
    """Raise UnsupportedError unless a matrix is int8 [rows, columns], not empty, and within [low, high]."""
    if matrix.dtype != np.int8 or matrix.ndim != 2 or matrix.size == 0:
        raise UnsupportedError(f"a weight must be a non-empty int8 matrix, not {matrix.dtype} {matrix.shape}")
    if matrix.min() < low or matrix.max() > high:
        raise UnsupportedError(f"a weight entry lies outside [{low}, {high}]")
