"""block_count, block_sum and block_maximum: what is kept of a stream's blocks of N steps, each of which begins anew by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from ..events import BoolArray, Events
from ..fixed_point import IntArray, saturate
from ..formats import MOST_BLOCK_STEPS, Format, TensorType, block_count_type, block_sum_format
from ..ranges import Range
from .base import CBuilder, CValue, Elementwise, OnnxBuilder, TfliteBuilder, TfliteTensor, prove_accumulator, require
from .drawing import draw_format
from .int32_arithmetic import Int32Arithmetic, T
from .onnx_arithmetic import OnnxInt32
from .tflite_arithmetic import TfliteInt32, format_of, narrow, widen


def check_length(length: int) -> None:
    """Raise UnsupportedError unless a block may have so many steps."""
    require(1 <= length <= MOST_BLOCK_STEPS, f"a block has 1 to {MOST_BLOCK_STEPS} steps, not {length}")


def draw_length(rng: np.random.Generator) -> int:
    """Of a block, as the tests draw it: the ends and small ones more often."""
    return int(rng.choice([1, 2, 3, rng.integers(2, 40), rng.integers(2, MOST_BLOCK_STEPS), MOST_BLOCK_STEPS]))


def draw_signed(rng: np.random.Generator) -> Format:
    """Of a block's values, likewise."""
    return replace(draw_format(rng), nonnegative=False)


def _sides(begins: BoolArray) -> BoolArray:
    """Of the event "block": whether any step begins one, and whether any goes on with one."""
    return np.array([begins.any(), (~begins).any()])


@dataclass(frozen=True)
class BlockCount(Elementwise):
    """k' = k + 1, or 1 after the last step of a block, k = length: how many steps it has had, int16 [1]. k is clamped to 0 .. length."""

    name: ClassVar[str] = "block_count"
    saturates: ClassVar[bool] = False
    in_place: ClassVar[tuple[int, ...]] = (0,)

    length: int

    @property
    def kernel(self) -> str:
        return "block_count_int16"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        (count,) = inputs
        check_length(self.length)
        require(
            count == block_count_type(self.length),
            f"a block_count of {self.length} steps reads {block_count_type(self.length)}, not {count}",
        )
        return inputs

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        return (saturate(inputs[0], 0, self.length) % self.length + 1,)

    def ranges(self, *inputs: Range) -> tuple[Range, ...]:
        return (Range(block_count_type(self.length), np.ones(1, np.int64), np.full(1, self.length, np.int64)),)

    def reached(self, *inputs: IntArray) -> Events:
        (count,) = inputs
        ends = {"clamp_low": (count < 0).any(axis=0), "clamp_high": (count > self.length).any(axis=0)}
        return {"block": _sides((count <= 0) | (count >= self.length)), **ends}

    def reachable(self, *inputs: Range) -> Events:
        low, high = int(inputs[0].low[0]), int(inputs[0].high[0])
        begins, goes_on = low <= 0 or high >= self.length, max(low, 1) <= min(high, self.length - 1)
        return {"block": np.array([begins, goes_on]), "clamp_low": inputs[0].low < 0, "clamp_high": inputs[0].high > self.length}

    def _spell(self, a: Int32Arithmetic[T], count: T) -> T:
        """k + 1 - length (k / length): of 0 .. length the quotient is 1 at the end alone."""
        count = a.clamp(count, 0, self.length)
        return a.add(a.sub(count, a.mul(a.div(count, self.length), self.length)), 1)

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        return (self._spell(OnnxInt32(b), *inputs),)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        (count,) = inputs
        return (narrow(b, self._spell(TfliteInt32(b), widen(b, count)), format_of(count)),)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        b.call(self.kernel, inputs[0].expression, outputs[0].expression, str(self.length))

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        length = draw_length(rng)
        return cls(length), (block_count_type(length),)


@dataclass(frozen=True)
class _BlockState(Elementwise):
    """What is kept of a block's values x, int16 [entries] within +-bound: of (kept, x, k), k being the count that x makes.

    What was kept is clamped to where it can be, `limits`, so that it may hold any bits; in the first step of a block, k <= 1, it counts
    for nothing.
    """

    in_place: ClassVar[tuple[int, ...]] = (0,)

    length: int
    bound: int

    @property
    def kernel(self) -> str:
        raise NotImplementedError

    def kept_format(self, x: Format) -> Format:
        """Of what is kept of values in that format."""
        raise NotImplementedError

    def limits(self, count: IntArray) -> tuple[IntArray, IntArray]:
        """Between which what was kept lies, where the count has come to k > 1."""
        raise NotImplementedError

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        kept, x, count = inputs
        check_length(self.length)
        require(len(x.shape) == 1 and x.format.dtype == "int16", f"{self.kernel} reads an int16 vector, not {x}")
        ends = (x.format.bound, x.format.nonnegative)
        require(ends == (self.bound, False), f"a {self.kernel} of values within +-{self.bound} cannot read {x.format}")
        wanted = TensorType(x.shape, self.kept_format(x.format))
        require(kept == wanted, f"{self.kernel} keeps {wanted}, not {kept}")
        require(count == block_count_type(self.length), f"{self.kernel} reads a count of {block_count_type(self.length)}, not {count}")
        prove_accumulator(self.length * self.bound)
        return (kept,)

    def reached(self, *inputs: IntArray) -> Events:
        kept, _, count = inputs
        low, high = self.limits(count)
        goes_on = count > 1
        clamps = {"clamp_low": (goes_on & (kept < low)).any(axis=0), "clamp_high": (goes_on & (kept > high)).any(axis=0)}
        return {"block": _sides(~goes_on), **clamps}

    def reachable(self, *inputs: Range) -> Events:
        kept, _, count = inputs
        low, high = self.limits(np.maximum(count.low, 2))
        goes_on = bool(count.high[0] > 1)
        clamps = {"clamp_low": goes_on & (kept.low < low), "clamp_high": goes_on & (kept.high > high)}
        return {"block": np.array([count.low[0] <= 1, goes_on]), **clamps}

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        length, format, size = draw_length(rng), draw_signed(rng), int(rng.integers(1, 20))
        op = cls(length, format.bound)
        return op, (TensorType((size,), op.kept_format(format)), TensorType((size,), format), block_count_type(length))


