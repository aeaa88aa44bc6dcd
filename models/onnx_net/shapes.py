"""Ops of ONNX that move no number: they name axes anew, and torch's value stays as it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import onnx

from ...errors import InputError, UnsupportedError
from .program import Builder, FileValue, attributes_of


def transpose(builder: Builder, node: onnx.NodeProto) -> FileValue:
    """Transpose."""
    x = builder.value(node)
    order = list(attributes_of(node).get("perm", range(len(x.axes) - 1, -1, -1)))
    if sorted(order) != list(range(len(x.axes))):
        raise InputError(f"{builder.where(node)} names not every axis once ({order[:8]}): export it again")
    if order[0] != 0:
        raise UnsupportedError(f"{builder.where(node)} moves the batch: leave it first")
    return replace(x, axes=tuple(x.axes[place] for place in order))


def squeeze(builder: Builder, node: onnx.NodeProto) -> FileValue:
    """Squeeze, of axes with one entry."""
    x, rank = builder.value(node), len(builder.value(node).axes)
    listed = builder.constant(node, 1)
    places = [place for place, size in enumerate(x.shape, 1) if size == 1] if listed is None else listed.reshape(-1).tolist()
    if not all(-rank <= place < rank for place in places):
        raise InputError(f"{builder.where(node)} names axes {places[:8]} of {rank}: export it again")
    chosen = {place % rank for place in places}
    if 0 in chosen or any(x.shape[place - 1] != 1 for place in chosen) or x.is_flat:
        raise UnsupportedError(f"{builder.where(node)} takes away axes of more than one entry, or the batch: leave it out")
    return replace(x, axes=tuple(axis for place, axis in enumerate(x.axes) if place not in chosen))


def unsqueeze(builder: Builder, node: onnx.NodeProto) -> FileValue:
    """Unsqueeze."""
    x, listed = builder.value(node), builder.constant(node, 1)
    places = [] if listed is None else listed.reshape(-1).tolist()
    rank = len(x.axes) + len(places)
    if not all(-rank <= place < rank for place in places) or len({place % rank for place in places}) < len(places):
        raise InputError(f"{builder.where(node)} names axes {places[:8]} of {rank}: export it again")
    chosen, axes = {place % rank for place in places}, list(x.axes)
    if 0 in chosen or x.is_flat or rank > 4:
        raise UnsupportedError(f"{builder.where(node)} puts an axis before the batch, or beside what is flattened: leave it out")
    return replace(x, axes=tuple("1" if place in chosen else axes.pop(0) for place in range(rank)))


def flatten(builder: Builder, node: onnx.NodeProto) -> FileValue:
    """Flatten."""
    x, axis = builder.value(node), attributes_of(node).get("axis", 1)
    if axis not in (1, 1 - len(x.axes)):
        raise UnsupportedError(f"{builder.where(node)} flattens the batch too (axis {axis}): flatten from axis 1")
    return builder.flat(x)


def reshape(builder: Builder, node: onnx.NodeProto) -> FileValue:
    """Reshape, where it flattens all, puts in or takes away axes of one entry, or changes nothing."""
    x, listed = builder.value(node), builder.constant(node, 1)
    wanted = None if listed is None else _resolved(builder, node, x, listed.reshape(-1).tolist())
    if wanted == x.shape:
        return x
    if wanted is not None and len(wanted) == 1:
        return builder.flat(x)
    if wanted is not None and not x.is_flat and len(wanted) <= 3 and _several(wanted) == _several(x.shape):
        named = [axis for axis, size in zip(x.axes[1:], x.shape, strict=True) if size != 1]
        return replace(x, axes=("b", *("1" if size == 1 else named.pop(0) for size in wanted)))
    raise UnsupportedError(
        f"{builder.where(node)} makes {[*(wanted or ())]} of {[*x.shape]} a sample: it may flatten all of them, or add axes of one entry"
    )


def _several(sizes: Sequence[int]) -> list[int]:
    return [size for size in sizes if size != 1]


def _resolved(builder: Builder, node: onnx.NodeProto, x: FileValue, asked: list[int]) -> tuple[int, ...] | None:
    """The sizes behind the batch; None where the batch does not stay first, or they do not fit."""
    total, zero_copies = math.prod(x.shape), not attributes_of(node).get("allowzero", 0)
    if not asked or asked.count(-1) > 1 or any(size < -1 for size in asked):
        return None
    rest = [x.shape[place] if size == 0 and zero_copies and place < len(x.shape) else size for place, size in enumerate(asked[1:])]
    if -1 in rest:
        others = math.prod(size for size in rest if size != -1)
        if others == 0 or total % others:
            return None
        rest[rest.index(-1)] = total // others
    first = asked[0] in (-1, builder.file.batch) or (asked[0] == 0 and zero_copies)
    return tuple(rest) if first and math.prod(rest) == total else None
