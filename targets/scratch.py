"""What the product of a layer needs in RAM while it runs: a patch, accumulators, tables of partial sums."""

from __future__ import annotations

from dataclasses import dataclass

from ..graph.formats import TensorType
from ..graph.ops.base import ProductOp
from ..graph.weights import BLOCK_ROWS
from .kernel_choice import Product

WORD = 4
"""Bytes: accumulators and tables begin at multiples of it."""


@dataclass(frozen=True, eq=False)
class Scratch:
    """Laid out from `offset` of the arena on: the patch, then the accumulators, then the table. patch: of a convolution."""

    product: Product
    rows: int
    patch: TensorType | None
    offset: int = 0

    @property
    def nbytes(self) -> int:
        """A whole number of words."""
        return self._patch_bytes + self._accumulator_bytes + self.product.table_bytes

    @property
    def accumulator(self) -> str:
        """The C expression of the accumulators: int32 [rows padded to whole blocks]."""
        return _place("as_int32", self.offset + self._patch_bytes, WORD)

    @property
    def arguments(self) -> tuple[str, ...]:
        """The C expressions that a kernel takes, in order."""
        patch = (_place(f"as_{self.patch.format.dtype}", self.offset, self.patch.format.numpy_dtype.itemsize),) if self.patch else ()
        start = self.offset + self._patch_bytes + self._accumulator_bytes
        table = (_place("as_uint16", start, 2),) if self.product.table_bytes else ()
        return (*patch, self.accumulator, *table)

    @property
    def _patch_bytes(self) -> int:
        return -(-self.patch.nbytes // WORD) * WORD if self.patch else 0

    @property
    def _accumulator_bytes(self) -> int:
        return -(-self.rows // BLOCK_ROWS) * BLOCK_ROWS * 4


def scratch_of(op: ProductOp, x: TensorType, product: Product) -> Scratch:
    """Of a layer that multiplies x, or patches of x, as `product` says."""
    rows, columns = op.weight.matrix.shape
    return Scratch(product, rows, TensorType((columns,), x.format) if op.reads_patches else None)


def _place(member: str, offset: int, itemsize: int) -> str:
    entries = offset // itemsize
    return f"state->scratch.{member} + {entries}" if entries else f"state->scratch.{member}"
