"""fastgrnn_gate: the state update of FastGRNN (Kusupati et al. 2018, section 3.1), in one pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Self

import numpy as np

from ..draws import Draws
from ..events import Events, any_of_channel
from ..fixed_point import Q15_ONE, IntArray, inverse_of_odd, round_half_up_shift, saturate
from ..formats import Format, TensorType
from ..ranges import Range, for_every_first
from .activation import Q15, UNIT_Q15
from .base import CBuilder, CValue, OnnxBuilder, TfliteBuilder, TfliteTensor, prove_accumulator, require
from .gated_state import TIES
from .int32_arithmetic import Int32Arithmetic, T
from .onnx_arithmetic import OnnxInt32
from .saturating import Saturating
from .tflite_arithmetic import TfliteInt32, narrow, widen


@dataclass(frozen=True)
class FastGrnnGate(Saturating):
    """h' = saturate((g c + z h + 2^14) >> 15), g = min(32767, (zeta (2^15 - z) + (nu << 15) + 2^(29 - f)) >> (30 - f)).

    Inputs z, c in Q15 and the state h in Q(f), all int16; g and h' in Q(f), h' clamped as h. zeta, nu: Q15 in [0, 2^15).
    """

    name: ClassVar[str] = "fastgrnn_gate"
    in_place: ClassVar[tuple[int, ...]] = (0, 1, 2)

    zeta: int
    nu: int
    state: Format

    @property
    def kernel(self) -> str:
        return "fastgrnn_gate_int16"

    @property
    def c_cell(self) -> str:
        """The constants as an argument of the C kernels."""
        numbers = (self.zeta, self.nu, self.state.fraction_bits, self.state.low, self.state.high)
        return f"rescomp_fastgrnn_cell_of({', '.join(map(str, numbers))})"

    @property
    def gate_shift(self) -> int:
        """From Q30 to the state's format."""
        return 30 - self.state.fraction_bits

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        z, c, h = inputs
        require(z.shape == c.shape == h.shape, f"fastgrnn_gate needs equal shapes, not {z.shape}, {c.shape} and {h.shape}")
        good = (z.format, c.format, h.format) == (UNIT_Q15, Q15, self.state)
        require(good, "fastgrnn_gate reads z of a sigmoid, c of a tanh and h in its own format")
        require(1 <= self.state.fraction_bits <= 15, f"a state in Q{self.state.fraction_bits} is outside Q1..Q15")
        require(0 <= self.zeta < Q15_ONE and 0 <= self.nu < Q15_ONE, "zeta and nu must be in [0, 1)")
        largest = ((self.zeta + self.nu) << 15) + (1 << (self.gate_shift - 1))
        require(largest < 1 << 31, f"zeta + nu = {(self.zeta + self.nu) / Q15_ONE:.5f} overflows the gate's 32-bit sum: keep it below 2")
        gate = min(Q15_ONE - 1, largest >> self.gate_shift)
        prove_accumulator(((gate + self.state.bound) << 15) + (1 << 14))
        return (h,)

    @property
    def limits(self) -> Format:
        return self.state

    def _gate(self, z: IntArray, by: int = 0) -> IntArray:
        """g before it is clamped. by: what is added before it is rounded."""
        return round_half_up_shift(self.zeta * (Q15_ONE - z) + (self.nu << 15) + by, self.gate_shift)

    def unclamped(self, *inputs: IntArray) -> IntArray:
        return self._misrounded((0, 0), *inputs)

    def _misrounded(self, by: tuple[int, int], *inputs: IntArray) -> IntArray:
        """The new state with something added before each of its two roundings."""
        z, c, h = inputs
        gate = np.minimum(self._gate(z, by[0]), Q15_ONE - 1)
        return round_half_up_shift(gate * c + z * h + by[1], 15)

    def wrong(self) -> Sequence[Callable[..., IntArray]]:
        half = 1 << (self.gate_shift - 1)
        roundings = [partial(self._misrounded, by) for by in ((-half, 0), (half, 0), (0, -1), (0, 1), (0, -(1 << 14)))]
        neighbours = [replace(self, **{name: getattr(self, name) + by}) for name in ("zeta", "nu") for by in (-1, 1)]
        return [*roundings, *(op.unclamped for op in neighbours)]

    def crafted(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        """Sums that end half way, and one less than that, where z is odd."""
        z, c = (draws.integers(x.format.low, x.format.high, (TIES, *x.shape)) for x in inputs[:2])
        z = z | 1
        mixed = np.minimum(self._gate(z), Q15_ONE - 1) * c
        below = (np.arange(TIES) % 2).reshape(-1, *(1,) * (z.ndim - 1))
        h = ((1 << 14) - below - mixed) * inverse_of_odd(z) & (Q15_ONE - 1)
        return z, c, saturate(np.where(h > self.state.high, h - Q15_ONE, h), self.state.low, self.state.high)

    def extremes(self, *inputs: Range) -> tuple[IntArray, IntArray]:
        return for_every_first(self.unclamped, *inputs)

    def reached(self, *inputs: IntArray) -> Events:
        return {**super().reached(*inputs), "gate_high": any_of_channel(self._gate(inputs[0]) >= Q15_ONE)}

    def reachable(self, *inputs: Range) -> Events:
        return {**super().reachable(*inputs), **self.opened(inputs[0])}

    def opened(self, z: Range) -> Events:
        """Where z may be so small that the gate is clamped at 1."""
        return {"gate_high": any_of_channel(self._gate(z.low) >= Q15_ONE)}

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        return (self._update(OnnxInt32(b), *inputs),)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        z, c, h = (widen(b, x) for x in inputs)
        return (narrow(b, self._update(TfliteInt32(b), z, c, h), self.state),)

    def _update(self, a: Int32Arithmetic[T], z: T, c: T, h: T) -> T:
        rounded = (self.nu << 15) + (1 << (self.gate_shift - 1))
        opening = a.add(a.mul(a.sub(Q15_ONE, z), self.zeta), rounded)
        gate = a.minimum(a.div(opening, 1 << self.gate_shift), Q15_ONE - 1)  # opening >= 0: the division is a floor
        mixed = a.add(a.mul(gate, c), a.mul(z, h))
        return a.clamp(a.round_half_up_shift(mixed, 15), self.state.low, self.state.high)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (z, c, h), (y,) = inputs, outputs
        b.call(self.kernel, z.expression, c.expression, h.expression, y.expression, str(h.type.size), self.c_cell)

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        size, state = int(rng.integers(1, 40)), Format(int(rng.integers(8, 13)), bound=10922)
        zeta, nu = (int(n) for n in rng.integers(0, Q15_ONE - 8, 2))
        return cls(zeta, nu, state), tuple(TensorType((size,), format) for format in (UNIT_Q15, Q15, state))
