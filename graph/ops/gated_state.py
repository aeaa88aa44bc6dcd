"""fastrnn_state, gru_state, lstm_cell: the state updates that are one gated sum (fixed_point.gated_sum)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Self

import numpy as np

from ..draws import Draws
from ..fixed_point import Q15_ONE, IntArray, gated_sum, inverse_of_odd, round_half_up_shift, saturate
from ..formats import Format, TensorType
from ..ranges import Range, for_every_first
from .activation import Q15, UNIT_Q15
from .base import CBuilder, CValue, OnnxBuilder, TfliteBuilder, TfliteTensor, prove_accumulator, require
from .int32_arithmetic import Int32Arithmetic, T
from .onnx_arithmetic import OnnxInt32
from .saturating import Saturating
from .tflite_arithmetic import TfliteInt32, narrow, widen

Factors = tuple[IntArray | int, IntArray, IntArray | int, IntArray]
TIES = 256
"""Sums that end half way, for each entry, from which stress inputs are taken."""
GATE_VALUES, CANDIDATE_VALUES = (UNIT_Q15,), (Q15,)


class _GatedState(Saturating):
    """Shared: the type rule and the proof, the clamp around the sum, and the C call. The last input is the state."""

    name: ClassVar[str]
    reads: ClassVar[tuple[Collection[Format], ...]]
    """The formats that each input but the last may have."""
    state: Format

    @property
    def kernel(self) -> str:
        return f"{self.name}_int16"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        *others, h = inputs
        require(len({x.shape for x in inputs}) == 1, f"{self.name} needs equal shapes, not {', '.join(str(x.shape) for x in inputs)}")
        good = h.format == self.state and all(x.format in allowed for x, allowed in zip(others, self.reads, strict=True))
        require(
            good,
            f"{self.name} reads Q15 of its non-linearities and a state in {self.state}, not {', '.join(str(x.format) for x in inputs)}",
        )
        require(self.state.dtype == "int16" and 0 <= self.state.fraction_bits <= 14, f"a state in {self.state} is outside int16 Q0..Q14")
        prove_accumulator(self._largest() + (1 << 14))
        return (h,)

    def _largest(self) -> int:
        """What the sum of both products may reach in magnitude, before its rounding constant."""
        raise NotImplementedError

    def _opened(self, factor: int) -> int:
        """What `factor` times a candidate of Q15 may reach, in the unit of the sum."""
        return int(round_half_up_shift(np.array(factor * Q15_ONE), 15 - self.state.fraction_bits))

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        return (self._clamped(OnnxInt32(b), inputs),)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        return (narrow(b, self._clamped(TfliteInt32(b), tuple(widen(b, x) for x in inputs)), self.state),)

    def _clamped(self, a: Int32Arithmetic[T], inputs: tuple[T, ...]) -> T:
        return a.clamp(self._spell(a, *inputs), self.state.low, self.state.high)

    def _spell(self, a: Int32Arithmetic[T], *inputs: T) -> T:
        """The gated sum in int32 operators."""
        raise NotImplementedError

    def factors(self, *inputs: IntArray) -> Factors:
        """a, b, c and d of the gated sum a b + c d."""
        raise NotImplementedError

    @property
    def limits(self) -> Format:
        return self.state

    def unclamped(self, *inputs: IntArray) -> IntArray:
        return gated_sum(*self.factors(*inputs), self.state.fraction_bits)

    def wrong(self) -> Sequence[Callable[..., IntArray]]:
        half = 1 << (14 - self.state.fraction_bits)
        return [partial(self._misrounded, by) for by in ((-1, 0), (1, 0), (-half, 0), (0, -1), (0, 1), (0, -(1 << 14)))]

    def _misrounded(self, by: tuple[int, int], *inputs: IntArray) -> IntArray:
        """The sum with something added before each of its two roundings."""
        a, b, c, d = self.factors(*inputs)
        return round_half_up_shift(round_half_up_shift(a * b + by[0], 15 - self.state.fraction_bits) + c * d + by[1], 15)

    def _tied(self, draws: Draws, a: IntArray, c: IntArray) -> tuple[IntArray, IntArray]:
        """b and d with which, for odd factors a and c, both roundings end half way, or one less: in all four combinations."""
        bits = 15 - self.state.fraction_bits
        number = np.arange(len(a)).reshape(-1, *(1,) * (a.ndim - 1))
        b = (((1 << (bits - 1)) - number // 2 % 2) * inverse_of_odd(a) & ((1 << bits) - 1)) + (
            draws.integers(-(1 << 15), (1 << 15) - 1, a.shape) >> bits << bits
        )
        opened = round_half_up_shift(a * b, bits)
        d = ((1 << 14) - number % 2 - opened) * inverse_of_odd(c) & (Q15_ONE - 1)
        return b, saturate(np.where(d > self.state.high, d - Q15_ONE, d), self.state.low, self.state.high)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (y,) = outputs
        state = f"rescomp_state_format_of({self.state.fraction_bits}, {self.state.low}, {self.state.high})"
        b.call(self.kernel, *(x.expression for x in inputs), y.expression, str(y.type.size), *self._c_factors(), state)

    def _c_factors(self) -> tuple[str, ...]:
        """Arguments of the kernel between the count and the state's format."""
        return ()