@dataclass(frozen=True)
class BlockSum(_BlockState):
    """s' = clamp(s, -(k - 1) B, (k - 1) B) + x, k - 1 at least 0: int32 [entries] in the scale of x.

    length: N, bound: B, the largest magnitude of x. |s'| <= k B <= N B, which is proved to be below 2^30: a bound for ever.
    """

    name: ClassVar[str] = "block_sum"
    takes_int32: ClassVar[bool] = True

    @property
    def kernel(self) -> str:
        return "block_sum_int32"

    def kept_format(self, x: Format) -> Format:
        return block_sum_format(x, self.length)

    def limits(self, count: IntArray) -> tuple[IntArray, IntArray]:
        limit = np.maximum(count - 1, 0) * self.bound
        return -limit, limit

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        kept, x, count = inputs
        low, high = self.limits(count)
        return (np.maximum(np.minimum(kept, high), low) + x,)

    def _spell(self, a: Int32Arithmetic[T], kept: T, x: T, count: T) -> T:
        before = a.clamp(a.sub(count, 1), 0, self.length)
        limited = a.minimum(kept, a.mul(before, self.bound))
        return a.add(a.binary("maximum", limited, a.mul(before, -self.bound)), x)

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        return (self._spell(OnnxInt32(b), *inputs),)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        kept, x, count = inputs
        return (self._spell(TfliteInt32(b), kept, widen(b, x), widen(b, count)),)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (kept, x, count), (y,) = inputs, outputs
        b.call(self.kernel, *(each.expression for each in (kept, x, count, y)), str(y.type.size), str(self.bound))


@dataclass(frozen=True)
class BlockMaximum(_BlockState):
    """m' = x where k <= 1, otherwise max(clamp(m, -B, B), x): int16 [entries] in the format of x, B its bound."""

    name: ClassVar[str] = "block_maximum"

    @property
    def kernel(self) -> str:
        return "block_maximum_int16"

    def kept_format(self, x: Format) -> Format:
        return x

    def limits(self, count: IntArray) -> tuple[IntArray, IntArray]:
        return np.full_like(count, self._format.low), np.full_like(count, self._format.high)

    @property
    def _format(self) -> Format:
        """A format with the range of the values."""
        return Format(0, bound=self.bound)

    def _clamped(self, kept: IntArray) -> IntArray:
        return saturate(kept, self._format.low, self._format.high)

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        kept, x, count = inputs
        return (np.where(count <= 1, x, np.maximum(self._clamped(kept), x)),)

    def reached(self, *inputs: IntArray) -> Events:
        kept, x, count = inputs
        old, goes_on = self._clamped(kept), count > 1
        sides = [(goes_on & (old > x)).any(axis=0), (goes_on & (old < x)).any(axis=0)]
        return {**super().reached(*inputs), "window": np.concatenate(sides)}

    def reachable(self, *inputs: Range) -> Events:
        kept, x, count = inputs
        goes_on = bool(count.high[0] > 1)
        sides = [self._clamped(kept.high) > x.low, self._clamped(kept.low) < x.high]
        return {**super().reachable(*inputs), "window": goes_on & np.concatenate(sides)}

    def _spell(self, a: Int32Arithmetic[T], kept: T, x: T, count: T) -> T:
        """max(x, m), or max(x, low) = x where a block begins."""
        low, goes_on = self._format.low, a.clamp(a.sub(count, 1), 0, 1)
        above = a.mul(a.sub(a.clamp(kept, low, self._format.high), low), goes_on)
        return a.binary("maximum", a.add(above, low), x)

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        return (self._spell(OnnxInt32(b), *inputs),)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        result = self._spell(TfliteInt32(b), *(widen(b, each) for each in inputs))
        return (narrow(b, result, format_of(inputs[1])),)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (kept, x, count), (y,) = inputs, outputs
        ends = (self._format.low, self._format.high)
        b.call(self.kernel, *(each.expression for each in (kept, x, count, y)), str(y.type.size), *map(str, ends))
