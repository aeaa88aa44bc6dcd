"""run_layer in C (recurrence.c): the same states and gradients as models/recurrent/recurrence.py, in a fraction of the time.

The products over all steps stay in torch: W x before the loop, and the gradients of the recurrent factors after it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from ....errors import UnsupportedError
from ....graph.formats import Format
from ... import fake_quantize
from ...arithmetic import Nonlinearity
from ...fake_quantize import GATE, PREACTIVATION, UNIT, grid
from ...fixed_point_arithmetic import FixedPointArithmetic
from ...float_arithmetic import FloatArithmetic
from .. import recurrence
from ..cell import Cell, CellModule, Tensors
from . import build

SOURCE = Path(__file__).with_name("recurrence.c")
REALS: Mapping[torch.dtype, np.dtype[Any]] = {torch.float32: np.dtype(np.float32), torch.float64: np.dtype(np.float64)}
"""What the C calls real."""
PointerPair = ctypes.c_void_p * 2


class _Job(ctypes.Structure):
    """Job of recurrence.c."""

    _fields_ = (
        *((name, ctypes.c_size_t) for name in ("steps", "batch", "hidden", "rank", "threads")),
        *((name, ctypes.c_void_p) for name in ("projected", "constants")),
        ("factors", PointerPair),
        *((name, ctypes.c_void_p) for name in ("sigmoid_table", "tanh_table", "inner_format")),
        *((name, PointerPair) for name in ("begin", "states", "products", "gradients")),
        ("of_projected", ctypes.c_void_p),
        ("of_products", PointerPair),
        ("of_constants", ctypes.c_void_p),
    )


def _name_in_c(cell: type) -> str:
    """A class that inherits from a known one may compute anything."""
    return str(vars(cell).get("compiled_as", ""))


@dataclass(frozen=True)
class LoopVariant:
    """What is decided at compile time."""

    cell: type[CellModule]
    dtype: torch.dtype
    fixed_point: bool
    nonlinearity: Nonlinearity

    @classmethod
    def of(cls, cell: Cell, arithmetic: FloatArithmetic, dtype: torch.dtype) -> LoopVariant | None:
        """None for what the C does not know."""
        kind = cast(type[CellModule], type(cell))
        if not _name_in_c(kind) or type(arithmetic) not in (FloatArithmetic, FixedPointArithmetic) or dtype not in REALS:
            return None
        return cls(kind, dtype, isinstance(arithmetic, FixedPointArithmetic), arithmetic.nonlinearity)

    def macros(self) -> dict[str, str]:
        """As recurrence.c explains."""
        states = list(self.cell.states.values())
        formats = {"PREACTIVATION": PREACTIVATION, "GATE": GATE, "UNIT": UNIT, "GATED_PRODUCT": fake_quantize.product_format(states[-1])}
        formats |= {f"STATE_{i}": format for i, format in enumerate(states)}
        return {
            f"CELL_{_name_in_c(self.cell)}": "1",
            "REAL_BYTES": str(REALS[self.dtype].itemsize),
            "FIXED_POINT": str(int(self.fixed_point)),
            "TABLE": str(int(self.nonlinearity == "table")),
            "JOB_BYTES": str(ctypes.sizeof(_Job)),
            **{name: ",".join(map(repr, grid(format))) for name, format in formats.items()},
        }

    @property
    def is_one_sum(self) -> bool:
        """Whether the gradients of W x and U h are one: rounding parts them, too."""
        return not self.fixed_point and self.cell.adds_products

    @property
    def tables(self) -> tuple[Tensor, Tensor] | None:
        """Sigmoid and tanh of every pre-activation, where the C looks them up."""
        if not self.fixed_point or self.nonlinearity != "table":
            return None
        return fake_quantize.full_table("sigmoid", self.dtype), fake_quantize.full_table("tanh", self.dtype)


@cache
def library(variant: LoopVariant) -> ctypes.CDLL:
    """The compiled variant. Raises what build.load raises."""
    result = build.load(SOURCE, variant.macros())
    for function in (result.rescomp_forward, result.rescomp_backward):
        function.argtypes, function.restype = (ctypes.POINTER(_Job),), ctypes.c_int
    return result


def prepare(cell: Cell, arithmetic: FloatArithmetic, dtype: torch.dtype) -> None:
    """Compile what run_layer will need. Raises UnsupportedError for what the C does not know, and what build.load raises."""
    variant = LoopVariant.of(cell, arithmetic, dtype)
    if variant is None:
        raise UnsupportedError(f"no compiled loop for {type(cell).__name__} with {type(arithmetic).__name__}: set train.loop = torch")
    library(variant)


def run_layer(cell: Cell, arithmetic: FloatArithmetic, x: Tensor, begin: Tensors | None = None) -> tuple[Tensor, ...]:
    """As models.recurrence.run_layer: every state [steps, batch, hidden] from the inputs [steps, batch, inputs] and the states `begin`.

    On the CPU, by as many threads as torch has; their number changes no bit of the loop. What the C does not know, as the arithmetic
    that calibration observes with, runs in torch. Raises what build.load raises.
    """
    variant = LoopVariant.of(cell, arithmetic, x.dtype)
    if variant is None:
        return recurrence.run_layer(cell, arithmetic, x, begin)
    # Column by column in memory, so that torch takes x^T g for the gradient: with few inputs five times as fast as g^T x.
    *inner, last = (matrix.T.contiguous().T for matrix in cell.input.matrices())
    for name, matrix in zip(cell.input.names, inner, strict=False):
        x = arithmetic.requantize(F.linear(x, matrix), name)
    return _run(variant, cell, arithmetic, F.linear(x, last), begin)


def _run(
    variant: LoopVariant, cell: Cell, arithmetic: FloatArithmetic, projected: Tensor, begin: Tensors | None = None
) -> tuple[Tensor, ...]:
    """Every state. projected: W x [steps, batch, gates * hidden], rounded or not: the C rounds it."""
    factors, constants = cell.recurrent.matrices(), cell.constants(arithmetic)
    flat = torch.cat([value.expand(cell.hidden_size) if value.dim() == 0 else value for value in constants])
    inner = None
    if isinstance(arithmetic, FixedPointArithmetic) and len(factors) == 2:
        inner = arithmetic.format(cell.recurrent.names[0])
    differentiable = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (projected, flat, *factors))
    loop = _Loop(variant, inner, cell.hidden_size, differentiable, tuple(state.contiguous() for state in begin or ()))
    result: tuple[Tensor, ...] = _Recurrence.apply(loop, projected, flat, *factors)  # type: ignore[no-untyped-call]
    return result


@dataclass(frozen=True)
class _Read:
    """What the loop reads: W x [steps, batch, gates * hidden], the cell's constants side by side [n * hidden], and the factors of U."""

    projected: Tensor
    constants: Tensor
    factors: Tensors


