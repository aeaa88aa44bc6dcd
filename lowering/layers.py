"""How a net without state is spelled in the ops of the integer graph, step by step of its plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from ..errors import UnsupportedError
from ..graph import ops
from ..graph.fixed_point import Requantization, split_scale
from ..graph.formats import Format, TensorType
from ..graph.ir import Graph, Node, Value
from ..models import FeedForwardNet, IntegerActivations, Step
from ..models.arithmetic import NORMALIZED
from ..models.layered.activations import BIAS_LIMITS, WIDENED
from ..models.layered.plan import INPUT
from .constants import accumulator_bias, infer, normalization, numpy_of

SOURCE = "input"


def lower_whole(net: FeedForwardNet) -> Graph:
    """The graph `whole` of a calibrated net in float64 and evaluation mode."""
    return _Lowering(net).graph()


def _scaling(factor: float, difference: int) -> Requantization:
    """By `factor`, rounded to 15 bits, from a format to one with `difference` fraction bits fewer."""
    mantissa, exponent = split_scale(np.array([factor]))
    return Requantization(mantissa, (exponent + difference).astype(np.int32))


class _Lowering:
    """Walks the steps; `types` and `names` say what each value of the plan has become."""

    def __init__(self, net: FeedForwardNet) -> None:
        if not isinstance(net.arithmetic, IntegerActivations):
            raise UnsupportedError("only a compressed net can be lowered: call compress and calibrate first")
        self.net, self.integers = net, net.arithmetic
        self.nodes: list[Node] = []
        self.types: dict[str, TensorType] = {}

    def graph(self) -> Graph:
        read = TensorType(self.net.plan.input_shape, Format(self.integers.input_bits[0]))
        self.types[SOURCE] = read
        normalize = normalization(self.net.mean, self.net.std, self.integers.input_bits, self.integers.format(NORMALIZED))
        self.values: dict[str, str] = {INPUT: self._add(NORMALIZED, normalize, SOURCE)}
        for step in self.net.plan.steps:
            self.values[step.name] = _SPELLINGS[step.kind](self, step)
        scores = self._vector(self.values[self.net.plan.output])
        return Graph("whole", (Value(SOURCE, read),), tuple(self.nodes), (scores,))

    def _add(self, name: str, op: ops.Op, *inputs: str) -> str:
        self.types[name] = infer(name, op, *(self.types[value] for value in inputs))
        self.nodes.append(Node(name, op, inputs, (name,)))
        return name

    def _source(self, step: Step, operand: int = 0) -> str:
        return self.values[step.inputs[operand]]

    def _bits(self, value: str) -> int:
        return self.types[value].format.fraction_bits

    def _vector(self, value: str) -> str:
        """The value as a vector."""
        return self._reshaped(f"{value}_vector", value, (self.types[value].size,))

    def _map(self, value: str) -> str:
        """The value with the axes of the net's input, if it is a vector."""
        shape = self.types[value].shape
        axes = len(self.net.plan.input_shape)
        return value if len(shape) == axes else self._reshaped(f"{value}_map", value, (1,) * (axes - 1) + shape)

    def _reshaped(self, name: str, value: str, shape: tuple[int, ...]) -> str:
        """The value in another shape, made once."""
        if self.types[value].shape == shape or name in self.types:
            return value if self.types[value].shape == shape else name
        return self._add(name, ops.Reshape(shape), value)

    def _requantize(self, name: str, value: str, output: Format, factor: float = 1.0) -> str:
        """The value times `factor` in another format."""
        reads = self.types[value].format
        scale = _scaling(factor, reads.fraction_bits - output.fraction_bits)
        return self._add(name, ops.Requantize(0, np.zeros(1, np.int32), scale, output, reads.dtype), value)

    def _computed(self, step: Step, value: str, spell: Callable[[str, str, Format], str]) -> str:
        """`spell(name, input, output format)`, in int16 between two changes of format where the step is wide in an int8 net."""
        kept = self.integers.format(step.name, relu=step.relu)
        computed = self.integers.computed_format(step.name, relu=step.relu)
        if computed == kept:
            return spell(step.name, value, kept)
        widened = self._requantize(f"{step.name}{WIDENED}", value, Format(self._bits(value), "int16", 128))
        return self._requantize(step.name, spell(f"{step.name}_wide", widened, computed), kept)

    def _convolution(self, step: Step) -> str:
        source = self._source(step)
        window = (math.prod(self.types[source].shape[:-1]), step.kernel_size, step.padding)
        plain = window == (1, (1, 1), (0, 0, 0, 0)) and not self.net.parameters_of(step.layer).layer.depthwise
        source = self._vector(source) if plain else self._map(source)
        return self._computed(step, source, lambda name, value, output: self._add(name, self._product(step, value, output), value))

    def _product(self, step: Step, value: str, output: Format) -> ops.Op:
        """The op of a layer, from a value to a format."""
        layer, read = self.net.parameters_of(step.layer), self.types[value]
        gain, bias = layer.folded(step)
        least = self.integers.least_scale(bias, step.name, self.net.read_name(step))
        entries, mantissa, exponent = layer.matrix.integers(gain, least)
        weight = layer.matrix.graph_weight(entries)
        requantization = Requantization(mantissa, (exponent + read.format.fraction_bits - output.fraction_bits).astype(np.int32))
        integers = accumulator_bias(numpy_of(bias), mantissa, exponent, read.format.fraction_bits, BIAS_LIMITS[output.dtype])
        if len(read.shape) == 1:
            return ops.FullyConnected(weight, integers, requantization, output)
        op = ops.DepthwiseConv2d if layer.layer.depthwise else ops.Conv2d
        return op(weight, integers, requantization, output, step.kernel_size, step.stride, step.padding)

    def _sum(self, step: Step) -> str:
        output = self.integers.format(step.name)
        read = [self._source(step, number) for number in range(2)]
        if self.types[read[0]].shape != self.types[read[1]].shape:
            read = [self._vector(value) for value in read]
        operands = []
        for number, value in enumerate(read):
            same = self._bits(value) == output.fraction_bits
            operands.append(value if same else self._requantize(f"{step.name}_operand{number + 1}", value, output))
        return self._add(step.name, ops.Add(output.dtype, step.relu, 0 if output.dtype == "int8" else output.bound), *operands)

    def _relu(self, step: Step) -> str:
        return self._add(step.name, ops.Relu(self.integers.dtype), self._source(step))

    def _max_pool(self, step: Step) -> str:
        op = ops.MaxPool(step.kernel_size, step.stride, step.padding, self.integers.dtype)
        return self._add(step.name, op, self._map(self._source(step)))

    def _average_pool(self, step: Step) -> str:
        def spell(name: str, value: str, output: Format) -> str:
            scale = _scaling(step.factor, self._bits(value) - output.fraction_bits)
            return self._add(name, ops.AveragePool(scale, output, step.kernel_size, step.stride, step.padding), value)

        return self._computed(step, self._map(self._source(step)), spell)

    def _flatten(self, step: Step) -> str:
        value = self._source(step)
        return self._add(step.name, ops.Reshape((self.types[value].size,)), value)

    def _scale(self, step: Step) -> str:
        return self._computed(step, self._source(step), lambda name, value, output: self._requantize(name, value, output, step.factor))


_SPELLINGS: Mapping[str, Callable[[_Lowering, Step], str]] = {
    "convolution": _Lowering._convolution,
    "add": _Lowering._sum,
    "relu": _Lowering._relu,
    "max_pool": _Lowering._max_pool,
    "average_pool": _Lowering._average_pool,
    "flatten": _Lowering._flatten,
    "scale": _Lowering._scale,
}
