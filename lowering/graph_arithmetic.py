"""The arithmetic of symbols: what a net's program does with them is written down as nodes, so that its run is its graph."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from typing import Self

import numpy as np
from torch import Tensor

from ..graph import ops
from ..graph.fixed_point import PREACTIVATION_BITS, Q15_ONE, Function, IntArray, Requantization, tanh_table, to_fixed
from ..graph.formats import DType, Format
from ..graph.ir import Node
from ..graph.stream import keep_node
from ..graph.weights import Weight
from ..models import FixedPointArithmetic, Matrix, Step
from ..models.applied import AppliedLayer
from ..models.arithmetic import BIAS_LIMITS, NORMALIZED, Block, Constant
from ..models.fixed_point_arithmetic import WIDENED
from .constants import accumulator_bias, infer, normalization, numpy_of, rescaling, scaling
from .symbol import Symbol

NODE_NAMES = {"scores": "classifier", "h_next": "state", "c_next": "cell"}
"""Of nodes that are not called as the value that they make."""
ELEMENTWISE: Mapping[str, Callable[[DType], ops.Op]] = {"abs": ops.Abs}
"""Of the kinds of layers that do one thing to each entry."""
MatrixIntegers = tuple[IntArray, IntArray, IntArray]
"""Of a matrix: int8 [rows, columns], mantissa and exponent int32 [rows]."""
ProductConstants = tuple[Weight, IntArray, Requantization]
"""Of a product: its weight, its bias in units of the accumulators (none: of no entries), its requantization."""
_INT16 = 1 << 15


class GraphArithmetic:
    """models.arithmetic of symbols. nodes: what was computed, in order. fixed: who knows the formats. axes: of the maps of layers.

    Raises UnsupportedError, naming the value, where an op cannot take what it is given.
    """

    def __init__(self, fixed: FixedPointArithmetic, axes: int = 2) -> None:
        self.fixed, self.is_table, self.axes = fixed, fixed.nonlinearity == "table", axes
        self.nodes: list[Node] = []
        self.reshaped: dict[str, Symbol] = {}
        self.suffix = ""

    def of_layer(self, suffix: str) -> Self:
        """The same, and names of nodes and values end with `suffix`."""
        layer = copy.copy(self)
        layer.suffix = suffix
        return layer

    def add_node(self, name: str, op: ops.Op, *inputs: Symbol) -> Symbol:
        """The value of that name in a cell, which an op makes of others."""
        return self._node(NODE_NAMES.get(name, name) + self.suffix, name + self.suffix, op, *inputs)

    def _node(self, node: str, value: str, op: ops.Op, *inputs: Symbol) -> Symbol:
        type = infer(node, op, *(read.type for read in inputs))
        self.nodes.append(Node(node, op, tuple(read.name for read in inputs), (value,)))
        return Symbol(value, type)

    def normalize(self, x: Symbol, mean: Tensor, std: Tensor, largest: float | None = None) -> Symbol:  # noqa: ARG002
        """By a factor of 15 bits and a bias for each channel; limited by its format."""
        op = normalization(mean, std, self.fixed.input_bits, self.fixed.pre_shift, self.fixed.format(NORMALIZED))
        return self.add_node(NORMALIZED, op, x)

    def product(self, x: Symbol, matrix: Matrix, name: str, bias: Tensor | None = None, read: Format | None = None) -> Symbol:  # noqa: ARG002
        """A fully connected layer: an accumulator counts row scale * 2^-read, and becomes 2^-written by the row's 15-bit multiplier."""
        written = self.fixed.format(name)
        constants = _constants(matrix, matrix.integers(), bias, x.type.format, written)
        return self.add_node(name, ops.FullyConnected(*constants, written), x)

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

    def image(self, x: Symbol) -> Symbol:
        """As it is: channels are last."""
        return x

    def step_map(self, x: Symbol, rows: int) -> Symbol:  # noqa: ARG002
        """As it is."""
        return x

    def shift_in(self, state: Symbol, x: Symbol, name: str) -> Symbol:
        """The rows that are kept after this step."""
        rows = self._map(x)
        kept = keep_node(name, rows.name, x.type.format)
        return self._node(kept.name, kept.outputs[0], kept.op, state, rows)

    def as_state(self, rows: Symbol) -> Symbol:
        """As it is."""
        return rows

    def vector(self, x: Symbol) -> Symbol:
        """The value in one axis."""
        return self._reshape(x, f"{x.name}_vector", (x.type.size,))

    def _map(self, x: Symbol) -> Symbol:
        """The value with the axes of a map, if it is a vector."""
        shape = x.type.shape
        return x if len(shape) == self.axes else self._reshape(x, f"{x.name}_map", (1,) * (self.axes - 1) + shape)

    def _reshape(self, x: Symbol, name: str, shape: tuple[int, ...]) -> Symbol:
        """The value in another shape, made once."""
        if x.type.shape == shape:
            return x
        if name not in self.reshaped:
            self.reshaped[name] = self._node(name, name, ops.Reshape(shape), x)
        return self.reshaped[name]

    def dropout(self, x: Symbol, probability: float, *, training: bool) -> Symbol:  # noqa: ARG002
        """A graph leaves nothing out."""
        return x

    def convolution(self, x: Symbol, layer: AppliedLayer) -> Symbol:
        """A convolution, or a fully connected layer where there is but one position."""
        step, depthwise = layer.step, layer.parameters.layer.depthwise
        window = (math.prod(x.type.shape[:-1]), step.kernel_size, step.padding)
        plain = window == (1, (1, 1), (0, 0, 0, 0)) and not depthwise

        def op(value: Symbol, output: Format) -> ops.Op:
            constants = self._layer_constants(layer, value.type.format, output)
            if plain:
                return ops.FullyConnected(*constants, output)
            convolution = ops.DepthwiseConv2d if depthwise else ops.Conv2d
            return convolution(*constants, output, step.kernel_size, step.stride, step.padding)

        return self._computed(self.vector(x) if plain else self._map(x), step, op)

    def _layer_constants(self, layer: AppliedLayer, read: Format, output: Format) -> ProductConstants:
        gain, bias = layer.folded()
        matrix = layer.parameters.matrix
        return _constants(matrix, matrix.integers(gain, self.fixed.least_scale(layer, bias)), bias, read, output)

    def _computed(self, x: Symbol, step: Step, op: Callable[[Symbol, Format], ops.Op]) -> Symbol:
        """What `op(input, output format)` makes, in int16 between two changes of format where the step is wide in an int8 net."""
        kept = self.fixed.format(step.name, relu=step.relu)
        computed = self.fixed.computed_format(step.name, relu=step.relu)
        if computed == kept:
            return self._node(step.name, step.name, op(x, kept), x)
        widened = self._requantized(x, f"{step.name}{WIDENED}", Format(x.type.format.fraction_bits, "int16", 128))
        wide = f"{step.name}_wide"
        return self._requantized(self._node(wide, wide, op(widened, computed), widened), step.name, kept)

    def _requantized(self, x: Symbol, name: str, output: Format) -> Symbol:
        """The value in another format."""
        return self._node(name, name, rescaling(1.0, x.type.format, output), x)

    def sum(self, left: Symbol, right: Symbol, step: Step) -> Symbol:
        """The saturating sum of two values in its format."""
        output = self.fixed.format(step.name)
        op = ops.Add(output.dtype, step.relu, 0 if output.dtype == "int8" else output.bound)
        return self._node(step.name, step.name, op, *self._aligned(left, right, step, output))

    def join(self, left: Symbol, right: Symbol, step: Step) -> Symbol:
        """The channels of both in its format."""
        output = self.fixed.format(step.name, relu=left.type.format.nonnegative and right.type.format.nonnegative)
        return self._node(step.name, step.name, ops.Concat(output.dtype), *self._aligned(left, right, step, output))

    def _aligned(self, left: Symbol, right: Symbol, step: Step, output: Format) -> list[Symbol]:
        """What a step reads, with one number of axes and in one format."""
        read = [left, right]
        if len(left.type.shape) != len(right.type.shape):
            read = [self.vector(value) for value in read]
        for number, value in enumerate(read):
            if value.type.format.fraction_bits != output.fraction_bits:
                read[number] = self._requantized(value, f"{step.name}_operand{number + 1}", output)
        return read

    def relu(self, x: Symbol, step: Step) -> Symbol:
        """In the format of x."""
        return self._node(step.name, step.name, ops.Relu(x.type.format.dtype), x)

    def elementwise(self, x: Symbol, step: Step, function: Callable[[Tensor], Tensor]) -> Symbol:  # noqa: ARG002
        """In the format of x, by the op of the step's kind."""
        return self._node(step.name, step.name, ELEMENTWISE[step.kind](x.type.format.dtype), x)

    def max_pool(self, x: Symbol, step: Step) -> Symbol:
        """In the format of x."""
        op = ops.MaxPool(step.kernel_size, step.stride, step.padding, x.type.format.dtype)
        return self._node(step.name, step.name, op, self._map(x))

    def average_pool(self, x: Symbol, step: Step) -> Symbol:
        """The sum of every window times the step's factor."""

        def op(value: Symbol, output: Format) -> ops.Op:
            scale = scaling(step.factor, value.type.format, output)
            return ops.AveragePool(scale, output, step.kernel_size, step.stride, step.padding)

        return self._computed(self._map(x), step, op)

    def flatten(self, x: Symbol, step: Step) -> Symbol:
        """The value in one axis."""
        return self._node(step.name, step.name, ops.Reshape((x.type.size,)), x)

    def scale(self, x: Symbol, step: Step) -> Symbol:
        """X times the step's factor."""
        return self._computed(x, step, lambda value, output: rescaling(step.factor, value.type.format, output))


def _constants(matrix: Matrix, integers: MatrixIntegers, bias: Tensor | None, read: Format, written: Format) -> ProductConstants:
    """Of a product: an accumulator counts row scale * 2^-read, and becomes 2^-written by the row's 15-bit multiplier."""
    entries, mantissa, exponent = integers
    counted: IntArray = np.zeros(0, np.int32)
    if bias is not None:
        counted = accumulator_bias(numpy_of(bias), mantissa, exponent, read.fraction_bits, BIAS_LIMITS[written.dtype])
    shift = (exponent + read.fraction_bits - written.fraction_bits).astype(np.int32)
    return matrix.graph_weight(entries), counted, Requantization(mantissa, shift)


def _integer(constant: Constant) -> int:
    assert isinstance(constant, int)
    return constant