@dataclass(frozen=True)
class _Loop:
    """One run.

    inner: the format of the product with the first of two factors (None: real numbers, or one factor). begin: the states before the
    first step, each [batch, hidden] (none of them: zeros).
    """

    variant: LoopVariant
    inner: Format | None
    hidden: int
    keeps_products: bool
    begin: tuple[Tensor, ...] = ()

    def forward(self, read: _Read) -> tuple[Tensors, Tensors]:
        """(states, products) over all steps; no products unless they are kept."""
        outer = read.projected.shape[:2]
        states = [self._new(*outer, self.hidden) for _ in self.variant.cell.states]
        products = [self._new(*outer, len(factor)) for factor in read.factors] if self.keeps_products else []
        self._call("rescomp_forward", read, states=states, products=products)
        return states, products

    def backward(self, read: _Read, states: Tensors, products: Tensors, gradients: Tensors) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The gradients of projected, constants and products from those of the states."""
        of_projected, of_constants = self._new(*read.projected.shape), self._new(*read.constants.shape)
        of_products = [self._new(*product.shape) for product in products]
        if self.variant.is_one_sum:
            of_products[-1] = of_projected
        results: dict[str, Tensor | Tensors] = {"of_projected": of_projected, "of_products": of_products, "of_constants": of_constants}
        self._call("rescomp_backward", read, states=states, products=products, gradients=gradients, **results)
        return of_projected, of_constants, of_products

    def read_by_second(self, product: Tensor) -> Tensor:
        """What a second factor reads, from the product with the first."""
        return product if self.inner is None else fake_quantize.requantize(product, self.inner)

    def _new(self, *shape: int) -> Tensor:
        """An array for the C to fill. Not torch.empty, which fills it too where torch is asked to be deterministic."""
        return torch.from_numpy(np.empty(shape, REALS[self.variant.dtype]))

    def _call(self, name: str, read: _Read, **others: Tensor | Tensors) -> None:
        steps, batch, gates = read.projected.shape
        rank = len(read.factors[0]) if len(read.factors) == 2 else 0
        wanted = [(rank, self.hidden), (gates, rank)] if rank else [(gates, self.hidden)]
        if gates != self.variant.cell.gates * self.hidden or [factor.shape for factor in read.factors] != wanted:
            raise ValueError(f"W x or the factors of U are not those of {self.hidden} units")
        if self.begin and [state.shape for state in self.begin] != [(batch, self.hidden)] * len(self.variant.cell.states):
            raise ValueError(f"the states before the first step are not those of {batch} sequences and {self.hidden} units")
        job = _Job(steps=steps, batch=batch, hidden=self.hidden, rank=rank, threads=torch.get_num_threads())
        inner = torch.tensor(grid(self.inner) if self.inner else (1.0, 0.0, 0.0), dtype=self.variant.dtype)
        tables = dict(zip(("sigmoid_table", "tanh_table"), self.variant.tables or (), strict=False))
        arrays = {**vars(read), "begin": self.begin, "inner_format": inner, **tables, **others}
        for field, value in arrays.items():
            setattr(job, field, self._address(value) if isinstance(value, Tensor) else PointerPair(*map(self._address, value)))
        if getattr(library(self.variant), name)(ctypes.byref(job)):
            raise MemoryError("the compiled loop got no memory")

    def _address(self, tensor: Tensor) -> int:
        if tensor.dtype != self.variant.dtype or tensor.device.type != "cpu" or not tensor.is_contiguous():
            raise ValueError(f"a contiguous {self.variant.dtype} on the CPU is wanted, not {tensor.dtype} on {tensor.device}")
        return tensor.data_ptr()


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loop: _Loop, projected: Tensor, constants: Tensor, *factors: Tensor) -> Any:
        read = _Read(projected.contiguous(), constants, [factor.contiguous() for factor in factors])
        states, products = loop.forward(read)
        ctx.loop, ctx.count = loop, len(factors)
        ctx.save_for_backward(read.projected, constants, *read.factors, *products, *states)
        return tuple(states)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> Any:
        projected, constants, *others = ctx.saved_tensors
        factors, products, states = others[: ctx.count], others[ctx.count : 2 * ctx.count], others[2 * ctx.count :]
        own = [gradient.contiguous() for gradient in gradients]
        of_projected, of_constants, flows = ctx.loop.backward(_Read(projected, constants, factors), states, products, own)
        read, begin = states[0][:-1], ctx.loop.begin
        if begin:
            read = torch.cat([begin[0][None], read])
        else:  # a state of zeros gives the first factor no gradient
            flows[0] = flows[0][1:]
        reads = [read, *(ctx.loop.read_by_second(product) for product in products[:-1])]
        of_factors = [flow.flatten(0, 1).T @ read.flatten(0, 1) for flow, read in zip(flows, reads, strict=True)]
        return None, of_projected, of_constants, *of_factors
