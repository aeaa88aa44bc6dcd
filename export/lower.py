"""From the trained net to the integer graph: the only file that knows both."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..errors import UnsupportedError
from ..graph import ops
from ..graph.fixed_point import (
    PREACTIVATION_BITS,
    Q15_ONE,
    TERNARY_INPUT_BOUND,
    FloatArray,
    IntArray,
    Requantization,
    split_scale,
    tanh_table,
    to_fixed,
)
from ..graph.ir import Format, Graph, IntegerModel, Node, TensorType, Value
from ..graph.ops.activation import Function
from ..graph.verify import verify_model
from ..models import FastGrnnCell, FixedPointArithmetic, Formats, Matrix, Projection, RecurrentNet

STATE = Format(PREACTIVATION_BITS, bound=TERNARY_INPUT_BOUND)
PREACTIVATION = Format(PREACTIVATION_BITS)
CLASSIFIER_BIAS_LIMIT = 1 << 29
_INT16 = 1 << 15


def lower(net: RecurrentNet, name: str, classes: Sequence[str] = ()) -> IntegerModel:
    """The verified integer model of a compressed and calibrated net.

    name: a C identifier. classes: one label a score. Raises UnsupportedError where the contract cannot hold the net.
    """
    if not isinstance(net.arithmetic, FixedPointArithmetic) or not isinstance(net.cell, FastGrnnCell):
        raise UnsupportedError("only a compressed FastGRNN can be lowered: call compress and calibrate first")
    exact = copy.deepcopy(net).double().eval()
    graphs = {"step": _lower_step(exact), "head": _lower_head(exact)}
    model = IntegerModel(name, graphs, tuple(classes))
    verify_model(model)
    return model


def _formats(net: RecurrentNet) -> Formats:
    assert isinstance(net.arithmetic, FixedPointArithmetic)
    return net.arithmetic.formats


def _lower_step(net: RecurrentNet) -> Graph:
    formats, cell = _formats(net), net.cell
    assert isinstance(cell, FastGrnnCell)
    reading = Value("input", TensorType((len(net.mean),), formats["input"]))
    state = Value("h", TensorType((cell.hidden_size,), STATE))
    nodes = (
        Node("normalize", _normalize(net), ("input",), ("normalize",)),
        *_lower_projection(cell.input, "normalize", formats["normalize"], formats),
        *_lower_projection(cell.recurrent, "h", STATE, formats),
        Node("preactivation", ops.Add(), ("input_product", "recurrent_product"), ("preactivation",)),
        *_biased(net, "gate", cell.gate_bias, "sigmoid"),
        *_biased(net, "candidate", cell.candidate_bias, "tanh"),
        Node("state", ops.FastGrnnGate(_unit(cell.zeta), _unit(cell.nu), STATE), ("gate", "candidate", "h"), ("h_next",)),
    )
    return Graph("step", (reading, state), nodes, ("h_next",), {"h": "h_next"})


def _lower_head(net: RecurrentNet) -> Graph:
    state = Value("h", TensorType((net.cell.hidden_size,), STATE))
    bias = _accumulator_bias(net.bias, net.classifier)
    op = _fully_connected(net.classifier, bias, STATE, _formats(net)["scores"])
    return Graph("head", (state,), (Node("classifier", op, ("h",), ("scores",)),), ("scores",))


def _normalize(net: RecurrentNet) -> ops.Requantize:
    """(x - mean) / std as ((x << pre_shift) + bias) * multiplier >> shift."""
    formats = _formats(net)
    bits = formats.input + formats.pre_shift
    mantissa, exponent = split_scale(1 / _numpy(net.std))
    bias = to_fixed(-_numpy(net.mean), bits, -(1 << 31), (1 << 31) - 1).astype(np.int32)
    requantization = Requantization(mantissa, (exponent + bits - formats.normalize).astype(np.int32))
    return ops.Requantize(formats.pre_shift, bias, requantization, formats["normalize"])


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
    return ops.FullyConnected(matrix.format.graph_weight(entries), bias, Requantization(mantissa, shift), written)


def _accumulator_bias(bias: Tensor, matrix: Matrix) -> IntArray:
    _, mantissa, exponent = matrix.integers()
    unit = np.ldexp(mantissa.astype(np.float64), -exponent - STATE.fraction_bits)
    return to_fixed(_numpy(bias) / unit, 0, -CLASSIFIER_BIAS_LIMIT, CLASSIFIER_BIAS_LIMIT).astype(np.int32)


def _biased(net: RecurrentNet, name: str, bias: Tensor, function: Function) -> tuple[Node, Node]:
    """The pre-activation plus a bias, through a non-linearity."""
    integers = to_fixed(_numpy(bias), PREACTIVATION_BITS, -_INT16, _INT16 - 1).astype(np.int16)
    table = net.arithmetic.nonlinearity == "table"
    activation: ops.Op = ops.Lookup(function, tanh_table()) if table else ops.PiecewiseLinear(function)
    return (
        Node(f"{name}_bias", ops.BiasAdd(integers), ("preactivation",), (f"{name}_bias",)),
        Node(name, activation, (f"{name}_bias",), (name,)),
    )


def _unit(parameter: Tensor) -> int:
    """The sigmoid of a scalar parameter in Q15, below 2^15."""
    return int(to_fixed(_numpy(torch.sigmoid(parameter)), 15, 0, Q15_ONE - 1))


def _numpy(tensor: Tensor) -> FloatArray:
    return np.asarray(tensor.detach().numpy(), dtype=np.float64)
