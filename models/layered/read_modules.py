"""How each module of torch.nn that a plan knows is read: the steps and the layer that it becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod
from typing import Any

from torch import nn

from ...errors import InputError, UnsupportedError, counted
from ...graph.formats import Padding, Pair
from .hourglass import RandomProjection
from .plan import Step
from .plan_builder import Folded, PlanBuilder, TorchCall
from .read_functions import add_flatten, add_relu
from .read_pools import read_pool
from .supported import (
    AVERAGE_POOLS,
    BATCH_NORMS,
    CONVOLUTIONS,
    GLOBAL_AVERAGES,
    GLOBAL_MAXIMA,
    MAX_POOLS,
    PADS,
    SPATIAL,
    TRANSPARENT,
    advice,
)
from .traced import TracedValue, columns_of
from .window_sizes import pair_of, sum_of, windows_over

ModuleReader = Callable[[PlanBuilder, TorchCall, Any], TracedValue]


def read_module(builder: PlanBuilder, call: TorchCall, module: nn.Module) -> TracedValue:
    """What a module makes of what it is called with. Raises UnsupportedError and InputError naming it."""
    if isinstance(module, SPATIAL):
        _check_spatial(builder, call, module)
    for types, reader in _READERS.items():
        if isinstance(module, types):
            return reader(builder, call, module)
    raise UnsupportedError(f"{call.where} is not supported: {advice(type(module).__name__)}")


def _check_spatial(builder: PlanBuilder, call: TorchCall, module: nn.Module) -> None:
    axes = builder.axes - 1
    if not type(module).__name__.endswith(f"{axes}d"):
        what = "sequences" if axes == 1 else "images"
        raise InputError(f"{call.where} stands in a net that reads {what}: take its {axes}d form")
    if builder.value(call.source).segments:
        raise InputError(f"{call.where} reads what is flattened, whose positions are gone: put it before Flatten")


def _same(builder: PlanBuilder, call: TorchCall, module: nn.Module) -> TracedValue:  # noqa: ARG001
    return builder.image(call.source, call.where)


def _convolution(builder: PlanBuilder, call: TorchCall, module: Any) -> TracedValue:
    x, where = builder.image(call.source, call.where), call.where
    height, width, channels = x.shape
    if module.in_channels != channels:
        raise InputError(f"{where} reads {counted(module.in_channels, 'channel')}, and there are {channels}")
    _check_convolution(module, where)
    kernel, stride = pair_of(module.kernel_size, 1), pair_of(module.stride, 1)
    padding = sum_of(x.padding, _conv_padding(module, kernel))
    weight = module.weight if module.weight.dim() == 4 else module.weight[:, :, None]
    rows = weight.permute(0, 2, 3, 1).reshape(module.out_channels, -1)
    layer = builder.layer(call.path, rows, module.bias, depthwise=module.groups > 1)
    shape = (*windows_over((height, width), kernel, stride, padding, where), module.out_channels)
    return builder.add(Step(builder.new_name(call.path), "convolution", (x.name,), shape, layer, kernel, stride, padding))


def _check_convolution(module: Any, where: str) -> None:
    """Raise UnsupportedError for what the contract's convolutions cannot do."""
    if module.groups > 1 and not module.groups == module.in_channels == module.out_channels:
        raise UnsupportedError(
            f"{where} has {module.groups} groups: only 1, or one a channel with as many outputs (depthwise), are supported"
        )
    if max(module.dilation) > 1:
        raise UnsupportedError(f"{where} is dilated: use dilation 1")
    if module.padding_mode != "zeros":
        raise UnsupportedError(f"{where} pads by {module.padding_mode!r}: use zeros")


def _conv_padding(module: Any, kernel: Pair) -> Padding:
    if module.padding == "valid":
        return 0, 0, 0, 0
    if module.padding == "same":
        down, across = kernel[0] - 1, kernel[1] - 1
        return down // 2, down - down // 2, across // 2, across - across // 2
    down, across = pair_of(module.padding, 0)
    return down, down, across, across


