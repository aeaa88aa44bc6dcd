"""What conv2d and depthwise_conv2d share: their fields, and how a sum becomes a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..fixed_point import IntArray, Requantization
from ..ir import Format, TensorType
from ..weights import Weight
from .base import Analysed
from .window import Padding, Pair, Windowed


@dataclass(frozen=True, eq=False)
class Convolution(Windowed, Analysed):
    """A weight, a bias, one requantization an output channel, and a window.

    A value [time, channels] counts as an image of height 1, and so does its result. int16 or int8 throughout.
    bias: int32 [rows], or of length 0 for none. padding: zeros added (top, bottom, left, right).
    """

    in_place: ClassVar[tuple[int, ...]] = ()
    view: ClassVar[int | None] = None

    weight: Weight
    bias: IntArray
    requantization: Requantization
    output: Format
    kernel_size: Pair
    stride: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)

    @property
    def product(self) -> tuple[IntArray, IntArray, Requantization, Format]:
        """What the exports say of the sums: matrix, bias, scales, output."""
        return self.weight.matrix, self.bias, self.requantization, self.output

    def requantized(self, sums: IntArray, x: IntArray) -> tuple[IntArray, ...]:
        """The output for x, from sums [batch, positions, rows] without the bias."""
        accumulator = sums + self.bias if self.bias.size else sums
        return (self.results(self.requantization(accumulator, self.output.low, self.output.high), x),)

    def multiply_accumulates(self, *inputs: TensorType) -> int:
        """Every entry of the weight at every position."""
        height, width = self.window.output_size(inputs[0].shape)
        return height * width * self.weight.matrix.size
