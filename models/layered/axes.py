"""What permute, squeeze, view and their like do to the axes of a value, which the integer model has in one order only.

Axes have names: b (batch), c (channels), h, w (positions; w alone over time), f (a flattened map), 1 (put in).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Axes = tuple[str, ...]
Sizes = tuple[int | None, ...]
"""None: the batch's, which is not known."""


def natural_axes(rank: int, flattened: bool) -> Axes:
    """Of a value as torch has it; rank: of the net's input, 3 over time and 4 of images."""
    if flattened:
        return ("b", "f")
    return ("b", "c", "w") if rank == 3 else ("b", "c", "h", "w")


def permuted(axes: Axes, order: Sequence[int]) -> Axes | None:
    """In another order; None where `order` names not every axis once."""
    places = [place % len(axes) for place in order if -len(axes) <= place < len(axes)]
    return tuple(axes[place] for place in places) if sorted(places) == list(range(len(axes))) == list(range(len(order))) else None


def swapped(axes: Axes, first: int, second: int) -> Axes | None:
    """With two axes exchanged."""
    order = list(range(len(axes)))
    try:
        order[first], order[second] = order[second], order[first]
    except IndexError:
        return None
    return permuted(axes, order)


def squeezed(axes: Axes, sizes: Sizes, dims: Sequence[int] | None) -> Axes | None:
    """Without those of `dims` (None: of all) whose size is one."""
    every = range(len(axes)) if dims is None else [dim % len(axes) for dim in dims if -len(axes) <= dim < len(axes)]
    if dims is not None and len(every) < len(dims):
        return None
    return tuple(axis for place, axis in enumerate(axes) if place not in every or sizes[place] != 1)


def unsqueezed(axes: Axes, dim: int) -> Axes | None:
    """With an axis of one entry at `dim`."""
    place = dim if dim >= 0 else dim + len(axes) + 1
    return (*axes[:place], "1", *axes[place:]) if 0 <= place <= len(axes) else None


def resolved(asked: Sequence[int | None], sizes: Sizes) -> Sizes | None:
    """The sizes that view or reshape asks for, -1 worked out; None where the batch does not stay first, or they do not fit."""
    total = math.prod(size for size in sizes[1:] if size is not None)
    if not asked or sizes[:1] != (None,) or list(asked).count(-1) > 1 or None in asked[1:] or None in sizes[1:]:
        return None
    rest = [size for size in asked[1:] if size is not None]
    given = math.prod(size for size in rest if size != -1)
    if asked[0] is None and -1 in rest and given and total % given == 0:
        rest[rest.index(-1)] = total // given
    return (None, *rest) if asked[0] in (None, -1) and math.prod(rest) == total and -1 not in rest else None