def _linear(builder: PlanBuilder, call: TorchCall, module: nn.Linear) -> TracedValue:
    x, where = builder.plain(call.source, call.where), call.where
    height, width, channels = x.shape
    if not x.segments:
        raise InputError(f"{where} reads a map of {height} x {width}: put Flatten or a global pool before it")
    if module.in_features != channels:
        raise InputError(f"{where} reads {module.in_features} features, and there are {channels}")
    layer = builder.layer(call.path, columns_of(module.weight, x.segments), module.bias)
    return _dense_step(builder, call, x, layer)


def _dense_step(builder: PlanBuilder, call: TorchCall, x: TracedValue, layer: str) -> TracedValue:
    shape = (1, 1, builder.layers[layer].rows)
    return builder.add(Step(builder.new_name(call.path), "convolution", (x.name,), shape, layer), (shape,))


def _random_projection(builder: PlanBuilder, call: TorchCall, module: RandomProjection) -> TracedValue:
    x, where = builder.plain(call.source, call.where), call.where
    size = prod(x.shape)
    if size != module.features:
        raise InputError(f"{where} reads {module.features} features, and there are {size}")
    if not x.is_one_position:
        if x.segments:
            raise UnsupportedError(f"{where} follows a Flatten: leave that out, it flattens what it reads itself")
        x = builder.add(Step(builder.new_name(f"{call.path}_flatten"), "flatten", (x.name,), (1, 1, size)))
    return _dense_step(builder, call, x, builder.layer(call.path, module.matrix, module.bias, seed=module.seed))


def _batch_norm(builder: PlanBuilder, call: TorchCall, module: Any) -> TracedValue:
    x, where = builder.plain(call.source, call.where), call.where
    step = builder.steps.get(x.name)
    if step is not None and step.layer and builder.layers[step.layer].seed is not None:
        raise UnsupportedError(f"{where} follows a random projection, whose signs a negative gain would turn: leave it out there")
    if step is None or not builder.is_foldable(x) or step.gain_out != 1.0 or x.name in builder.folded:
        raise UnsupportedError(f"{where} does not follow a convolution or linear layer directly, so it cannot fold: move it there")
    if not module.track_running_stats:
        raise UnsupportedError(f"{where} keeps no running statistics: leave track_running_stats on")
    builder.folded[x.name] = Folded(norm=call.path)
    return x


def _pad(builder: PlanBuilder, call: TorchCall, module: Any) -> TracedValue:
    x = builder.image(call.source, call.where)
    if getattr(module, "value", 0) != 0:
        raise UnsupportedError(f"{call.where} pads by {module.value}: only zeros are supported")
    left, right, *rest = module.padding
    top, bottom = rest or (0, 0)
    if min(left, right, top, bottom) < 0:
        raise UnsupportedError(f"{call.where} cuts off: padding must not be negative")
    return replace(x, padding=sum_of(x.padding, (top, bottom, left, right)))


def _relu(builder: PlanBuilder, call: TorchCall, module: nn.ReLU) -> TracedValue:
    return add_relu(builder, replace(call, in_place=module.inplace))


def _flatten(builder: PlanBuilder, call: TorchCall, module: nn.Flatten) -> TracedValue:
    return add_flatten(builder, call, builder.plain(call.source, call.where), (module.start_dim, module.end_dim))


_READERS: Mapping[tuple[type[nn.Module], ...], ModuleReader] = {
    TRANSPARENT: _same,
    CONVOLUTIONS: _convolution,
    (RandomProjection,): _random_projection,
    (nn.Linear,): _linear,
    BATCH_NORMS: _batch_norm,
    PADS: _pad,
    (nn.ReLU,): _relu,
    (nn.Flatten,): _flatten,
    (*MAX_POOLS, *AVERAGE_POOLS, *GLOBAL_AVERAGES, *GLOBAL_MAXIMA): read_pool,
}
