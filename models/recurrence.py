"""The loop over time and its hand-written backward pass.

Any cell whose new state depends on the old one element by element, and through one projection of it, runs here: h' = update(a, R(U h), h).
The forward loop keeps the states alone. The backward pass computes everything else anew for all steps at once, takes the
element-wise slopes from autograd (so a cell is written once, forward), and loops only over dh = G (dh'/dh) + U^T (G (dh'/dp)).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from .arithmetic import FloatArithmetic
from .matrix import Projection


class Cell(Protocol):
    """A recurrent cell in two parts: projections, which the net applies, and an element-wise update."""

    hidden_size: int
    input: Projection
    recurrent: Projection

    def constants(self, arithmetic: FloatArithmetic) -> tuple[Tensor, ...]:
        """The element-wise parameters, in their formats."""
        ...

    def update(self, arithmetic: FloatArithmetic, projected: Tensor, recurrent: Tensor, h: Tensor, constants: Sequence[Tensor]) -> Tensor:
        """The new state [..., hidden] from W x and U h (both [..., hidden]) and h, element by element."""
        ...


def run_cell(cell: Cell, arithmetic: FloatArithmetic, projected: Tensor) -> Tensor:
    """States [steps, batch, hidden] from the projected inputs W x [steps, batch, hidden]; the first state is zero."""
    factors, constants = cell.recurrent.matrices(), cell.constants(arithmetic)
    result: Tensor = _Recurrence.apply(cell, arithmetic, projected, len(factors), *factors, *constants)  # type: ignore[no-untyped-call]
    return result


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, cell: Cell, arithmetic: FloatArithmetic, projected: Tensor, count: int, *parameters: Tensor) -> Tensor:
        factors, constants = parameters[:count], parameters[count:]
        h = projected.new_zeros(projected.shape[1], cell.hidden_size)
        sequence = []
        for step in projected.unbind(0):
            recurrent = cell.recurrent.apply_matrices(arithmetic, h, factors)
            h = cell.update(arithmetic, step, recurrent, h, constants)
            sequence.append(h)
        states = torch.stack(sequence)
        ctx.cell, ctx.arithmetic, ctx.count = cell, arithmetic, count
        ctx.save_for_backward(projected, states, *parameters)
        return states

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        projected, states, *parameters = ctx.saved_tensors
        factors, constants = parameters[: ctx.count], parameters[ctx.count :]
        before = torch.cat([torch.zeros_like(states[:1]), states[:-1]])
        reads, slopes, recurrent = _linearize(ctx.cell.recurrent, ctx.arithmetic, before, factors)

        leaves = [tensor.detach().requires_grad_() for tensor in (projected, *constants)]
        recurrent, before = recurrent.requires_grad_(), before.requires_grad_()
        with torch.enable_grad():
            after = ctx.cell.update(ctx.arithmetic, leaves[0], recurrent, before, leaves[1:])
        by_recurrent, by_state = torch.autograd.grad(after, (recurrent, before), torch.ones_like(after), retain_graph=True)

        total = _walk_back(gradients[0], by_recurrent, by_state, factors, slopes)
        of_leaves = torch.autograd.grad(after, leaves, total)
        of_factors = _factor_gradients(total * by_recurrent, reads, slopes, factors)
        return None, None, of_leaves[0], None, *of_factors, *of_leaves[1:]


def _linearize(
    projection: Projection, arithmetic: FloatArithmetic, x: Tensor, factors: Sequence[Tensor]
) -> tuple[list[Tensor], list[Tensor | None], Tensor]:
    """For each factor: what it reads and the slope of its requantization (None: 1). And the projection of x."""
    reads: list[Tensor] = []
    slopes: list[Tensor | None] = []
    for name, factor in zip(projection.names, factors, strict=True):
        reads.append(x)
        x, slope = _with_slope(lambda value, name=name: arithmetic.requantize(value, name), F.linear(x, factor))  # type: ignore[misc]
        slopes.append(slope)
    return reads, slopes, x


def _with_slope(function: Callable[[Tensor], Tensor], at: Tensor) -> tuple[Tensor, Tensor | None]:
    """An element-wise function's value and slope; None where the slope is 1 everywhere."""
    leaf = at.detach().requires_grad_()
    with torch.enable_grad():
        value = function(leaf)
    if value is leaf:
        return leaf.detach(), None
    (slope,) = torch.autograd.grad(value, leaf, torch.ones_like(value))
    return value.detach(), None if bool((slope == 1).all()) else slope


def _walk_back(
    gradient: Tensor, by_recurrent: Tensor, by_state: Tensor, factors: Sequence[Tensor], slopes: Sequence[Tensor | None]
) -> Tensor:
    """The whole gradient of every state [steps, batch, hidden]: its own, and through the states after it."""
    total = torch.empty_like(gradient)
    following = torch.zeros_like(gradient[0])
    layers = list(zip(factors, slopes, strict=True))[::-1]
    for t in range(len(gradient) - 1, -1, -1):
        own = torch.add(gradient[t], following, out=total[t])
        flow = own * by_recurrent[t]
        for factor, slope in layers:
            flow = (flow if slope is None else flow * slope[t]) @ factor
        following = flow.addcmul_(own, by_state[t])
    return total


def _factor_gradients(flow: Tensor, reads: Sequence[Tensor], slopes: Sequence[Tensor | None], factors: Sequence[Tensor]) -> list[Tensor]:
    """The gradient of every factor, each one product over all steps and sequences."""
    result: list[Tensor] = []
    for factor, slope, read in reversed(list(zip(factors, slopes, reads, strict=True))):
        flow = flow if slope is None else flow * slope
        result.append(flow.flatten(0, 1).T @ read.detach().flatten(0, 1))
        flow = flow @ factor
    return result[::-1]
