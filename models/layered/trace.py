"""From a torch module to a Plan and its layers' parameters."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.fx
from torch import Tensor, nn

from ...errors import InputError, UnsupportedError, counted
from ..own_net import FAULTS, blame
from .axes import Axes, Sizes, natural_axes, permuted, resolved, squeezed, swapped, unsqueezed
from .hourglass import RandomProjection
from .kinds import LAYER_KINDS
from .plan import DERIVED, INPUT, Layer, Padding, Pair, Plan, Step, nonnegative_values
from .plan_check import ATTRIBUTES, NORMALIZE
from .pool_factors import move_pool_factors
from .supported import (
    ADDITIONS,
    AVERAGE_POOLS,
    BATCH_NORMS,
    CONVOLUTIONS,
    COPIES,
    FLATTENINGS,
    GLOBAL_AVERAGES,
    GLOBAL_MAXIMA,
    IN_PLACE,
    MAX_POOLS,
    PADS,
    PERMUTATIONS,
    PRODUCTS,
    RELUS,
    SPATIAL,
    SQUEEZES,
    SWAPS,
    TRANSPARENT,
    UNSQUEEZES,
    VIEWS,
    advice,
)

LONGEST_NAME = 96
"""Characters taken of a path in a net: what is derived from a name stays within what the graph takes."""
Shape = tuple[int, int, int]


@dataclass
class Traced:
    """A plan, and for each layer its module and what is folded into it."""

    plan: Plan
    modules: Mapping[str, LayerModules]


@dataclass
class LayerModules:
    """What one layer is made of. weight: [rows, columns], in the plan's order; norm: a batch normalisation; scale: a scalar."""

    weight: Tensor
    bias: Tensor | None
    norm: nn.Module | None = None
    scale: Tensor | None = None


def trace(module: nn.Module, input_shape: tuple[int, ...], classes: int) -> Traced:
    """The plan of a module that reads [batch, channels, time] or [batch, channels, height, width] and gives [batch, classes].

    input_shape: channels last. Raises UnsupportedError naming the first layer that is not supported and what to use instead, and
    InputError where shapes do not fit.
    """
    if len(input_shape) not in (2, 3):
        raise InputError(f"a net without state reads (time, channels) or (height, width, channels), not {input_shape}")
    return _read(module, _Reader(module, input_shape)).finish(classes)


def trace_part(module: nn.Module, input_shape: tuple[int, int], prefix: str = "", *, flat: bool = False) -> Traced:
    """The plan of a module that reads [batch, channels, time], or of flat [batch, channels], and gives some features of one time.

    input_shape: (readings of a step, channels). prefix: of the names of its steps. Raises as `trace` does.
    """
    return _read(module, _Reader(module, input_shape, prefix, flat=flat)).finish_part()


def _read(module: nn.Module, reader: _Reader) -> _Reader:
    """The reader, once it has read the module."""
    try:
        graph = _Tracer().trace(module)
    except NameError as error:
        raise UnsupportedError(f"{type(module).__name__}.forward cannot be followed ({error}): make its layers in __init__") from error
    except (torch.fx.proxy.TraceError, TypeError, RuntimeError) as error:
        raise UnsupportedError(
            f"{type(module).__name__}.forward cannot be followed ({error}): let it not depend on its input's values"
        ) from error
    except FAULTS as error:
        raise blame(f"{type(module).__name__}.forward", error) from error
    _refuse_tied(module)
    for node in graph.nodes:
        reader.read(node)
    return reader


def _refuse_tied(module: nn.Module) -> None:
    """Layers get parameters of their own, so those that two modules share would part in training."""
    owners: dict[Tensor, str] = {}
    for path, part in module.named_modules():
        for name, parameter in part.named_parameters(path, recurse=False):
            owner = owners.setdefault(parameter, name)
            if owner != name:
                raise UnsupportedError(f"{owner!r} and {name!r} are one parameter: call one module in both places instead")


class _Proxy(torch.fx.Proxy):
    """Remembers that += and *= change what they read, which torch's own forgets."""

    def __iadd__(self, other: Any) -> torch.fx.Proxy:
        return self.tracer.create_proxy("call_function", operator.iadd, (self, other), {})

    def __imul__(self, other: Any) -> torch.fx.Proxy:
        return self.tracer.create_proxy("call_function", operator.imul, (self, other), {})


