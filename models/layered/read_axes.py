"""How functions are read that ask for the size of a value or give it other axes: permute, transpose, squeeze, unsqueeze, view, reshape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch.fx

from ...errors import UnsupportedError
from .axes import Axes, Sizes, natural_axes, permuted, resolved, squeezed, swapped, unsqueezed
from .plan_builder import PlanBuilder, TorchCall
from .read_functions import add_flatten
from .supported import PERMUTATIONS, SQUEEZES, SWAPS, UNSQUEEZES, advice
from .traced import TracedValue


class AskedSizes:
    """Sizes that forward asked for, which views are given back; by the node that asks."""

    def __init__(self, builder: PlanBuilder) -> None:
        self.builder = builder
        self.known: dict[torch.fx.Node, Sizes] = {}

    def size_of(self, call: TorchCall) -> TracedValue:
        """x.size(), x.size(0), x.shape and an entry of either: a number, which is none of the batch."""
        node = call.node
        source, *others = node.args
        known = self.known.get(source) if isinstance(source, torch.fx.Node) else None
        entry = others[0] if others else node.kwargs.get("dim")
        if node.target == "size" or (node.target is getattr and entry == "shape"):
            known = self.builder.value(source).axes_and_sizes(self.builder.axes)[1]
            entry = entry if node.target == "size" else None
        if known is None or not (entry is None or (isinstance(entry, int) and -len(known) <= entry < len(known))):
            raise UnsupportedError(f"{call.where} is not supported: {advice('size')}")
        self.known[node] = known if entry is None else (known[entry],)
        size = None if entry is None else known[entry]
        return TracedValue(number=math.nan if size is None else float(size))

    def view(self, call: TorchCall) -> TracedValue:
        """What view or reshape makes of a value: itself, or flat."""
        x, axes = self.builder.value(call.source), self.builder.axes
        x.check_axes(axes, call.where)
        wanted, sizes = self._wanted(call, x), x.axes_and_sizes(axes)[1]
        if wanted == sizes:
            return x
        if wanted is not None and len(wanted) == 2:
            return add_flatten(self.builder, call, x, (1, -1))
        if wanted is not None and x.segments and wanted[1:] == (x.shape[2], *(1,) * (axes - 1)):
            return _with_axes(x, ("b", "f", *("1",) * (axes - 1)), axes)
        raise UnsupportedError(f"{call.where} asks for a shape that layers do not read: use torch.flatten(x, 1), or leave it out")

    def _wanted(self, call: TorchCall, x: TracedValue) -> Sizes | None:
        """The sizes that a view of x asks for; None where they are not known."""
        given: list[Any] = [*call.node.args[1:], *call.node.kwargs.values()]
        asked = [*given[0]] if given and isinstance(given[0], tuple | list) else given
        if len(given) == 1 and isinstance(given[0], torch.fx.Node) and len(self.known.get(given[0], ())) > 1:
            asked = [*self.known[given[0]]]
        sized = {node for node, sizes in self.known.items() if len(sizes) == 1}
        numbers = [self.known[size][0] if isinstance(size, torch.fx.Node) and size in sized else size for size in asked]
        known = all(size is None or isinstance(size, int) for size in numbers)
        return resolved(numbers, x.axes_and_sizes(self.builder.axes)[1]) if known and x.name and not x.is_padded else None


def move_axes(builder: PlanBuilder, call: TorchCall) -> TracedValue:
    """What permute, transpose, squeeze and unsqueeze make of a value: itself where they change nothing, or undo each other."""
    x = builder.value(call.source)
    given: list[Any] = [*call.node.args[1:], *call.node.kwargs.values()]
    numbers = [*given[0], *given[1:]] if given and isinstance(given[0], tuple | list) else given
    known = x.name and not x.is_padded and all(isinstance(number, int) for number in numbers)
    moved = _moved(call.node.target, *x.axes_and_sizes(builder.axes), numbers) if known else None
    if moved is None:
        raise UnsupportedError(f"{call.where} is not supported with {tuple(given)}: name axes of its value by numbers")
    return _with_axes(x, moved, builder.axes)


def _moved(target: object, axes: Axes, sizes: Sizes, numbers: Sequence[int]) -> Axes | None:
    if target in PERMUTATIONS:
        return permuted(axes, numbers)
    if target in SQUEEZES:
        return squeezed(axes, sizes, numbers or None)
    if target in SWAPS and len(numbers) == 2:
        return swapped(axes, numbers[0], numbers[1])
    return unsqueezed(axes, numbers[0]) if target in UNSQUEEZES and len(numbers) == 1 else None


def _with_axes(x: TracedValue, axes: Axes, of_input: int) -> TracedValue:
    """The value with other axes in torch: a map or a flat value, where they are those of one."""
    if axes == natural_axes(of_input + 1, bool(x.segments)):
        return replace(x, axes=())
    if not x.segments and x.is_one_position and axes == ("b", "c"):
        return replace(x, axes=(), segments=(x.shape,))
    if x.segments and x.is_one_position and axes == ("b", "f", *("1",) * (of_input - 1)):
        return replace(x, axes=(), segments=())
    return replace(x, axes=axes)
