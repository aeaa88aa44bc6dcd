"""requantize: a change of format, with a factor and a bias a channel. Input normalisation is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..draws import Draws
from ..fixed_point import IntArray, Requantization
from ..formats import DType, Format, TensorType
from ..ranges import Range
from ..stress import telling_combinations
from . import onnx_arithmetic
from .base import CBuilder, CValue, Elementwise, OnnxBuilder, TfliteBuilder, TfliteTensor, prove_accumulator, require
from .c_arguments import requantization_argument
from .drawing import draw_dtype, draw_format, draw_requantization, draw_tie_free
from .onnx_arithmetic import OnnxInt32
from .product import prove_requantization, prove_tie_free
from .requantizing import Requantizing, product_rows
from .tflite_arithmetic import scale_channels


@dataclass(frozen=True, eq=False)
class Requantize(Requantizing, Elementwise):
    """y = R((x << pre_shift) + bias), a factor and a bias for each channel.

    The last axis holds the channels once or several times over, as successive readings do: its entry i is channel i mod channels.
    bias: int32 [channels], in units of 2^-pre_shift of the input's integer. pre_shift 0..6 keeps the bias finer than the input.
    reads: dtype of the input; int8 values become int8 values without ties (prove_tie_free).
    """

    name: ClassVar[str] = "requantize"
    in_place: ClassVar[tuple[int, ...]] = (0,)

    pre_shift: int
    bias: IntArray
    requantization: Requantization
    output: Format
    reads: DType = "int16"

    @property
    def kernel(self) -> str:
        return "requantize_" + "_".join(dict.fromkeys((self.reads, self.output.dtype)))

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        (x,) = inputs
        require(x.format.dtype == self.reads, f"a requantize of {self.reads} cannot read {x.format}")
        require(0 <= self.pre_shift <= 6, f"pre_shift {self.pre_shift} is outside 0..6")
        channels, entries = len(self.bias), x.shape[-1]
        require(channels > 0 and entries % channels == 0, f"{channels} biases do not go evenly into {entries} entries")
        prove_requantization(self.requantization, channels)
        largest = (x.format.bound << self.pre_shift) + int(np.abs(self.bias.astype(np.int64)).max())
        prove_accumulator(largest)
        if self.reads == self.output.dtype == "int8":
            prove_tie_free(1 << self.pre_shift, largest, self.requantization)
        return (TensorType(x.shape, self.output),)

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        (x,) = inputs
        return (self.row_scales(x.shape[-1])(self.accumulators(x), self.output.low, self.output.high),)

    def row_scales(self, rows: int) -> Requantization:
        return self.requantization.repeated(rows)

    def accumulators(self, x: IntArray) -> IntArray:
        return (x << self.pre_shift) + np.resize(self.bias, x.shape[-1]).astype(np.int64)

    def accumulator_ends(self, x: Range) -> tuple[IntArray, IntArray]:
        return self.accumulators(x.low), self.accumulators(x.high)

    def lattice(self, x: TensorType) -> tuple[IntArray, IntArray]:
        rows = x.shape[-1]
        return np.full(rows, 1 << self.pre_shift), np.resize(self.bias, rows).astype(np.int64)

    def stress(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        (x,) = inputs
        unit = np.diag(np.full(len(self.bias), 1 << self.pre_shift))
        rows = product_rows(unit, self.bias, self.requantization, self.output, x.format)
        wanted = [(np.array(row.targets()) - row.offset) >> self.pre_shift for row in rows]
        longest = max(len(each) for each in wanted)
        channels = np.stack([np.resize(each, longest) for each in wanted], axis=-1)
        entries = np.tile(channels, x.shape[-1] // len(self.bias)).reshape(longest, *(1,) * (len(x.shape) - 1), -1)
        return (np.concatenate([np.broadcast_to(entries, (longest, *x.shape)), *telling_combinations(draws, inputs)]),)

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        (x,) = inputs
        shape = b.type(x).shape
        a, (bias, requantization) = OnnxInt32(b), self._of_entries(shape[-1])
        if self.reads == self.output.dtype == "int8":
            return (onnx_arithmetic.scale_channels(b, x, 1 << self.pre_shift, bias, requantization, self.output),)
        wide = onnx_arithmetic.widen(b, x) if self.reads == "int8" else x
        accumulator = a.add(a.mul(wide, 1 << self.pre_shift), b.constant(bias.astype(np.int32)))
        result = onnx_arithmetic.requantize(b, accumulator, requantization, self.output)
        return (onnx_arithmetic.narrow(b, result, len(shape)) if self.output.dtype == "int8" else result,)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        (x,) = inputs
        return (scale_channels(b, x, 1 << self.pre_shift, *self._of_entries(x.shape[-1]), self.output),)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (x,), (y,) = inputs, outputs
        channels = len(self.bias)
        bias = self.bias if np.any(self.bias) else self.bias[:0]
        by = requantization_argument(b, bias, self.requantization, self.output)
        b.call(self.kernel, x.expression, y.expression, str(x.type.size // channels), str(channels), str(self.pre_shift), by)

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        channels, times = (int(n) for n in rng.integers((1, 1), (20, 5)))
        reads, writes = (draw_dtype(rng) for _ in range(2))
        tie_free = reads == writes == "int8"
        pre_shift = int(rng.integers(0, 5 if tie_free else 7))
        largest = 1 << ((7 if reads == "int8" else 15) + pre_shift)
        bias = rng.integers(-32 * largest, 32 * largest, channels, dtype=np.int32)
        requantization = (draw_tie_free if tie_free else draw_requantization)(rng, channels, largest)
        op = cls(pre_shift, bias, requantization, draw_format(rng, dtype=writes), reads)
        return op, (TensorType((times * channels,), draw_format(rng, dtype=reads)),)

    def _of_entries(self, count: int) -> tuple[IntArray, Requantization]:
        """The bias and the requantization of each of `count` entries of the last axis."""
        return np.resize(self.bias, count), self.requantization.repeated(count)
