"""How each cell is spelled in the ops of the integer graph: docs/contract.md, line by line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..graph import ops
from ..graph.fixed_point import PREACTIVATION_BITS, Q15_ONE, FloatArray, tanh_table, to_fixed
from ..graph.ir import Format, Node
from ..graph.ops.activation import Function
from ..models import FastGrnnCell, FastRnnCell, GruCell, LstmCell

PREACTIVATION = Format(PREACTIVATION_BITS)
Q15_BITS = 15
_INT16 = 1 << 15


class LayerNodes:
    """The nodes of one layer of a net, in order. Their names, and those of the values they define, end with the layer's suffix."""

    def __init__(self, suffix: str, *, table: bool) -> None:
        self.suffix, self.table = suffix, table
        self.nodes: list[Node] = []

    def add(self, name: str, op: ops.Op, *inputs: str, output: str = "") -> str:
        """Append a node; returns the name of its value: `output`, or the node's own."""
        value = (output or name) + self.suffix
        self.nodes.append(Node(name + self.suffix, op, inputs, (value,)))
        return value

    def bias(self, name: str, bias: Tensor, value: str) -> str:
        """A pre-activation plus a bias."""
        integers = to_fixed(numpy_of(bias), PREACTIVATION_BITS, -_INT16, _INT16 - 1).astype(np.int16)
        return self.add(name, ops.BiasAdd(integers), value)

    def activation(self, name: str, function: Function, value: str) -> str:
        """A pre-activation through a non-linearity."""
        return self.add(name, ops.Lookup(function, tanh_table()) if self.table else ops.PiecewiseLinear(function), value)


def numpy_of(tensor: Tensor) -> FloatArray:
    """float64, of the same shape."""
    return np.asarray(tensor.detach().numpy(), dtype=np.float64)


def _unit(parameter: Tensor) -> int:
    """The sigmoid of a scalar parameter in Q15, below 2^15."""
    return int(to_fixed(numpy_of(torch.sigmoid(parameter)), 15, 0, Q15_ONE - 1))


def _fastrnn(cell: FastRnnCell, b: LayerNodes, projected: str, recurrent: str, states: Sequence[str]) -> None:
    p = b.bias("candidate_bias", cell.bias, b.add("preactivation", ops.Add(), projected, recurrent))
    c = b.activation("candidate", "tanh", p)
    b.add("state", ops.FastRnnState(_unit(cell.alpha), _unit(cell.beta), cell.states["h"]), c, *states, output="h_next")


def _fastgrnn(cell: FastGrnnCell, b: LayerNodes, projected: str, recurrent: str, states: Sequence[str]) -> None:
    p = b.add("preactivation", ops.Add(), projected, recurrent)
    z = b.activation("gate", "sigmoid", b.bias("gate_bias", cell.gate_bias, p))
    c = b.activation("candidate", "tanh", b.bias("candidate_bias", cell.candidate_bias, p))
    b.add("state", ops.FastGrnnGate(_unit(cell.zeta), _unit(cell.nu), cell.states["h"]), z, c, *states, output="h_next")


def _gru(cell: GruCell, b: LayerNodes, projected: str, recurrent: str, states: Sequence[str]) -> None:
    size = cell.hidden_size
    biased = b.bias("input_bias", cell.bias, projected)
    of_gates = b.add("gates_input", ops.Slice(0, 2 * size), biased)
    gates_recurrent = b.add("gates_recurrent", ops.Slice(0, 2 * size), recurrent)
    gates = b.activation("gates", "sigmoid", b.add("gates_preactivation", ops.Add(), of_gates, gates_recurrent))
    r, z = b.add("reset", ops.Slice(0, size), gates), b.add("update", ops.Slice(size, size), gates)
    candidate_recurrent = b.bias("recurrent_bias", cell.recurrent_bias, b.add("candidate_recurrent", ops.Slice(2 * size, size), recurrent))
    reset = b.add("reset_product", ops.Mul(PREACTIVATION, Q15_BITS), r, candidate_recurrent)
    of_candidate = b.add("candidate_input", ops.Slice(2 * size, size), biased)
    n = b.activation("candidate", "tanh", b.add("candidate_preactivation", ops.Add(), of_candidate, reset))
    b.add("state", ops.GruState(cell.states["h"]), z, n, *states, output="h_next")


def _lstm(cell: LstmCell, b: LayerNodes, projected: str, recurrent: str, states: Sequence[str]) -> None:
    size = cell.hidden_size
    biased = b.bias("preactivation_bias", cell.bias, b.add("preactivation", ops.Add(), projected, recurrent))
    gates = b.activation("gates", "sigmoid", b.add("gates_preactivation", ops.Slice(0, 2 * size), biased))
    i, f = b.add("input_gate", ops.Slice(0, size), gates), b.add("forget_gate", ops.Slice(size, size), gates)
    g = b.activation("candidate", "tanh", b.add("candidate_preactivation", ops.Slice(2 * size, size), biased))
    o = b.activation("output_gate", "sigmoid", b.add("output_preactivation", ops.Slice(3 * size, size), biased))
    c = b.add("cell", ops.LstmCell(cell.states["c"]), i, f, g, states[1], output="c_next")
    h = cell.states["h"]
    opened = ops.Mul(h, 2 * Q15_BITS - h.fraction_bits)
    b.add("state", opened, o, b.activation("cell_tanh", "tanh", c), output="h_next")


Spelling = Callable[..., None]
SPELLINGS: Mapping[type[nn.Module], Spelling] = {FastRnnCell: _fastrnn, FastGrnnCell: _fastgrnn, GruCell: _gru, LstmCell: _lstm}
"""(cell, nodes to append to, the values W x and U h, the values of the states), which defines every state's `<name>_next`."""
