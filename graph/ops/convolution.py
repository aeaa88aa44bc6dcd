"""What conv2d and depthwise_conv2d share: their fields, and how a sum becomes a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..draws import Draws
from ..fixed_point import IntArray, Requantization
from ..formats import Format, Padding, Pair, TensorType
from ..stress import telling_combinations
from ..weights import Weight
from .requantizing import Convolving, decisive_images


@dataclass(frozen=True, eq=False)
class Convolution(Convolving):
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
    def matrices(self) -> tuple[Weight, ...]:
        return (self.weight,)

    @property
    def product(self) -> tuple[IntArray, IntArray, Requantization, Format]:
        """What the exports say of the sums: matrix, bias, scales, output."""
        return self.weight.matrix, self.bias, self.requantization, self.output

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        (x,) = inputs
        return (self.results(self.requantization(self.accumulators(x), self.output.low, self.output.high), x),)

    @property
    def by_tap(self) -> IntArray:
        """The matrix as [rows, kernel positions, channels that a row reads]."""
        return self.weight.matrix.reshape(len(self.weight.matrix), self.area, -1)

    def lattice(self, x: TensorType) -> tuple[IntArray, IntArray]:
        return self.position_lattice(self.by_tap, self.bias, x)

    def stress(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        (x,) = inputs
        decisive = decisive_images(self, draws, self.by_tap, self.bias, x)
        return (np.concatenate([decisive, *telling_combinations(draws, inputs)]),)

    def multiply_accumulates(self, *inputs: TensorType) -> int:
        """Every entry that is stored of the weight, at every position."""
        height, width = self.window.output_size(inputs[0].shape)
        return height * width * self.weight.products