class _Tracer(torch.fx.Tracer):
    """Stops at the modules of torch.nn and at random projections; everything else is looked into."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """See torch.fx.Tracer."""
        return isinstance(m, RandomProjection) or super().is_leaf_module(m, module_qualified_name)

    def proxy(self, node: torch.fx.Node) -> torch.fx.Proxy:
        """See torch.fx.Tracer."""
        return _Proxy(node, self)


@dataclass(frozen=True)
class _Value:
    """What an fx node stands for: a step's value, zeros still to be added around it, or a number.

    flattened: shape of the map whose entries a flat value holds; None where it is not flat. padding: top, bottom, left, right. number: of
    a constant. parameter: the name of a scalar parameter. axes: in torch, where they are not what they are by nature.
    """

    name: str = ""
    shape: Shape = (0, 0, 0)
    flattened: Shape | None = None
    padding: Padding = (0, 0, 0, 0)
    number: float = 1.0
    parameter: str = ""
    axes: Axes = ()


@dataclass(frozen=True)
class _Folded:
    """What a convolution step takes into its weights, by name: a batch normalisation, then a scalar parameter."""

    norm: str = ""
    scale: str = ""


class _Reader:
    """Reads fx nodes one after another."""

    def __init__(self, module: nn.Module, input_shape: tuple[int, ...], prefix: str = "", *, flat: bool = False) -> None:
        self.module, self.input_shape, self.prefix, self.flat = module, input_shape, prefix, flat
        self.modules = dict(module.named_modules())
        self.values: dict[torch.fx.Node, _Value] = {}
        self.steps: dict[str, Step] = {}
        self.layers: dict[str, Layer] = {}
        self.parameters: dict[str, LayerModules] = {}
        self.of_module: dict[str, str] = {}
        self.folded: dict[str, _Folded] = {}
        self.output = _Value()
        self.sizes: dict[torch.fx.Node, Sizes] = {}

    def read(self, node: torch.fx.Node) -> None:
        """Add what `node` does."""
        if node.op == "placeholder":
            self._placeholder(node)
        elif node.op == "get_attr":
            self.values[node] = self._attribute(node)
        elif node.op == "call_module":
            self.values[node] = self._call_module(node, str(node.target), self.modules[str(node.target)])
        elif node.op == "output":
            self._output(node)
        else:
            self.values[node] = self._call_function(node)

    def finish(self, classes: int) -> Traced:
        """The plan, once every node is read."""
        result = self.output
        if result.name not in self.steps or result.shape != (1, 1, classes) or (result.flattened or result.shape)[:2] != (1, 1):
            given = f"shape {result.flattened or result.shape}" if result.name in self.steps else "its input"
            raise InputError(f"the net gives {given} where {classes} scores are wanted: end it with Flatten and Linear(..., {classes})")
        return self._finished()

    def finish_part(self) -> Traced:
        """The plan of a part of a net."""
        result = self.output
        if result.name not in self.steps or result.shape[:2] != (1, 1) or any(result.padding):
            what = f"{result.shape[1]} rows" if result.name in self.steps else "its input"
            raise InputError(
                f"layers beside cells make one row of what a step reads, {counted(self.input_shape[0], 'reading')}, and these give {what}: "
                "let their strides divide time by just so much"
            )
        return self._finished()

    def _finished(self) -> Traced:
        steps = self._needed()
        layers = {name: self._with_folded(self.layers[name], steps) for name in dict.fromkeys(step.layer for step in steps if step.layer)}
        plan = Plan(self.input_shape, tuple(layers.values()), tuple(steps))
        return Traced(move_pool_factors(plan), {name: self.parameters[name] for name in layers})

    def _needed(self) -> list[Step]:
        """The steps that the scores depend on."""
        names, steps = {self.output.name}, []
        for step in reversed(self.steps.values()):
            if step.name in names:
                names.update(step.inputs)
                steps.append(step)
        return steps[::-1]

    def _with_folded(self, layer: Layer, steps: Sequence[Step]) -> Layer:
        """The layer and its parameters with the normalisation and the factor of all the steps that read it."""
        first, *others = {self.folded.get(step.name, _Folded()) for step in steps if step.layer == layer.name}
        if others:
            path = next(path for path, name in self.of_module.items() if name == layer.name)
            raise UnsupportedError(
                f"{self._where(path)} is used several times, not always with the same normalisation and factor: use several layers"
            )
        parameters = self.parameters[layer.name]
        parameters.norm = self.modules[first.norm] if first.norm else None
        parameters.scale = operator.attrgetter(first.scale)(self.module).detach() if first.scale else None
        return replace(layer, normalized=bool(first.norm), scaled=bool(first.scale))

    def _where(self, path: str) -> str:
        return f"layer {path!r} ({type(self.modules[path]).__name__})"

    def _placeholder(self, node: torch.fx.Node) -> None:
        if INPUT in (value.name for value in self.values.values()):
            raise UnsupportedError(f"forward reads a second input, {node.target!r}: a net reads one")
        height, width, channels = (1, *self.input_shape) if len(self.input_shape) == 2 else self.input_shape
        self.values[node] = _Value(INPUT, (height, width, channels), (height, width, channels) if self.flat else None)

    def _attribute(self, node: torch.fx.Node) -> _Value:
        value = operator.attrgetter(str(node.target))(self.module)
        if isinstance(value, Tensor) and value.numel() == 1:
            if isinstance(value, nn.Parameter):
                return _Value(parameter=str(node.target))
            return _Value(number=float(value))
        raise UnsupportedError(f"forward reads the tensor {node.target!r}: only scalars may stand beside the layers")

    def _output(self, node: torch.fx.Node) -> None:
        (result,) = node.args
        if not isinstance(result, torch.fx.Node):
            raise UnsupportedError("forward gives more than one result: return the scores alone")
        self.output = self._value(result)
        self._check_axes(self.output, "forward's result")

    def _value(self, node: Any) -> _Value:
        if isinstance(node, int | float):
            return _Value(number=float(node))
        return self.values[node]

    def _image(self, node: Any, where: str) -> _Value:
        value = self._value(node)
        if not value.name:
            raise UnsupportedError(f"{where} reads a number: it takes a value of the net")
        self._check_axes(value, where)
        return value

    def _check_axes(self, value: _Value, where: str) -> None:
        if value.axes:
            natural = "[batch, channels, time]" if len(self.input_shape) == 2 else "[batch, channels, height, width]"
            raise UnsupportedError(
                f"{where} reads axes that were moved, [{', '.join(_AXES.get(axis, axis) for axis in value.axes)}]: rescomp gives the net "
                f"{natural}, and layers read that or what torch.flatten(x, 1) makes of it: leave permute and its like out"
            )

    def _plain(self, node: Any, where: str) -> _Value:
        value = self._image(node, where)
        if any(value.padding):
            raise _padding_error(where)
        return value

    def _call_module(self, node: torch.fx.Node, path: str, module: nn.Module) -> _Value:
        where = self._where(path)
        source = self._source(node, where)
        axes = len(self.input_shape) - 1
        if isinstance(module, SPATIAL) and not type(module).__name__.endswith(f"{axes}d"):
            what = "sequences" if axes == 1 else "images"
            raise InputError(f"{where} stands in a net that reads {what}: take its {axes}d form")
        if isinstance(module, SPATIAL) and self._value(source).flattened:
            raise InputError(f"{where} reads what is flattened, whose positions are gone: put it before Flatten")
        if isinstance(module, TRANSPARENT):
            return self._image(source, where)
        if isinstance(module, CONVOLUTIONS):
            return self._convolution(path, module, self._image(source, where), where)
        if isinstance(module, RandomProjection):
            return self._random_projection(path, module, self._plain(source, where), where)
        if isinstance(module, nn.Linear):
            return self._linear(path, module, self._plain(source, where), where)
        if isinstance(module, BATCH_NORMS):
            return self._batch_norm(path, module, self._plain(source, where), where)
        if isinstance(module, PADS):
            return self._pad(module, self._image(source, where), where)
        if isinstance(module, nn.ReLU):
            return self._relu(path, self._plain(source, where), where, in_place=module.inplace)
        if isinstance(module, nn.Flatten):
            return self._flatten(path, self._plain(source, where), (module.start_dim, module.end_dim), where)
        if isinstance(module, (*MAX_POOLS, *AVERAGE_POOLS, *GLOBAL_AVERAGES, *GLOBAL_MAXIMA)):
            return self._pool(path, module, self._image(source, where), where)
        raise UnsupportedError(f"{where} is not supported: {advice(type(module).__name__)}")

    def _call_function(self, node: torch.fx.Node) -> _Value:
        name, target = self._scoped_name(node), node.target
        function = getattr(target, "__name__", str(target))
        path = self._module_path(node)
        where = f"{function} in forward" + (f" of {path!r}" if path else "")
        if target in ADDITIONS or target in PRODUCTS:
            a, b = (self._value(argument) for argument in self._operands(node, where))
            for operand in (a, b):
                self._check_axes(operand, where)
            combine = self._product if target in PRODUCTS else self._addition
            return combine(name, a, b, where, in_place=target in IN_PLACE)
        if target in ("size", getattr, operator.getitem):
            return self._size_of(node, where)
        source = self._source(node, where)
        if target in COPIES:
            return self._image(source, where)
        if target in (*PERMUTATIONS, *SWAPS, *SQUEEZES, *UNSQUEEZES):
            return self._move_axes(self._value(source), node, where)
        if target in VIEWS:
            return self._view(name, self._value(source), node, where)
        if target in RELUS:
            in_place = target in IN_PLACE or any((*node.args[1:], *node.kwargs.values()))
            return self._relu(name, self._plain(source, where), where, in_place=in_place)
        if target in LAYER_KINDS["abs"].functions:
            return self._elementwise("abs", name, self._plain(source, where), where, in_place=target in IN_PLACE)
        if target in FLATTENINGS:
            return self._flatten(name, self._plain(source, where), _dims(node), where)
        if target == "mean" or target is torch.mean:
            return self._mean(name, node, self._plain(source, where), where)
        raise UnsupportedError(f"{where} is not supported: {advice(function)}")

    def _axes_and_sizes(self, x: _Value) -> tuple[Axes, Sizes]:
        """The axes of a value in torch, and their sizes."""
        axes = x.axes or natural_axes(len(self.input_shape) + 1, x.flattened is not None)
        height, width, channels = x.shape
        sizes = {"b": None, "c": channels, "h": height, "w": width, "f": channels, "1": 1}
        return axes, tuple(sizes[axis] for axis in axes)

    def _size_of(self, node: torch.fx.Node, where: str) -> _Value:
        """x.size(), x.size(0), x.shape and an entry of either, which views ask for."""
        source, *others = node.args
        known = self.sizes.get(source) if isinstance(source, torch.fx.Node) else None
        entry = others[0] if others else node.kwargs.get("dim")
        if node.target == "size" or (node.target is getattr and entry == "shape"):
            known, entry = self._axes_and_sizes(self._value(source))[1], entry if node.target == "size" else None
        if known is None or not (entry is None or (isinstance(entry, int) and -len(known) <= entry < len(known))):
            raise UnsupportedError(f"{where} is not supported: {advice('size')}")
        self.sizes[node] = known if entry is None else (known[entry],)
        size = None if entry is None else known[entry]
        return _Value(number=math.nan if size is None else float(size))

    def _move_axes(self, x: _Value, node: torch.fx.Node, where: str) -> _Value:
        """What permute, transpose, squeeze and unsqueeze make of a value: itself where they change nothing, or undo each other."""
        axes, sizes = self._axes_and_sizes(x)
        given: list[Any] = [*node.args[1:], *node.kwargs.values()]
        numbers = [*given[0], *given[1:]] if given and isinstance(given[0], tuple | list) else given
        moved = None
        if not x.name or any(x.padding) or not all(isinstance(number, int) for number in numbers):
            pass
        elif node.target in PERMUTATIONS:
            moved = permuted(axes, numbers)
        elif node.target in SQUEEZES:
            moved = squeezed(axes, sizes, numbers or None)
        elif node.target in SWAPS and len(numbers) == 2:
            moved = swapped(axes, numbers[0], numbers[1])
        elif node.target in UNSQUEEZES and len(numbers) == 1:
            moved = unsqueezed(axes, numbers[0])
        if moved is None:
            raise UnsupportedError(f"{where} is not supported with {tuple(given)}: name axes of its value by numbers")
        return self._with_axes(x, moved)

    def _with_axes(self, x: _Value, axes: Axes) -> _Value:
        rank = len(self.input_shape) + 1
        if axes == natural_axes(rank, x.flattened is not None):
            return replace(x, axes=())
        if x.flattened is None and x.shape[:2] == (1, 1) and axes == ("b", "c"):
            return replace(x, axes=(), flattened=x.shape)
        if x.flattened is not None and x.flattened[:2] == (1, 1) and axes == ("b", "f", *("1",) * (rank - 2)):
            return replace(x, axes=(), flattened=None)
        return replace(x, axes=axes)

    def _view(self, path: str, x: _Value, node: torch.fx.Node, where: str) -> _Value:
        """What view or reshape makes of a value: itself, or flat."""
        self._check_axes(x, where)
        given: list[Any] = [*node.args[1:], *node.kwargs.values()]
        asked = [*given[0]] if given and isinstance(given[0], tuple | list) else given
        if len(given) == 1 and isinstance(given[0], torch.fx.Node) and len(self.sizes.get(given[0], ())) > 1:
            asked = [*self.sizes[given[0]]]
        sized = {node for node, sizes in self.sizes.items() if len(sizes) == 1}
        numbers = [self.sizes[size][0] if isinstance(size, torch.fx.Node) and size in sized else size for size in asked]
        _, sizes = self._axes_and_sizes(x)
        known = all(size is None or isinstance(size, int) for size in numbers)
        wanted = resolved(numbers, sizes) if known and x.name and not any(x.padding) else None
        if wanted == sizes:
            return x
        if wanted is not None and len(wanted) == 2:
            return self._flatten(path, x, (1, -1), where)
        if wanted is not None and x.flattened and wanted[1:] == (x.shape[2], *(1,) * (len(self.input_shape) - 1)):
            return self._with_axes(x, ("b", "f", *("1",) * (len(self.input_shape) - 1)))
        raise UnsupportedError(f"{where} asks for a shape that layers do not read: use torch.flatten(x, 1), or leave it out")

    def _source(self, node: torch.fx.Node, where: str) -> Any:
        """The first argument, the value that the node reads."""
        if not node.args or any(isinstance(value, torch.fx.Node) for value in node.kwargs.values()):
            raise UnsupportedError(f"{where} is given a value by keyword: give it by position")
        return node.args[0]

    def _operands(self, node: torch.fx.Node, where: str) -> Sequence[Any]:
        if len(node.args) != 2 or node.kwargs:
            raise UnsupportedError(f"{where} has more than two operands by position: leave out alpha and other keywords")
        return node.args

    def _module_path(self, node: torch.fx.Node) -> str:
        """The module in whose forward a function is called."""
        stack = list(node.meta.get("nn_module_stack", {}).values())
        return str(stack[-1][0]) if stack else ""

    def _scoped_name(self, node: torch.fx.Node) -> str:
        """The module in whose forward a function is called, and the function."""
        return f"{self._module_path(node)}_{re.sub(r'_[0-9]+$', '', node.name)}"

    def _add(self, step: Step, flattened: Shape | None = None) -> _Value:
        self.steps[step.name] = step
        return _Value(step.name, step.shape, flattened)

    def _is_alone(self, value: _Value) -> bool:
        """Whether one node alone reads a value, under whatever name."""
        return all(len(node.users) == 1 for node, known in self.values.items() if known.name == value.name)

    def _shown(self, name: str) -> str:
        """The value whose memory a value shows in torch: a flattened one's map."""
        step = self.steps.get(name)
        return step.inputs[0] if step is not None and not LAYER_KINDS[step.kind].keeps_positions else name

    def _overwrite(self, old: _Value, new: _Value, where: str) -> _Value:
        """What happens in place: whoever reads the old value from here on reads the new one."""
        for node, value in self.values.items():
            if value.name != old.name and self._shown(value.name) == self._shown(old.name) and not node.users.keys() <= self.values.keys():
                raise UnsupportedError(f"{where} changes in place what is read later on the other side of a Flatten: do not work in place")
            if value.name == old.name and not any(value.padding):
                self.values[node] = replace(value, name=new.name)
        return new

    def _new_name(self, path: str) -> str:
        """An identifier for the layer at `path` of the module, unlike all before."""
        plain = re.sub(r"[^a-z0-9]+", "_", path.lower()).strip("_")
        plain = self.prefix + (plain if plain[:1].isalpha() else f"layer_{plain}")[:LONGEST_NAME]
        taken = {*self.steps, *ATTRIBUTES, INPUT, NORMALIZE}
        number = 2
        name = plain
        while name in taken or DERIVED.search(name):
            name, number = f"{plain}_{number}", number + 1
        return name

    def _convolution(self, path: str, module: nn.Module, x: _Value, where: str) -> _Value:
        c: Any = module
        height, width, channels = x.shape
        depthwise = c.groups > 1
        if c.in_channels != channels:
            raise InputError(f"{where} reads {counted(c.in_channels, 'channel')}, and there are {channels}")
        if depthwise and not c.groups == c.in_channels == c.out_channels:
            raise UnsupportedError(
                f"{where} has {c.groups} groups: only 1, or one a channel with as many outputs (depthwise), are supported"
            )
        if max(c.dilation) > 1:
            raise UnsupportedError(f"{where} is dilated: use dilation 1")
        if c.padding_mode != "zeros":
            raise UnsupportedError(f"{where} pads by {c.padding_mode!r}: use zeros")
        kernel, stride = _pair(c.kernel_size, 1), _pair(c.stride, 1)
        padding = _sum(x.padding, _conv_padding(c, kernel))
        weight = c.weight if c.weight.dim() == 4 else c.weight[:, :, None]
        rows = weight.permute(0, 2, 3, 1).reshape(c.out_channels, -1)
        layer = self._layer(path, rows, c.bias, depthwise=depthwise)
        shape = (*_size((height, width), kernel, stride, padding, where), c.out_channels)
        return self._add(Step(self._new_name(path), "convolution", (x.name,), shape, layer, kernel, stride, padding))

    def _linear(self, path: str, module: nn.Linear, x: _Value, where: str) -> _Value:
        height, width, channels = x.shape
        if x.flattened is None:
            raise InputError(f"{where} reads a map of {height} x {width}: put Flatten or a global pool before it")
        if module.in_features != channels:
            raise InputError(f"{where} reads {module.in_features} features, and there are {channels}")
        height, width, channels = x.flattened
        rows = module.weight.reshape(-1, channels, height, width).permute(0, 2, 3, 1).reshape(module.weight.shape)
        layer = self._layer(path, rows, module.bias)
        if not torch.equal(self.parameters[layer].weight, rows):
            raise UnsupportedError(f"{where} reads flattened maps of different shapes: use several layers")
        shape = (1, 1, module.out_features)
        return self._add(Step(self._new_name(path), "convolution", (x.name,), shape, layer), shape)

    def _layer(self, path: str, rows: Tensor, bias: Tensor | None, *, depthwise: bool = False, seed: int | None = None) -> str:
        """The layer of a module, which several steps share when the module is called several times."""
        if path not in self.of_module:
            name = self._new_name(path)
            self.of_module[path] = name
            self.layers[name] = Layer(name, rows.shape[0], rows.shape[1], depthwise, bias is not None, seed=seed)
            self.parameters[name] = LayerModules(rows.detach(), None if bias is None else bias.detach())
        return self.of_module[path]

    def _random_projection(self, path: str, module: RandomProjection, x: _Value, where: str) -> _Value:
        size = math.prod(x.shape)
        if size != module.features:
            raise InputError(f"{where} reads {module.features} features, and there are {size}")
        if x.flattened and x.flattened[:2] != (1, 1):
            raise UnsupportedError(f"{where} follows a Flatten: leave that out, it flattens what it reads itself")
        if x.shape[:2] != (1, 1):
            x = self._add(Step(self._new_name(f"{path}_flatten"), "flatten", (x.name,), (1, 1, size)))
        layer = self._layer(path, module.matrix, module.bias, seed=module.seed)
        shape = (1, 1, self.layers[layer].rows)
        return self._add(Step(self._new_name(path), "convolution", (x.name,), shape, layer), shape)

    def _batch_norm(self, path: str, module: nn.Module, x: _Value, where: str) -> _Value:
        step = self.steps.get(x.name)
        if step is not None and step.layer and self.layers[step.layer].seed is not None:
            raise UnsupportedError(f"{where} follows a random projection, whose signs a negative gain would turn: leave it out there")
        if step is None or not self._is_foldable(x) or step.gain_out != 1.0 or x.name in self.folded:
            raise UnsupportedError(f"{where} does not follow a convolution or linear layer directly, so it cannot fold: move it there")
        norm: Any = module
        if not norm.track_running_stats:
            raise UnsupportedError(f"{where} keeps no running statistics: leave track_running_stats on")
        self.folded[x.name] = _Folded(norm=path)
        return x

    def _is_foldable(self, x: _Value) -> bool:
        """Whether x is a convolution's own result, which nobody else reads."""
        step = self.steps.get(x.name)
        foldable = step is not None and step.layer != "" and not step.relu and self._is_alone(x)
        return foldable and step is not None and self.layers[step.layer].seed is None  # a negative factor would turn drawn signs

    def _pad(self, module: nn.Module, x: _Value, where: str) -> _Value:
        pad: Any = module
        if getattr(pad, "value", 0) != 0:
            raise UnsupportedError(f"{where} pads by {pad.value}: only zeros are supported")
        left, right, *rest = pad.padding
        top, bottom = rest or (0, 0)
        if min(left, right, top, bottom) < 0:
            raise UnsupportedError(f"{where} cuts off: padding must not be negative")
        return replace(x, padding=_sum(x.padding, (top, bottom, left, right)))

    def _relu(self, path: str, x: _Value, where: str, *, in_place: bool) -> _Value:
        step = self.steps.get(x.name)
        if step is not None and LAYER_KINDS[step.kind].takes_relu and self._is_alone(x):
            self.steps[x.name] = replace(step, relu=True)
            return x
        result = self._add(Step(self._new_name(path), "relu", (x.name,), x.shape, relu=True), x.flattened)
        return self._overwrite(x, result, where) if in_place else result

    def _elementwise(self, kind: str, path: str, x: _Value, where: str, *, in_place: bool) -> _Value:
        result = self._add(Step(self._new_name(path), kind, (x.name,), x.shape), x.flattened)
        return self._overwrite(x, result, where) if in_place else result

    def _addition(self, path: str, a: _Value, b: _Value, where: str, *, in_place: bool) -> _Value:
        if not a.name or not b.name:
            raise UnsupportedError(f"{where} reads a number: it takes values of the net")
        if any(a.padding) or any(b.padding):
            raise _padding_error(where)
        if (a.shape, a.flattened) != (b.shape, b.flattened):
            shapes = f"{a.flattened or a.shape} and {b.flattened or b.shape}"
            raise InputError(f"{where} adds maps of {shapes} (height, width, channels): they must be equal")
        result = self._add(Step(self._new_name(path), "add", (a.name, b.name), a.shape), a.flattened)
        return self._overwrite(a, result, where) if in_place else result

    def _product(self, path: str, a: _Value, b: _Value, where: str, *, in_place: bool) -> _Value:
        if math.isnan(a.number) or math.isnan(b.number):
            raise UnsupportedError(f"{where} multiplies by the size of the batch, or by no number: leave it out")
        if a.name and b.name:
            raise UnsupportedError(f"{where} multiplies two values of the net: only a number or a scalar parameter may stand beside one")
        x, factor = (a, b) if a.name else (b, a)
        if not x.name:
            if x.parameter or factor.parameter:
                raise UnsupportedError(f"{where} multiplies a parameter by a number: multiply a convolution's result by each of them")
            return _Value(number=x.number * factor.number)
        if any(x.padding):
            raise _padding_error(where)
        if factor.parameter:
            return self._scale(x, factor.parameter, where)
        if self._is_foldable(x):
            step = self.steps[x.name]
            self.steps[x.name] = replace(step, gain_out=step.gain_out * factor.number)
            return x
        if factor.number <= 0:
            raise UnsupportedError(f"{where} multiplies a value by {factor.number:g}: the factor must be positive")
        result = self._add(Step(self._new_name(path), "scale", (x.name,), x.shape, factor=factor.number), x.flattened)
        return self._overwrite(x, result, where) if in_place else result

    def _scale(self, x: _Value, parameter: str, where: str) -> _Value:
        folded = self.folded.get(x.name, _Folded())
        if not self._is_foldable(x) or folded.scale:
            raise UnsupportedError(
                f"{where} multiplies by a parameter something else than a convolution's own result: it cannot fold (one parameter can)"
            )
        self.folded[x.name] = replace(folded, scale=parameter)
        return x

    def _flatten(self, path: str, x: _Value, dims: Sequence[Any], where: str) -> _Value:
        rank = 2 if x.flattened is not None else len(self.input_shape) + 1
        first, last = (dim % rank if isinstance(dim, int) and -rank <= dim < rank else None for dim in dims)
        if first is not None and first == last:
            return x
        if (first, last) != (1, rank - 1):
            raise UnsupportedError(f"{where} flattens the axes {tuple(dims)}: flatten all but the batch (start_dim=1)")
        if x.shape[:2] == (1, 1):
            return replace(x, flattened=x.shape)
        return self._add(Step(self._new_name(path), "flatten", (x.name,), (1, 1, math.prod(x.shape))), x.shape)

    def _mean(self, path: str, node: torch.fx.Node, x: _Value, where: str) -> _Value:
        dims = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
        rank = len(self.input_shape) + 1
        wanted = sorted(d % rank for d in (dims if isinstance(dims, tuple | list) else (dims,)) if isinstance(d, int))
        if wanted != list(range(2, rank)) or x.flattened is not None:
            raise UnsupportedError(f"{where} averages the axes {dims}: average all positions, x.mean({tuple(range(2, rank))})")
        pooled = self._pool_step(path, "average_pool", x, x.shape[:2], (1, 1), (0, 0, 0, 0), where)
        keeps = node.args[2] if len(node.args) > 2 else node.kwargs.get("keepdim")
        return pooled if keeps else replace(pooled, flattened=pooled.shape)

    def _pool(self, path: str, module: nn.Module, x: _Value, where: str) -> _Value:
        p: Any = module
        if isinstance(module, (*GLOBAL_AVERAGES, *GLOBAL_MAXIMA)):
            if any(size != 1 for size in (p.output_size if isinstance(p.output_size, tuple) else (p.output_size,))):
                raise UnsupportedError(f"{where} gives a map of {p.output_size}: only a single position, 1, is supported")
            top, bottom, left, right = x.padding
            kernel, stride, padding = (x.shape[0] + top + bottom, x.shape[1] + left + right), (1, 1), (0, 0, 0, 0)
        else:
            if getattr(p, "divisor_override", None) is not None:
                raise UnsupportedError(f"{where} divides by divisor_override: leave it out")
            if p.ceil_mode or max(_pair(getattr(p, "dilation", 1), 1)) > 1:
                raise UnsupportedError(f"{where} uses ceil_mode or dilation: leave them off")
            if isinstance(module, AVERAGE_POOLS) and not p.count_include_pad and max(_pair(p.padding, 0)):
                raise UnsupportedError(f"{where} leaves padded zeros out of the average: set count_include_pad, or do not pad")
            over_time = len(self.input_shape) == 2
            kernel, stride = _pair(p.kernel_size, 1, over_time), _pair(p.stride or p.kernel_size, 1, over_time)
            down, across = _pair(p.padding, 0, over_time)
            padding = (down, down, across, across)
        averages = isinstance(module, (*AVERAGE_POOLS, *GLOBAL_AVERAGES))
        if not averages and any(x.padding):
            raise _padding_error(where)
        if not averages and any(padding) and x.name not in nonnegative_values(self.steps.values()):
            raise UnsupportedError(f"{where} pads a map that may be negative: put a ReLU before it, or do not pad")
        return self._pool_step(path, "average_pool" if averages else "max_pool", x, kernel, stride, _sum(x.padding, padding), where)

    def _pool_step(self, path: str, kind: Any, x: _Value, kernel: Pair, stride: Pair, padding: Padding, where: str) -> _Value:
        shape = (*_size(x.shape[:2], kernel, stride, padding, where), x.shape[2])
        factor = 1 / (kernel[0] * kernel[1]) if kind == "average_pool" else 1.0
        return self._add(Step(self._new_name(path), kind, (x.name,), shape, "", kernel, stride, padding, factor=factor))


