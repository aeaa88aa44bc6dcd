"""The integer model of a net: its program, run on symbols."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import singledispatch

from ..errors import UnsupportedError
from ..graph.formats import Format, TensorType, common_bits, own_bits
from ..graph.ir import Graph, IntegerModel, Value
from ..graph.stream import stream
from ..graph.verify import verify_model
from ..models import FeedForwardNet, FixedPointArithmetic, Net, RecurrentNet
from .graph_arithmetic import GraphArithmetic
from .symbol import Symbol


def lower(net: Net, name: str, classes: Sequence[str] = (), *, streaming: bool = False) -> IntegerModel:
    """The verified integer model of a compressed and calibrated net.

    name: a C identifier. classes: one label a score. streaming: a net over a window as one that takes a few readings at a time.
    Raises UnsupportedError where the contract cannot hold the net.
    """
    graphs = _lower_net(copy.deepcopy(net).double().eval(), net.fixed)
    model = IntegerModel(name, graphs, tuple(classes), channel_bits=own_bits(net.fixed.input_bits))
    verify_model(model)
    return stream(model) if streaming else model


@singledispatch
def _lower_net(net: Net, fixed: FixedPointArithmetic) -> dict[str, Graph]:  # noqa: ARG001
    raise UnsupportedError(f"a {type(net).__name__} cannot be lowered")


@_lower_net.register
def _(net: RecurrentNet, fixed: FixedPointArithmetic) -> dict[str, Graph]:
    return {"step": _lower_step(net, fixed), "head": _lower_head(net, fixed)}


@_lower_net.register
def _(net: FeedForwardNet, fixed: FixedPointArithmetic) -> dict[str, Graph]:
    shape = net.plan.input_shape
    arithmetic, x = GraphArithmetic(fixed, len(shape)), _input(shape, fixed)
    values = net.run(arithmetic, arithmetic.image(net.normalize(x, arithmetic)))
    scores = net.scores(arithmetic, values)
    return {"whole": Graph("whole", (Value(x.name, x.type),), tuple(arithmetic.nodes), (scores.name,))}


def _input(shape: tuple[int, ...], fixed: FixedPointArithmetic) -> Symbol:
    """What the device reads, in a format without fraction bits where each channel has its own."""
    return Symbol("input", TensorType(shape, Format(common_bits(fixed.input_bits))))


def _lower_step(net: RecurrentNet, fixed: FixedPointArithmetic) -> Graph:
    arithmetic = GraphArithmetic(fixed)
    x = _input(net.input_shape, fixed)
    states = _states(net)
    following = {name: value.name for name, value in net.step(arithmetic, x, states).items()}
    inputs = tuple(Value(symbol.name, symbol.type) for symbol in (x, *states.values()))
    return Graph("step", inputs, tuple(arithmetic.nodes), tuple(following.values()), following)


def _lower_head(net: RecurrentNet, fixed: FixedPointArithmetic) -> Graph:
    arithmetic, states = GraphArithmetic(fixed), _states(net)
    scores = net.answers(arithmetic, net.read(arithmetic, states))
    read = {name for node in arithmetic.nodes for name in node.inputs}
    inputs = tuple(Value(name, symbol.type) for name, symbol in states.items() if name in read)
    return Graph("head", inputs, tuple(arithmetic.nodes), (scores.name,))


def _states(net: RecurrentNet) -> dict[str, Symbol]:
    formats = net.state_formats
    return {name: Symbol(name, TensorType(shape, formats[name])) for name, shape in net.state_shapes.items()}
