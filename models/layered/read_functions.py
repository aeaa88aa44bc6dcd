"""How functions of torch and methods of tensors are read that layers know: by the table of kinds, and what folds into other steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

from ...errors import InputError, UnsupportedError
from .kinds import LAYER_KINDS, LayerKind
from .plan import Step
from .plan_builder import Folded, PlanBuilder, TorchCall
from .traced import TracedValue, shown


def read_kind(builder: PlanBuilder, call: TorchCall, kind: str) -> TracedValue:
    """A call that is a step of a kind and nothing else, of values alone. Raises UnsupportedError and InputError."""
    values = [builder.plain(each, call.where) for each in _operands(builder, call, LAYER_KINDS[kind])]
    if LAYER_KINDS[kind].reads == 1:
        result = _add_step(builder, call, kind, values)
    else:
        result = reduce(lambda left, right: _add_step(builder, call, kind, [left, right]), values)
    return builder.overwrite(values[0], result, call.where) if call.in_place else result


def _operands(builder: PlanBuilder, call: TorchCall, kind: LayerKind) -> Sequence[Any]:
    args, named = call.node.args, call.node.kwargs
    ranks = [builder.value(node).rank(builder.axes) for node in call.node.all_input_nodes if node in builder.values]
    operands = kind.operands(args, named, max(ranks, default=0))
    if operands is None:
        raise UnsupportedError(f"{call.where} is not supported as it is called there: {kind.called}")
    return operands


def _add_step(builder: PlanBuilder, call: TorchCall, kind: str, values: Sequence[TracedValue]) -> TracedValue:
    blank, read = Step("", kind, (), (0, 0, 0)), LAYER_KINDS[kind]
    shape, segments = read.shape(blank, [value.shape for value in values], None), read.segments([value.segments for value in values])
    if shape is None or segments is None:
        raise InputError(f"{call.where} reads maps of {shown(values)} (height, width, channels): {read.fit}")
    return builder.add(Step(builder.new_name(call.path), kind, tuple(value.name for value in values), shape), segments)


def read_relu(builder: PlanBuilder, call: TorchCall) -> TracedValue:
    """A function; its other argument is inplace."""
    others = (*call.node.args[1:], *call.node.kwargs.values())
    return add_relu(builder, replace(call, in_place=call.in_place or any(others)))


def add_relu(builder: PlanBuilder, call: TorchCall) -> TracedValue:
    """At the end of the step before it, where that may be and nobody else reads it; or a step of its own."""
    x = builder.plain(call.source, call.where)
    step = builder.steps.get(x.name)
    if step is not None and LAYER_KINDS[step.kind].takes_relu and builder.is_alone(x):
        return builder.change(x, relu=True)
    result = builder.add(Step(builder.new_name(call.path), "relu", (x.name,), x.shape, relu=True), x.segments)
    return builder.overwrite(x, result, call.where) if call.in_place else result


def read_flatten(builder: PlanBuilder, call: TorchCall) -> TracedValue:
    """A function; its other arguments are start_dim and end_dim."""
    names = ("start_dim", "end_dim")
    given = {**dict(zip(names, call.node.args[1:], strict=False)), **call.node.kwargs}
    return add_flatten(builder, call, builder.plain(call.source, call.where), (given.get("start_dim", 0), given.get("end_dim", -1)))


def add_flatten(builder: PlanBuilder, call: TorchCall, x: TracedValue, dims: Sequence[Any]) -> TracedValue:
    """The entries of a map as channels. dims: the first and the last axis that become one."""
    rank = x.rank(builder.axes)
    first, last = (dim % rank if isinstance(dim, int) and -rank <= dim < rank else None for dim in dims)
    if first is not None and first == last:
        return x
    if (first, last) != (1, rank - 1):
        raise UnsupportedError(f"{call.where} flattens the axes {tuple(dims)}: flatten all but the batch (start_dim=1)")
    if x.is_one_position:
        return TracedValue(x.name, x.shape, (x.shape,))
    return builder.add(Step(builder.new_name(call.path), "flatten", (x.name,), (1, 1, math.prod(x.shape))), (x.shape,))


def read_product(builder: PlanBuilder, call: TorchCall) -> TracedValue:
    """By a number or a scalar parameter: in the weights of the convolution before it where that can be, or a step of its own."""
    args, where = call.node.args, call.where
    if len(args) != 2 or call.node.kwargs:
        raise UnsupportedError(f"{where} has more than two operands by position: leave out keywords")
    a, b = (builder.value(argument) for argument in args)
    for operand in (a, b):
        operand.check_axes(builder.axes, where)
    if math.isnan(a.number) or math.isnan(b.number):
        raise UnsupportedError(f"{where} multiplies by the size of the batch, or by no number: leave it out")
    if a.name and b.name:
        raise UnsupportedError(f"{where} multiplies two values of the net: only a number or a scalar parameter may stand beside one")
    x, factor = (a, b) if a.name else (b, a)
    if not x.name:
        return _constant(x, factor, where)
    x.check_padding(where)
    return _by_parameter(builder, x, factor.parameter, where) if factor.parameter else _by_number(builder, call, x, factor.number)


def _constant(a: TracedValue, b: TracedValue, where: str) -> TracedValue:
    if a.parameter or b.parameter:
        raise UnsupportedError(f"{where} multiplies a parameter by a number: multiply a convolution's result by each of them")
    return TracedValue(number=a.number * b.number)


def _by_number(builder: PlanBuilder, call: TorchCall, x: TracedValue, factor: float) -> TracedValue:
    if builder.is_foldable(x):
        return builder.change(x, gain_out=builder.steps[x.name].gain_out * factor)
    if factor <= 0:
        raise UnsupportedError(f"{call.where} multiplies a value by {factor:g}: the factor must be positive")
    result = builder.add(Step(builder.new_name(call.path), "scale", (x.name,), x.shape, factor=factor), x.segments)
    return builder.overwrite(x, result, call.where) if call.in_place else result


def _by_parameter(builder: PlanBuilder, x: TracedValue, parameter: str, where: str) -> TracedValue:
    folded = builder.folded.get(x.name, Folded())
    if not builder.is_foldable(x) or folded.scale:
        raise UnsupportedError(
            f"{where} multiplies by a parameter something else than a convolution's own result: it cannot fold (one parameter can)"
        )
    builder.folded[x.name] = Folded(folded.norm, parameter)
    return x