_AXES: Mapping[str, str] = {"b": "batch", "c": "channels", "h": "height", "w": "width or time", "f": "features"}


def _pair(value: Any, missing: int, over_time: bool = False) -> Pair:
    """(down, across) of a number or of a tuple of one or two."""
    if isinstance(value, int):
        return (missing, value) if over_time else (value, value)
    return (missing, int(value[0])) if len(value) == 1 else (int(value[0]), int(value[1]))


def _conv_padding(module: Any, kernel: Pair) -> Padding:
    if module.padding == "valid":
        return 0, 0, 0, 0
    if module.padding == "same":
        down, across = kernel[0] - 1, kernel[1] - 1
        return down // 2, down - down // 2, across // 2, across - across // 2
    down, across = _pair(module.padding, 0)
    return down, down, across, across


def _sum(a: Padding, b: Padding) -> Padding:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]


def _size(size: Pair, kernel: Pair, stride: Pair, padding: Padding, where: str) -> Pair:
    down, across = size[0] + padding[0] + padding[1], size[1] + padding[2] + padding[3]
    if kernel[0] > down or kernel[1] > across:
        raise InputError(f"{where} moves windows of {kernel[0]} x {kernel[1]} over a map of {down} x {across}: take smaller ones")
    return (down - kernel[0]) // stride[0] + 1, (across - kernel[1]) // stride[1] + 1


def _dims(node: torch.fx.Node) -> tuple[Any, Any]:
    """start_dim and end_dim of a call of flatten."""
    names = ("start_dim", "end_dim")
    given = {**dict(zip(names, node.args[1:], strict=False)), **node.kwargs}
    return given.get("start_dim", 0), given.get("end_dim", -1)


def _padding_error(where: str) -> UnsupportedError:
    return UnsupportedError(f"{where} reads a zero padding: padding may only stand before a convolution or an average pool")
