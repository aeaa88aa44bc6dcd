"""The kinds of layers, one table: what a step of each reads and gives, how it runs, and the functions of torch it is read from.

A new kind is a class here with its line in LAYER_KINDS and, if it computes what no kind did, a method of LayerArithmetic, which
FloatArithmetic and GraphArithmetic spell out; calibration and fixed point inherit it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ..arithmetic import MapArithmetic
from ..matrix import Value

if TYPE_CHECKING:
    from ..applied import AppliedLayer
    from .plan import Layer, Step

Shape = tuple[int, int, int]
"""Height, width, channels."""
Segments = tuple[Shape, ...]
"""The maps whose entries a flat value holds, one after the other."""


class LayerArithmetic(MapArithmetic[Value], Protocol[Value]):
    """What layers are written against. Tensors have the channels first, [batch, channels, height, width]."""

    def convolution(self, x: Value, layer: AppliedLayer) -> Value:
        """A layer's weights over the windows of x, and its bias."""
        ...

    def sum(self, left: Value, right: Value, step: Step) -> Value:
        """Element by element."""
        ...

    def relu(self, x: Value, step: Step) -> Value:
        """The larger of x and 0."""
        ...

    def elementwise(self, x: Value, step: Step, function: Callable[[Tensor], Tensor]) -> Value:
        """The function of each entry of x, for which the graph has an op of the step's kind."""
        ...

    def max_pool(self, x: Value, step: Step) -> Value:
        """The largest entry of every window."""
        ...

    def average_pool(self, x: Value, step: Step) -> Value:
        """The sum of every window times the step's factor."""
        ...

    def join(self, left: Value, right: Value, step: Step) -> Value:
        """The channels of both, one after the other."""
        ...

    def flatten(self, x: Value, step: Step) -> Value:
        """The entries of a map as channels, the map's channels fastest."""
        ...

    def scale(self, x: Value, step: Step) -> Value:
        """X times the step's factor."""
        ...


class LayerKind:
    """What the steps of one kind have in common, and nothing but which another module would have to know their kind."""

    reads: ClassVar[int] = 1
    """How many values."""
    has_layer: ClassVar[bool] = False
    """Whether it applies the parameters of a layer."""
    windowed: ClassVar[bool] = False
    """Whether a window moves over what it reads."""
    keeps_positions: ClassVar[bool] = True
    """Whether rows stay rows: what it gives at one time is of that time, or of a window that ends there."""
    transparent: ClassVar[bool] = False
    """Whether its value has the format of what it reads."""
    aligns: ClassVar[bool] = False
    """Whether it brings all that it reads into the format of its own value."""
    rescales: ClassVar[bool] = False
    """Whether its value is a sum, rescaled: in int8 a tie could round differently from one runtime to the next."""
    divides: ClassVar[bool] = False
    """Whether its factor divides a sum, so that the weights that read it may take in a part of that."""
    adapts: ClassVar[bool] = False
    """Whether its value may have the format of the one step that reads it, where that aligns."""
    homogeneous: ClassVar[bool] = False
    """Whether it reads one value, and a positive factor of that is one of its own."""
    takes_relu: ClassVar[bool] = False
    """Whether max(value, 0) may be its own end."""
    functions: ClassVar[Sequence[object]] = ()
    """Functions of torch and names of a tensor's methods that are this and nothing else, of values alone."""
    called: ClassVar[str] = "give it values by position, and leave out keywords such as alpha and out"
    """How they are to be called."""
    fit: ClassVar[str] = "they must be equal"
    """What is wanted of the maps that it reads."""

    def operands(self, given: Sequence[Any], named: Mapping[str, Any], rank: int) -> Sequence[Any] | None:
        """The values that a call of a function reads, out of its arguments; None where it means something else. rank: of their tensors."""
        return given if len(given) == self.reads and not named else None

    def segments(self, read: Sequence[Segments]) -> Segments | None:
        """Those of the value that a step of a function makes of flat ones; None where it cannot. Of maps: none."""
        return read[0] if all(each == read[0] for each in read) else None

    def shape(self, step: Step, read: Sequence[Shape], layer: Layer | None) -> Shape | None:
        """What a step gives; None where it cannot read what it does. Raises UnsupportedError for a window that does not fit."""
        return read[0] if all(each == read[0] for each in read) else None

    def is_nonnegative(self, read: Sequence[bool]) -> bool:
        """Whether no entry is negative, by which of the values that it reads have none that is."""
        return False

    def run(self, arithmetic: LayerArithmetic[Value], read: Sequence[Value], step: Step, layer: AppliedLayer | None) -> Value:
        """The value of a step."""
        raise NotImplementedError


class _Convolution(LayerKind):
    has_layer = windowed = rescales = adapts = takes_relu = True

    def shape(self, step: Step, read: Sequence[Shape], layer: Layer | None) -> Shape | None:
        (x,) = read
        if layer is None or layer.columns != step.area * (1 if layer.depthwise else x[2]) or (layer.depthwise and layer.rows != x[2]):
            return None
        return _over_windows(step, x, layer.rows)

    def run(self, arithmetic: LayerArithmetic[Value], read: Sequence[Value], step: Step, layer: AppliedLayer | None) -> Value:
        assert layer is not None
        return arithmetic.convolution(read[0], layer)


