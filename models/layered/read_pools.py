"""How pools are read: modules of torch.nn, and the mean over all positions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from ...errors import UnsupportedError
from ...graph.formats import Padding, Pair
from .plan import Step, nonnegative_values
from .plan_builder import PlanBuilder, TorchCall
from .supported import AVERAGE_POOLS, GLOBAL_AVERAGES, GLOBAL_MAXIMA
from .traced import TracedValue
from .window_sizes import pair_of, sum_of, windows_over


@dataclass(frozen=True)
class _Pool:
    """padding: without the zeros that stand before it."""

    averages: bool
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)


def read_pool(builder: PlanBuilder, call: TorchCall, module: nn.Module) -> TracedValue:
    """A pool over windows or over all positions."""
    x = builder.image(call.source, call.where)
    pool = _global_pool(module, x, call.where) if isinstance(module, (*GLOBAL_AVERAGES, *GLOBAL_MAXIMA)) else None
    pool = pool or _pool(module, over_time=builder.axes == 2, where=call.where)
    if not pool.averages:
        x.check_padding(call.where)
        if any(pool.padding) and x.name not in nonnegative_values(builder.steps.values()):
            raise UnsupportedError(f"{call.where} pads a map that may be negative: put a ReLU before it, or do not pad")
    return _add_pool(builder, call, x, pool)


def read_mean(builder: PlanBuilder, call: TorchCall) -> TracedValue:
    """x.mean over all positions."""
    x, args, kwargs = builder.plain(call.source, call.where), call.node.args, call.node.kwargs
    dims = args[1] if len(args) > 1 else kwargs.get("dim")
    rank = builder.axes + 1
    wanted = sorted(d % rank for d in (dims if isinstance(dims, tuple | list) else (dims,)) if isinstance(d, int))
    if wanted != list(range(2, rank)) or x.segments:
        raise UnsupportedError(f"{call.where} averages the axes {dims}: average all positions, x.mean({tuple(range(2, rank))})")
    pooled = _add_pool(builder, call, x, _Pool(True, x.shape[:2]))
    keeps = args[2] if len(args) > 2 else kwargs.get("keepdim")
    return pooled if keeps else replace(pooled, segments=(pooled.shape,))


def _global_pool(module: Any, x: TracedValue, where: str) -> _Pool:
    if any(size != 1 for size in (module.output_size if isinstance(module.output_size, tuple) else (module.output_size,))):
        raise UnsupportedError(f"{where} gives a map of {module.output_size}: only a single position, 1, is supported")
    top, bottom, left, right = x.padding
    return _Pool(isinstance(module, GLOBAL_AVERAGES), (x.shape[0] + top + bottom, x.shape[1] + left + right))


def _pool(module: Any, *, over_time: bool, where: str) -> _Pool:
    if getattr(module, "divisor_override", None) is not None:
        raise UnsupportedError(f"{where} divides by divisor_override: leave it out")
    if module.ceil_mode or max(pair_of(getattr(module, "dilation", 1), 1)) > 1:
        raise UnsupportedError(f"{where} uses ceil_mode or dilation: leave them off")
    averages = isinstance(module, AVERAGE_POOLS)
    if averages and not module.count_include_pad and max(pair_of(module.padding, 0)):
        raise UnsupportedError(f"{where} leaves padded zeros out of the average: set count_include_pad, or do not pad")
    kernel, stride = pair_of(module.kernel_size, 1, over_time), pair_of(module.stride or module.kernel_size, 1, over_time)
    down, across = pair_of(module.padding, 0, over_time)
    return _Pool(averages, kernel, stride, (down, down, across, across))


def _add_pool(builder: PlanBuilder, call: TorchCall, x: TracedValue, pool: _Pool) -> TracedValue:
    padding = sum_of(x.padding, pool.padding)
    shape = (*windows_over(x.shape[:2], pool.kernel, pool.stride, padding, call.where), x.shape[2])
    kind, factor = ("average_pool", 1 / (pool.kernel[0] * pool.kernel[1])) if pool.averages else ("max_pool", 1.0)
    return builder.add(Step(builder.new_name(call.path), kind, (x.name,), shape, "", pool.kernel, pool.stride, padding, factor=factor))
