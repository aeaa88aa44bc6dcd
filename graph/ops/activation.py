"""sigmoid and tanh of a Q12 value in Q15: by one half table with linear interpolation (lookup), or piecewise linear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..draws import Draws
from ..events import Events
from ..fixed_point import (
    PREACTIVATION_BITS,
    Q15_ONE,
    TABLE_INTERVALS,
    Function,
    IntArray,
    hard_sigmoid,
    hard_tanh,
    lookup_sigmoid,
    lookup_tanh,
    tanh_table,
)
from ..formats import Format, TensorType
from ..ranges import Range
from ..stress import telling_combinations
from .base import CBuilder, CValue, Elementwise, Increasing, OnnxBuilder, TfliteBuilder, TfliteTensor, require
from .int32_arithmetic import Int32Arithmetic, T
from .onnx_arithmetic import OnnxInt32
from .saturating import Saturating
from .tflite_arithmetic import TfliteInt32, narrow, widen

Q15 = Format(15)
UNIT_Q15 = Format(15, nonnegative=True)
"""What a sigmoid gives: [0, 1)."""
TABLE_NOTE = "tanh at 0, 1/16, ... 8 in Q15"
"""What the C says of a lookup's table."""


class _Activation(Elementwise):
    """Type rule and drawing shared by both forms."""

    name: ClassVar[str]
    in_place: ClassVar[tuple[int, ...]] = (0,)
    function: Function

    @property
    def kernel(self) -> str:
        return f"{self.name}_{self.function}_int16"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        (x,) = inputs
        good = x.format.dtype == "int16" and x.format.fraction_bits == PREACTIVATION_BITS
        require(good, f"{self.name} reads int16 Q{PREACTIVATION_BITS}, not {x.format}")
        require(self.function in ("sigmoid", "tanh"), f"{self.name} has no function {self.function!r}")
        return (TensorType(x.shape, self._output),)

    @property
    def _output(self) -> Format:
        return UNIT_Q15 if self.function == "sigmoid" else Q15

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        (x,) = inputs
        return (self._spell(OnnxInt32(b), x),)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        (x,) = inputs
        return (narrow(b, self._spell(TfliteInt32(b), widen(b, x)), self._output),)

    def _spell(self, a: Int32Arithmetic[T], x: T) -> T:
        """The non-linearity in int32 operators."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Lookup(_Activation, Increasing):
    """table: int16 [129], tanh at 0, 1/16, ... 8 in Q15 (fixed_point.tanh_table); serves both functions."""

    name: ClassVar[str] = "lookup"

    function: Function
    table: IntArray

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        good = self.table.shape == (TABLE_INTERVALS + 1,) and self.table[0] == 0 and bool(np.all(np.diff(self.table.astype(int)) >= 0))
        require(good, f"a lookup table has {TABLE_INTERVALS + 1} non-decreasing entries from 0")
        require(self.function != "sigmoid" or self.table[64] < 32767, "a sigmoid table must stay below 1 at half of its range")
        return super().infer(*inputs)

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        (x,) = inputs
        return ((lookup_sigmoid if self.function == "sigmoid" else lookup_tanh)(x, self.table),)

    @property
    def interval_bits(self) -> int:
        """Of the distance between two entries of the table; half the argument is one bit more."""
        return 9 if self.function == "sigmoid" else 8

    def reached(self, *inputs: IntArray) -> Events:
        (x,) = inputs
        return self._met(x, x)

    def reachable(self, *inputs: Range) -> Events:
        (x,) = inputs
        return self._met(x.low, x.high)

    def _met(self, low: IntArray, high: IntArray) -> Events:
        """Entries, once for x >= 0 and once for x < 0, that some integer between low and high reads; and -2^15, which is clamped."""
        entries = np.arange((TABLE_INTERVALS << 8 >> self.interval_bits) + 1) << self.interval_bits
        length = 1 << self.interval_bits
        ends = np.unique(np.stack([low.reshape(-1), high.reshape(-1)], axis=1), axis=0)[:, :, None]
        upper = (ends[:, 1] >= np.maximum(entries - length + 1, 0)) & (ends[:, 0] <= np.minimum(entries + length - 1, Q15_ONE - 1))
        lower = (-ends[:, 0] >= np.maximum(entries - length + 1, 1)) & (-ends[:, 1] <= entries + length - 1)
        return {"table": np.concatenate([upper.any(axis=0), lower.any(axis=0)]), "saturation_low": np.array([bool(low.min() == -Q15_ONE)])}

    def stress(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        """Each interval's ends, its middle and their neighbours, for either sign, spread over the entries; then random values."""
        (x,) = inputs
        length = 1 << self.interval_bits
        within = np.array([0, 1, length // 2 - 1, length // 2, length // 2 + 1, length - 1])
        positive = (np.arange(0, Q15_ONE, length)[:, None] + within).reshape(-1)
        every = np.clip(np.concatenate([positive, -positive, [-Q15_ONE]]), x.format.low, x.format.high)
        rows = -(-len(every) // x.size)
        spread = np.resize(every, rows * x.size).reshape(rows, *x.shape)
        return (np.concatenate([spread, *telling_combinations(draws, inputs)]),)

    def _spell(self, a: Int32Arithmetic[T], x: T) -> T:
        bits = 9 if self.function == "sigmoid" else 8
        sign = a.clamp(x, -1, 1)
        magnitude = a.minimum(a.mul(x, sign), Q15_ONE - 1)
        index = a.div(magnitude, 1 << bits)
        fraction = a.sub(magnitude, a.mul(index, 1 << bits))
        rise = a.mul(a.gather(np.diff(self.table.astype(np.int32)), index), fraction)  # >= 0: the division below is a floor
        step = a.div(a.add(rise, 1 << (bits - 1)), 1 << bits)
        tanh = a.mul(a.add(a.gather(self.table, index), step), sign)
        return tanh if self.function == "tanh" else a.div(a.add(tanh, Q15_ONE + 1), 2)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (x,), (y,) = inputs, outputs
        table = b.shared_constant("tanh_table", self.table, "tables", TABLE_NOTE)
        b.call(self.kernel, x.expression, y.expression, str(x.type.size), table)

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        function: Function = "sigmoid" if rng.random() < 0.5 else "tanh"
        return cls(function, tanh_table()), (_preactivation(rng),)


@dataclass(frozen=True)
class PiecewiseLinear(_Activation, Saturating):
    """The paper's quantSigm and quantTanh (FastGRNN, section 3.3): shift and clip, no table."""

    name: ClassVar[str] = "piecewise_linear"

    function: Function

    @property
    def limits(self) -> Format:
        return self._output

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        (x,) = inputs
        return ((hard_sigmoid if self.function == "sigmoid" else hard_tanh)(x),)

    def unclamped(self, *inputs: IntArray) -> IntArray:
        (x,) = inputs
        return (x.astype(np.int64) + (1 << PREACTIVATION_BITS)) * 4 if self.function == "sigmoid" else x.astype(np.int64) * 8

    def crafted(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        (x,) = inputs
        edges = np.array([sign * (1 << PREACTIVATION_BITS) + by for sign in (-1, 0, 1) for by in range(-4, 5)])
        return (np.broadcast_to(edges.reshape(-1, *(1,) * len(x.shape)), (len(edges), *x.shape)),)

    def _spell(self, a: Int32Arithmetic[T], x: T) -> T:
        if self.function == "sigmoid":
            return a.clamp(a.mul(a.add(x, 1 << PREACTIVATION_BITS), 4), 0, Q15_ONE - 1)
        return a.clamp(a.mul(x, 8), -Q15_ONE, Q15_ONE - 1)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (x,), (y,) = inputs, outputs
        b.call(self.kernel, x.expression, y.expression, str(x.type.size))

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        return cls("sigmoid" if rng.random() < 0.5 else "tanh"), (_preactivation(rng),)


def _preactivation(rng: np.random.Generator) -> TensorType:
    return TensorType((int(rng.integers(1, 40)),), Format(PREACTIVATION_BITS))
