"""From a torch module to a Plan and its layers' parameters: which modules are supported, and what to use instead of others."""

from __future__ import annotations

import dataclasses
import math
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.fx
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import InputError, UnsupportedError
from .hourglass import RandomProjection
from .plan import INPUT, Layer, Padding, Pair, Plan, Step

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_PADS = (nn.ConstantPad1d, nn.ConstantPad2d, nn.ZeroPad1d, nn.ZeroPad2d)
_TRANSPARENT = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d)
_MAX_POOLS, _AVERAGE_POOLS = (nn.MaxPool1d, nn.MaxPool2d), (nn.AvgPool1d, nn.AvgPool2d)
_GLOBAL_AVERAGES, _GLOBAL_MAXIMA = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d), (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d)
_ADDITIONS = (operator.add, operator.iadd, torch.add, "add", "add_")
_PRODUCTS = (operator.mul, operator.imul, torch.mul, "mul")
_RELUS = (F.relu, torch.relu, "relu", "relu_")
_FLATTENINGS = (torch.flatten, "flatten")
_INSTEAD: Mapping[str, str] = {
    "ReLU6": "nn.ReLU",
    "LeakyReLU": "nn.ReLU",
    "GELU": "nn.ReLU",
    "SiLU": "nn.ReLU",
    "Hardswish": "nn.ReLU",
    "Sigmoid": "nn.ReLU",
    "Tanh": "nn.ReLU",
    "Softmax": "nothing: rescomp trains on the scores and takes the largest",
    "LogSoftmax": "nothing: rescomp trains on the scores and takes the largest",
    "LayerNorm": "nn.BatchNorm1d, which folds into the layer before it",
    "GroupNorm": "nn.BatchNorm1d or nn.BatchNorm2d, which fold into the layer before them",
    "GRU": "a rescomp.models.RecurrentNet of GruCell",
    "LSTM": "a rescomp.models.RecurrentNet of LstmCell",
    "RNN": "a rescomp.models.RecurrentNet of FastRnnCell",
    "ConvTranspose1d": "nn.Conv1d",
    "ConvTranspose2d": "nn.Conv2d",
}
"""What to use in place of common modules."""
SUPPORTED = "Conv1d, Conv2d, Linear, BatchNorm, ReLU, max and average pools, zero padding, Flatten, addition and multiplication by a number"


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
    try:
        graph = _Tracer().trace(module)
    except (torch.fx.proxy.TraceError, TypeError) as error:
        raise UnsupportedError(
            f"{type(module).__name__}.forward cannot be followed ({error}): let it not depend on its input's values"
        ) from error
    reader = _Reader(module, input_shape)
    for node in graph.nodes:
        reader.read(node)
    return reader.finish(classes)


