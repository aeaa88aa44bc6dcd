"""block_mean: the mean of a block's values so far, from their sum and their count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..draws import Draws
from ..events import Events, any_of_channel
from ..fixed_point import IntArray, saturate
from ..formats import Format, TensorType, block_count_type, block_sum_format
from ..ranges import Range
from ..stress import telling_combinations
from .base import CBuilder, CValue, Elementwise, OnnxBuilder, TfliteBuilder, TfliteTensor, prove_accumulator, require
from .block_states import check_length, draw_length, draw_signed
from .int32_arithmetic import Int32Arithmetic, T
from .onnx_arithmetic import OnnxInt32
from .tflite_arithmetic import TfliteInt32, narrow, widen


@dataclass(frozen=True)
class BlockMean(Elementwise):
    """y = floor((clamp(s, -k B, k B) + floor(k / 2)) / k), the mean s / k rounded half up, in the format of what was summed up.

    s: int32 [entries], of a block_sum; k: clamp(count, 1, length), of the block_count. output: the format of the mean, B its bound. With
    k B added the numerator is not negative and below 2^31: 2 N B + N / 2 < 2^31 for N < 2^15 and B <= 2^15.
    """

    name: ClassVar[str] = "block_mean"
    takes_int32: ClassVar[bool] = True
    in_place: ClassVar[tuple[int, ...]] = ()

    length: int
    output: Format

    @property
    def kernel(self) -> str:
        return "block_mean_int32"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        total, count = inputs
        check_length(self.length)
        signed = self.output.dtype == "int16" and not self.output.nonnegative
        require(signed, f"block_mean gives int16 of either sign, not {self.output}")
        wanted = block_sum_format(self.output, self.length)
        require(len(total.shape) == 1 and total.format == wanted, f"block_mean reads a vector of {wanted}, not {total}")
        require(count == block_count_type(self.length), f"block_mean reads a count of {block_count_type(self.length)}, not {count}")
        prove_accumulator(self.length * self.output.bound)
        return (TensorType(total.shape, self.output),)

    def _parts(self, total: IntArray, count: IntArray) -> tuple[IntArray, IntArray]:
        """(s, k) within their ranges."""
        k = saturate(count, 1, self.length)
        low, high = -k * self.output.bound, k * self.output.bound
        return np.maximum(np.minimum(total, high), low), k

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        s, k = self._parts(*inputs)
        return (saturate((s + k // 2) // k, self.output.low, self.output.high),)

    def reached(self, *inputs: IntArray) -> Events:
        total, _ = inputs
        s, k = self._parts(*inputs)
        mean, tie = (s + k // 2) // k, 2 * (s % k) == k
        return {
            "clamp_low": any_of_channel(total < s),
            "clamp_high": any_of_channel((total > s) | (mean > self.output.high)),
            "negative": any_of_channel(s < 0),
            "positive": any_of_channel(s > 0),
            "tie_negative": any_of_channel(tie & (s < 0)),
            "tie_positive": any_of_channel(tie & (s > 0)),
        }

    def reachable(self, *inputs: Range) -> Events:
        total, count = inputs
        least, most = saturate(count.low, 1, self.length), saturate(count.high, 1, self.length)
        reach, halves = least * self.output.bound, least + least % 2 <= most
        passing = least // 2 + 1 if self.output.high < self.output.bound else 0
        return {
            "clamp_low": total.low < -reach,
            "clamp_high": total.high > reach - passing,
            "negative": total.low < 0,
            "positive": total.high > 0,
            "tie_negative": halves & (total.low < 0),
            "tie_positive": halves & (total.high > 0),
        }

    def stress(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        """Sums half way between two means and beside it, of either sign, for short blocks and whole ones; and means at the ends."""
        steps = np.unique(saturate(np.array([1, 2, 3, 4, 5, 6, self.length // 2, self.length - 1, self.length]), 1, self.length))
        means = np.array([0, 1, -1, -2, 100, -100, self.output.high - 1, -self.output.bound, self.output.high])
        k, mean, off = (grid.reshape(-1, 1) for grid in np.meshgrid(steps, means, [-1, 0, 1], indexing="ij"))
        total = saturate(mean * k + k // 2 + off, inputs[0].format.low, inputs[0].format.high)
        return telling_combinations(draws, inputs, (total, k))

    def _spell(self, a: Int32Arithmetic[T], total: T, count: T) -> T:
        bound = self.output.bound
        k = a.clamp(count, 1, self.length)
        reach = a.mul(k, bound)
        s = a.binary("maximum", a.minimum(total, reach), a.mul(k, -bound))
        mean = a.binary("div", a.add(a.add(s, reach), a.div(k, 2)), k)
        return a.clamp(a.sub(mean, bound), self.output.low, self.output.high)

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        return (self._spell(OnnxInt32(b), *inputs),)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        total, count = inputs
        return (narrow(b, self._spell(TfliteInt32(b), total, widen(b, count)), self.output),)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (total, count), (y,) = inputs, outputs
        numbers = (y.type.size, self.length, self.output.bound, self.output.low, self.output.high)
        b.call(self.kernel, total.expression, count.expression, y.expression, *map(str, numbers))

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        length, format = draw_length(rng), draw_signed(rng)
        return cls(length, format), (TensorType((int(rng.integers(1, 20)),), block_sum_format(format, length)), block_count_type(length))
