"""Ops of ONNX that move a window over positions: convolutions and pools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import onnx
import torch
from torch import nn

from ...errors import InputError, UnsupportedError
from .program import Builder, FileValue, attributes_of, numbers

Numbers = tuple[int, ...]


@dataclass(frozen=True)
class _Window:
    """For each position of torch: kernel, stride, dilation, zeros before and behind. sizes: what it gives of each."""

    kernel: Numbers
    stride: Numbers
    dilation: Numbers
    before: Numbers
    behind: Numbers
    sizes: Numbers


def convolution(builder: Builder, node: onnx.NodeProto) -> FileValue:
    """Conv."""
    where, given = builder.where(node), attributes_of(node)
    x, axes = _positions(builder, node)
    weight, bias = builder.constant(node, 1), builder.constant(node, 2)
    groups = given.get("group", 1)
    if weight is None or weight.ndim != 2 + len(axes) or groups < 1 or weight.shape[1] * groups != x.sizes["c"] or len(weight) % groups:
        raise InputError(f"{where} has weights that do not fit the {x.sizes['c']} channels that it reads: export it again")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise InputError(f"{where} has a bias of shape {list(bias.shape)} for {len(weight)} channels: export it again")
    window = _window(where, given, x, axes, weight.shape[2:])
    x = _padded(builder, x, window)
    rank = len(x.positions)
    kind: Any = nn.Conv1d if rank == 1 else nn.Conv2d
    even = window.before if window.before == window.behind else 0
    module = kind(x.sizes["c"], len(weight), window.kernel, window.stride, even, window.dilation, groups, bias is not None)
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(weight.copy()).reshape(module.weight.shape))
        if bias is not None:
            module.bias.copy_(torch.from_numpy(bias.copy()))
    return builder.layer("conv", _given(x, window, len(weight)), x, module)


def max_pool(builder: Builder, node: onnx.NodeProto) -> FileValue:
    """MaxPool."""
    x, window = _pool_window(builder, node)
    if window.before != window.behind:
        raise UnsupportedError(f"{builder.where(node)} pads one side more than the other: pad both alike, or not")
    kind: Any = nn.MaxPool1d if len(x.positions) == 1 else nn.MaxPool2d
    return builder.layer("maxpool", _given(x, window), x, kind(window.kernel, window.stride, window.before))


def average_pool(builder: Builder, node: onnx.NodeProto) -> FileValue:
    """AveragePool."""
    x, window = _pool_window(builder, node)
    if any((*window.before, *window.behind)) and not attributes_of(node).get("count_include_pad", 0):
        raise UnsupportedError(
            f"{builder.where(node)} leaves padded zeros out of the average (count_include_pad = 0): set it to 1, or do not pad"
        )
    x = _padded(builder, x, window)
    kind: Any = nn.AvgPool1d if len(x.positions) == 1 else nn.AvgPool2d
    even = window.before if window.before == window.behind else 0
    return builder.layer("avgpool", _given(x, window), x, kind(window.kernel, window.stride, even))


def global_average(builder: Builder, node: onnx.NodeProto) -> FileValue:
    """GlobalAveragePool."""
    return _global(builder, _positions(builder, node)[0], "avgpool", nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)


def global_maximum(builder: Builder, node: onnx.NodeProto) -> FileValue:
    """GlobalMaxPool."""
    return _global(builder, _positions(builder, node)[0], "maxpool", nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d)


def mean(builder: Builder, node: onnx.NodeProto) -> FileValue:
    """ReduceMean, over all positions."""
    x, where, given = builder.value(node), builder.where(node), attributes_of(node)
    listed = builder.constant(node, 1) if len(node.input) > 1 else None
    places = given.get("axes", ()) if listed is None else listed.reshape(-1).tolist()
    rank = len(x.axes)
    if not all(-rank <= place < rank for place in places):
        raise InputError(f"{where} names axes {list(places)[:8]} of {rank}: export it again")
    chosen = {place % rank for place in places}
    averaged = {x.axes[place] for place in chosen} - {"1"}
    if x.is_flat or not averaged or averaged != {axis for axis in x.positions if axis in x.axes}:
        raise UnsupportedError(f"{where} averages the axes {list(places)[:8]}: average all positions, and nothing else")
    pooled = _global(builder, x, "avgpool", nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)
    if given.get("keepdims", 1):
        return pooled
    return replace(pooled, axes=tuple(axis for place, axis in enumerate(pooled.axes) if place not in chosen))


def pad(builder: Builder, node: onnx.NodeProto) -> FileValue:
    """Pad, by zeros around positions."""
    x, where, given = builder.value(node), builder.where(node), attributes_of(node)
    pads, value = builder.constant(node, 1), builder.constant(node, 2)
    rank = len(x.axes)
    if given.get("mode", b"constant") != b"constant" or (value is not None and value.any()) or (len(node.input) > 3 and node.input[3]):
        raise UnsupportedError(f"{where} pads by something else than zeros, or names its axes: pad all of them by zeros")
    if pads is None or pads.shape != (2 * rank,) or pads.min() < 0 or pads.max() > 1 << 20:
        raise UnsupportedError(f"{where} cuts off, or pads by no fixed numbers: give one number of zeros for each side of an axis")
    sides = {axis: (int(pads[place]), int(pads[place + rank])) for place, axis in enumerate(x.axes)}
    moved = [axis for place, axis in enumerate(x.axes) if (pads[place] or pads[place + rank]) and axis not in x.positions]
    if x.is_flat or moved:
        raise UnsupportedError(f"{where} pads more than positions: pad time, or height and width, alone")
    zeros = [sides.get(axis, (0, 0)) for axis in x.positions]
    sizes = {axis: x.sizes[axis] + sum(side) for axis, side in zip(x.positions, zeros, strict=True)}
    return _add_zeros(builder, replace(x, sizes={**x.sizes, **sizes}, layer=""), x, zeros)


def _positions(builder: Builder, node: onnx.NodeProto) -> tuple[FileValue, tuple[str, ...]]:
    """(what the node reads, the position that each of the file's axes behind the channels is; 1 for one that torch lacks)."""
    x = builder.map(node, builder.value(node))
    axes = list(x.axes[2:])
    for axis in x.positions:
        if axis not in axes and "1" in axes:
            axes[axes.index("1")] = axis
    if [axis for axis in axes if axis != "1"] != list(x.positions):
        raise UnsupportedError(f"{builder.where(node)} reads the axes [{', '.join(x.axes)}]: export it with all positions, in their order")
    return replace(x, axes=("b", "c", *axes)), tuple(axes)


def _pool_window(builder: Builder, node: onnx.NodeProto) -> tuple[FileValue, _Window]:
    where, given = builder.where(node), attributes_of(node)
    x, axes = _positions(builder, node)
    if given.get("ceil_mode", 0) or given.get("storage_order", 0) or len(node.output) > 1:
        raise UnsupportedError(f"{where} uses ceil_mode, storage_order or indices: leave them off")
    window = _window(where, given, x, axes, numbers(where, given, "kernel_shape", (0,) * len(axes)))
    if max(window.dilation) > 1:
        raise UnsupportedError(f"{where} is dilated: use dilation 1")
    if any(2 * zeros > kernel for zeros, kernel in zip((*window.before, *window.behind), 2 * window.kernel, strict=True)):
        raise UnsupportedError(f"{where} pads by more than half of its window: pad by less")
    return x, window


def _window(where: str, given: dict[str, Any], x: FileValue, axes: Numbers | tuple[str, ...], kernel: Sequence[int]) -> _Window:
    count = len(axes)
    ones = (1,) * count
    stride, dilation = numbers(where, given, "strides", ones), numbers(where, given, "dilations", ones)
    sizes = [x.sizes.get(str(axis), 1) for axis in axes]
    if min((*kernel, *stride, *dilation)) < 1 or numbers(where, given, "kernel_shape", kernel) != tuple(kernel):
        raise InputError(f"{where} has a kernel, a stride or a dilation below 1, or another kernel than its weights: export it again")
    reach = [(size - 1) * gap + 1 for size, gap in zip(kernel, dilation, strict=True)]
    before, behind = _zeros(where, given, sizes, reach, stride)
    made = [(size + a + b - r) // s + 1 for size, a, b, r, s in zip(sizes, before, behind, reach, stride, strict=True)]
    if min(made) < 1 or min((*before, *behind)) < 0:
        raise InputError(f"{where} has a window that does not fit the {sizes} positions that it reads: export it again")
    kept = [place for place, axis in enumerate(axes) if axis != "1"]
    for place in set(range(count)) - set(kept):
        if (kernel[place], before[place], behind[place]) != (1, 0, 0):
            raise UnsupportedError(f"{where} moves over an axis of one entry that the net's input lacks: give it a kernel of 1 there")

    def of(values: Sequence[int]) -> Numbers:
        return tuple(int(values[place]) for place in kept)

    return _Window(of(kernel), of(stride), of(dilation), of(before), of(behind), of(made))


def _zeros(where: str, given: dict[str, Any], sizes: Sequence[int], reach: Sequence[int], stride: Sequence[int]) -> tuple[Numbers, Numbers]:
    """(before, behind) of every axis."""
    count, auto = len(sizes), given.get("auto_pad", b"NOTSET")
    if auto in (b"NOTSET", b"VALID"):
        pads = numbers(where, given, "pads", (0,) * 2 * count) if auto == b"NOTSET" else (0,) * 2 * count
        return pads[:count], pads[count:]
    if auto not in (b"SAME_UPPER", b"SAME_LOWER"):
        raise InputError(f"{where} has an auto_pad that ONNX does not know: export it again")
    whole = [max((-(-size // s) - 1) * s + r - size, 0) for size, r, s in zip(sizes, reach, stride, strict=True)]
    small, large = tuple(each // 2 for each in whole), tuple(each - each // 2 for each in whole)
    return (small, large) if auto == b"SAME_UPPER" else (large, small)


def _padded(builder: Builder, x: FileValue, window: _Window) -> FileValue:
    """With the zeros around it where they are not as many on both sides, which a module of torch cannot add itself."""
    if window.before == window.behind:
        return x
    zeros = list(zip(window.before, window.behind, strict=True))
    return _add_zeros(builder, x, x, zeros)


def _add_zeros(builder: Builder, value: FileValue, x: FileValue, zeros: Sequence[tuple[int, int]]) -> FileValue:
    flat = tuple(number for side in reversed(zeros) for number in side)
    kind: Any = nn.ConstantPad1d if len(zeros) == 1 else nn.ConstantPad2d
    return replace(builder.layer("pad", value, x, kind(flat, 0.0)), layer="")


def _global(builder: Builder, x: FileValue, name: str, over_time: Any, over_images: Any) -> FileValue:
    sizes = {**x.sizes, **dict.fromkeys(x.positions, 1)}
    module: nn.Module = (over_time if len(x.positions) == 1 else over_images)(1)
    return replace(builder.layer(name, replace(x, sizes=sizes, layer=""), x, module), layer="")


def _given(x: FileValue, window: _Window, channels: int | None = None) -> FileValue:
    sizes = {**x.sizes, **dict(zip(x.positions, window.sizes, strict=True))}
    return replace(x, sizes={**sizes, "c": sizes["c"] if channels is None else channels}, layer="")
