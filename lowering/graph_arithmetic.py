"""The arithmetic of symbols: what a net's program does with them is written down as nodes, so that its run is its graph."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Self

import numpy as np
from torch import Tensor

from ..graph import ops
from ..graph.fixed_point import PREACTIVATION_BITS, Q15_ONE, Function, IntArray, Requantization, tanh_table, to_fixed
from ..graph.formats import Format, TensorType
from ..graph.ir import Node
from ..models import FixedPointArithmetic, Matrix
from ..models.arithmetic import BIAS_LIMIT, NORMALIZED, Block, Constant
from .constants import accumulator_bias, infer, normalization, numpy_of

NODE_NAMES = {"scores": "classifier", "h_next": "state", "c_next": "cell"}
"""Of nodes that are not called as the value that they make."""
_INT16 = 1 << 15


@dataclass(frozen=True)
class Symbol:
    """A value of the graph."""

    name: str
    type: TensorType


class GraphArithmetic:
    """models.arithmetic.CellArithmetic of symbols. nodes: what was computed, in order. fixed: who knows the formats.

    Raises UnsupportedError, naming the value, where an op cannot take what it is given.
    """

    def __init__(self, fixed: FixedPointArithmetic) -> None:
        self.fixed, self.is_table = fixed, fixed.nonlinearity == "table"
        self.nodes: list[Node] = []
        self.suffix = ""

    def of_layer(self, suffix: str) -> Self:
        """The same, and names of nodes and values end with `suffix`."""
        layer = copy.copy(self)
        layer.suffix = suffix
        return layer

    def add_node(self, name: str, op: ops.Op, *inputs: Symbol) -> Symbol:
        """The value of that name, which an op makes of others."""
        node, value = NODE_NAMES.get(name, name) + self.suffix, name + self.suffix
        type = infer(node, op, *(read.type for read in inputs))
        self.nodes.append(Node(node, op, tuple(read.name for read in inputs), (value,)))
        return Symbol(value, type)

    def normalize(self, x: Symbol, mean: Tensor, std: Tensor) -> Symbol:
        """By a factor of 15 bits and a bias for each channel."""
        return self.add_node(NORMALIZED, normalization(mean, std, self.fixed.input_bits, self.fixed.format(NORMALIZED)), x)

    def limit(self, x: Symbol, largest: float) -> Symbol:  # noqa: ARG002
        """What is normalised is limited by its format."""
        return x

    def product(self, x: Symbol, matrix: Matrix, name: str, bias: Tensor | None = None, read: Format | None = None) -> Symbol:
        """A fully connected layer: an accumulator counts row scale * 2^-read, and becomes 2^-written by the row's 15-bit multiplier."""
        entries, mantissa, exponent = matrix.integers()
        read, written = x.type.format, self.fixed.format(name)
        shift = (exponent + read.fraction_bits - written.fraction_bits).astype(np.int32)
        integers: IntArray = np.zeros(0, np.int32)
        if bias is not None:
            integers = accumulator_bias(numpy_of(bias), mantissa, exponent, read.fraction_bits, BIAS_LIMIT)
        op = ops.FullyConnected(matrix.graph_weight(entries), integers, Requantization(mantissa, shift), written)
        return self.add_node(name, op, x)

    def add(self, left: Symbol, right: Symbol | Constant, name: str) -> Symbol:
        """The saturating sum of two values, or of one and a bias."""
        if isinstance(right, Symbol):
            return self.add_node(name, ops.Add(), left, right)
        assert isinstance(right, Tensor)
        integers = to_fixed(numpy_of(right), PREACTIVATION_BITS, -_INT16, _INT16 - 1).astype(np.int16)
        return self.add_node(name, ops.BiasAdd(integers), left)

    def part(self, value: Symbol, start: int, size: int, name: str) -> Symbol:
        """Entries start .. start + size - 1."""
        return self.add_node(name, ops.Slice(start, size), value)

    def sigmoid(self, value: Symbol, name: str) -> Symbol:
        """By the table, or piecewise linear."""
        return self._activation(value, "sigmoid", name)

    def tanh(self, value: Symbol, name: str) -> Symbol:
        """By the table, or piecewise linear."""
        return self._activation(value, "tanh", name)

    def _activation(self, value: Symbol, function: Function, name: str) -> Symbol:
        return self.add_node(name, ops.Lookup(function, tanh_table()) if self.is_table else ops.PiecewiseLinear(function), value)

    def mul(self, left: Symbol, right: Symbol, format: Format, name: str) -> Symbol:
        """The product, rounded to `format`."""
        shift = left.type.format.fraction_bits + right.type.format.fraction_bits - format.fraction_bits
        return self.add_node(name, ops.Mul(format, shift), left, right)

    def fastrnn_state(self, alpha: Constant, c: Symbol, beta: Constant, h: Symbol, format: Format, name: str) -> Symbol:
        """Alpha c + beta h."""
        return self.add_node(name, ops.FastRnnState(_integer(alpha), _integer(beta), format), c, h)

    def fastgrnn_gate(self, z: Symbol, c: Symbol, h: Symbol, zeta: Constant, zeta_plus_nu: Constant, name: str) -> Symbol:
        """(zeta (1 - z) + nu) c + z h."""
        nu = _integer(zeta_plus_nu) - _integer(zeta)
        return self.add_node(name, ops.FastGrnnGate(_integer(zeta), nu, h.type.format), z, c, h)

    def gru_state(self, z: Symbol, n: Symbol, h: Symbol, format: Format, name: str) -> Symbol:
        """(1 - z) n + z h."""
        return self.add_node(name, ops.GruState(format), z, n, h)

    def lstm_cell(self, i: Symbol, g: Symbol, f: Symbol, c: Symbol, format: Format, name: str) -> Symbol:
        """I g + f c."""
        return self.add_node(name, ops.LstmCellState(format), i, f, g, c)

    def block_count(self, count: Symbol, block: Block, name: str) -> Symbol:
        """One more, or 1 after the last step."""
        return self.add_node(name, ops.BlockCount(block.steps), count)

    def block_sum(self, total: Symbol, x: Symbol, count: Symbol, block: Block, name: str) -> Symbol:
        """Total + x, or x where the block begins."""
        return self.add_node(name, ops.BlockSum(block.steps, block.format.bound), total, x, count)

    def block_maximum(self, maximum: Symbol, x: Symbol, count: Symbol, block: Block, name: str) -> Symbol:
        """The larger one, or x where the block begins."""
        return self.add_node(name, ops.BlockMaximum(block.steps, block.format.bound), maximum, x, count)

    def block_mean(self, total: Symbol, count: Symbol, block: Block, name: str) -> Symbol:
        """Total / count, rounded half up."""
        return self.add_node(name, ops.BlockMean(block.steps, block.format), total, count)

    def concat(self, left: Symbol, right: Symbol, name: str) -> Symbol:
        """Both side by side."""
        return self.add_node(name, ops.Concat(left.type.format.dtype), left, right)

    def bias(self, value: Tensor) -> Constant:
        """As it is: `add` brings it into its format."""
        return value

    def unit(self, value: Tensor) -> Constant:
        """An integer in Q15, below 2^15."""
        return int(to_fixed(numpy_of(value), 15, 0, Q15_ONE - 1))


def _integer(constant: Constant) -> int:
    assert isinstance(constant, int)
    return constant
