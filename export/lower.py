"""From the trained net to the integer graph: the only place, with lower_cells.py, that knows both."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from ..errors import UnsupportedError
from ..graph import ops
from ..graph.fixed_point import IntArray, Requantization, split_scale, to_fixed
from ..graph.ir import Format, Graph, IntegerModel, Node, TensorType, Value
from ..graph.verify import verify_model
from ..models import FixedPointArithmetic, Formats, Matrix, Projection, RecurrentNet
from .lower_cells import SPELLINGS, LayerNodes, numpy_of

CLASSIFIER_BIAS_LIMIT = 1 << 29


def lower(net: RecurrentNet, name: str, classes: Sequence[str] = ()) -> IntegerModel:
    """The verified integer model of a compressed and calibrated net.

    name: a C identifier. classes: one label a score. Raises UnsupportedError where the contract cannot hold the net.
    """
    if not isinstance(net.arithmetic, FixedPointArithmetic):
        raise UnsupportedError("only a compressed net can be lowered: call compress and calibrate first")
    exact = copy.deepcopy(net).double().eval()
    graphs = {"step": _lower_step(exact), "head": _lower_head(exact)}
    model = IntegerModel(name, graphs, tuple(classes))
    verify_model(model)
    return model


def _formats(net: RecurrentNet) -> Formats:
    assert isinstance(net.arithmetic, FixedPointArithmetic)
    return net.arithmetic.formats


def _lower_step(net: RecurrentNet) -> Graph:
    """Layer after layer: the second reads the state that the first has just made."""
    formats, table = _formats(net), net.arithmetic.nonlinearity == "table"
    inputs = [Value("input", TensorType((len(net.mean),), formats["input"]))]
    nodes = [Node("normalize", _normalize(net), ("input",), ("normalize",))]
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
    op = _fully_connected(net.classifier, _accumulator_bias(net.bias, net.classifier, read), read, _formats(net)["scores"])
    return Graph("head", (state,), (Node("classifier", op, (name,), ("scores",)),), ("scores",))


def _normalize(net: RecurrentNet) -> ops.Requantize:
    """(x - mean) / std as ((x << pre_shift) + bias) * multiplier >> shift, with the constants of one reading of a frame."""
    formats = _formats(net)
    bits = formats.input + formats.pre_shift
    mantissa, exponent = split_scale(1 / numpy_of(net.std))
    bias = to_fixed(-numpy_of(net.mean), bits, -(1 << 31), (1 << 31) - 1).astype(np.int32)
    shift = (exponent + bits - formats.normalize).astype(np.int32)
    n = _period(bias, mantissa, shift)
    return ops.Requantize(formats.pre_shift, bias[:n], Requantization(mantissa[:n], shift[:n]), formats["normalize"])


def _period(*constants: IntArray) -> int:
    """The least number of entries of which each of `constants`, all of one length, is a whole number of copies."""
    size = len(constants[0])
    evenly = (n for n in range(1, size + 1) if size % n == 0)
    return next(n for n in evenly if all(np.array_equal(each, np.resize(each[:n], size)) for each in constants))


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


def _accumulator_bias(bias: Tensor, matrix: Matrix, read: Format) -> IntArray:
    _, mantissa, exponent = matrix.integers()
    unit = np.ldexp(mantissa.astype(np.float64), -exponent - read.fraction_bits)
    return to_fixed(numpy_of(bias) / unit, 0, -CLASSIFIER_BIAS_LIMIT, CLASSIFIER_BIAS_LIMIT).astype(np.int32)