class _Tracer(torch.fx.Tracer):
    """Stops at the modules of torch.nn and at random projections; everything else is looked into."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, RandomProjection) or super().is_leaf_module(m, module_qualified_name)


@dataclass(frozen=True)
class _Value:
    """What an fx node stands for: a step's value, zeros still to be added around it, or a number.

    flat: of a vector, the shape of the map that it was: torch flattens channels first, the device channels last. padding: top, bottom,
    left, right. number: of a constant. parameter: a scalar parameter.
    """

    name: str = ""
    shape: tuple[int, int, int] = (0, 0, 0)
    flat: tuple[int, int, int] | None = None
    padding: Padding = (0, 0, 0, 0)
    number: float | None = None
    parameter: Tensor | None = None


class _Reader:
    """Reads fx nodes one after another."""

    def __init__(self, module: nn.Module, input_shape: tuple[int, ...]) -> None:
        self.module, self.input_shape = module, input_shape
        self.modules = dict(module.named_modules())
        self.values: dict[torch.fx.Node, _Value] = {}
        self.steps: dict[str, Step] = {}
        self.layers: dict[str, Layer] = {}
        self.parameters: dict[str, LayerModules] = {}
        self.of_module: dict[str, str] = {}
        self.norms: dict[str, str] = {}
        self.output = ""

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
        result = self.steps.get(self.output)
        if result is None or result.shape != (1, 1, classes):
            shape = "its input" if result is None else f"shape {result.shape}"
            raise InputError(f"the net gives {shape} where {classes} scores are wanted: end it with Flatten and Linear(..., {classes})")
        steps = [step for step in self.steps.values() if self._is_needed(step.name)]
        plan = Plan(self.input_shape, tuple(self.layers.values()), tuple(steps))
        return Traced(_move_pool_factors(plan), self.parameters)

    def _is_needed(self, name: str) -> bool:
        return name == self.output or any(name in step.inputs and self._is_needed(step.name) for step in self.steps.values())

    def _placeholder(self, node: torch.fx.Node) -> None:
        if INPUT in (value.name for value in self.values.values()):
            raise UnsupportedError(f"forward reads a second input, {node.target!r}: a net reads one")
        height, width, channels = (1, *self.input_shape) if len(self.input_shape) == 2 else self.input_shape
        self.values[node] = _Value(INPUT, (height, width, channels))

    def _attribute(self, node: torch.fx.Node) -> _Value:
        value = operator.attrgetter(str(node.target))(self.module)
        if isinstance(value, Tensor) and value.numel() == 1:
            if isinstance(value, nn.Parameter):
                return _Value(parameter=value)
            return _Value(number=float(value))
        raise UnsupportedError(f"forward reads the tensor {node.target!r}: only scalars may stand beside the layers")

    def _output(self, node: torch.fx.Node) -> None:
        (result,) = node.args
        if not isinstance(result, torch.fx.Node):
            raise UnsupportedError("forward gives more than one result: return the scores alone")
        self.output = self._value(result).name

    def _value(self, node: Any) -> _Value:
        if isinstance(node, int | float):
            return _Value(number=float(node))
        return self.values[node]

    def _image(self, node: Any, where: str) -> _Value:
        value = self._value(node)
        if not value.name:
            raise UnsupportedError(f"{where} reads a number: it takes a value of the net")
        return value

    def _plain(self, node: Any, where: str) -> _Value:
        value = self._image(node, where)
        if any(value.padding):
            raise UnsupportedError(f"{where} reads a zero padding: padding may only stand before a convolution or an average pool")
        return value

    def _call_module(self, node: torch.fx.Node, path: str, module: nn.Module) -> _Value:
        where = f"layer {path!r} ({type(module).__name__})"
        source = node.args[0]
        if isinstance(module, _TRANSPARENT):
            return self._image(source, where)
        if isinstance(module, _CONVOLUTIONS):
            return self._convolution(path, module, self._image(source, where), where)
        if isinstance(module, nn.Linear):
            return self._linear(path, module, self._plain(source, where), where)
        if isinstance(module, RandomProjection):
            return self._random_projection(path, module, self._plain(source, where), where)
        if isinstance(module, _BATCH_NORMS):
            return self._batch_norm(node, path, module, self._plain(source, where), where)
        if isinstance(module, _PADS):
            return self._pad(module, self._image(source, where), where)
        if isinstance(module, nn.ReLU):
            return self._relu(node, path, self._plain(source, where))
        if isinstance(module, nn.Flatten):
            return self._flatten(path, self._plain(source, where), (module.start_dim, module.end_dim), where)
        if isinstance(module, (*_MAX_POOLS, *_AVERAGE_POOLS, *_GLOBAL_AVERAGES, *_GLOBAL_MAXIMA)):
            return self._pool(path, module, self._image(source, where), where)
        instead = _INSTEAD.get(type(module).__name__)
        hint = f"use {instead}" if instead else f"supported are {SUPPORTED}"
        raise UnsupportedError(f"{where} is not supported: {hint}")

    def _call_function(self, node: torch.fx.Node) -> _Value:
        name, target = self._scoped_name(node), node.target
        where = f"{getattr(target, '__name__', target)} in forward"
        if target in _ADDITIONS:
            return self._addition(name, self._plain(node.args[0], where), self._plain(node.args[1], where), where)
        if target in _RELUS:
            return self._relu(node, name, self._plain(node.args[0], where))
        if target in _PRODUCTS:
            return self._product(node, [self._value(argument) for argument in node.args], where)
        if target in _FLATTENINGS:
            dims = (*node.args[1:], *node.kwargs.values(), *((0, -1)[len(node.args) - 1 :]))[:2]
            return self._flatten(name, self._plain(node.args[0], where), dims, where)
        if target == "mean" or target is torch.mean:
            return self._mean(name, node, self._plain(node.args[0], where), where)
        raise UnsupportedError(f"{where} is not supported: supported are {SUPPORTED}")

    def _scoped_name(self, node: torch.fx.Node) -> str:
        """The module in whose forward a function is called, and the function."""
        stack = list(node.meta.get("nn_module_stack", {}).values())
        path = stack[-1][0] if stack else ""
        return f"{path}_{re.sub(r'_[0-9]+$', '', node.name)}"

    def _add(self, step: Step, *, flat: tuple[int, int, int] | None = None) -> _Value:
        if min(step.shape) < 1:
            raise InputError(f"layer {step.name!r} has no output left: its window {step.kernel_size} does not fit what it reads")
        self.steps[step.name] = step
        return _Value(step.name, step.shape, flat)

    def _new_name(self, path: str) -> str:
        """An identifier for the layer at `path` of the module, unlike all before."""
        plain = re.sub(r"[^a-z0-9]+", "_", path.lower()).strip("_")
        plain = plain if plain[:1].isalpha() else f"layer_{plain}"
        taken = {*self.steps, INPUT, "normalize"}
        number = 2
        name = plain
        while name in taken:
            name, number = f"{plain}_{number}", number + 1
        return name

    def _convolution(self, path: str, module: nn.Module, x: _Value, where: str) -> _Value:
        c: Any = module
        height, width, channels = x.shape
        depthwise = c.groups > 1
        if c.in_channels != channels:
            raise InputError(f"{where} reads {c.in_channels} channels, and there are {channels}")
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
        shape = (*_size((height, width), kernel, stride, padding), c.out_channels)
        return self._add(Step(self._new_name(path), "convolution", (x.name,), shape, layer, kernel, stride, padding))

    def _linear(self, path: str, module: nn.Linear, x: _Value, where: str) -> _Value:
        height, width, channels = x.shape
        if not x.flat and (height, width) != (1, 1):
            raise InputError(f"{where} reads a map of {height} x {width}: put Flatten or a global pool before it")
        if module.in_features != channels:
            raise InputError(f"{where} reads {module.in_features} features, and there are {channels}")
        seen, rows = x.flat or x.shape, module.weight
        rows = rows.reshape(len(rows), seen[2], seen[0], seen[1]).permute(0, 2, 3, 1).reshape(len(rows), -1)
        return self._vector_step(path, x, self._layer(path, rows, module.bias))

    def _vector_step(self, path: str, x: _Value, layer: str) -> _Value:
        """A layer that reads a vector."""
        shape = (1, 1, self.layers[layer].rows)
        return self._add(Step(self._new_name(path), "convolution", (x.name,), shape, layer), flat=shape)

    def _random_projection(self, path: str, module: RandomProjection, x: _Value, where: str) -> _Value:
        size = math.prod(x.shape)
        if size != module.features:
            raise InputError(f"{where} reads {module.features} features, and there are {size}")
        if x.flat and x.flat[:2] != (1, 1):
            raise UnsupportedError(f"{where} follows a Flatten: leave that out, it flattens what it reads itself")
        if x.shape[:2] != (1, 1):
            x = self._add(Step(self._new_name(f"{path}_flatten"), "flatten", (x.name,), (1, 1, size)))
        return self._vector_step(path, x, self._layer(path, module.matrix, module.bias, seed=module.seed))

    def _layer(self, path: str, rows: Tensor, bias: Tensor | None, *, depthwise: bool = False, seed: int | None = None) -> str:
        """The layer of a module, which several steps share when the module is called several times."""
        if path not in self.of_module:
            name = self._new_name(path)
            self.of_module[path] = name
            self.layers[name] = Layer(name, rows.shape[0], rows.shape[1], depthwise, bias is not None, seed=seed)
            self.parameters[name] = LayerModules(rows.detach(), None if bias is None else bias.detach())
        return self.of_module[path]

    def _batch_norm(self, node: torch.fx.Node, path: str, module: nn.Module, x: _Value, where: str) -> _Value:
        step = self.steps.get(x.name)
        before = node.args[0]
        alone = isinstance(before, torch.fx.Node) and len(before.users) == 1
        if step is None or step.kind != "convolution" or step.relu or not alone:
            raise UnsupportedError(f"{where} does not follow a convolution or linear layer directly, so it cannot fold: move it there")
        if self.layers[step.layer].seed is not None:
            raise UnsupportedError(f"{where} follows a random projection, whose signs a negative gain would turn: leave it out there")
        if self.norms.setdefault(step.layer, path) != path:
            raise UnsupportedError(f"{where} follows a layer that {self.norms[step.layer]!r} normalises too: give each its own")
        norm: Any = module
        if not norm.track_running_stats:
            raise UnsupportedError(f"{where} keeps no running statistics: leave track_running_stats on")
        self.layers[step.layer] = replace(self.layers[step.layer], normalized=True)
        self.parameters[step.layer].norm = module
        return x

    def _pad(self, module: nn.Module, x: _Value, where: str) -> _Value:
        pad: Any = module
        if getattr(pad, "value", 0) != 0:
            raise UnsupportedError(f"{where} pads by {pad.value}: only zeros are supported")
        left, right, *rest = pad.padding
        top, bottom = rest or (0, 0)
        if min(left, right, top, bottom) < 0:
            raise UnsupportedError(f"{where} cuts off: padding must not be negative")
        return replace(x, padding=_sum(x.padding, (top, bottom, left, right)))

    def _relu(self, node: torch.fx.Node, path: str, x: _Value) -> _Value:
        step = self.steps.get(x.name)
        before = node.args[0]
        alone = isinstance(before, torch.fx.Node) and len(before.users) == 1
        if step is not None and alone and step.kind in ("convolution", "add"):
            self.steps[x.name] = replace(step, relu=True)
            return x
        return self._add(Step(self._new_name(path), "relu", (x.name,), x.shape, relu=True), flat=x.flat)

    def _addition(self, path: str, a: _Value, b: _Value, where: str) -> _Value:
        if a.shape != b.shape:
            raise InputError(f"{where} adds maps of {a.shape} and {b.shape} (height, width, channels): they must be equal")
        if (a.flat or a.shape) != (b.flat or b.shape):
            raise UnsupportedError(f"{where} adds vectors that were maps of {a.flat} and {b.flat}: add them before they are flattened")
        return self._add(Step(self._new_name(path), "add", (a.name, b.name), a.shape), flat=a.flat or b.flat)

    def _product(self, node: torch.fx.Node, operands: Sequence[_Value], where: str) -> _Value:
        values = [value for value in operands if value.name]
        factors = [value for value in operands if not value.name]
        if len(values) == 2:
            raise UnsupportedError(f"{where} multiplies two values of the net: only a number or a scalar parameter may stand beside one")
        if not values:
            return _Value(number=math.prod(value.number or 0.0 for value in factors))
        (x,), (factor,) = values, factors
        step = self.steps.get(x.name)
        producer = next(argument for argument in node.args if isinstance(argument, torch.fx.Node) and self.values[argument].name)
        foldable = step is not None and step.kind == "convolution" and not step.relu and len(producer.users) == 1
        foldable = foldable and step is not None and self.layers[step.layer].seed is None  # a negative factor would turn its signs
        if factor.parameter is not None:
            if step is None or not foldable:
                raise UnsupportedError(f"{where} multiplies by a parameter something else than a convolution's own result: it cannot fold")
            self.layers[step.layer] = replace(self.layers[step.layer], scaled=True)
            self.parameters[step.layer].scale = factor.parameter.detach()
            return x
        assert factor.number is not None
        if step is not None and foldable:
            self.steps[x.name] = replace(step, gain_out=step.gain_out * factor.number)
            return x
        if factor.number <= 0:
            raise UnsupportedError(f"{where} multiplies a value by {factor.number:g}: the factor must be positive")
        return self._add(Step(self._new_name(self._scoped_name(node)), "scale", (x.name,), x.shape, factor=factor.number), flat=x.flat)

    def _flatten(self, path: str, x: _Value, dims: Sequence[Any], where: str) -> _Value:
        if tuple(dims) != (1, -1):
            raise UnsupportedError(f"{where} flattens the axes {tuple(dims)}: flatten all but the batch (start_dim=1)")
        size = math.prod(x.shape)
        if x.flat or x.shape[:2] == (1, 1):
            return replace(x, flat=x.flat or x.shape)
        return self._add(Step(self._new_name(path), "flatten", (x.name,), (1, 1, size)), flat=x.shape)

    def _mean(self, path: str, node: torch.fx.Node, x: _Value, where: str) -> _Value:
        dims = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
        rank = len(self.input_shape) + 1
        wanted = sorted(d % rank for d in (dims if isinstance(dims, tuple | list) else (dims,)) if isinstance(d, int))
        if wanted != list(range(2, rank)):
            raise UnsupportedError(f"{where} averages the axes {dims}: average all positions, x.mean({tuple(range(2, rank))})")
        pooled = self._pool_step(path, "average_pool", x, x.shape[:2], (1, 1), (0, 0, 0, 0), where)
        return replace(pooled, flat=pooled.shape)

    def _pool(self, path: str, module: nn.Module, x: _Value, where: str) -> _Value:
        p: Any = module
        if isinstance(module, (*_GLOBAL_AVERAGES, *_GLOBAL_MAXIMA)):
            if any(size != 1 for size in (p.output_size if isinstance(p.output_size, tuple) else (p.output_size,))):
                raise UnsupportedError(f"{where} gives a map of {p.output_size}: only a single position, 1, is supported")
            kernel, stride, padding = x.shape[:2], (1, 1), (0, 0, 0, 0)
        else:
            if p.ceil_mode or max(_pair(getattr(p, "dilation", 1), 1)) > 1:
                raise UnsupportedError(f"{where} uses ceil_mode or dilation: leave them off")
            if isinstance(module, _AVERAGE_POOLS) and not p.count_include_pad and max(_pair(p.padding, 0)):
                raise UnsupportedError(f"{where} leaves padded zeros out of the average: set count_include_pad, or do not pad")
            over_time = len(self.input_shape) == 2
            kernel, stride = _pair(p.kernel_size, 1, over_time), _pair(p.stride or p.kernel_size, 1, over_time)
            down, across = _pair(p.padding, 0, over_time)
            padding = (down, down, across, across)
        averages = isinstance(module, (*_AVERAGE_POOLS, *_GLOBAL_AVERAGES))
        if not averages and any(x.padding):
            raise UnsupportedError(f"{where} reads a zero padding: padding may only stand before a convolution or an average pool")
        if not averages and any(padding) and not self._is_nonnegative(x.name):
            raise UnsupportedError(f"{where} pads a map that may be negative: put a ReLU before it, or do not pad")
        return self._pool_step(path, "average_pool" if averages else "max_pool", x, kernel, stride, _sum(x.padding, padding), where)

    def _is_nonnegative(self, name: str) -> bool:
        step = self.steps.get(name)
        return step is not None and (step.relu or (step.kind in ("max_pool", "flatten") and self._is_nonnegative(step.inputs[0])))

    def _pool_step(self, path: str, kind: Any, x: _Value, kernel: Pair, stride: Pair, padding: Padding, where: str) -> _Value:
        if kernel[0] > x.shape[0] + padding[0] + padding[1] or kernel[1] > x.shape[1] + padding[2] + padding[3]:
            raise InputError(
                f"{where} pools windows of {kernel[0]} x {kernel[1]} over a map of {x.shape[0]} x {x.shape[1]}: take a smaller one"
            )
        shape = (*_size(x.shape[:2], kernel, stride, padding), x.shape[2])
        factor = 1 / (kernel[0] * kernel[1]) if kind == "average_pool" else 1.0
        return self._add(Step(self._new_name(path), kind, (x.name,), shape, "", kernel, stride, padding, factor=factor))


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


def _size(size: Pair, kernel: Pair, stride: Pair, padding: Padding) -> Pair:
    down, across = size[0] + padding[0] + padding[1], size[1] + padding[2] + padding[3]
    return (down - kernel[0]) // stride[0] + 1, (across - kernel[1]) // stride[1] + 1


def _move_pool_factors(plan: Plan) -> Plan:
    """Let average pools divide by powers of two wherever the rest of the divisor can go into the weights that read them."""
    for pool in (step for step in plan.steps if step.kind == "average_pool"):
        power = 2.0 ** -math.ceil(math.log2(pool.area))
        readers = _readers(plan, pool.name)
        if power != pool.factor and readers:
            rest = pool.factor / power
            moved = {name: replace(plan.step(name), gain_in=plan.step(name).gain_in * rest) for name in readers}
            moved[pool.name] = replace(pool, factor=power)
            plan = dataclasses.replace(plan, steps=tuple(moved.get(step.name, step) for step in plan.steps))
    return plan


def _readers(plan: Plan, name: str) -> set[str]:
    """The convolutions that read a value, directly or through steps that a positive factor passes; empty if anything else does."""
    found: set[str] = set()
    for user in plan.users(name):
        if user.kind == "convolution":
            found.add(user.name)
        elif user.kind in ("relu", "max_pool", "flatten", "scale"):
            further = _readers(plan, user.name)
            if not further:
                return set()
            found |= further
        else:
            return set()
    return found