@dataclass(frozen=True)
class FastRnnState(_GatedState):
    """h' = saturate(gated_sum(alpha, c, beta, h)). Inputs: c, Q15 of a tanh or a sigmoid; h in `state`. alpha, beta: Q15 in [0, 2^15)."""

    name: ClassVar[str] = "fastrnn_state"
    in_place: ClassVar[tuple[int, ...]] = (0, 1)
    reads: ClassVar[tuple[Collection[Format], ...]] = ((Q15, UNIT_Q15),)

    alpha: int
    beta: int
    state: Format

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        require(0 <= self.alpha < Q15_ONE and 0 <= self.beta < Q15_ONE, "alpha and beta must be in [0, 1)")
        return super().infer(*inputs)

    def _largest(self) -> int:
        return self._opened(self.alpha) + self.beta * self.state.bound

    def factors(self, *inputs: IntArray) -> Factors:
        c, h = inputs
        return self.alpha, c, self.beta, h

    def wrong(self) -> Sequence[Callable[..., IntArray]]:
        neighbours = [replace(self, **{name: getattr(self, name) + by}) for name in ("alpha", "beta") for by in (-1, 1)]
        return [*super().wrong(), *(op.unclamped for op in neighbours)]

    def crafted(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        shape = (TIES, *inputs[0].shape)
        c, h = self._tied(draws, np.full(shape, self.alpha | 1), np.full(shape, self.beta | 1))
        return saturate(c, inputs[0].format.low, inputs[0].format.high), h

    def _spell(self, a: Int32Arithmetic[T], *inputs: T) -> T:
        c, h = inputs
        return a.gated_sum(self.alpha, c, self.beta, h, self.state.fraction_bits)

    def _c_factors(self) -> tuple[str, ...]:
        return str(self.alpha), str(self.beta)

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        alpha, beta = (int(n) for n in rng.integers(0, Q15_ONE, 2))
        state = _draw_state(rng)
        return cls(alpha, beta, state), _types(rng, UNIT_Q15 if rng.random() < 0.3 else Q15, state)


@dataclass(frozen=True)
class GruState(_GatedState):
    """h' = saturate(gated_sum(2^15 - z, n, z, h)). Inputs: z of a sigmoid, n of a tanh (Q15), h in `state`."""

    name: ClassVar[str] = "gru_state"
    in_place: ClassVar[tuple[int, ...]] = (0, 1, 2)
    reads: ClassVar[tuple[Collection[Format], ...]] = (GATE_VALUES, CANDIDATE_VALUES)

    state: Format

    def _largest(self) -> int:
        return max(self._opened(Q15_ONE), self._opened(1) + (Q15_ONE - 1) * self.state.bound)  # linear in z: largest at an end

    def factors(self, *inputs: IntArray) -> Factors:
        z, n, h = inputs
        return Q15_ONE - z, n, z, h

    def extremes(self, *inputs: Range) -> tuple[IntArray, IntArray]:
        return for_every_first(self.unclamped, *inputs)

    def crafted(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        z = draws.integers(0, Q15_ONE - 1, (TIES, *inputs[0].shape)) | 1
        return z, *self._tied(draws, Q15_ONE - z, z)

    def _spell(self, a: Int32Arithmetic[T], *inputs: T) -> T:
        z, n, h = inputs
        return a.gated_sum(a.sub(Q15_ONE, z), n, z, h, self.state.fraction_bits)

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        state = _draw_state(rng)
        return cls(state), _types(rng, UNIT_Q15, Q15, state)


@dataclass(frozen=True)
class LstmCellState(_GatedState):
    """c' = saturate(gated_sum(i, g, f, c)). Inputs: i and f of a sigmoid, g of a tanh (Q15), the cell c in `state`."""

    name: ClassVar[str] = "lstm_cell"
    in_place: ClassVar[tuple[int, ...]] = (0, 1, 2, 3)
    reads: ClassVar[tuple[Collection[Format], ...]] = (GATE_VALUES, GATE_VALUES, CANDIDATE_VALUES)

    state: Format

    def _largest(self) -> int:
        return self._opened(Q15_ONE - 1) + (Q15_ONE - 1) * self.state.bound

    def factors(self, *inputs: IntArray) -> Factors:
        i, f, g, c = inputs
        return i, g, f, c

    def crafted(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        i, f = (draws.integers(0, Q15_ONE - 1, (TIES, *x.shape)) | 1 for x in inputs[:2])
        return i, f, *self._tied(draws, i, f)

    def _spell(self, a: Int32Arithmetic[T], *inputs: T) -> T:
        i, f, g, c = inputs
        return a.gated_sum(i, g, f, c, self.state.fraction_bits)

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        state = Format(12, bound=28672) if rng.random() < 0.5 else _draw_state(rng)
        return cls(state), _types(rng, UNIT_Q15, UNIT_Q15, Q15, state)


def _draw_state(rng: np.random.Generator) -> Format:
    return Format(int(rng.integers(8, 14)), bound=10922)


def _types(rng: np.random.Generator, *formats: Format) -> tuple[TensorType, ...]:
    size = int(rng.integers(1, 40))
    return tuple(TensorType((size,), format) for format in formats)
