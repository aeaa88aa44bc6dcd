"""sigmoid and tanh of a Q12 value in Q15: by one half table with linear interpolation (lookup), or piecewise linear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np

from ..fixed_point import (
    PREACTIVATION_BITS,
    Q15_ONE,
    TABLE_INTERVALS,
    IntArray,
    hard_sigmoid,
    hard_tanh,
    lookup_sigmoid,
    lookup_tanh,
    tanh_table,
)
from ..ir import Format, TensorType
from .base import CBuilder, CValue, Elementwise, OnnxBuilder, TfliteBuilder, TfliteTensor, require
from .int32_arithmetic import Int32Arithmetic, T
from .onnx_arithmetic import OnnxInt32
from .tflite_arithmetic import TfliteInt32, narrow, widen

Function = Literal["sigmoid", "tanh"]
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
class Lookup(_Activation):
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
class PiecewiseLinear(_Activation):
    """The paper's quantSigm and quantTanh (FastGRNN, section 3.3): shift and clip, no table."""

    name: ClassVar[str] = "piecewise_linear"

    function: Function

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        (x,) = inputs
        return ((hard_sigmoid if self.function == "sigmoid" else hard_tanh)(x),)

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