class _Sum(LayerKind):
    reads, aligns, takes_relu = 2, True, True
    functions = (operator.add, operator.iadd, torch.add, "add", "add_")

    def run(self, arithmetic: LayerArithmetic[Value], read: Sequence[Value], step: Step, layer: AppliedLayer | None) -> Value:
        left, right = read
        return arithmetic.sum(left, right, step)


class _Concat(LayerKind):
    reads, aligns, adapts = 2, True, True
    functions = (torch.cat, torch.concat, torch.concatenate)
    called = "concatenate channels of the net's values, torch.cat([a, b], dim=1)"
    fit = "all but the channels must be equal"

    def operands(self, given: Sequence[Any], named: Mapping[str, Any], rank: int) -> Sequence[Any] | None:
        arguments = {**dict(zip(("tensors", "dim"), given, strict=False)), **{"dim" if key == "axis" else key: named[key] for key in named}}
        values, dim = arguments.pop("tensors", None), arguments.pop("dim", 0)
        whole = not arguments and len(given) <= 2 and isinstance(values, tuple | list) and dim in (1, 1 - rank)
        return values if whole else None

    def segments(self, read: Sequence[Segments]) -> Segments | None:
        left, right = read
        if bool(left) != bool(right):
            return None
        if left and left[-1][:2] == right[0][:2] == (1, 1):
            return (*left[:-1], (1, 1, left[-1][2] + right[0][2]), *right[1:])
        return left + right

    def shape(self, step: Step, read: Sequence[Shape], layer: Layer | None) -> Shape | None:
        left, right = read
        return (left[0], left[1], left[2] + right[2]) if left[:2] == right[:2] else None

    def is_nonnegative(self, read: Sequence[bool]) -> bool:
        return all(read)

    def run(self, arithmetic: LayerArithmetic[Value], read: Sequence[Value], step: Step, layer: AppliedLayer | None) -> Value:
        left, right = read
        return arithmetic.join(left, right, step)


class _Relu(LayerKind):
    transparent = homogeneous = True
    functions = (F.relu, torch.relu, torch.relu_, "relu", "relu_")

    def is_nonnegative(self, read: Sequence[bool]) -> bool:
        return True

    def run(self, arithmetic: LayerArithmetic[Value], read: Sequence[Value], step: Step, layer: AppliedLayer | None) -> Value:
        return arithmetic.relu(read[0], step)


class Entrywise(LayerKind):
    """A function of each entry of one value, in that value's format. The graph has an op of the kind's name."""

    transparent = True
    function: ClassVar[Callable[[Tensor], Tensor]]

    def run(self, arithmetic: LayerArithmetic[Value], read: Sequence[Value], step: Step, layer: AppliedLayer | None) -> Value:
        """See LayerKind."""
        return arithmetic.elementwise(read[0], step, type(self).function)


class _Abs(Entrywise):
    homogeneous = True
    function = torch.abs
    functions = (operator.abs, torch.abs, torch.abs_, torch.absolute, "abs", "abs_", "absolute", "absolute_")

    def is_nonnegative(self, read: Sequence[bool]) -> bool:
        return True


class _MaxPool(LayerKind):
    windowed = transparent = homogeneous = True

    def shape(self, step: Step, read: Sequence[Shape], layer: Layer | None) -> Shape | None:
        return _over_windows(step, read[0], read[0][2])

    def is_nonnegative(self, read: Sequence[bool]) -> bool:
        return read[0]

    def run(self, arithmetic: LayerArithmetic[Value], read: Sequence[Value], step: Step, layer: AppliedLayer | None) -> Value:
        return arithmetic.max_pool(read[0], step)


class _AveragePool(LayerKind):
    windowed = rescales = divides = True

    def shape(self, step: Step, read: Sequence[Shape], layer: Layer | None) -> Shape | None:
        return _over_windows(step, read[0], read[0][2])

    def run(self, arithmetic: LayerArithmetic[Value], read: Sequence[Value], step: Step, layer: AppliedLayer | None) -> Value:
        return arithmetic.average_pool(read[0], step)


class _Flatten(LayerKind):
    keeps_positions = False
    transparent = homogeneous = True
    functions = (torch.flatten, "flatten")

    def shape(self, step: Step, read: Sequence[Shape], layer: Layer | None) -> Shape | None:
        return (1, 1, prod(read[0]))

    def is_nonnegative(self, read: Sequence[bool]) -> bool:
        return read[0]

    def run(self, arithmetic: LayerArithmetic[Value], read: Sequence[Value], step: Step, layer: AppliedLayer | None) -> Value:
        return arithmetic.flatten(read[0], step)


class _Scale(LayerKind):
    rescales = adapts = homogeneous = True

    def run(self, arithmetic: LayerArithmetic[Value], read: Sequence[Value], step: Step, layer: AppliedLayer | None) -> Value:
        return arithmetic.scale(read[0], step)


def _over_windows(step: Step, x: Shape, channels: int) -> Shape:
    height, width, depth = step.window.output_shape(step.kind, x, channels)
    return height, width, depth


LAYER_KINDS: Mapping[str, LayerKind] = {
    "convolution": _Convolution(),
    "add": _Sum(),
    "concat": _Concat(),
    "relu": _Relu(),
    "abs": _Abs(),
    "max_pool": _MaxPool(),
    "average_pool": _AveragePool(),
    "flatten": _Flatten(),
    "scale": _Scale(),
}
"""By the name of the kind, as plans have it."""
