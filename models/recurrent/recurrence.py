"""The loop over time and its hand-written backward pass.

Any cell whose new states depend on the old ones unit by unit, and through one projection of the first, runs here:
s' = update(a, U h, s), h being the first of the states s. The forward loop keeps the states alone. The backward pass computes
everything else anew for a block of steps at once, takes the unit-wise slopes from autograd (so a cell is written once, forward),
and loops only over ds = G (ds'/ds) + U^T (G (ds'/dp)), p being U h. Blocks are small enough to stay in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..float_arithmetic import FloatArithmetic
from ..matrix import Projection
from .cell import Cell, Tensors

BLOCK_ENTRIES = 1 << 18
"""Of one intermediate value of a block: 1 MiB in float32."""
RunLayer = Callable[[Cell, FloatArithmetic, Tensor, Tensors | None], tuple[Tensor, ...]]
"""`run_layer`, or another with its meaning."""
Slopes = Sequence[Tensor | None]
"""None: 1 everywhere for a requantization, 0 everywhere for a state."""


@dataclass(frozen=True)
class _Row:
    """The slopes of one new state, unit by unit: by U h [steps, batch, gates * hidden], and by each old state [steps, batch, hidden]."""

    by_recurrent: Tensor
    by_states: Slopes

    @classmethod
    def of(cls, new: Tensor, read: Tensors) -> _Row:
        by_recurrent, *by_states = torch.autograd.grad(new, read, torch.ones_like(new), retain_graph=True, allow_unused=True)
        return cls(by_recurrent, by_states)


def run_layer(cell: Cell, arithmetic: FloatArithmetic, x: Tensor, begin: Tensors | None = None) -> tuple[Tensor, ...]:
    """Every state [steps, batch, hidden] from the inputs [steps, batch, inputs].

    begin: the states before the first step, each [batch, hidden], through which no gradient flows (None: zeros).
    """
    return run_cell(cell, arithmetic, cell.input.apply_matrices(arithmetic, x, cell.input.matrices()), begin)


def run_cell(cell: Cell, arithmetic: FloatArithmetic, projected: Tensor, begin: Tensors | None = None) -> tuple[Tensor, ...]:
    """The same from the projected inputs W x [steps, batch, gates * hidden]."""
    factors, constants = cell.recurrent.matrices(), cell.constants(arithmetic)
    if begin is None:
        begin = (projected.new_zeros(projected.shape[1], cell.hidden_size),) * len(cell.states)
    result: tuple[Tensor, ...] = _Recurrence.apply(cell, arithmetic, projected, begin, len(factors), *factors, *constants)  # type: ignore[no-untyped-call]
    return result


def _advance(
    cell: Cell, arithmetic: FloatArithmetic, projected: Tensor, states: tuple[Tensor, ...], factors: Tensors, constants: Tensors
) -> tuple[Tensor, ...]:
    """Every state [steps, batch, hidden] after `states`."""
    sequence = []
    for step in projected.unbind(0):
        recurrent = cell.recurrent.apply_matrices(arithmetic, states[0], factors)
        states = cell.update(arithmetic, step, recurrent, states, constants)
        sequence.append(states)
    return tuple(torch.stack(state) for state in zip(*sequence, strict=True))


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, cell: Cell, arithmetic: FloatArithmetic, projected: Tensor, begin: Tensors, count: int, *parameters: Tensor
    ) -> Any:
        factors, constants = parameters[:count], parameters[count:]
        result = _advance(cell, arithmetic, projected, tuple(begin), factors, constants)
        ctx.cell, ctx.arithmetic, ctx.begin, ctx.count = cell, arithmetic, begin, count
        ctx.save_for_backward(projected, *result, *parameters)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        projected, states, parameters = ctx.saved_tensors[0], *_split(ctx.saved_tensors[1:], len(ctx.cell.states))
        of_projected = torch.empty_like(projected)
        of_parameters = [torch.zeros_like(parameter) for parameter in parameters]
        earlier = [torch.cat([first[None], state[:-1]]) for first, state in zip(ctx.begin, states, strict=True)]
        following = [torch.zeros_like(gradient[0]) for gradient in gradients]
        size = max(1, BLOCK_ENTRIES // projected[0].numel())
        for start in reversed(range(0, len(projected), size)):
            steps = slice(start, start + size)
            block = _Block(ctx.cell, ctx.arithmetic, projected[steps], [state[steps] for state in earlier], *_split(parameters, ctx.count))
            following, of_projected[steps], parts = block.backward([gradient[steps] for gradient in gradients], following)
            for total, part in zip(of_parameters, parts, strict=True):
                total.add_(part)
        return None, None, of_projected, None, None, *of_parameters


def _split(tensors: Tensors, count: int) -> tuple[Tensors, Tensors]:
    return tensors[:count], tensors[count:]


@dataclass(frozen=True)
class _Block:
    """Successive steps. projected: [steps, batch, gates * hidden]; before: the states that each step reads [steps, batch, hidden]."""

    cell: Cell
    arithmetic: FloatArithmetic
    projected: Tensor
    before: Tensors
    factors: Tensors
    constants: Tensors

    def backward(self, gradients: Tensors, following: Tensors) -> tuple[list[Tensor], Tensor, list[Tensor]]:
        """The gradients of the states before the block, of `projected`, and of factors and constants.

        gradients: of the block's states, their own; following: of its last states [batch, hidden], through the steps after it.
        """
        reads, slopes, recurrent = _linearize(self.cell.recurrent, self.arithmetic, self.before[0], self.factors)
        leaves = [tensor.detach().requires_grad_() for tensor in (self.projected, *self.constants)]
        read = [tensor.detach().requires_grad_() for tensor in (recurrent, *self.before)]
        with torch.enable_grad():
            after = self.cell.update(self.arithmetic, leaves[0], read[0], read[1:], leaves[1:])
        jacobian = [_Row.of(new, read) for new in after]
        totals, flow, earlier = _walk_back(gradients, following, jacobian, list(zip(self.factors, slopes, strict=True)))
        of_projected, *of_constants = torch.autograd.grad(after, leaves, totals)
        return earlier, of_projected, [*_factor_gradients(flow, reads, slopes, self.factors), *of_constants]


def _linearize(projection: Projection, arithmetic: FloatArithmetic, x: Tensor, factors: Tensors) -> tuple[list[Tensor], Slopes, Tensor]:
    """For each factor: what it reads and the slope of its requantization. And the projection of x."""
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
    gradients: Tensors, following: Tensors, jacobian: Sequence[_Row], layers: Sequence[tuple[Tensor, Tensor | None]]
) -> tuple[list[Tensor], Tensor, list[Tensor]]:
    """The whole gradient of every state [steps, batch, hidden]: its own, and through the states after it. That of U h. And that of
    the states before the first step [batch, hidden]. layers: the factors of U and the slopes of their requantizations.
    """
    steps, batch, hidden = gradients[0].shape
    totals = [torch.empty_like(gradient) for gradient in gradients]
    by_recurrent = [row.by_recurrent.view(steps, batch, -1, hidden) for row in jacobian]
    flows = torch.empty_like(by_recurrent[0])
    for t in range(steps - 1, -1, -1):
        own = [torch.add(gradient[t], later, out=total[t]) for gradient, later, total in zip(gradients, following, totals, strict=True)]
        flow = torch.mul(by_recurrent[0][t], own[0][:, None], out=flows[t])
        for whole, slope in zip(own[1:], by_recurrent[1:], strict=True):
            flow.addcmul_(whole[:, None], slope[t])
        following = [_by_state(own, jacobian, state, t) for state in range(len(own))]
        following[0].add_(_back_through(layers, flow.view(batch, -1), t))
    return totals, flows.view(steps, batch, -1), list(following)


def _by_state(own: Tensors, jacobian: Sequence[_Row], state: int, t: int) -> Tensor:
    """What the new states' gradients `own` [batch, hidden] give the old state directly, unit by unit, at step t."""
    result = torch.zeros_like(own[state])
    for whole, row in zip(own, jacobian, strict=True):
        slope = row.by_states[state]
        if slope is not None:
            result.addcmul_(whole, slope[t])
    return result


def _back_through(layers: Sequence[tuple[Tensor, Tensor | None]], flow: Tensor, t: int) -> Tensor:
    """The gradient of h from that of U h, at step t."""
    for factor, slope in reversed(layers):
        flow = (flow if slope is None else flow * slope[t]) @ factor
    return flow


def _factor_gradients(flow: Tensor, reads: Tensors, slopes: Slopes, factors: Tensors) -> list[Tensor]:
    """The gradient of every factor, each one product over all steps and sequences."""
    result: list[Tensor] = []
    for factor, slope, read in reversed(list(zip(factors, slopes, reads, strict=True))):
        flow = flow if slope is None else flow * slope
        result.append(flow.flatten(0, 1).T @ read.detach().flatten(0, 1))
        flow = flow @ factor
    return result[::-1]
