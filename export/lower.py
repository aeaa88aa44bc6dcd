"""From the trained net to the integer graph: the only place, with lower_cells.py, that knows both."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
from torch import nn

from ..errors import UnsupportedError
from ..graph import ops
from ..graph.fixed_point import IntArray, Requantization
from ..graph.ir import Format, Graph, IntegerModel, Node, TensorType, Value
from ..graph.stream import stream
from ..graph.verify import verify_model
from ..models import FeedForwardNet, FixedPointArithmetic, Formats, IntegerActivations, Matrix, Net, Projection, RecurrentNet
from ..models.arithmetic import BIAS_LIMIT
from .lower_cells import SPELLINGS, LayerNodes, numpy_of
from .lower_layers import accumulator_bias, lower_whole, normalization


def lower(net: Net, name: str, classes: Sequence[str] = (), *, streaming: bool = False) -> IntegerModel:
    """The verified integer model of a compressed and calibrated net.

    name: a C identifier. classes: one label a score. streaming: a net over a window as one that takes a few readings at a time.
    Raises UnsupportedError where the contract cannot hold the net.
    """
    if not isinstance(net.arithmetic, FixedPointArithmetic | IntegerActivations):
        raise UnsupportedError("only a compressed net can be lowered: call compress and calibrate first")
    exact = copy.deepcopy(net).double().eval()
    if isinstance(exact, FeedForwardNet):
        graphs = {"whole": lower_whole(exact)}
    else:
        graphs = {"step": _lower_step(exact), "head": _lower_head(exact)}
    model = IntegerModel(name, graphs, tuple(classes))
    verify_model(model)
    return stream(model) if streaming else model


def _formats(net: RecurrentNet) -> Formats:
    assert isinstance(net.arithmetic, FixedPointArithmetic)
    return net.arithmetic.formats


def _lower_step(net: RecurrentNet) -> Graph:
    """Layer after layer: the second reads the state that the first has just made."""
    formats, table = _formats(net), net.arithmetic.nonlinearity == "table"
    inputs = [Value("input", TensorType((len(net.mean),), formats["input"]))]
    normalize = normalization(net.mean, net.std, (formats.input, formats.pre_shift), formats["normalize"])
    nodes = [Node("normalize", normalize, ("input",), ("normalize",))]
    source, read = "normalize", formats["normalize"]
    for cell in net.cells:
        states = {f"{name}{cell.suffix}": format for name, format in cell.states.items()}
        inputs += [Value(name, TensorType((cell.hidden_size,), format)) for name, format in states.items()]
        h, h_format = next(iter(states.items()))
        nodes += _lower_projection(cell.input, source, read, formats)
        nodes += _lower_projection(cell.recurrent, h, h_format, formats)
        layer = LayerNodes(cell.suffix, table=table)
        spell = SPELLINGS[_module_type(cell)]
        spell(cell, layer, cell.input.names[-1], cell.recurrent.names[-1], tuple(states))
        nodes += layer.nodes
        source, read = f"h_next{cell.suffix}", h_format
    following = {f"{name}{cell.suffix}": f"{name}_next{cell.suffix}" for cell in net.cells for name in cell.states}
    return Graph("step", tuple(inputs), tuple(nodes), tuple(following.values()), following)


def _module_type(cell: object) -> type[nn.Module]:
    if type(cell) not in SPELLINGS:
        raise UnsupportedError(f"a {type(cell).__name__} cannot be lowered: lower_cells.py does not spell it")
    assert isinstance(cell, nn.Module)
    return type(cell)


def _lower_head(net: RecurrentNet) -> Graph:
    name = net.read_by_classifier
    read = net.state_formats[name]
    state = Value(name, TensorType((net.cells[-1].hidden_size,), read))
    _, mantissa, exponent = net.classifier.integers()
    bias = accumulator_bias(numpy_of(net.bias), mantissa, exponent, read.fraction_bits, BIAS_LIMIT)
    op = _fully_connected(net.classifier, bias, read, _formats(net)["scores"])
    return Graph("head", (state,), (Node("classifier", op, (name,), ("scores",)),), ("scores",))


def _lower_projection(projection: Projection, source: str, read: Format, formats: Formats) -> list[Node]:
    """One fully_connected a factor."""
    nodes = []
    for name, matrix in projection.layers:
        written = formats[name]
        nodes.append(Node(name, _fully_connected(matrix, np.zeros(0, np.int32), read, written), (source,), (name,)))
        source, read = name, written
    return nodes


def _fully_connected(matrix: Matrix, bias: IntArray, read: Format, written: Format) -> ops.FullyConnected:
    """An accumulator counts row scale * 2^-read; it becomes 2^-written by the row's 15-bit multiplier."""
    entries, mantissa, exponent = matrix.integers()
    shift = (exponent + read.fraction_bits - written.fraction_bits).astype(np.int32)
    return ops.FullyConnected(matrix.graph_weight(entries), bias, Requantization(mantissa, shift), written)
